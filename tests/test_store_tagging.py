"""Tags that are given after the fact: every part of the store knows of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptlayer_patch._query import Query
from promptlayer_patch._query.language import parse
from promptlayer_patch.annotations import Score
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


def test_tags_are_added_behind_those_there_are_and_found(store: Store, ids: list[int]) -> None:
    assert store.tag(ids[:2], add=["vip", "prod", "vip"]) == 2
    store.catch_up()
    stored = store.get(ids[0])
    assert stored is not None
    assert stored.record.tags == ("prod", "mail", "vip")
    assert found(store, "tag:vip") == set(ids[:2])


def test_tags_are_removed_and_not_found_any_more(store: Store, ids: list[int]) -> None:
    assert store.tag([ids[0]], remove=["prod", "unknown"]) == 1
    store.catch_up()
    assert store.recent()[-1].tags == ("mail",)
    assert found(store, "tag:prod") == {ids[1]}


def test_what_is_added_and_removed_at_once_is_removed(store: Store, ids: list[int]) -> None:
    store.tag([ids[0]], add=["mail", "new"], remove=["mail"])
    assert store.recent()[-1].tags == ("prod", "new")


def test_requests_that_are_not_there_are_not_counted(store: Store, ids: list[int]) -> None:
    assert store.tag([ids[0], 7, 8], add=["vip"]) == 1
    assert store.tag([], add=["vip"]) == 0


def test_the_index_is_exact_whatever_was_tagged_when(store: Store, ids: list[int], tmp_path: Path) -> None:
    store.tag(ids, add=["first", "\ud800 half"])
    store.annotate(ids[1], Score(10, "tone"))
    assert_exact(store, tmp_path / "copy.db")
    store.tag(ids[1:], add=["second"], remove=["first", "prod"])
    store.tag(ids[1:2], remove=["second"])
    assert_exact(store, tmp_path / "copy.db")
    store.delete(ids[:1])
    assert_exact(store, tmp_path / "copy.db")


def test_tags_can_be_given_before_there_is_an_index(tmp_path: Path) -> None:
    path = tmp_path / "another.db"
    ids = fill(path)
    with closing(Store.open(path)) as store:
        store.tag(ids, add=["early"])
        store.catch_up()
        assert found(store, "tag:early") == set(ids)
