"""OpenTelemetry's export of spans as JSON, in both dialects that clients write.

Exporters of OpenTelemetry write ids in hex and enumerations as numbers, protobuf's own JSON mapping writes
base64 and names. Both, and protobuf's own field names (`trace_id` for `traceId`), are taken.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from promptlayer_patch._spans.checking import (
    MAX_DEPTH,
    MAX_SPANS,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    finite,
    identifier,
    integer,
    nanoseconds,
    parent_identifier,
)
from promptlayer_patch._spans.fields import as_list, as_object, as_objects, as_string
from promptlayer_patch._spans.model import BadExport, BadSpan, Event, Export, Link, Span
from promptlayer_patch._spans.weighing import weigh_json

__all__ = ["read"]

_KINDS = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}
_STATUS_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_CAPITAL = re.compile("[A-Z]")
_HEX = re.compile("[0-9A-Fa-f]+")


def read(body: bytes) -> Export:
    """The spans in an `ExportTraceServiceRequest`. Raises `BadExport` for anything else."""
    spans: list[Span] = []
    rejected: list[str] = []
    for context, span in _spans(_decoded(body)):
        try:
            spans.append(_span(as_object(span, "span"), context))
        except BadSpan as reason:
            rejected.append(str(reason))
        if len(spans) + len(rejected) > MAX_SPANS:
            raise BadExport(f"the body has more than {MAX_SPANS} spans")
    return Export(tuple(spans), tuple(rejected))


def _decoded(body: bytes) -> dict[str, Any]:
    weigh_json(body)
    try:
        data = json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        # Of the error only its kind: what it says may quote the body.
        raise BadExport(f"the body is no JSON that can be read ({type(error).__name__})") from error
    if not isinstance(data, dict):
        raise BadExport("the body is no ExportTraceServiceRequest: a JSON object is expected")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _spans(data: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each span with the fields that it shares with others."""
    try:
        for of_resource in as_objects(_field(data, "resourceSpans"), "resourceSpans"):
            resource = _attributes(as_object(_field(of_resource, "resource"), "resource"))
            for of_scope in as_objects(_field(of_resource, "scopeSpans"), "scopeSpans"):
                scope = as_object(_field(of_scope, "scope"), "scope")
                context = {
                    "resource": resource,
                    "scope_name": as_string(_field(scope, "name"), "name"),
                    "scope_version": as_string(_field(scope, "version"), "version"),
                }
                for span in as_list(_field(of_scope, "spans"), "spans"):
                    yield context, span
    except BadSpan as reason:  # of what stands around the spans
        raise BadExport(f"the body is no ExportTraceServiceRequest: {reason}") from reason


def _span(span: Mapping[str, Any], context: dict[str, Any]) -> Span:
    name = as_string(_field(span, "name"), "name")
    if not name:
        raise BadSpan("Invalid name: empty")
    start = nanoseconds(_field(span, "startTimeUnixNano"), "startTimeUnixNano")
    status = as_object(_field(span, "status"), "status")
    return Span(
        trace_id=identifier(_id(span, "traceId", TRACE_ID_BYTES), TRACE_ID_BYTES, "traceId"),
        span_id=identifier(_id(span, "spanId", SPAN_ID_BYTES), SPAN_ID_BYTES, "spanId"),
        parent_id=parent_identifier(_id(span, "parentSpanId", SPAN_ID_BYTES)),
        name=name,
        kind=_number(_field(span, "kind"), _KINDS, "kind"),
        start_ns=start,
        end_ns=nanoseconds(_field(span, "endTimeUnixNano"), "endTimeUnixNano", default=start),
        status_code=_number(_field(status, "code"), _STATUS_CODES, "status code"),
        status_message=as_string(_field(status, "message"), "message"),
        trace_state=as_string(_field(span, "traceState"), "traceState"),
        attributes=_attributes(span),
        events=tuple(_event(event) for event in as_objects(_field(span, "events"), "events")),
        links=tuple(_link(link) for link in as_objects(_field(span, "links"), "links")),
        **context,
    )


def _event(event: Mapping[str, Any]) -> Event:
    moment = nanoseconds(_field(event, "timeUnixNano"), "event timeUnixNano", default=0)
    return Event(as_string(_field(event, "name"), "name"), moment, _attributes(event))


def _link(link: Mapping[str, Any]) -> Link:
    return Link(
        identifier(_id(link, "traceId", TRACE_ID_BYTES), TRACE_ID_BYTES, "link traceId"),
        identifier(_id(link, "spanId", SPAN_ID_BYTES), SPAN_ID_BYTES, "link spanId"),
        _attributes(link),
    )


def _id(span: Mapping[str, Any], name: str, size: int) -> bytes:
    written = as_string(_field(span, name), name)
    # No base64 of `size` bytes has as many characters as their hex, so that the length tells them apart.
    if len(written) == 2 * size and _HEX.fullmatch(written):
        return bytes.fromhex(written)
    return _base64(written, name)


def _base64(written: str, what: str) -> bytes:
    plain = written.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadSpan(f"Invalid {what}: neither hex of the right length nor base64") from None


def _number(value: object, names: Mapping[str, int], what: str) -> int:
    """A number of an enumeration; one that OpenTelemetry may add some day is taken for 0."""
    if isinstance(value, str) and value in names:
        return names[value]
    number = 0 if value is None else integer(value, what)
    return number if 0 <= number < len(names) else 0


def _attributes(owner: Mapping[str, Any]) -> dict[str, Any]:
    return _pairs(owner, "attributes", 0)


def _pairs(owner: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
    return {
        as_string(_field(pair, "key"), "key"): _value(
            as_object(_field(pair, "value"), "attribute value"), depth
        )
        for pair in as_objects(_field(owner, name), name)
    }


def _value(value: Mapping[str, Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise BadSpan("an attribute is nested too deep")
    for name, read_as in _VALUES.items():
        found = _field(value, name)
        if found is not None:
            return read_as(found, depth)
    return None


def _double(value: object, _: int) -> float | str:
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return finite(float(value))
    except (ValueError, OverflowError):
        pass
    raise BadSpan("a doubleValue is no number")


def _array(value: object, depth: int) -> list[Any]:
    values = as_list(_field(as_object(value, "arrayValue"), "values"), "values")
    return [_value(as_object(one, "attribute value"), depth + 1) for one in values]


def _checked(kind: type, name: str) -> Callable[[object, int], Any]:
    def read_as(value: object, _: int) -> Any:
        if not isinstance(value, kind):
            raise BadSpan(f"a {name} is no {kind.__name__}")
        return value

    return read_as


_string = _checked(str, "stringValue")
_VALUES: dict[str, Callable[[Any, int], Any]] = {
    "stringValue": _string,
    "boolValue": _checked(bool, "boolValue"),
    "intValue": lambda value, _: integer(value, "an intValue"),
    "doubleValue": _double,
    "arrayValue": _array,
    "kvlistValue": lambda value, depth: _pairs(as_object(value, "kvlistValue"), "values", depth + 1),
    "bytesValue": lambda value, _: base64.b64encode(_base64(_string(value, 0), "bytesValue")).decode(),
}


def _field(owner: Mapping[str, Any], name: str) -> Any:
    """A field by its JSON name or by protobuf's own; `None` is the same as its absence."""
    found = owner.get(name)
    return found if found is not None else owner.get(_SPELLINGS.get(name, name))


_SPELLINGS = {
    name: _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)
    for name in (
        *_VALUES,
        "endTimeUnixNano",
        "parentSpanId",
        "resourceSpans",
        "scopeSpans",
        "spanId",
        "startTimeUnixNano",
        "timeUnixNano",
        "traceId",
        "traceState",
    )
}
