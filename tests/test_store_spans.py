"""The store keeps spans by trace, with their requests: all of a batch or none, and each once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch._spans.genai import record_id_of
from promptlayer_patch._spans.model import Event, Link, Span
from promptlayer_patch.annotations import MetadataUpdate, Score
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Entry, Store, Unstorable
from promptlayer_patch.store.spans.spans import SpanEntry, Spans, TraceClosed

TRACE = "a1" * 16
START = 1_767_225_600_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as opened:
        yield opened


@pytest.fixture
def spans(store: Store) -> Spans:
    return Spans(store)


def a_span(number: int = 1, **fields: Any) -> Span:
    defaults: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "name": f"step {number}",
        "start_ns": START + number,
        "end_ns": START + number + 5,
    }
    return Span(**{**defaults, **fields})


def with_request(span: Span, text: str = "Hello", **fields: Any) -> SpanEntry:
    record = Record(
        id=record_id_of(span),
        function_name="openai.chat.completions.create",
        response={"output": {"type": "chat", "messages": [{"role": "assistant", "content": text}]}},
        started_at=span.start_ns / 1e9,
        **fields,
    )
    return SpanEntry(span, Entry(record=record, span_id=span.span_id, trace_id=span.trace_id))


def logged(span_id: str, record_id: str | None = None) -> Entry:
    """What a client logs that names its span and not the trace."""
    record = Record(id=record_id or new_record_id(), function_name="f", started_at=START / 1e9)
    return Entry(record=record, span_id=span_id)


def request_ids(spans: Spans) -> list[int | None]:
    return [one.request_id for one in spans.trace(TRACE)]


# --- what is kept

texts = st.text(st.characters(), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(texts, values, max_size=3)
moments = st.integers(1, 2**63 - 1)
ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
all_spans = st.builds(
    Span,
    trace_id=st.integers(1, 2**128 - 1).map("{:032x}".format),
    span_id=ids,
    parent_id=st.none() | ids,
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    kind=st.integers(0, 5),
    start_ns=moments,
    end_ns=moments,
    status_code=st.integers(0, 2),
    status_message=st.text(st.characters(exclude_categories=["Cs"])),
    trace_state=texts,
    attributes=attributes,
    events=st.lists(st.builds(Event, texts, moments, attributes), max_size=2).map(tuple),
    links=st.lists(st.builds(Link, ids, ids, attributes), max_size=2).map(tuple),
    resource=attributes,
    scope_name=texts,
    scope_version=texts,
)


@pytest.fixture(scope="module")
def shared_spans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spans]:
    with closing(Store.open(tmp_path_factory.mktemp("store") / "requests.db")) as opened:
        yield Spans(opened)


@settings(deadline=None)
@given(all_spans)
def test_every_span_comes_back_equal(shared_spans: Spans, span: Span) -> None:
    shared_spans.put([SpanEntry(span)])
    assert span in [one.span for one in shared_spans.trace(span.trace_id)]


def test_half_a_surrogate_pair_in_a_name_is_spelled_out(spans: Spans) -> None:
    spans.put([SpanEntry(a_span(name="\ud800", status_message="\udfff"))])
    (stored,) = spans.trace(TRACE)
    assert (stored.span.name, stored.span.status_message) == ("\\ud800", "\\udfff")


def test_a_trace_is_read_in_the_order_its_spans_started(spans: Spans) -> None:
    spans.put([SpanEntry(a_span(number)) for number in (3, 1, 2)])
    assert [one.span.name for one in spans.trace(TRACE)] == ["step 1", "step 2", "step 3"]


def test_a_trace_that_is_not_here_has_no_spans(spans: Spans) -> None:
    assert spans.trace("0" * 32) == ()


# --- sent again


def test_the_first_span_of_a_batch_wins(spans: Spans) -> None:
    put = spans.put([SpanEntry(a_span(name="first")), SpanEntry(a_span(name="second"))])
    assert [one.span.name for one in put.stored] == ["first"]
    assert [one.span.name for one in spans.trace(TRACE)] == ["first"]


def test_the_last_batch_wins_and_the_span_keeps_its_number(spans: Spans) -> None:
    (first,) = spans.put([SpanEntry(a_span(name="first"))]).stored
    (second,) = spans.put([SpanEntry(a_span(name="second"))]).stored
    assert first.id == second.id
    assert [one.span.name for one in spans.trace(TRACE)] == ["second"]


def test_a_span_id_in_two_traces_is_two_spans(spans: Spans) -> None:
    spans.put([SpanEntry(a_span()), SpanEntry(a_span(trace_id="b2" * 16))])
    assert len(spans.trace(TRACE)) == len(spans.trace("b2" * 16)) == 1


def test_a_span_that_is_sent_again_has_the_same_one_request(store: Store, spans: Spans) -> None:
    for _ in range(3):
        (put,) = spans.put([with_request(a_span())]).stored
        assert [put.request_id] == request_ids(spans)
    assert store.count() == 1


def test_a_span_that_says_something_else_replaces_its_request(store: Store, spans: Spans) -> None:
    (first,) = spans.put([with_request(a_span(), "Hello", tags=("a", "b"), metadata={"k": "1"})]).stored
    assert first.request_id is not None
    store.annotate(first.request_id, Score(90, "mine"))
    store.annotate(first.request_id, MetadataUpdate({"later": "yes"}))

    (second,) = spans.put([with_request(a_span(), "Goodbye", tags=("b",), metadata={"k": "2"})]).stored

    assert second.request_id == first.request_id
    stored = store.get(first.request_id)
    assert stored is not None
    assert stored.record.response["output"]["messages"][0]["content"] == "Goodbye"
    assert stored.scores == {"mine": 90}
    assert stored.metadata == {"k": "2", "later": "yes"}
    (summary,) = store.recent()
    assert (summary.tags, summary.preview) == (("b",), "Goodbye")
    assert store.count() == 1


def test_a_span_without_its_request_leaves_the_request_alone(store: Store, spans: Spans) -> None:
    (first,) = spans.put([with_request(a_span())]).stored
    spans.put([SpanEntry(a_span(name="again"))])
    assert request_ids(spans) == [first.request_id]
    assert store.count() == 1


def test_what_is_replaced_is_indexed_again(store: Store, spans: Spans) -> None:
    spans.put([with_request(a_span(), "Hello")])
    store.run(lambda connection: connection.execute("DELETE FROM unindexed"))
    spans.put([with_request(a_span(), "Hello")])
    assert store.run(waiting) == 0
    spans.put([with_request(a_span(), "Goodbye")])
    assert store.run(waiting) == 1


def waiting(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM unindexed").fetchone()[0])


def test_many_who_send_the_same_spans_at_once_make_each_once(store: Store, tmp_path: Path) -> None:
    batch = [with_request(a_span(number)) for number in range(1, 30)]
    results: list[list[int | None]] = []
    barrier = threading.Barrier(4)

    def send() -> None:
        with closing(Store.open(tmp_path / "requests.db")) as own:
            barrier.wait()
            for _ in range(3):
                results.append([one.request_id for one in Spans(own).put(batch).stored])

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 12
    assert all(ids == results[0] for ids in results)
    assert store.count() == len(set(results[0])) == 29


# --- linked to what clients log themselves


def managed(by: Span) -> Span:
    said = {"promptlayer.request_log.managed": True, "promptlayer.request_log.span_id": by.span_id}
    return a_span(2, parent_id=by.span_id, attributes=said)


@pytest.mark.parametrize("log_first", [True, False])
def test_a_log_and_its_spans_find_each_other_whichever_comes_first(
    store: Store, spans: Spans, log_first: bool
) -> None:
    run = a_span(1, name="PromptLayer Run")
    if log_first:
        (request_id,) = store.add([logged(run.span_id)])
        spans.put([SpanEntry(managed(by=run))])
        spans.put([SpanEntry(run)])
    else:
        spans.put([SpanEntry(managed(by=run))])
        spans.put([SpanEntry(run)])
        (request_id,) = store.add([logged(run.span_id)])
    assert request_ids(spans) == [request_id, request_id]
    trace_ids = store.run(lambda connection: connection.execute("SELECT trace_id FROM requests").fetchall())
    assert trace_ids == [(TRACE,)]


def test_a_log_is_linked_by_a_managed_span_alone(store: Store, spans: Spans) -> None:
    run = a_span(1)
    spans.put([SpanEntry(managed(by=run))])
    (request_id,) = store.add([logged(run.span_id)])
    assert request_ids(spans) == [request_id]


def test_a_log_of_another_trace_is_not_linked(store: Store, spans: Spans) -> None:
    store.add([replace(logged(a_span().span_id), trace_id="b2" * 16)])
    spans.put([SpanEntry(a_span())])
    assert request_ids(spans) == [None]


def test_a_log_without_a_span_stays_without_a_trace(store: Store, spans: Spans) -> None:
    spans.put([SpanEntry(a_span())])
    store.add([Record(id=new_record_id(), function_name="f")])
    assert request_ids(spans) == [None]


# --- closed traces


def test_a_closed_trace_takes_no_more_spans(spans: Spans) -> None:
    spans.put([SpanEntry(a_span())])
    closure = spans.close(TRACE)
    assert closure is not None
    assert closure.trace_id == TRACE
    with pytest.raises(TraceClosed) as refused:
        spans.put([SpanEntry(a_span(2)), SpanEntry(a_span(3, trace_id="b2" * 16))])
    assert refused.value.trace_ids == (TRACE,)
    assert spans.trace("b2" * 16) == ()


def test_spans_of_closed_traces_are_dropped_where_that_is_wanted(store: Store, spans: Spans) -> None:
    spans.put([SpanEntry(a_span())], close=True)
    late, other = a_span(2), a_span(3, trace_id="b2" * 16)
    put = spans.put([with_request(late), with_request(other)], drop_closed=True)
    assert put.rejected == (late,)
    assert [one.span for one in put.stored] == [other]
    assert store.count() == 1


def test_a_trace_is_closed_once(spans: Spans) -> None:
    spans.put([SpanEntry(a_span())])
    spans.close(TRACE)
    with pytest.raises(TraceClosed):
        spans.close(TRACE)


def test_a_trace_that_is_not_here_cannot_be_closed(spans: Spans) -> None:
    assert spans.close(TRACE) is None


def test_closing_with_the_spans_closes_every_trace_of_them(spans: Spans) -> None:
    spans.put([SpanEntry(a_span()), SpanEntry(a_span(trace_id="b2" * 16))], close=True)
    for trace_id in (TRACE, "b2" * 16):
        with pytest.raises(TraceClosed):
            spans.close(trace_id)


# --- all or nothing


def test_a_fault_in_the_middle_stores_nothing(store: Store, spans: Spans) -> None:
    store.run(
        lambda connection: connection.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON requests WHEN NEW.record_id = "
            f"'{record_id_of(a_span(3))}' BEGIN SELECT RAISE(ABORT, 'a fault'); END"
        )
    )
    batch = [with_request(a_span(number)) for number in range(1, 5)]
    with pytest.raises(Unstorable):
        spans.put(batch, close=True)
    assert spans.trace(TRACE) == ()
    assert store.count() == store.run(waiting) == 0
    assert spans.close(TRACE) is None


def test_a_request_that_can_never_be_stored_takes_its_batch_with_it(store: Store, spans: Spans) -> None:
    cycle: dict[str, Any] = {}
    cycle["itself"] = cycle
    with pytest.raises(Unstorable):
        spans.put([SpanEntry(a_span()), with_request(a_span(2), request=cycle)])
    assert spans.trace(TRACE) == ()


def test_a_span_that_can_never_be_stored_is_refused(spans: Spans) -> None:
    with pytest.raises(Unstorable):
        spans.put([SpanEntry(a_span(attributes={"a": float("nan")}))])
