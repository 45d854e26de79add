"""A batch is stored by a few statements, whatever its length, and comes out as if by one for each record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptlayer_patch.annotations import MetadataUpdate, PromptLink
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Store, Unstorable
from promptlayer_patch.store.fresh import Fresh, Inserted
from promptlayer_patch.store.indexing.indexer import Indexer
from tests.support.indexes import assert_exact, contents

JANUARY_2026 = 1_767_225_600.0
_A_DOZEN = 12
_TABLES = (
    *("requests", "bodies", "split_bodies", "messages", "tags", "request_tags", "request_metadata"),
    *("request_groups", "request_prompts"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as opened:
        yield opened


def a_record(number: int) -> Record:
    """Each with tags and metadata of its own, and some with a group, a prompt or a long question."""
    return Record(
        id=new_record_id(),
        function_name="openai.chat.completions.create",
        request={
            "model": f"gpt-{number % 3}",
            "messages": [{"role": "user", "content": f"Question {number}? " * (1 + number % 7 * 400)}],
        },
        response={"choices": [{"index": 0, "message": {"role": "assistant", "content": f"No. {number}"}}]},
        started_at=JANUARY_2026 + number // 5 / 1000,
        tags=tuple(f"tag{one}" for one in range(number % 4)),
        metadata={f"key{one}": f"value{number}" for one in range(number % 3)},
        group_id=number if number % 10 == 0 else None,
        prompt=PromptLink(f"prompt{number}", 1) if number % 10 == 1 else None,
    )


def statements(store: Store, records: list[Record]) -> list[str]:
    """What SQLite is asked while the records are stored."""
    asked: list[str] = []
    store.run(lambda connection: connection.set_trace_callback(asked.append))
    store.add(records, compress=False)
    store.run(lambda connection: connection.set_trace_callback(None))
    return asked


def tables(store: Store) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: store.run(
            lambda connection, table=table: connection.execute(  # type: ignore[misc]
                f"SELECT * FROM {table} ORDER BY 1, 2"
            ).fetchall()
        )
        for table in _TABLES
    }


@pytest.mark.parametrize("length", [1, 2, 3, 31, 32, 33, 64, 127, 128, 129, 300])
def test_a_batch_is_what_its_records_are_one_by_one(store: Store, tmp_path: Path, length: int) -> None:
    records = [a_record(number) for number in range(length)]
    with closing(Store.open(tmp_path / "one by one.db")) as other:
        assert store.add(records) == [request_id for one in records for request_id in other.add([one])]
        assert tables(store) == tables(other)
        for one in (store, other):
            one.catch_up()
        assert contents(store) == contents(other)
        assert tables(store) == tables(other)


def test_records_that_were_there_and_that_come_twice_keep_their_ids(store: Store) -> None:
    records = [a_record(number) for number in range(40)]
    known = store.add(records[10:20])
    ids = store.add([*records, *reversed(records)])
    assert ids[10:20] == known
    assert ids == [*ids[:40], *reversed(ids[:40])]
    assert store.count() == len(set(ids)) == 40


def test_a_batch_takes_no_more_statements_than_a_dozen(store: Store) -> None:
    """Each gives the interpreter's lock to whoever waits for it, and a busy program keeps it for long."""
    for length in (1, 7, 64):
        asked = statements(store, [a_record(49) for _ in range(length)])
        assert len(asked) <= _A_DOZEN, asked


def test_what_a_statement_would_need_to_be_undone_is_written_nowhere(store: Store) -> None:
    """It is what the requests say; and where no directory for it can be written, nothing could be stored."""
    assert store.run(lambda connection: connection.execute("PRAGMA temp_store").fetchone()) == (2,)


@pytest.mark.parametrize("place", [0, 40, 99])
def test_one_that_cannot_be_stored_is_named_and_keeps_all_others_out(store: Store, place: int) -> None:
    records = [a_record(number) for number in range(100)]
    bad = replace(records[place], status=2**70)
    with pytest.raises(Unstorable, match=bad.id):
        store.add([*records[:place], bad, *records[place + 1 :]])
    assert all(not rows for rows in tables(store).values())
    assert store.add(records) == sorted(store.add(records))


class _Meddling(Fresh):
    """Somebody says something about requests just when they are prepared for the index."""

    def __init__(self, path: Path, request_ids: list[int]) -> None:
        super().__init__()
        self._path = path
        self._request_ids = request_ids

    def take(self, marks: Mapping[int, int]) -> dict[int, Inserted]:
        with closing(Store.open(self._path)) as other:
            while self._request_ids:
                other.annotate(self._request_ids.pop(), MetadataUpdate({"seen": "yes"}))
        return super().take(marks)


def test_a_turn_leaves_what_has_changed_since_it_was_prepared(store: Store, tmp_path: Path) -> None:
    ids = store.add([a_record(21) for _ in range(100)])
    indexer = Indexer(store, _Meddling(store.path, [ids[3], ids[70]]))
    assert indexer.step() == 98
    assert indexer.behind() == 2
    assert indexer.step() == 2
    assert indexer.behind() == 0
    assert_exact(store, tmp_path / "copy.db")
