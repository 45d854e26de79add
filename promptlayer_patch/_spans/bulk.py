"""The spans of `POST /spans-bulk`, as PromptLayer's clients wrote them before OpenTelemetry's export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptlayer_patch._spans.checking import (
    MAX_DEPTH,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    identifier,
    integer,
    nanoseconds,
    parent_identifier,
)
from promptlayer_patch._spans.fields import as_object, as_objects, as_string
from promptlayer_patch._spans.model import BadSpan, Event, Link, Span
from promptlayer_patch._spans.values import depth_is_at_most

__all__ = ["span_in"]

_KINDS = {"UNSPECIFIED": 0, "INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_STATUS_CODES = {"UNSET": 0, "OK": 1, "ERROR": 2}
_HEX = re.compile("(?:0x)?([0-9A-Fa-f]{1,32})")


def span_in(body: Mapping[str, Any]) -> Span:
    """The span that one element of `spans` says. Raises `BadSpan`."""
    name = as_string(body.get("name"), "name")
    if not name:
        raise BadSpan("Invalid name: empty")
    context, status = as_object(body.get("context"), "context"), as_object(body.get("status"), "status")
    start = nanoseconds(body.get("start_time"), "start_time")
    return Span(
        trace_id=identifier(
            _id(context.get("trace_id"), TRACE_ID_BYTES, "trace_id"), TRACE_ID_BYTES, "trace_id"
        ),
        span_id=identifier(_id(context.get("span_id"), SPAN_ID_BYTES, "span_id"), SPAN_ID_BYTES, "span_id"),
        parent_id=parent_identifier(_id(body.get("parent_id"), SPAN_ID_BYTES, "parent_id")),
        name=name,
        kind=_enumerated(body.get("kind"), "SpanKind.", _KINDS, "kind"),
        start_ns=start,
        end_ns=nanoseconds(body.get("end_time"), "end_time", default=start),
        status_code=_enumerated(status.get("status_code"), "StatusCode.", _STATUS_CODES, "status_code"),
        status_message=as_string(status.get("description"), "description"),
        trace_state=as_string(context.get("trace_state"), "trace_state"),
        attributes=_attributes(body),
        events=tuple(_event(event) for event in as_objects(body.get("events"), "events")),
        links=tuple(_link(link) for link in as_objects(body.get("links"), "links")),
        resource=_attributes(as_object(body.get("resource"), "resource")),
    )


def _event(event: Mapping[str, Any]) -> Event:
    return Event(as_string(event.get("name"), "name"), _moment(event), _attributes(event))


def _moment(event: Mapping[str, Any]) -> int:
    """When it was: Python's client says `timestamp`, the other one `time` as seconds and nanoseconds."""
    said = event.get("timestamp", event.get("time"))
    try:
        if isinstance(said, list) and len(said) == 2:
            said = integer(said[0], "event time") * 10**9 + integer(said[1], "event time")
        return nanoseconds(said, "event time", default=0)
    except BadSpan:
        return 0  # a time of another form is no reason to lose the span


def _link(link: Mapping[str, Any]) -> Link:
    context = as_object(link.get("context"), "context") or link
    return Link(
        _own_id(context, "trace_id", TRACE_ID_BYTES),
        _own_id(context, "span_id", SPAN_ID_BYTES),
        _attributes(link),
    )


def _own_id(context: Mapping[str, Any], name: str, size: int) -> str:
    return identifier(_id(context.get(name), size, name), size, name)


def _id(value: Any, size: int, what: str) -> bytes:
    """An id in hex. One client leaves its zeros in front away."""
    if value is None or value == "":
        return b""
    digits = _HEX.fullmatch(value) if isinstance(value, str) else None
    if digits is None or len(digits[1]) > 2 * size:
        raise BadSpan(f"Invalid {what}: {2 * size} hex digits are expected")
    return bytes.fromhex(digits[1].rjust(2 * size, "0"))


def _enumerated(value: Any, prefix: str, names: Mapping[str, int], what: str) -> int:
    if value is None:
        return 0
    name = value.removeprefix(prefix) if isinstance(value, str) else value
    if not isinstance(name, str) or name not in names:
        raise BadSpan(f"Invalid {what}: {prefix}{{{','.join(names)}}} is expected")
    return names[name]


def _attributes(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = as_object(owner.get("attributes"), "attributes")
    if not depth_is_at_most(attributes, MAX_DEPTH):
        raise BadSpan("an attribute is nested too deep")
    return attributes
