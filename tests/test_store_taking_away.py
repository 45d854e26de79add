"""What was said about a request and is taken away: no part of the store knows of it any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptlayer_patch._query import Query
from promptlayer_patch._query.language import parse
from promptlayer_patch.annotations import GroupLink, MetadataUpdate, Score
from promptlayer_patch.store import Store
from tests.support.indexes import assert_exact
from tests.support.stored import fill


@pytest.fixture
def ids(tmp_path: Path) -> list[int]:
    return fill(tmp_path / "requests.db")


@pytest.fixture
def store(tmp_path: Path, ids: list[int]) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as store:
        store.catch_up()
        yield store


def found(store: Store, text: str) -> set[int]:
    page = store.search(Query(parse(text, now=time.time())))
    return {summary.request_id for summary in page.items}


def test_it_is_neither_shown_nor_found(store: Store, ids: list[int]) -> None:
    group = store.create_group()
    for content in (Score(40, "tone"), MetadataUpdate({"plan": "pro"}), GroupLink(group)):
        store.annotate(ids[1], content)
    store.catch_up()
    for query in ("score.tone:40", "metadata.plan:pro", f"group:{group}", "metadata.user_id:42"):
        assert found(store, query) == {ids[1]}
    assert store.take_away(ids[1], metadata=["plan", "user_id"], scores=["tone"], groups=[group])
    stored = store.get(ids[1])
    assert stored is not None
    assert (stored.metadata, stored.scores, stored.groups) == ({}, {}, ())
    assert stored.record.metadata == {}, "what it came with is gone too"
    store.catch_up()
    for query in ("score.tone:40", "metadata.plan:pro", f"group:{group}", "metadata.user_id:42"):
        assert found(store, query) == set()
    assert [one.value for one in store.suggest("metadata_keys")] == []


def test_the_rest_stays_and_so_do_other_requests(store: Store, ids: list[int]) -> None:
    for request_id in ids[:2]:
        store.annotate(request_id, MetadataUpdate({"plan": "pro", "seat": "7"}))
    assert store.take_away(ids[0], metadata=["plan", "unknown"])
    store.catch_up()
    assert found(store, "metadata.plan:pro") == {ids[1]}
    assert found(store, "metadata.seat:7") == set(ids[:2])
    assert found(store, "score.accuracy:90") == {ids[0]}


def test_what_is_not_there_changes_nothing(store: Store, ids: list[int]) -> None:
    assert not store.take_away(ids[0], metadata=["plan"], scores=["tone"], groups=[7])
    assert not store.take_away(7, scores=["accuracy"])
    assert not store.take_away(ids[0])
    (waiting,) = store.run(lambda connection: connection.execute("SELECT count(*) FROM unindexed").fetchone())
    assert waiting == 0


def test_what_is_said_again_is_there_again(store: Store, ids: list[int]) -> None:
    store.take_away(ids[0], scores=["accuracy"])
    store.annotate(ids[0], Score(10, "accuracy"))
    store.catch_up()
    assert found(store, "score.accuracy:10") == {ids[0]}


def test_the_index_is_exact_whatever_was_taken_away_when(
    store: Store, ids: list[int], tmp_path: Path
) -> None:
    store.annotate(ids[2], MetadataUpdate({"\ud800 half": "x"}))
    store.take_away(ids[0], scores=["accuracy"])  # indexed
    store.take_away(ids[1], metadata=["user_id"])  # what it came with
    store.take_away(ids[2], metadata=["\ud800 half"])  # not yet indexed
    assert_exact(store, tmp_path / "copy.db")
    store.annotate(ids[1], MetadataUpdate({"user_id": "42"}))
    assert_exact(store, tmp_path / "copy.db")
    store.delete(ids[:2])
    assert_exact(store, tmp_path / "copy.db")
