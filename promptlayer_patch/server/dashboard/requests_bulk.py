"""Changing many requests at once: those that are selected, or all of a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field, field_validator

from promptlayer_patch._query import InvalidQuery, Query
from promptlayer_patch.annotations import Score
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.requests_asking import TOO_SLOW, address_of, parsed
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import BadRequest
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store import QueryTooSlow, Unstorable

__all__ = ["ENDPOINTS", "Selection"]

_MOST = 10_000
"""Requests that one form changes."""
_HTML = "text/html; charset=utf-8"


class Selection(BaseModel):
    """Which requests: these, or all that the query finds."""

    id: list[int] = []
    """Several fields, or one with commas."""
    all: Literal["", "yes"] = ""
    q: str = Field(default="", max_length=20_000)

    @field_validator("id", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return [part for part in value.split(",") if part]
        return value


class TagBody(Selection):
    tag: str = Field(min_length=1, max_length=512)
    way: Literal["add", "remove"] = "add"


class ScoreBody(Selection):
    score: int = Field(ge=0, le=100)
    name: str = Field(default="", max_length=512)


class DeleteBody(Selection):
    sure: Literal["yes"] | None = None


def _tag(call: Call[TagBody, None]) -> Answer:
    names = [name for name in (part.strip() for part in call.body.tag.split(",")) if name]
    ids = _ids(call.workspace, call.body)
    if call.body.way == "add":
        call.workspace.store.tag(ids, add=names)
    else:
        call.workspace.store.tag(ids, remove=names)
    return _back(call.workspace, call.body, len(ids))


def _score(call: Call[ScoreBody, None]) -> Answer:
    ids = _ids(call.workspace, call.body)
    content = Score(call.body.score, call.body.name.strip() or None)
    try:
        for request_id in ids:
            call.workspace.store.annotate(request_id, content)
    except Unstorable as fault:
        raise BadRequest(str(fault)) from None
    return _back(call.workspace, call.body, len(ids))


def _delete(call: Call[DeleteBody, None]) -> Answer:
    ids = _ids(call.workspace, call.body)
    if ids and call.body.sure is None:
        return page(
            call,
            "requests_delete.html",
            {"section": "Requests", "ids": ids, "count": len(ids), "most": _MOST, "q": call.body.q},
            title="Delete requests",
        )
    call.workspace.delete(ids)
    return _back(call.workspace, call.body, len(ids))


def _ids(workspace: Workspace, selected: Selection) -> Sequence[int]:
    if selected.all != "yes":
        return selected.id[:_MOST]
    found: list[int] = []
    try:
        query, after = Query(parsed(selected.q)), None
        with workspace.reading() as store:
            while len(found) < _MOST:
                part = store.search(query, min(500, _MOST - len(found)), after)
                found += [summary.request_id for summary in part.items]
                after = part.next
                if after is None:
                    break
    except InvalidQuery as fault:
        raise BadRequest(fault.problem) from None
    except QueryTooSlow:
        raise BadRequest(TOO_SLOW) from None
    return found


def _back(workspace: Workspace, selected: Selection, count: int) -> Answer:
    """To the list, which knows by then of what has changed."""
    workspace.store.catch_up(at_most=count)
    return Answer(b"", 303, {"Location": address_of("/", q=selected.q)}, _HTML)


def _row(path: str, handler: object, body: type[BaseModel], summary: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=path,
        handler=handler,  # type: ignore[arg-type]
        summary=summary,
        auth=Auth.SESSION,
        form=True,
        body=body,
        ok=303,
    )


ENDPOINTS = (
    _row("/requests/tag", _tag, TagBody, "tag many requests"),
    _row("/requests/score", _score, ScoreBody, "score many requests"),
    _row("/requests/delete", _delete, DeleteBody, "delete many requests"),
)
