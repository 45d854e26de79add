"""What the endpoints for traces take and answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from promptlayer_patch._spans.checking import MAX_SPANS

__all__ = ["BulkBody", "BulkTaken", "CloseAfter", "SpanBody", "TraceEnded", "TraceRead"]


class SpanContext(BaseModel):
    trace_id: str = Field(min_length=1, max_length=34)
    span_id: str = Field(min_length=1, max_length=18)
    trace_state: str | None = None


class SpanStatus(BaseModel):
    status_code: str | None = None
    description: str | None = None


class SpanResource(BaseModel):
    attributes: dict[str, Any] | None = None


class SpanBody(BaseModel):
    """A span as PromptLayer's own clients wrote it."""

    name: str = Field(min_length=1)
    context: SpanContext
    kind: str | None = None
    parent_id: str | None = None
    start_time: int | str
    """Nanoseconds; one of the clients writes them as text."""
    end_time: int | str | None = None
    status: SpanStatus | None = None
    attributes: dict[str, Any] | None = None
    events: list[dict[str, Any]] | None = None
    links: list[dict[str, Any]] | None = None
    resource: SpanResource | None = None
    log_request: dict[str, Any] | None = None
    """As `/log-request` takes it; times that are not in it are the span's."""


class BulkBody(BaseModel):
    spans: list[SpanBody] = Field(max_length=MAX_SPANS)
    close_after: bool = False


class SpanMade(BaseModel):
    id: int
    name: str
    span_id: str


class RequestMade(BaseModel):
    id: int
    span_id: str


class BulkTaken(BaseModel):
    success: Literal[True]
    spans: list[SpanMade]
    request_logs: list[RequestMade]
    rejected_span_ids: list[str] | None = None
    rejected_trace_ids: list[str] | None = None
    rejection_reason: Literal["trace_closed"] | None = None


class CloseAfter(BaseModel):
    close_after: bool = False


class TraceRead(BaseModel):
    success: Literal[True]
    trace_id: str
    spans: list[dict[str, Any]]
    truncated: bool | None = None
    """True if the trace has more spans than one answer shows; these are the first."""


class TraceEnded(BaseModel):
    success: Literal[True]
    closure: dict[str, Any]
