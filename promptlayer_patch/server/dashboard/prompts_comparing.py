"""What differs between two versions of a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.prompts import not_there, number_in
from promptlayer_patch.server.dashboard.prompts_reading import Message, Part, Shown, shown
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import NotFound
from promptlayer_patch.server.registry.access import reading
from promptlayer_patch.server.wording import Wording, compared

__all__ = ["ENDPOINTS"]


class DiffQuery(BaseModel):
    first: int | None = Field(default=None, alias="from", ge=1, lt=2**53)
    """By default the one before `to`."""
    second: int | None = Field(default=None, alias="to", ge=1, lt=2**53)
    """By default the newest."""
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A message of the one version beside that of the other which it became; or alone."""

    role: str
    wording: Wording
    moved_from: str = ""
    """The role it had before, if it had another."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter in both versions; empty where it is not given."""

    name: str
    before: str
    after: str


def _diff(call: Call[None, DiffQuery]) -> Answer:
    query = call.query
    prompt_id = number_in(call.path["id"])
    if prompt_id is None:
        return not_there(call)
    try:
        with reading(call.workspace) as registry:
            newer = registry.get(prompt_id, number=query.second)
            number = query.first or max(1, newer.number - 1)
            older = registry.get(prompt_id, number=number)
            numbers = [version.number for version in registry.versions(prompt_id)]
    except NotFound:
        return not_there(call)
    before, after = shown(older), shown(newer)
    data = {
        "section": "Prompts",
        "id": prompt_id,
        "name": newer.prompt.name,
        "before": before.number,
        "after": after.number,
        "numbers": sorted({*numbers, before.number, after.number}, reverse=True),
        "messages": tuple(_pairs(before.messages, after.messages)),
        "settings": tuple(_settings(before.model, after.model)),
        "tools": compared(_tools(before), _tools(after)),
        "more": compared(before.more, after.more),
        "left_out": before.left_out + after.left_out,
    }
    return page(call, "prompts_diff.html", data, title="Prompt template")


def _pairs(before: Sequence[Message], after: Sequence[Message]) -> Iterator[Pair]:
    """Messages that stayed lie beside each other; of those that changed, the first beside the first."""
    matcher = SequenceMatcher(None, [_text(one) for one in before], [_text(one) for one in after], False)
    for _, a, b, c, d in matcher.get_opcodes():
        for one, other in zip_longest(before[a:b], after[c:d]):
            role = (other or one).role
            was = one.role if one is not None and other is not None and one.role != other.role else ""
            yield Pair(role, compared(_text(one), _text(other)), was)


def _text(message: Message | None) -> str:
    return "" if message is None else "\n".join(map(_part_text, message.parts))


def _part_text(part: Part) -> str:
    if part.spans:
        return "".join(span.text for span in part.spans)
    return part.image or f"{part.title} {part.json}".strip()


def _settings(before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> Iterator[Setting]:
    first: Mapping[str, str] = dict(before)
    second: Mapping[str, str] = dict(after)
    for name in dict.fromkeys((*first, *second)):
        yield Setting(name, first.get(name, ""), second.get(name, ""))


def _tools(version: Shown) -> str:
    return "\n".join(tool.json for tool in version.tools)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/prompts/{id}/diff",
        handler=_diff,
        summary="what differs between two versions of a prompt template",
        auth=Auth.SESSION,
        query=DiffQuery,
        refuses=(404,),
    ),
)
