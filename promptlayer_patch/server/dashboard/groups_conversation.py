"""What each request of a group adds to the conversation: what was not said in the one before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._blueprint import input_of, output_of
from promptlayer_patch._blueprint.reading import Json, entries, mappings, string
from promptlayer_patch._blueprint.texts import calls_of, spoken, unspoken
from promptlayer_patch.records import Record
from promptlayer_patch.store import Store, Summary

__all__ = ["Said", "Turn", "turns"]

_TEXT_CHARS = 2_000
_CALLS = 20
_MESSAGES = 12
"""So many messages of one request are shown, the last ones."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message, or the beginning of it."""

    role: str
    text: str
    calls: tuple[str, ...] = ()
    """Of tools, as `name(arguments)`."""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One request."""

    summary: Summary
    repeated: int
    """So many messages it sent were said in the request before."""
    left_out: int
    """So many others come before `asked`."""
    asked: tuple[Said, ...]
    answered: tuple[Said, ...]


def turns(store: Store, summaries: Iterable[Summary], before: int | None) -> list[Turn]:
    """The requests, oldest first; `before` is the id of the one that precedes them."""
    known = [] if before is None else _conversation(_record(store, before))
    made = []
    for summary in summaries:
        record = _record(store, summary.request_id)
        asked, answered = ([], []) if record is None else (_asked(record), _answered(record))
        repeated = _in_common(known, asked)
        new = asked[repeated:]
        left_out = max(0, len(new) - _MESSAGES)
        made.append(
            Turn(
                summary,
                repeated,
                left_out,
                tuple(map(_said, new[left_out:])),
                tuple(map(_said, answered[:_MESSAGES])),
            )
        )
        known = [*asked, *answered]
    return made


def _record(store: Store, request_id: int) -> Record | None:
    found = store.get(request_id)
    return None if found is None else found.record


def _conversation(record: Record | None) -> list[Json]:
    return [] if record is None else [*_asked(record), *_answered(record)]


def _asked(record: Record) -> list[Json]:
    return _messages(input_of(record), "user")


def _answered(record: Record) -> list[Json]:
    return _messages(output_of(record), "assistant")


def _messages(template: Json, role: str) -> list[Json]:
    if template.get("type") == "completion":
        content = entries(template.get("content"))
        return [{"role": role, "content": content}] if content else []
    return mappings(template.get("messages"))


def _in_common(known: Sequence[Json], asked: Sequence[Json]) -> int:
    """How many messages the two begin with that are the same."""
    for place, (one, other) in enumerate(zip(known, asked, strict=False)):
        if _content(one) != _content(other):
            return place
    return min(len(known), len(asked))


def _content(message: Json) -> tuple[Any, ...]:
    return message.get("role"), _text(message), calls_of(message)


def _text(message: Json) -> str:
    content = entries(message.get("content"))
    return "\n".join(filter(None, (*spoken(content), *unspoken(content))))


def _said(message: Json) -> Said:
    text = _text(message)
    calls = tuple(f"{name}({arguments})"[:_TEXT_CHARS] for name, arguments in calls_of(message)[:_CALLS])
    return Said(string(message.get("role"))[:64], text[:_TEXT_CHARS], calls, len(text) > _TEXT_CHARS)
