"""Saying something about a stored request: scores, metadata, its prompt, its group; and making groups."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.server.endpoints import Call, Endpoint, Handler
from promptlayer_patch.server.fields import Id, Metadata
from promptlayer_patch.server.refusals import BadRequest, NotFound
from promptlayer_patch.server.registry.access import resolved
from promptlayer_patch.store import Unstorable

__all__ = ["ENDPOINTS"]


class _About(BaseModel):
    request_id: Id


class ScoreBody(_About):
    # Strict: one of PromptLayer's own clients lets truth values through, and they are no scores.
    score: int = Field(ge=0, le=100, strict=True)
    name: str | None = Field(default=None, max_length=512)


class MetadataBody(_About):
    metadata: Metadata


class PromptBody(_About):
    prompt_name: str = Field(min_length=1, max_length=512)
    prompt_input_variables: dict[str, Any] | None = None
    version: Id | None = None
    label: str | None = Field(default=None, min_length=1, max_length=512)


class GroupBody(_About):
    group_id: Id


class Done(BaseModel):
    success: Literal[True]
    message: str | None = None


class GroupMade(BaseModel):
    success: Literal[True]
    id: int


def _score(call: Call[ScoreBody, None]) -> None:
    _say(call, Score(call.body.score, call.body.name))


def _metadata(call: Call[MetadataBody, None]) -> None:
    _say(call, MetadataUpdate(call.body.metadata))


def _prompt(call: Call[PromptBody, None]) -> None:
    said = call.body
    if said.version is not None and said.label is not None:
        raise BadRequest("give a version or a label, not both")
    link = PromptLink(said.prompt_name, said.version, said.label, said.prompt_input_variables or {})
    _say(call, resolved(call.workspace, link))


def _group(call: Call[GroupBody, None]) -> None:
    if not call.workspace.store.has_group(call.body.group_id):
        raise NotFound(f"there is no group {call.body.group_id}")
    _say(call, GroupLink(call.body.group_id))


def _say(call: Call[Any, None], content: Content) -> None:
    try:
        known = call.workspace.store.annotate(call.body.request_id, content)
    except Unstorable as error:
        raise BadRequest(str(error)) from None
    if not known:
        raise NotFound(f"there is no request {call.body.request_id}")


def _create_group(call: Call[Any, None]) -> dict[str, Any]:
    return {"success": True, "id": call.workspace.store.create_group()}


def _answering(handler: Handler, message: str | None) -> Handler:
    """The two families of paths differ in what they say when all is well."""

    def answer(call: Call[Any, Any]) -> dict[str, Any]:
        handler(call)
        return {"success": True} if message is None else {"success": True, "message": message}

    return answer


def _pair(what: str, handler: Handler, body: type[BaseModel], library_path: str) -> tuple[Endpoint, Endpoint]:
    summary = f"track the {what} of a request"
    return (
        Endpoint(
            method="POST",
            path=library_path,
            handler=_answering(handler, None),
            summary=summary,
            body=body,
            answers=Done,
            refuses=(404,),
        ),
        Endpoint(
            method="POST",
            path=f"/rest/track-{what}",
            handler=_answering(handler, f"{what.capitalize()} tracked successfully"),
            summary=summary,
            body=body,
            answers=Done,
            refuses=(404,),
        ),
    )


ENDPOINTS = (
    *_pair("score", _score, ScoreBody, "/library-track-score"),
    *_pair("metadata", _metadata, MetadataBody, "/library-track-metadata"),
    *_pair("prompt", _prompt, PromptBody, "/library-track-prompt"),
    *_pair("group", _group, GroupBody, "/track-group"),
    Endpoint(
        method="POST",
        path="/create-group",
        handler=_create_group,
        summary="make a new group",
        answers=GroupMade,
    ),
)
