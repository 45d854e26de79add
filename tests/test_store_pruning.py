"""What is deleted is gone: from lists, search, charts and suggestions, and from the file itself."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch import _guard
from promptlayer_patch.annotations import GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Entry, Store, StoreError, pruning, schema
from promptlayer_patch.store.indexing import derived
from promptlayer_patch.store.indexing.facets import EVERY
from promptlayer_patch.store.messages import body_of
from tests.support.indexes import assert_exact, contents, found

JANUARY_2026 = 1_767_225_600.0
DAY_S = 86_400.0
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX file modes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store.open(path)) as opened:
        yield opened


def an_entry(day: int, word: str, number: int = 0) -> Entry:
    """A request with `word` in every place that a user can write to."""
    messages = [
        {"role": "system", "content": f"{word}-system {'long ' * 60}"},
        {"role": "user", "content": f"{word}-user"},
        {"role": "assistant", "content": f"{word}-history {'long ' * 60}"},
        {"role": "user", "content": f"And {word}-last?"},
    ]
    record = Record(
        id=new_record_id(),
        function_name="openai.chat.completions.create",
        request={"model": f"{word}-model", "messages": messages},
        response={
            "choices": [{"message": {"role": "assistant", "content": f'{{"{word}key": "{word}value"}}'}}]
        },
        started_at=JANUARY_2026 + day * DAY_S + number,
        ended_at=JANUARY_2026 + day * DAY_S + number + 1,
        tags=(f"{word}-tag", "shared"),
        metadata={f"{word}-key": f"{word}-value"},
        group_id=1,
        prompt=PromptLink(f"{word}-prompt", 1, f"{word}-label", {f"{word}-name": f"{word}-variable"}),
    )
    return Entry(record=record, error_message=f"{word}-error", score=Score(5, f"{word}-score"))


def fill(store: Store, word: str, days: range, number: int = 10) -> list[int]:
    return store.add([an_entry(day, word, at) for day in days for at in range(number)])


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def slices(store: Store, request_ids: list[int]) -> list[bytes]:
    """A piece of each body as it stands in the file, where its text is compressed."""
    bodies = [store.run(partial(body_of, request_id=request_id)) for request_id in request_ids]
    return [body[-48:-8] for body in bodies if body is not None]


@pytest.mark.parametrize("indexed", [True, False])
def test_nothing_of_what_was_pruned_is_left_in_the_file(store: Store, path: Path, indexed: bool) -> None:
    old = fill(store, "zyzzyva", range(3))
    kept = fill(store, "quokka", range(10, 12))
    if indexed:
        store.catch_up()
        for request_id in old[:5]:
            store.annotate(request_id, MetadataUpdate({"zyzzyva-said": "zyzzyva-then"}))
        store.catch_up()
        for request_id in old[:3]:
            store.annotate(request_id, MetadataUpdate({"zyzzyva-said": "zyzzyva-later"}))
    assert b"zyzzyva" in bytes_of(path)
    compressed = slices(store, old)
    assert all(one in bytes_of(path) for one in compressed)
    pruned = store.prune(JANUARY_2026 + 5 * DAY_S)
    assert pruned.requests == len(old)
    left = bytes_of(path)
    assert b"zyzzyva" not in left
    assert not any(one in left for one in compressed)
    assert store.run(lambda connection: connection.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]
    assert [summary.request_id for summary in store.recent(100)] == sorted(kept, reverse=True)
    assert b"quokka" in bytes_of(path)


def test_search_charts_and_suggestions_forget_what_was_pruned(store: Store, tmp_path: Path) -> None:
    """As if it had never been there."""
    kept = fill(store, "quokka", range(10, 12))
    store.catch_up()
    before = contents(store)
    fill(store, "zyzzyva", range(3))
    store.catch_up()
    assert contents(store) != before
    told: list[tuple[int, int]] = []
    store.prune(JANUARY_2026 + 5 * DAY_S, lambda done, total: told.append((done, total)))
    assert told[-1] == (30, 30)
    assert contents(store) == before
    assert found(store, EVERY) == sorted(kept, reverse=True)
    assert_exact(store, tmp_path / "copy.db")


def test_pruning_again_finds_nothing(store: Store) -> None:
    fill(store, "quokka", range(2))
    store.catch_up()
    assert store.prune(JANUARY_2026 - 1).requests == 0
    assert store.prune(JANUARY_2026 + DAY_S).requests == 10
    assert store.prune(JANUARY_2026 + DAY_S).requests == 0
    assert store.count() == 10


def test_the_file_becomes_smaller_by_what_is_said(store: Store, path: Path) -> None:
    fill(store, "zyzzyva", range(3), 300)
    store.catch_up()
    store.run(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    before = path.stat().st_size
    pruned = store.prune(JANUARY_2026 + 5 * DAY_S)
    assert path.stat().st_size == before - pruned.bytes
    assert path.stat().st_size < before / 3


def test_a_file_from_before_it_could_shrink_becomes_smaller_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA page_size = 8192")
            connection.execute("PRAGMA journal_mode = WAL")
            schema.migrate(connection)
    with closing(Store.open(path)) as store:
        fill(store, "zyzzyva", range(3), 100)
        store.catch_up()
        assert store.prune(JANUARY_2026 + 5 * DAY_S).bytes > 0
        assert b"zyzzyva" not in bytes_of(path)
        assert store.run(lambda connection: connection.execute("PRAGMA auto_vacuum").fetchone()) == (2,)


def test_spans_that_began_before_go_too(store: Store) -> None:
    insert = (
        "INSERT INTO spans (trace_id, span_id, logged_as, name, kind, start_ns, end_ns, status_code,"
        " status_message, body) VALUES (?, ?, '', 'name', 0, ?, 0, 0, '', x'')"
    )
    spans = [("a" * 32, f"{n:016x}", int((JANUARY_2026 + n * DAY_S) * 1e9)) for n in range(10)]
    store.run(lambda connection: connection.executemany(insert, spans))
    store.prune(JANUARY_2026 + 5 * DAY_S)
    left = store.run(lambda connection: connection.execute("SELECT span_id FROM spans ORDER BY 1").fetchall())
    assert left == [(span_id,) for _, span_id, _ in spans[5:]]


def test_single_requests_can_be_deleted(store: Store, path: Path, tmp_path: Path) -> None:
    gone = fill(store, "zyzzyva", range(1))
    kept = fill(store, "quokka", range(1))
    store.catch_up()
    assert store.delete([*gone, 12345, gone[0]]) == len(gone)
    assert store.get(gone[0]) is None
    assert b"zyzzyva" not in bytes_of(path)
    assert found(store, EVERY) == sorted(kept, reverse=True)
    assert_exact(store, tmp_path / "copy.db")


def test_the_traces_may_be_left_for_later(store: Store, path: Path) -> None:
    """And whoever comes then is told by the file that they are there."""
    gone = fill(store, "zyzzyva", range(3))
    kept = fill(store, "quokka", range(1))
    store.catch_up()
    assert store.delete(gone, cleans=False) == len(gone)
    assert found(store, EVERY) == sorted(kept, reverse=True)
    assert b"zyzzyva" in bytes_of(path)
    assert not store.clean(lambda: False)
    asked: list[None] = []
    with closing(Store.open(path)) as other:
        assert not other.clean(lambda: asked.append(None) or len(asked) < 2)
    with closing(Store.open(path)) as another:
        assert another.clean(lambda: asked.append(None) or True)
        assert b"zyzzyva" not in bytes_of(path)
        steps = len(asked)
        assert another.clean(lambda: asked.append(None) or True)
    assert steps > 3
    assert len(asked) == steps, "there was nothing left to do"


def test_what_is_deleted_while_others_clean_is_cleaned_too(store: Store, path: Path) -> None:
    gone, later = fill(store, "zyzzyva", range(3)), fill(store, "zyzzyva", range(3))
    fill(store, "quokka", range(1))
    store.catch_up()
    store.delete(gone, cleans=False)
    steps: list[int] = []

    def goes_on() -> bool:
        steps.append(len(steps))
        if steps[-1] == 2:
            with closing(Store.open(path)) as other:
                other.delete(later, cleans=False)
        return True

    assert store.clean(goes_on)
    assert b"zyzzyva" not in bytes_of(path)


def test_what_was_stored_by_who_only_adds_is_deleted_by_others(store: Store, path: Path) -> None:
    """It asks not whether what its rows refer to is there, so it must not take that away."""
    with closing(Store.open(path, only_adds=True)) as adding:
        ids = fill(adding, "gone", range(1))
        adding.catch_up()
        for refused in (lambda: adding.delete(ids), lambda: adding.prune(JANUARY_2026 + DAY_S)):
            with pytest.raises(StoreError, match="only adds"):
                refused()
    assert store.run(lambda connection: connection.execute("PRAGMA foreign_key_check").fetchall()) == []
    assert store.delete(ids) == len(ids)
    tables = ("requests", "bodies", "split_bodies", "request_tags", "request_metadata", "scores")
    for table in tables:
        assert store.run(
            lambda connection, table=table: connection.execute(  # type: ignore[misc]
                f"SELECT count(*) FROM {table}"
            ).fetchone()
        ) == (0,), table


def test_an_index_of_an_older_version_is_no_hindrance(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words cannot be taken out one by one, so it goes as a whole; it would be made anew in any case."""
    fill(store, "zyzzyva", range(3))
    kept = fill(store, "quokka", range(10, 12))
    store.catch_up()
    monkeypatch.setattr(derived, "VERSION", derived.VERSION + 1)
    store.prune(JANUARY_2026 + 5 * DAY_S)
    assert b"zyzzyva" not in bytes_of(path)
    store.catch_up()
    assert found(store, EVERY) == sorted(kept, reverse=True)


def test_others_write_and_index_while_a_store_is_pruned(store: Store, path: Path, tmp_path: Path) -> None:
    old = fill(store, "zyzzyva", range(3), 200)
    start = threading.Barrier(2)
    added: list[int] = []

    def write() -> None:
        with closing(Store.open(path)) as other:
            start.wait(30)
            for day in range(20, 40):
                added.extend(fill(other, "quokka", range(day, day + 1)))
                other.annotate(added[-1], GroupLink(3))
                other.catch_up()

    writer = threading.Thread(target=write)
    writer.start()
    start.wait(30)
    assert store.prune(JANUARY_2026 + 5 * DAY_S).requests == len(old)
    writer.join(60)
    assert len(added) == 200
    assert found(store, EVERY) == sorted(added, reverse=True)
    assert_exact(store, tmp_path / "copy.db")


def test_a_reader_that_does_not_end_is_told_of(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It needs the write-ahead log, in which the deleted are; everything else is done."""
    _guard.forget_reports()
    monkeypatch.setattr(pruning, "_TRIES", 1)
    fill(store, "zyzzyva", range(3))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM requests").fetchone()
        assert store.prune(JANUARY_2026 + 5 * DAY_S).requests == 30
    assert "write-ahead log" in caplog.text
    store.prune(JANUARY_2026)
    assert b"zyzzyva" not in bytes_of(path)


# --- backup


def test_a_backup_is_the_store_as_it_was(store: Store, tmp_path: Path) -> None:
    ids = fill(store, "quokka", range(3))
    store.catch_up()
    told: list[tuple[int, int]] = []
    store.backup(tmp_path / "copy.db", lambda done, total: told.append((done, total)))
    fill(store, "later", range(1))
    assert told[-1][0] == told[-1][1] > 0
    with closing(Store.open(tmp_path / "copy.db")) as copy:
        assert [row.request_id for row in copy.recent(100)] == sorted(ids, reverse=True)
        assert copy.get(ids[0]) == store.get(ids[0])
        assert copy.run(lambda connection: connection.execute("PRAGMA integrity_check").fetchall()) == [
            ("ok",)
        ]


@posix_only
def test_a_backup_is_for_this_user_alone(store: Store, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store.backup(tmp_path / "copy.db")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.glob("copy*")] == ["copy.db"]


@pytest.mark.parametrize("content", [b"", b"something"])
def test_a_backup_overwrites_nothing(store: Store, tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "copy.db"
    target.write_bytes(content)
    with pytest.raises(StoreError, match="exists already"):
        store.backup(target)
    assert target.read_bytes() == content
    with pytest.raises(StoreError, match="cannot be created"):
        store.backup(tmp_path / "no" / "copy.db")


def test_a_backup_that_fails_leaves_no_file(store: Store, tmp_path: Path) -> None:
    fill(store, "quokka", range(3))

    def give_up(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.backup(tmp_path / "copy.db", give_up)
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_of_a_store_that_others_write_to_is_one_moment_of_it(
    store: Store, path: Path, tmp_path: Path
) -> None:
    fill(store, "quokka", range(3), 400)
    before = store.count()
    with closing(Store.open(path)) as other:

        def write(done: int, total: int) -> None:
            fill(other, "later", range(1), 1)

        store.backup(tmp_path / "copy.db", write)
    assert store.count() > before
    with closing(Store.open(tmp_path / "copy.db")) as copy:
        assert copy.count() == before
        assert copy.run(_sound)


def _sound(connection: sqlite3.Connection) -> Any:
    return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
