"""A body that would take all memory once it is parsed is refused before that."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from promptlayer_patch._spans.model import BadExport
from promptlayer_patch._spans.weighing import weigh_json, weigh_protobuf

MIB = 1024 * 1024


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that holds a message or text."""
    length, size = len(content), bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2]) + bytes(size) + bytes([length]) + content


def in_span(content: bytes) -> bytes:
    return field(1, field(2, field(2, content)))


HEAVY = {
    "resources": field(1, b"") * (2 * MIB),
    "scopes": field(1, field(2, b"") * (2 * MIB)),
    "spans": field(1, field(2, field(2, b"") * (2 * MIB))),
    "attributes": in_span(field(9, b"") * (2 * MIB)),
    "events": in_span(field(11, b"") * (2 * MIB)),
    "links": in_span(field(13, b"") * (2 * MIB)),
    "a list": in_span(field(9, field(2, field(5, field(1, b"") * (2 * MIB))))),
    "a map": in_span(field(9, field(2, field(6, field(1, b"") * (2 * MIB))))),
    "attributes of the program": field(1, field(1, field(1, b"") * (2 * MIB))),
    "fields of no meaning": b"\x78\x01" * (2 * MIB),
}


@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
def test_a_body_of_many_small_things_is_refused(body: bytes) -> None:
    with pytest.raises(BadExport, match="too many values"):
        weigh_protobuf(body)


@pytest.mark.parametrize("one", [b"{},", b"[],", b'"a",', b"1,"])
def test_json_of_many_small_things_is_refused(one: bytes) -> None:
    with pytest.raises(BadExport, match="too many values"):
        weigh_json(b'{"resourceSpans": [' + one * (2 * MIB) + b"0]}")


def an_export(spans: int, attributes: int, text: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    of_scope = request.resource_spans.add().scope_spans.add()
    for _ in range(spans):
        span = of_scope.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="n", start_time_unix_nano=2**62)
        for number in range(attributes):
            span.attributes.add(key=f"key {number}").value.string_value = text
        span.events.add(name="e", time_unix_nano=5).attributes.add(key="k").value.bool_value = True
        span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, flags=1)
    return request


@pytest.mark.parametrize(
    ("spans", "attributes", "length"), [(512, 40, 100), (10_000, 10, 10), (1, 1, 9 * MIB)]
)
def test_what_exporters_send_is_taken(spans: int, attributes: int, length: int) -> None:
    weigh_protobuf(an_export(spans, attributes, "x" * length).SerializeToString())


def test_a_long_body_in_json_is_taken() -> None:
    weigh_json(json.dumps({"resourceSpans": [{"text": "x" * (9 * MIB)}]}).encode())


def test_a_body_that_is_cut_off_is_refused() -> None:
    whole = an_export(1, 1, "x" * MIB).SerializeToString()
    for length in (len(whole) - 1, len(whole) - MIB // 2):
        with pytest.raises(BadExport):
            weigh_protobuf(whole[:length])


@pytest.mark.parametrize("start", [b"\x0b", b"\x0c", b"\x0e", b"\x0f", b"\xff" * 11])
def test_what_no_exporter_writes_is_refused(start: bytes) -> None:
    with pytest.raises(BadExport):
        weigh_protobuf(start + bytes(MIB))


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_are_weighed_or_refused(some: bytes) -> None:
    try:
        weigh_protobuf(some * (300_000 // len(some) + 1))
    except BadExport:
        pass
