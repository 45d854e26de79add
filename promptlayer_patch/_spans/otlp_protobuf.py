"""OpenTelemetry's export of spans as protobuf. The only module that knows its library."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from promptlayer_patch._spans.checking import (
    MAX_DEPTH,
    MAX_SPANS,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    finite,
    identifier,
    nanoseconds,
    parent_identifier,
)
from promptlayer_patch._spans.model import BadExport, BadSpan, Event, Export, Link, Span
from promptlayer_patch._spans.weighing import weigh_protobuf

__all__ = ["answer", "read"]


def read(body: bytes) -> Export:
    """The spans in an `ExportTraceServiceRequest`. Raises `BadExport` for anything else."""
    weigh_protobuf(body)
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise BadExport("the body is no ExportTraceServiceRequest in protobuf") from error
    spans: list[Span] = []
    rejected: list[str] = []
    for context, span in _spans(request):
        try:
            spans.append(_span(span, context))
        except BadSpan as reason:
            rejected.append(str(reason))
        if len(spans) + len(rejected) > MAX_SPANS:
            raise BadExport(f"the body has more than {MAX_SPANS} spans")
    return Export(tuple(spans), tuple(rejected))


def answer(rejected: int, message: str) -> bytes:
    """An `ExportTraceServiceResponse`, which is empty if no span was rejected."""
    if not rejected:
        return b""
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


def _spans(request: ExportTraceServiceRequest) -> Iterator[tuple[dict[str, Any], trace_pb2.Span]]:
    """Each span with the fields that it shares with others."""
    for of_resource in request.resource_spans:
        try:
            resource = _attributes(of_resource.resource.attributes)
        except BadSpan as reason:
            raise BadExport(f"resource: {reason}") from reason
        for of_scope in of_resource.scope_spans:
            context = {
                "resource": resource,
                "scope_name": of_scope.scope.name,
                "scope_version": of_scope.scope.version,
            }
            for span in of_scope.spans:
                yield context, span


def _span(span: trace_pb2.Span, context: dict[str, Any]) -> Span:
    if not span.name:
        raise BadSpan("Invalid name: empty")
    start = nanoseconds(span.start_time_unix_nano, "startTimeUnixNano")
    return Span(
        trace_id=identifier(span.trace_id, TRACE_ID_BYTES, "traceId"),
        span_id=identifier(span.span_id, SPAN_ID_BYTES, "spanId"),
        parent_id=parent_identifier(span.parent_span_id),
        name=span.name,
        kind=span.kind if 0 <= span.kind <= 5 else 0,
        start_ns=start,
        end_ns=nanoseconds(span.end_time_unix_nano, "endTimeUnixNano", default=start),
        status_code=span.status.code if 0 <= span.status.code <= 2 else 0,
        status_message=span.status.message,
        trace_state=span.trace_state,
        attributes=_attributes(span.attributes),
        events=tuple(_event(event) for event in span.events),
        links=tuple(_link(link) for link in span.links),
        **context,
    )


def _event(event: trace_pb2.Span.Event) -> Event:
    moment = nanoseconds(event.time_unix_nano, "event timeUnixNano", default=0)
    return Event(event.name, moment, _attributes(event.attributes))


def _link(link: trace_pb2.Span.Link) -> Link:
    return Link(
        identifier(link.trace_id, TRACE_ID_BYTES, "link traceId"),
        identifier(link.span_id, SPAN_ID_BYTES, "link spanId"),
        _attributes(link.attributes),
    )


def _attributes(pairs: Iterable[KeyValue], depth: int = 0) -> dict[str, Any]:
    return {pair.key: _value(pair.value, depth) for pair in pairs}


def _value(value: AnyValue, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise BadSpan("an attribute is nested too deep")
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return finite(value.double_value)
        case "array_value":
            return [_value(one, depth + 1) for one in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values, depth + 1)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case _:
            return None
