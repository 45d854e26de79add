"""A span is the same span in each of OpenTelemetry's encodings, and a bad one harms no other."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from promptlayer_patch._spans.model import BadExport, Event, Export, Link, Span
from promptlayer_patch._spans.otlp import Encoding, answer, read

TRACE = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"
SPAN = "1a2b3c4d5e6f7a8b"
START = 1_700_000_000_000_000_000


def as_json(*spans: Any, resource: Any = None) -> bytes:
    return json.dumps(
        {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "s"}, "spans": spans}]}]}
    ).encode()


def a_span(**fields: Any) -> dict[str, Any]:
    return {"traceId": TRACE, "spanId": SPAN, "name": "chat", "startTimeUnixNano": str(START), **fields}


def read_json(*spans: Any) -> Export:
    return read(as_json(*spans), Encoding.JSON)


def attribute(value: Any) -> list[dict[str, Any]]:
    return [{"key": "k", "value": value}]


# --- one span, every encoding

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
int64s = st.integers(-(2**63), 2**63 - 1)
moments = st.integers(1, 2**63 - 1)
any_values = st.recursive(
    st.none() | st.booleans() | int64s | st.floats() | texts | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
attributes = st.dictionaries(texts, any_values, max_size=4)
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)


def any_value(value: Any) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(one) for one in value]))
        case _:
            return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def plain(value: Any) -> Any:
    """What we make of an attribute's value."""
    match value:
        case float() if not math.isfinite(value):
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [plain(one) for one in value]
        case dict():
            return {key: plain(one) for key, one in value.items()}
        case _:
            return value


@st.composite
def exports(draw: st.DrawFn) -> tuple[ExportTraceServiceRequest, Span]:
    resource, own, of_event = draw(attributes), draw(attributes), draw(attributes)
    trace_id, span_id = draw(trace_ids), draw(span_ids)
    parent = draw(st.none() | span_ids)
    linked = (draw(trace_ids), draw(span_ids))
    name, message, event_name, scope = draw(texts.filter(bool)), draw(texts), draw(texts), draw(texts)
    kind, code = draw(st.integers(0, 5)), draw(st.integers(0, 2))
    start, end, moment = draw(moments), draw(moments), draw(moments)

    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.extend(pairs(resource))
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name, of_scope.scope.version = scope, "1.0"
    span = of_scope.spans.add(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent or b"",
        trace_state="a=b",
        name=name,
        kind=kind,  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        attributes=pairs(own),
    )
    span.status.code, span.status.message = code, message  # type: ignore[assignment]
    span.events.add(name=event_name, time_unix_nano=moment, attributes=pairs(of_event))
    span.links.add(trace_id=linked[0], span_id=linked[1])
    return request, Span(
        trace_id=trace_id.hex(),
        span_id=span_id.hex(),
        parent_id=parent and parent.hex(),
        name=name,
        kind=kind,
        start_ns=start,
        end_ns=end,
        status_code=code,
        status_message=message,
        trace_state="a=b",
        attributes=plain(own),
        events=(Event(event_name, moment, plain(of_event)),),
        links=(Link(linked[0].hex(), linked[1].hex()),),
        resource=plain(resource),
        scope_name=scope,
        scope_version="1.0",
    )


def with_hex_ids(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """As OpenTelemetry's exporters write JSON: ids in hex, enumerations as numbers."""
    data = json_format.MessageToDict(request, use_integers_for_enums=True)
    (span,) = data["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for owner in (span, *span["links"]):
        for name in {"traceId", "spanId", "parentSpanId"} & owner.keys():
            owner[name] = base64.b64decode(owner[name]).hex()
    return dict(data)


@settings(deadline=None)
@given(exports())
def test_a_span_is_the_same_in_every_encoding(export: tuple[ExportTraceServiceRequest, Span]) -> None:
    request, span = export
    by_protobufs_mapping = json_format.MessageToDict(request)
    by_protobufs_names = json_format.MessageToDict(request, preserving_proto_field_name=True)

    assert read(request.SerializeToString(), Encoding.PROTOBUF) == Export((span,))
    for data in (with_hex_ids(request), by_protobufs_mapping, by_protobufs_names):
        assert read(json.dumps(data).encode(), Encoding.JSON) == Export((span,))


def test_spans_have_their_own_resource_and_scope() -> None:
    resources = [{"attributes": attribute({"stringValue": name})} for name in ("first", "second")]
    body = {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"scope": {"name": "a"}, "spans": [a_span()]}]}
            for resource in resources
        ]
    }
    found = read(json.dumps(body).encode(), Encoding.JSON).spans
    assert [span.resource for span in found] == [{"k": "first"}, {"k": "second"}]


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-protobuf", Encoding.PROTOBUF),
        ("Application/JSON; charset=utf-8", Encoding.JSON),
        ("text/plain", None),
        ("", None),
    ],
)
def test_the_content_type_says_the_encoding(content_type: str, encoding: Encoding | None) -> None:
    assert Encoding.of(content_type) is encoding


# --- what is not said


def test_a_span_that_has_not_ended_ends_where_it_starts() -> None:
    (span,) = read_json(a_span()).spans
    assert (span.start_ns, span.end_ns) == (START, START)


@pytest.mark.parametrize("nothing", ["", None, "0" * 16, base64.b64encode(bytes(8)).decode()])
def test_no_parent_is_no_parent(nothing: str | None) -> None:
    (span,) = read_json(a_span(parentSpanId=nothing)).spans
    assert span.parent_id is None


def test_a_kind_of_the_future_is_no_reason_to_lose_a_span() -> None:
    (span,) = read_json(a_span(kind=17)).spans
    assert span.kind == 0


# --- one bad span

BAD_SPANS = {
    "Invalid traceId length": {"traceId": "abcd"},
    "Invalid spanId length": {"spanId": ""},
    "Invalid spanId: all zeros": {"spanId": "0" * 16},
    "Invalid traceId: neither hex of the right length nor base64": {"traceId": "ä" * 32},
    "Invalid name: empty": {"name": ""},
    "Invalid startTimeUnixNano": {"startTimeUnixNano": "-5"},
    "startTimeUnixNano is no whole number": {"startTimeUnixNano": "yesterday"},
    "startTimeUnixNano has more than 64 bits": {"startTimeUnixNano": 10**40},
    "endTimeUnixNano is no whole number": {"endTimeUnixNano": True},
    "name is no text": {"name": 7},
    "attributes is no list": {"attributes": {"a": 1}},
    "attribute value is no object": {"attributes": [{"key": "a", "value": "b"}]},
    "a stringValue is no str": {"attributes": attribute({"stringValue": 5})},
    "a boolValue is no bool": {"attributes": attribute({"boolValue": 1})},
    "an intValue is no whole number": {"attributes": attribute({"intValue": "1.5"})},
    "an intValue has more than 64 bits": {"attributes": attribute({"intValue": 2**63})},
    "a doubleValue is no number": {"attributes": attribute({"doubleValue": "much"})},
    "events is no list": {"events": "none"},
    "Invalid traceId length in a link": {"links": [{"traceId": "", "spanId": SPAN}]},
}


@pytest.mark.parametrize(("reason", "fields"), BAD_SPANS.items(), ids=BAD_SPANS)
def test_a_bad_span_is_rejected_alone(reason: str, fields: dict[str, Any]) -> None:
    export = read_json(a_span(), a_span(**fields), a_span(spanId="2" * 16))
    assert [span.span_id for span in export.spans] == [SPAN, "2" * 16]
    (said,) = export.rejected
    assert said in (reason, "Invalid link traceId length")


def test_a_bad_span_in_protobuf_is_rejected_alone() -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=b"short", span_id=bytes.fromhex(SPAN), name="bad", start_time_unix_nano=START)
    spans.add(trace_id=bytes.fromhex(TRACE), span_id=b"short", name="bad", start_time_unix_nano=START)
    spans.add(
        trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN), name="good", start_time_unix_nano=START
    )
    spans.add(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN), name="no time")
    export = read(request.SerializeToString(), Encoding.PROTOBUF)
    assert [span.name for span in export.spans] == ["good"]
    assert export.rejected == ("Invalid traceId length", "Invalid spanId length", "Invalid startTimeUnixNano")


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_an_attribute_that_is_nested_too_deep_is_rejected_alone() -> None:
    for depth, count in ((32, 1), (33, 0), (200, 0)):
        export = read_json(a_span(attributes=attribute(nested(depth))))
        assert len(export.spans) == count


def message(number: int, content: bytes) -> bytes:
    """A field of protobuf that holds a message or text; its library does not write what it would not read."""
    length, size = len(content), bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2]) + bytes(size) + bytes([length]) + content


def protobuf_with_depth(depth: int) -> bytes:
    value = message(1, b"deep")
    for _ in range(depth):
        value = message(5, message(1, value))
    start = b"\x39" + START.to_bytes(8, "little")
    ids = message(1, bytes.fromhex(TRACE)) + message(2, bytes.fromhex(SPAN))
    span = ids + message(5, b"deep") + start + message(9, message(1, b"k") + message(2, value))
    return message(1, message(2, message(2, span)))


def test_a_deep_attribute_in_protobuf_is_rejected_or_the_body_is_refused() -> None:
    """Protobuf's own library stops at a depth of about 50 and then refuses the whole body."""
    assert read(protobuf_with_depth(32), Encoding.PROTOBUF).spans[0].name == "deep"
    assert read(protobuf_with_depth(33), Encoding.PROTOBUF).rejected == ("an attribute is nested too deep",)
    for depth in (100, 10_000):
        with pytest.raises(BadExport):
            read(protobuf_with_depth(depth), Encoding.PROTOBUF)


@pytest.mark.parametrize(
    "key", ["__proto__", "constructor.prototype", "a.b", "", "k" * 1_000_000, "\x00", "'; --"]
)
def test_every_attribute_key_is_data(key: str) -> None:
    (span,) = read_json(a_span(attributes=[{"key": key, "value": {"intValue": "1"}}])).spans
    assert span.attributes == {key: 1}


# --- no export at all

NO_EXPORTS = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b'"text"',
    b'{"resourceSpans": 5}',
    b'{"resourceSpans": [5]}',
    b'{"resourceSpans": [{"scopeSpans": {}}]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": 1}]}]}',
    b'{"resourceSpans": [{"resource": {"attributes": [1]}, "scopeSpans": [{"spans": [{}]}]}]}',
    b'{"a": NaN}',
    b'{"a": ' + b"9" * 5_000 + b"}",
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", NO_EXPORTS, ids=lambda body: repr(body[:60]))
def test_a_body_that_is_no_export_is_refused(body: bytes) -> None:
    with pytest.raises(BadExport):
        read(body, Encoding.JSON)


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05ab", b"{}"])
def test_bytes_that_are_no_protobuf_are_refused(body: bytes) -> None:
    with pytest.raises(BadExport):
        read(body, Encoding.PROTOBUF)


def test_an_export_of_more_spans_than_one_transaction_takes_is_refused() -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.extend([spans.add()] * 10_000)
    for body, encoding in (
        (request.SerializeToString(), Encoding.PROTOBUF),
        (as_json(*[{}] * 10_001), Encoding.JSON),
    ):
        with pytest.raises(BadExport, match="more than 10000 spans"):
            read(body, encoding)


def test_an_export_of_nothing_is_an_export() -> None:
    assert read(b"", Encoding.PROTOBUF) == read(b"{}", Encoding.JSON) == Export(())


FIELDS = [
    "resourceSpans",
    "resource",
    "scopeSpans",
    "scope",
    "spans",
    "attributes",
    "key",
    "value",
    "values",
    "traceId",
    "spanId",
    "name",
    "kind",
    "status",
    "code",
    "events",
    "links",
    "startTimeUnixNano",
    "stringValue",
    "intValue",
    "doubleValue",
    "bytesValue",
    "arrayValue",
    "kvlistValue",
    "boolValue",
]
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    leaves | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=30,
)


@settings(deadline=None, max_examples=300)
@given(json_values)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        read(json.dumps(value).encode(), Encoding.JSON)
    except BadExport:
        pass


@settings(deadline=None, max_examples=300)
@given(json_values)
def test_any_json_in_the_place_of_a_span_is_a_span_or_rejected(value: Any) -> None:
    fields = value if isinstance(value, dict) else {"attributes": value}
    export = read_json(value, {**a_span(), **fields})
    assert len(export.spans) + len(export.rejected) == 2


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for encoding in Encoding:
        try:
            read(body, encoding)
        except BadExport:
            pass


def test_what_is_refused_is_not_quoted() -> None:
    for body in (b'{"secret": nope}', b'{"resourceSpans": "secret"}'):
        with pytest.raises(BadExport) as refused:
            read(body, Encoding.JSON)
        assert "secret" not in str(refused.value)


# --- the answer


def test_the_answer_says_how_many_were_rejected_and_why() -> None:
    reasons = ["Invalid spanId length", "Invalid spanId length", "Invalid name: empty"]
    partial = {"rejectedSpans": 3, "errorMessage": "Invalid spanId length; Invalid name: empty"}
    assert json.loads(answer(reasons, Encoding.JSON)) == {"partialSuccess": partial}
    said = ExportTraceServiceResponse.FromString(answer(reasons, Encoding.PROTOBUF)).partial_success
    assert (said.rejected_spans, said.error_message) == (3, partial["errorMessage"])


def test_the_answer_to_a_good_export_is_empty() -> None:
    assert json.loads(answer([], Encoding.JSON)) == {"partialSuccess": None}
    assert answer([], Encoding.PROTOBUF) == b""


def test_the_answer_stays_short() -> None:
    message = json.loads(answer([f"reason {n}" for n in range(10_000)], Encoding.JSON))["partialSuccess"]
    assert message["rejectedSpans"] == 10_000
    assert len(message["errorMessage"]) < 100
