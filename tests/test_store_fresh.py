"""What was just stored is handed to the indexer: it must be what the store has, or not be handed over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch.annotations import MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.server.writing import record_json
from promptlayer_patch.store import Entry, Store, fresh
from promptlayer_patch.store.fresh import Fresh, Inserted
from promptlayer_patch.store.indexing import sources
from promptlayer_patch.store.indexing.indexer import Indexer
from tests.support.indexes import assert_exact, contents

JANUARY_2026 = 1_767_225_600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as opened:
        opened.catch_up()
        yield opened


def a_record(**fields: Any) -> Record:
    defaults = {"id": new_record_id(), "function_name": "openai.chat.completions.create"}
    return Record(**{**defaults, "started_at": JANUARY_2026, "ended_at": JANUARY_2026 + 1, **fields})


def marks(store: Store) -> dict[int, int]:
    return store.run(lambda connection: sources.waiting(connection, 250))


def read(store: Store, request_id: int) -> sources.Source:
    return store.run(lambda connection: next(sources.sources(connection, [request_id])))


def taken(held: Fresh, store: Store) -> dict[int, Inserted]:
    return held.take(marks(store))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(st.characters(), max_size=8)
records = st.builds(
    a_record,
    id=st.builds(new_record_id),
    request=st.dictionaries(st.sampled_from(["messages", "input", "model", "tools"]), values),
    response=values,
    started_at=st.floats(allow_nan=False) | st.integers(0, 10**10),
    ended_at=st.floats(allow_nan=False),
    first_token_at=st.none() | st.floats(allow_nan=False),
    ending=st.sampled_from(Ending),
    error=st.none() | st.builds(Failure, texts, texts, st.none() | st.integers(100, 599)),
    tags=st.lists(texts, max_size=3).map(tuple),
    metadata=st.dictionaries(texts, texts, max_size=3),
    group_id=st.none() | st.integers(1, 9),
    prompt=st.none()
    | st.builds(PromptLink, texts, st.none() | st.integers(1, 9), st.none() | texts, st.just({"a": 1})),
)
entries = st.builds(
    Entry,
    record=records,
    error_type=st.none() | texts,
    trace_id=st.none() | st.just("a" * 32),
    input_tokens=st.none() | st.integers(0, 10**6),
    price=st.none() | st.integers(0, 9) | st.floats(0, 9),
    score=st.none() | st.builds(Score, st.integers(0, 100), st.none() | texts),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries, st.booleans())
def test_what_is_handed_over_is_what_the_store_has(store: Store, entry: Entry, as_server: bool) -> None:
    """Else the index would hold what cannot be taken out again."""
    held = Fresh()
    written = {"to_json": record_json} if as_server else {}
    (request_id,) = store.add([entry], fresh=held, **written)
    handed, known = sources.source_of(taken(held, store)[request_id]), read(store, request_id)
    for field in ("is_whole", "text", "record", "tags", "said", "indexed", "said_then"):
        assert getattr(handed, field) == getattr(known, field), field
    assert dict(handed.columns) == dict(known.columns)
    assert {name: type(value) for name, value in handed.columns.items()} == {
        name: type(value) for name, value in known.columns.items()
    }


def test_the_index_is_the_same_with_it_and_without(store: Store, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Why, 退款?"}]
    entries = [
        Entry(record=a_record(id=f"{number:032x}", request={"messages": messages}, tags=("a",)), price=0.5)
        for number in range(9)
    ]
    held = Fresh()
    store.add(entries, fresh=held)
    Indexer(store, held).catch_up()
    with closing(Store.open(tmp_path / "other.db")) as other:
        other.add(entries)
        other.catch_up()
        assert contents(store) == contents(other)
    assert_exact(store, tmp_path / "copy.db")


def test_what_has_changed_since_is_read_from_the_store(store: Store) -> None:
    held = Fresh()
    changed, unchanged = store.add([a_record(), a_record()], fresh=held)
    store.annotate(changed, MetadataUpdate({"plan": "pro"}))
    assert list(taken(held, store)) == [unchanged]
    assert taken(held, store) == {}


def test_what_was_stored_before_is_not_handed_over(store: Store) -> None:
    held = Fresh()
    record = a_record()
    store.add([record])
    store.add([record], fresh=held)
    assert taken(held, store) == {}


def test_what_was_rolled_back_is_not_taken_for_what_came_in_its_place(store: Store) -> None:
    held = Fresh()
    odd = a_record(metadata={"k": "v"})
    with pytest.raises(Exception, match="cannot be stored"):
        store.add([odd, Entry(record=a_record(), input_tokens=2**70)], fresh=held)
    assert taken(held, store) == {}
    (request_id,) = store.add([a_record()], fresh=held)
    assert taken(held, store)[request_id].row.metadata == {}


def test_the_oldest_gives_way_when_it_gets_too_much(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "_MOST_BYTES", 3_000)
    held = Fresh()
    ids = [store.add([a_record(response="x" * 1_000)], fresh=held)[0] for _ in range(5)]
    assert sorted(taken(held, store)) == ids[-2:]
