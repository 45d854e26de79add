"""Spans as PromptLayer's own clients have written them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch._spans.bulk import span_in
from promptlayer_patch._spans.model import BadSpan, Event, Link, Span
from promptlayer_patch._spans.scrubbing import scrubbed_span

TRACE = "29c097fe1f5359ff5b8926da986e2db9"
SPAN = "1feb49abc9054e75"
JAVASCRIPT: dict[str, Any] = {
    "name": "PromptLayer Run",
    "context": {"trace_id": TRACE, "span_id": SPAN, "trace_state": ""},
    "kind": "SpanKind.INTERNAL",
    "parent_id": None,
    "start_time": "1795346641582000000",
    "end_time": "1795346641930357200",
    "status": {"status_code": "StatusCode.UNSET"},
    "attributes": {"function_input": "…", "function_output": "…"},
    "events": [],
    "links": [],
    "resource": {"attributes": {"service.name": "prompt-layer-js"}, "schema_url": ""},
}
"""As captured."""


def read(**fields: Any) -> Span:
    return span_in({**JAVASCRIPT, **fields})


def test_a_span_of_the_javascript_client() -> None:
    assert span_in(JAVASCRIPT) == Span(
        trace_id=TRACE,
        span_id=SPAN,
        name="PromptLayer Run",
        kind=1,
        start_ns=1795346641582000000,
        end_ns=1795346641930357200,
        attributes={"function_input": "…", "function_output": "…"},
        resource={"service.name": "prompt-layer-js"},
    )


def test_a_parent_of_the_python_client_has_lost_its_zeros() -> None:
    assert read(parent_id="feb49abc9054e7").parent_id == "00feb49abc9054e7"
    assert read(parent_id="0xfeb49abc9054e7").parent_id == "00feb49abc9054e7"


def test_a_parent_of_zeros_is_none() -> None:
    assert read(parent_id="0" * 16).parent_id is None


def test_times_are_numbers_or_text() -> None:
    span = read(start_time=1630000000000000000, end_time="1630000001000000000")
    assert (span.start_ns, span.end_ns) == (1630000000000000000, 1630000001000000000)


def test_kind_and_status_by_their_names() -> None:
    status = {"status_code": "StatusCode.ERROR", "description": "it broke"}
    span = read(kind="SpanKind.CLIENT", status=status)
    assert (span.kind, span.status_code, span.status_message) == (3, 2, "it broke")


def test_events_and_links_of_both_clients() -> None:
    events = [
        {
            "name": "exception",
            "timestamp": 1630000000000000000,
            "attributes": {"exception.type": "ValueError"},
        },
        {"name": "retry", "time": [1630000000, 5]},
        {"name": "other", "timestamp": "2021-08-26T17:46:40Z"},
    ]
    span = read(events=events, links=[{"context": {"trace_id": TRACE, "span_id": SPAN}}])
    assert span.events == (
        Event("exception", 1630000000000000000, {"exception.type": "ValueError"}),
        Event("retry", 1630000000000000005),
        Event("other", 0),
    )
    assert span.links == (Link(TRACE, SPAN),)


BAD: list[dict[str, Any]] = [
    {"name": ""},
    {"name": 5},
    {"context": {"trace_id": TRACE, "span_id": "0" * 16}},
    {"context": {"trace_id": TRACE, "span_id": "f" * 17}},
    {"context": {"trace_id": "not hex", "span_id": SPAN}},
    {"context": {}},
    {"context": []},
    {"kind": "SpanKind.FRIEND"},
    {"kind": 3},
    {"start_time": None},
    {"start_time": "-1"},
    {"start_time": 2**63},
    {"end_time": "soon"},
    {"status": {"status_code": "fine"}},
    {"events": [5]},
    {"links": [{}]},
    {"attributes": []},
]


@pytest.mark.parametrize("fields", BAD, ids=repr)
def test_a_span_that_cannot_be_taken_says_why(fields: dict[str, Any]) -> None:
    with pytest.raises(BadSpan) as reason:
        read(**fields)
    assert str(reason.value)


def test_attributes_that_are_nested_too_deep_are_refused() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    with pytest.raises(BadSpan):
        read(attributes={"a": deep})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["trace_id", "span_id", "context", "attributes", "status_code", "timestamp", "time"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(JAVASCRIPT)), json_values))
def test_any_fields_make_a_span_or_are_refused(fields: dict[str, Any]) -> None:
    try:
        read(**fields)
    except BadSpan:
        pass


SECRET = "sk-proj-" + "a1B2c3D4e5F6" * 4


@pytest.mark.parametrize(
    "said",
    [
        {"name": SECRET},
        {"status_message": f"refused: {SECRET}"},
        {"trace_state": SECRET},
        {"resource": {"service.name": SECRET}},
        {"attributes": {"list": ["a", {"deep": SECRET}]}},
        {"attributes": {"json": json.dumps([{"arguments": json.dumps({"api_key": "plain"})}])}},
        {"attributes": {"Access-Token": "plain"}},
        {"events": (Event("e", 5, {"text": SECRET}),)},
        {"links": (Link("0" * 32, "0" * 16, {"text": SECRET}),)},
    ],
)
def test_a_secret_is_found_wherever_a_span_has_it(said: dict[str, Any]) -> None:
    span = replace(read(attributes={"text": "How do I brush my teeth?"}), **said)
    told = repr(scrubbed_span(span))
    assert "a1B2c3D4" not in told
    assert "plain" not in told
    assert "***" in told


def test_a_span_without_secrets_stays_what_it_is() -> None:
    messages = json.dumps([{"role": "user", "content": "Who has the key? 谁", "name": None}])
    span = read(attributes={"gen_ai.input.messages": messages, "tokens": [1, 2.5, None, True]})
    assert scrubbed_span(span) is span


def test_what_json_cannot_say_is_looked_at_too() -> None:
    span = replace(read(), attributes={"text": SECRET, "of no kind": {1, 2}})
    assert scrubbed_span(span).attributes["text"] == "***"


def test_secrets_do_not_stay_in_spans() -> None:
    key = "sk-proj-" + "a1B2c3D4e5F6" * 4
    event = {"name": "e", "timestamp": 5, "attributes": {"api_key": "plain"}}
    span = scrubbed_span(
        read(attributes={"headers": {"Authorization": "x"}, "input": f"use {key}"}, events=[event])
    )
    assert span.attributes == {"headers": {"Authorization": "***"}, "input": "use ***"}
    assert span.events[0].attributes == {"api_key": "***"}
