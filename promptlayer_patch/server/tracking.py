"""Logging requests: `/track-request`, its alias, and `/log-request`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator
from starlette.concurrency import run_in_threadpool

from promptlayer_patch._blueprint import blueprint_of
from promptlayer_patch._refining.secrets import scrubbed
from promptlayer_patch._wire import record_in
from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.server.endpoints import Call, Endpoint
from promptlayer_patch.server.fields import ErrorMessage, Flag, Id, Metadata, Moment, SpanId, Tags
from promptlayer_patch.server.refusals import BadRequest, NotFound
from promptlayer_patch.server.registry.access import resolved
from promptlayer_patch.server.rows import row_of
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store import Entry, Unstorable

__all__ = ["ENDPOINTS", "LogRequest", "TrackRequest", "commit", "entry_of"]

Status = Literal["SUCCESS", "WARNING", "ERROR"]
ErrorType = Literal[
    "PROVIDER_RATE_LIMIT",
    "PROVIDER_QUOTA_LIMIT",
    "UNKNOWN_ERROR",
    "PROVIDER_PARTIAL_RESPONSE",
    "VARIABLE_MISSING_OR_EMPTY",
    "PROVIDER_TIMEOUT",
    "PROVIDER_AUTH_ERROR",
    "PROVIDER_ERROR",
    "TEMPLATE_RENDER_ERROR",
]

_ONLY_WARNINGS = ("PROVIDER_PARTIAL_RESPONSE", "VARIABLE_MISSING_OR_EMPTY")
_ONLY_ERRORS = ("PROVIDER_TIMEOUT", "PROVIDER_AUTH_ERROR", "PROVIDER_ERROR", "TEMPLATE_RENDER_ERROR")


class _Outcome(BaseModel):
    """How the call ended, in PromptLayer's words."""

    status: Status | None = None
    error_type: ErrorType | None = None
    error_message: ErrorMessage = None

    @model_validator(mode="after")
    def _fits(self) -> _Outcome:
        status = self.status or "SUCCESS"
        if self.error_type is None:
            return self
        if (
            status == "SUCCESS"
            or (self.error_type in _ONLY_WARNINGS and status != "WARNING")
            or (self.error_type in _ONLY_ERRORS and status != "ERROR")
        ):
            raise ValueError(f"error_type {self.error_type} does not go with status {status}")
        return self


class TrackRequest(_Outcome):
    """A provider call as it was made, and the provider's answer."""

    function_name: str | None = Field(default="", max_length=512)
    provider_type: str | None = Field(default=None, max_length=128)
    provider: str | None = Field(default=None, max_length=128)
    """What one client calls `provider_type`."""
    args: list[Any] | str | None = None
    kwargs: dict[str, Any] | None
    request_response: Any
    request_start_time: Moment
    request_end_time: Moment
    tags: Tags = []
    metadata: Metadata = {}
    span_id: SpanId = None
    prompt_id: Id | None = None
    prompt_version: Id | None = None
    prompt_input_variables: dict[str, Any] | list[Any] | None = None
    group_id: Id | None = None
    return_prompt_blueprint: Flag = False


class Tracked(BaseModel):
    success: Literal[True]
    request_id: int
    prompt_blueprint: dict[str, Any] | None
    message: str


class Template(BaseModel, extra="allow"):
    """What was sent or came back, as messages or as text."""

    type: Literal["chat", "completion"]
    messages: list[dict[str, Any]] | None = None
    content: list[Any] | str | None = None


class LogRequest(_Outcome):
    """A call that the client has brought into PromptLayer's form itself."""

    provider: str = Field(max_length=128)
    model: str = Field(max_length=512)
    input: Template
    output: Template
    request_start_time: Moment
    request_end_time: Moment
    parameters: dict[str, Any] | None = None
    tags: Tags = []
    metadata: Metadata = {}
    prompt_name: str | None = Field(default=None, max_length=512)
    prompt_id: Id | None = None
    prompt_version_number: Id | None = None
    prompt_input_variables: dict[str, Any] | list[Any] | None = None
    # Strict: a truth value is no number.
    input_tokens: int | None = Field(default=None, ge=0, lt=2**53, strict=True)
    output_tokens: int | None = Field(default=None, ge=0, lt=2**53, strict=True)
    price: float | None = Field(default=None, ge=0, lt=1e12, strict=True)
    function_name: str | None = Field(default="", max_length=512)
    score: int | None = Field(default=None, ge=0, le=100, strict=True)
    score_name: str | None = Field(default=None, max_length=512)
    api_type: str | None = Field(default=None, max_length=128)


async def commit(workspace: Workspace, entry: Entry) -> int:
    """Store it together with what others send at this moment; gives its request id."""
    try:
        return await workspace.committer.put(entry)
    except Unstorable as error:
        raise BadRequest(str(error)) from None


async def _track(call: Call[TrackRequest, None]) -> dict[str, Any]:
    said = call.body
    entry = await _resolved(call.workspace, _tracked(said), must=False)
    request_id = await commit(call.workspace, entry)
    return {
        "success": True,
        "request_id": request_id,
        "prompt_blueprint": blueprint_of(entry.record) if said.return_prompt_blueprint else None,
        "message": "Request tracked successfully",
    }


async def _resolved(workspace: Workspace, entry: Entry, *, must: bool) -> Entry:
    """The entry, its prompt template by id, name and version; refused if it `must` be known and is not."""
    link = entry.record.prompt
    if link is None:
        return entry
    try:
        link = await run_in_threadpool(resolved, workspace, link)
    except NotFound:
        if must:
            raise
        return entry
    return replace(entry, record=replace(entry.record, prompt=link))


def _tracked(said: TrackRequest) -> Entry:
    record = scrubbed(record_in(said.__dict__))
    if said.prompt_id is not None:
        link = PromptLink(
            "", said.prompt_version, None, _variables(said.prompt_input_variables), said.prompt_id
        )
        record = replace(record, prompt=link)
    return Entry(
        record=record,
        status=said.status or "SUCCESS",
        error_type=said.error_type,
        error_message=said.error_message,
        span_id=said.span_id,
    )


async def _log(call: Call[LogRequest, None]) -> dict[str, Any]:
    logged = entry_of(call.body)
    logged = replace(logged, record=scrubbed(logged.record))
    entry = await _resolved(call.workspace, logged, must=True)
    request_id = await commit(call.workspace, entry)
    return row_of(request_id, entry, call.workspace.id)


def entry_of(said: LogRequest, record_id: str | None = None, span_id: str | None = None) -> Entry:
    """The request in the body of a `/log-request`, or in that of a span; secrets are still in it."""
    record = Record(
        id=record_id or new_record_id(),
        function_name=said.function_name or "",
        provider=said.provider,
        request={
            "model": said.model,
            "input": said.input.model_dump(exclude_unset=True),
            "parameters": said.parameters or {},
        },
        response={"output": said.output.model_dump(exclude_unset=True)},
        started_at=said.request_start_time,
        ended_at=said.request_end_time,
        ending=Ending.PROVIDER_ERROR if said.status == "ERROR" else Ending.COMPLETE,
        error=_failure(said),
        tags=tuple(said.tags),
        metadata=said.metadata,
        prompt=_link(said),
        sdk="",
    )
    return Entry(
        record=record,
        status=said.status or "SUCCESS",
        error_type=said.error_type,
        error_message=said.error_message,
        api_type=said.api_type,
        span_id=span_id,
        # Its clients send 0 for what they do not know.
        input_tokens=said.input_tokens or None,
        output_tokens=said.output_tokens or None,
        price=said.price or None,
        score=Score(said.score, said.score_name) if said.score else None,
    )


def _failure(said: LogRequest) -> Failure | None:
    if said.error_type is None and not said.error_message:
        return None
    return Failure(said.error_type or "UNKNOWN_ERROR", said.error_message or "")


def _link(said: LogRequest) -> PromptLink | None:
    if not said.prompt_name and said.prompt_id is None:
        return None
    variables = _variables(said.prompt_input_variables)
    return PromptLink(said.prompt_name or "", said.prompt_version_number, None, variables, said.prompt_id)


def _variables(said: dict[str, Any] | list[Any] | None) -> dict[str, Any]:
    """Some clients send the names alone."""
    if isinstance(said, list):
        return {str(name): "" for name in said}
    return said or {}


_TRACK = "log a provider call and its answer"

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/track-request",
        handler=_track,
        summary=_TRACK,
        body=TrackRequest,
        answers=Tracked,
    ),
    Endpoint(
        method="POST",
        path="/rest/track-request",
        handler=_track,
        summary=_TRACK,
        body=TrackRequest,
        answers=Tracked,
    ),
    Endpoint(
        method="POST",
        path="/log-request",
        handler=_log,
        summary="log a call that is in PromptLayer's own form",
        body=LogRequest,
        ok=201,
        refuses=(404,),
    ),
)
