"""A prompt template with its versions, one of them open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.missing import missing
from promptlayer_patch.server.dashboard.prompts_reading import shown
from promptlayer_patch.server.dashboard.prompts_use import query_of, uses_of_versions
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import NotFound
from promptlayer_patch.server.registry.access import reading
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store.charting.prompts import MeanScore, VersionUse
from promptlayer_patch.store.registry.models import Label, Version

__all__ = ["ENDPOINTS", "not_there", "number_in", "template_page"]

_MOST_VERSIONS = 50


class PromptQuery(BaseModel):
    before: int | None = Field(default=None, ge=1, lt=2**53)
    """Show the versions before this one."""
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What became of the requests that were made from one version."""

    requests: int
    errors: float
    """Their share."""
    last_at: float
    cost: float | None
    """US dollars, if any of their prices is known."""
    latency: float | None
    """The median, in seconds."""
    scores: tuple[MeanScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One version in the list of a template's versions."""

    number: int
    commit_message: str
    created_at: float
    labels: tuple[Label, ...]
    query: str
    use: Use | None


def _newest(call: Call[None, PromptQuery]) -> Answer:
    return _template(call, None)


def _version(call: Call[None, PromptQuery]) -> Answer:
    number = number_in(call.path["number"])
    return not_there(call) if number is None else _template(call, number)


def _template(call: Call[None, PromptQuery], number: int | None) -> Answer:
    try:
        return template_page(call, number, before=call.query.before)
    except NotFound:
        return not_there(call)


def template_page(
    call: Call[Any, Any],
    number: int | None,
    *,
    before: int | None = None,
    status: int = 200,
    more: Mapping[str, Any] | None = None,
) -> Answer:
    """A template with the version of this number, or the newest, open. Raises `NotFound`.

    `more` is what came of a form on the page.
    """
    version, rows, labels, complete = _known(call.workspace, number_in(call.path["id"]), number, before)
    known = Known(version.prompt.id, version.prompt.name, version.prompt.tags, version.prompt.is_snippet)
    data = {
        "section": "Prompts",
        "prompt": known,
        "query": query_of(version.prompt.name),
        "opened": shown(version),
        "rows": rows,
        "older": rows[-1].number if rows and rows[-1].number > 1 and len(rows) == _MOST_VERSIONS else None,
        "labels": labels,
        "complete": complete,
        "filled": None,
        "given": {},
        "trouble": None,
        **(more or {}),
    }
    return page(call, "prompts_template.html", data, title="Prompt template", status=status)


@dataclass(frozen=True, slots=True)
class Known:
    id: int
    name: str
    tags: tuple[str, ...]
    is_snippet: bool


def _known(
    workspace: Workspace, prompt_id: int | None, number: int | None, before: int | None
) -> tuple[Version, list[Row], tuple[Label, ...], bool | None]:
    if prompt_id is None:
        raise NotFound("there is no prompt template of this id")
    with workspace.reading() as store, reading(workspace) as registry:
        version = registry.get(prompt_id, number=number)
        labels = registry.labels(prompt_id)
        uses = uses_of_versions(store, version.prompt)
        used = {use.version: use for use in (uses[0] if uses else ())}
        rows = [
            _row(one, labels, used.get(one.number))
            for one in registry.versions(prompt_id, before=before, limit=_MOST_VERSIONS)
        ]
    return version, rows, labels, None if uses is None else uses[1]


def _row(version: Version, labels: Sequence[Label], use: VersionUse | None) -> Row:
    return Row(
        number=version.number,
        commit_message=version.commit_message or "",
        created_at=version.created_at,
        labels=tuple(label for label in labels if label.version_id == version.id),
        query=query_of(version.prompt.name, version.number),
        use=None if use is None else _use(use),
    )


def _use(use: VersionUse) -> Use:
    return Use(
        requests=use.requests,
        errors=use.errors / use.requests,
        last_at=use.last_at,
        cost=use.cost,
        latency=use.latencies.latency_s(50),
        scores=use.scores,
    )


def number_in(part: str) -> int | None:
    """The number that a part of an address is."""
    return int(part) if part.isascii() and part.isdigit() and len(part) <= 15 else None


def not_there(call: Call[Any, Any]) -> Answer:
    return missing(call, "There is no such prompt template or version.", section="Prompts")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/prompts/{id}",
        handler=_newest,
        summary="a prompt template",
        auth=Auth.SESSION,
        query=PromptQuery,
        refuses=(404,),
    ),
    Endpoint(
        method="GET",
        path="/prompts/{id}/versions/{number}",
        handler=_version,
        summary="a version of a prompt template",
        auth=Auth.SESSION,
        query=PromptQuery,
        refuses=(404,),
    ),
)
