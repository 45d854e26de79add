"""What spans change about requests that are in the index already, the index follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch._spans.genai import record_id_of
from promptlayer_patch._spans.model import Span
from promptlayer_patch.annotations import Score
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Entry, Store, Unstorable
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.indexing.indexer import Indexer
from promptlayer_patch.store.indexing.segments import phrase
from promptlayer_patch.store.repeats import Repeats
from promptlayer_patch.store.spans.spans import SpanEntry, Spans
from tests.support.indexes import assert_exact, contents, found, with_facet

TRACE = "a1" * 16
START = 1_767_225_600_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as opened:
        yield opened


def a_span(number: int = 1, **fields: Any) -> Span:
    said = {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "name": "step",
        "start_ns": START,
        "end_ns": START,
    }
    return Span(**{**said, **fields})


def telling(span: Span, text: str, **fields: Any) -> SpanEntry:
    messages = [{"role": "user", "content": "the same long question " * 20}]
    output = {"type": "chat", "messages": [{"role": "assistant", "content": text}]}
    record = Record(
        id=record_id_of(span),
        function_name="openai.chat.completions.create",
        request={"model": "gpt-4o", "input": {"type": "chat", "messages": messages}, "parameters": {}},
        response={"output": output, "usage": {"prompt_tokens": len(text), "completion_tokens": 2}},
        started_at=START / 1e9,
        **fields,
    )
    return SpanEntry(span, Entry(record=record, span_id=span.span_id, trace_id=span.trace_id))


def saying(store: Store, words: str) -> list[int]:
    expression = phrase(words)
    assert expression is not None
    return found(store, expression)


def test_a_request_that_is_replaced_is_found_by_what_it_says_now(store: Store, tmp_path: Path) -> None:
    spans = Spans(store)
    others = [telling(a_span(number), "Hello", tags=("a",)) for number in range(2, 6)]
    (first, *_) = spans.put([telling(a_span(), "Hello", tags=("a",)), *others]).stored
    store.catch_up()
    assert first.request_id is not None
    store.annotate(first.request_id, Score(90, "mine"))
    store.catch_up()

    spans.put([telling(a_span(), "Goodbye", tags=("b",), metadata={"k": "v"})])
    store.catch_up()

    assert saying(store, "Goodbye") == with_facet(store, "tags", "b") == [first.request_id]
    assert first.request_id not in saying(store, "Hello")
    assert with_facet(store, "score_names", "mine") == [first.request_id]
    assert_exact(store, tmp_path / "copy.db")


def test_a_request_that_is_replaced_before_it_was_indexed_is_indexed_once(
    store: Store, tmp_path: Path
) -> None:
    spans = Spans(store)
    for text in ("Hello", "Goodbye"):
        (put,) = spans.put([telling(a_span(), text)]).stored
    store.catch_up()
    assert saying(store, "Goodbye") == [put.request_id]
    assert_exact(store, tmp_path / "copy.db")


def test_a_request_that_learns_its_trace_is_found_by_it(store: Store, tmp_path: Path) -> None:
    logged = Record(id=new_record_id(), function_name="f", started_at=START / 1e9)
    (request_id,) = store.add([Entry(record=logged, span_id=a_span().span_id)])
    store.catch_up()
    assert with_facet(store, "trace_id", TRACE) == []

    Spans(store).put([SpanEntry(a_span())])
    store.catch_up()

    assert with_facet(store, "trace_id", TRACE) == [request_id]
    assert_exact(store, tmp_path / "copy.db")


def test_what_is_handed_to_the_indexer_gives_the_index_that_reading_gives(
    store: Store, tmp_path: Path
) -> None:
    """Of a batch that changes what the batch before has said, while that waits for the index."""
    first = [telling(a_span(number), f"answer {number}", tags=("a",)) for number in range(1, 5)]
    second = [telling(a_span(number), f"answer {number}, changed") for number in (2, 3)]
    batches = (first, [*second, telling(a_span(9), "one more"), SpanEntry(a_span(10))])
    held = Fresh()
    for batch in batches:
        Spans(store).put(batch, fresh=held)
    Indexer(store, held).catch_up()
    with closing(Store.open(tmp_path / "other.db")) as other:
        for batch in batches:
            Spans(other).put(batch)
        other.catch_up()
        assert contents(store) == contents(other)
    assert_exact(store, tmp_path / "copy.db")


def with_instructions(told: SpanEntry) -> SpanEntry:
    assert told.entry is not None
    messages = [{"role": "system", "content": "Be brief. " * 40}, {"role": "user", "content": "Why?"}]
    record = replace(told.entry.record, request={"model": "gpt-4o", "messages": messages})
    return replace(told, entry=replace(told.entry, record=record))


def test_what_requests_of_spans_repeat_is_stored_once_and_goes_with_them(
    store: Store, tmp_path: Path
) -> None:
    """Also where a span that is sent again, as it was or otherwise, is asked whether it is the same."""
    store.catch_up()
    repeats, held = Repeats(), Fresh()

    def put(told: SpanEntry) -> list[int]:
        """How often what is stored once is used afterwards."""
        (stored,) = Spans(store).put([told], fresh=held, repeats=repeats).stored
        assert stored.request_id is not None
        request = store.get(stored.request_id)
        assert request is not None
        assert told.entry is not None
        assert request.record == told.entry.record
        return store.run(lambda connection: [n for (n,) in connection.execute("SELECT uses FROM messages")])

    first, second = (with_instructions(telling(a_span(number), "Hello")) for number in (1, 2))
    assert [put(told) for told in (first, second, first, second)] == [[], [1], [1], [1]]
    Indexer(store, held, repeats).catch_up()
    assert put(with_instructions(telling(a_span(1), "Goodbye"))) == [2]
    assert [put(telling(a_span(number), "no more")) for number in (1, 2)] == [[1], []]
    assert_exact(store, tmp_path / "copy.db")


def test_whose_fault_it_is_that_a_batch_cannot_be_stored_is_said(store: Store) -> None:
    good, bad = telling(a_span(1), "good"), telling(a_span(2), "bad")
    assert bad.entry is not None
    bad = replace(bad, entry=replace(bad.entry, input_tokens=2**70))
    with pytest.raises(Unstorable) as raised:
        Spans(store).put([good, bad])
    assert bad.entry is not None
    assert good.entry is not None
    assert bad.entry.record.id in str(raised.value)
    assert good.entry.record.id not in str(raised.value)
    assert store.count() == 0
