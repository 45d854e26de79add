"""The index stays exact while processes die at it, work at it together, and write under it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptlayer_patch.annotations import Score
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.server.committing import Committer
from promptlayer_patch.store import Entry, Store, StoreError
from promptlayer_patch.store.indexing import derived
from promptlayer_patch.store.indexing import turns as indexing_turns
from promptlayer_patch.store.indexing.facets import EVERY
from promptlayer_patch.store.indexing.indexer import Indexer
from promptlayer_patch.store.indexing.turns import Turns
from tests.support.indexes import assert_exact, found

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 30
JANUARY_2026 = 1_767_225_600.0

INDEXER = """
import sys
from promptlayer_patch.store import Store
from promptlayer_patch.store.indexing.indexer import Indexer
store = Store.open(sys.argv[1])
indexer = Indexer(store)
print("ready", flush=True)
while indexer.step(int(sys.argv[2])):
    pass
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store.open(path)) as opened:
        yield opened


def records(count: int) -> list[Record]:
    return [
        Record(
            id=new_record_id(),
            function_name="openai.chat.completions.create",
            request={
                "model": "gpt-4o",
                "messages": [
                    {"role": "system", "content": "You are helpful. " * 40},
                    {"role": "user", "content": f"Question {number} 退款"},
                    {"role": "assistant", "content": f"Answer {number // 2}. " * 40},
                    {"role": "user", "content": "And then?"},
                ],
            },
            response={"choices": [{"message": {"role": "assistant", "content": f"So {number}"}}]},
            started_at=JANUARY_2026 + number,
            tags=(f"tag{number % 7}",),
        )
        for number in range(count)
    ]


def indexer(path: Path, batch: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", INDEXER, str(path), str(batch)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,  # where -c finds the package
    )


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_an_indexer_that_is_killed_leaves_nothing_half_done(store: Store, path: Path, tmp_path: Path) -> None:
    """Thirty times, at any moment, with requests that come and change meanwhile."""
    rng = random.Random(5)
    ids = store.add(records(1500))
    for _ in range(30):
        process = indexer(path, 20)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(rng.uniform(0, 0.1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        ids += store.add(records(10))
        for request_id in rng.sample(ids, 5):
            store.annotate(request_id, Score(rng.randrange(100), "s"))
    assert_exact(store, tmp_path / "copy.db")
    assert found(store, EVERY) == sorted(ids, reverse=True)


def test_processes_that_index_together_count_nothing_twice(store: Store, path: Path, tmp_path: Path) -> None:
    ids = store.add(records(600))
    processes = [indexer(path, 10) for _ in range(4)]
    for request_id in ids[::50]:
        store.annotate(request_id, Score(1))
    for process in processes:
        _, errors = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, errors
    assert_exact(store, tmp_path / "copy.db")
    assert found(store, EVERY) == sorted(ids, reverse=True)


def test_threads_with_stores_of_their_own_index_together(store: Store, path: Path, tmp_path: Path) -> None:
    store.add(records(400))
    start = threading.Barrier(3)

    def index() -> None:
        with closing(Store.open(path)) as own:
            start.wait(WAIT_S)
            Indexer(own).catch_up()

    threads = [threading.Thread(target=index) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert Indexer(store).behind() == 0
    assert_exact(store, tmp_path / "copy.db")


# --- the server's thread


class Watching:
    """Waits for a store to be indexed, and keeps the troubles that a thread tells of."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.troubles: list[StoreError] = []
        self.told = threading.Event()

    def on_trouble(self, error: StoreError) -> None:
        self.troubles.append(error)
        self.told.set()

    def until_found(self, request_ids: list[int]) -> None:
        pause = threading.Event()
        for _ in range(WAIT_S * 100):
            # The tables are there as soon as the thread has begun.
            if derived_exist(self.store) and found(self.store, EVERY) == sorted(request_ids, reverse=True):
                return
            pause.wait(0.01)
        raise AssertionError("not indexed in time")


def derived_exist(store: Store) -> bool:
    return store.run(derived.is_current)


def put(committer: Committer, record: Record) -> int:
    return asyncio.run(committer.put(Entry.of(record)))


def test_an_empty_store_counts_as_indexed_from_the_first_moment_on(store: Store, path: Path) -> None:
    committer = Committer(Store.open(path), Watching(store).on_trouble)
    try:
        assert derived_exist(store)
    finally:
        committer.close()


def test_a_store_that_has_requests_is_left_to_the_thread(store: Store, path: Path) -> None:
    store.add(records(1))
    Turns(store, Watching(store).on_trouble).begin()
    assert not derived_exist(store)


def test_the_thread_finds_what_this_and_other_processes_store(store: Store, path: Path) -> None:
    watching = Watching(store)
    ids = store.add(records(3))
    committer = Committer(Store.open(path), watching.on_trouble)
    try:
        watching.until_found(ids)
        ids.append(put(committer, records(1)[0]))
        watching.until_found(ids)
        # Nobody tells it of what another process writes.
        with closing(Store.open(path)) as another:
            ids += another.add(records(2))
        watching.until_found(ids)
    finally:
        committer.close()
    assert watching.troubles == []
    ids += store.add(records(1))
    assert Indexer(store).behind() == 1, "it has stopped"


def test_all_who_come_at_once_are_told_their_ids(store: Store, path: Path) -> None:
    watching = Watching(store)
    committer = Committer(Store.open(path), watching.on_trouble)

    async def together(many: list[Record]) -> list[int]:
        return await asyncio.gather(*(committer.put(Entry.of(record)) for record in many))

    try:
        # Twice: whoever comes after many is given a moment for more to come.
        ids = [request_id for _ in range(2) for request_id in asyncio.run(together(records(20)))]
        ids.append(put(committer, records(1)[0]))
        watching.until_found(ids)
    finally:
        committer.close()
    assert len(set(ids)) == 41


def test_the_thread_tells_why_it_cannot_index_and_goes_on_when_it_can(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing_turns, "_AFTER_TROUBLE_S", 0.01)
    store.catch_up()
    set_version = "UPDATE derived SET version = version + ?"
    store.run(lambda connection: connection.execute(set_version, (1,)))
    watching = Watching(store)
    committer = Committer(Store.open(path), watching.on_trouble)
    try:
        ids = [put(committer, record) for record in records(2)]
        assert watching.told.wait(WAIT_S)
        assert "newer promptlayer_patch" in str(watching.troubles[0])
        store.run(lambda connection: connection.execute(set_version, (-1,)))
        watching.until_found(ids)
    finally:
        committer.close()


# --- when it is time for the index


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(indexing_turns, "monotonic", clock)
    return clock


def turns_of(store: Store) -> Turns:
    turns = Turns(store, Watching(store).on_trouble)
    turns.take()
    return turns


def test_the_thread_looks_a_few_times_a_second_and_no_more(store: Store, clock: Clock) -> None:
    turns = turns_of(store)
    for _ in range(3):
        waited = turns.wait_s()
        assert 0.25 <= waited <= 0.5
        clock.now += waited
        assert turns.wait_s() == 0
        turns.take()


def test_what_is_stored_after_a_pause_is_indexed_at_once_and_what_follows_together(
    store: Store, clock: Clock
) -> None:
    turns = turns_of(store)
    clock.now += 10
    turns.take()
    for request in records(2):
        store.add([request])
        turns.stored(1)
    assert turns.wait_s() == 0
    turns.take()
    assert Indexer(store).behind() == 0
    store.add(records(1))
    turns.stored(1)
    waited = turns.wait_s()
    assert 0 < waited < 0.5
    clock.now += waited
    turns.take()
    assert Indexer(store).behind() == 0


def test_many_do_not_wait_for_more(store: Store, clock: Clock) -> None:
    turns = turns_of(store)
    store.add(records(1))
    turns.stored(indexing_turns._MANY - 1)
    assert turns.wait_s() > 0
    turns.stored(1)
    assert turns.wait_s() == 0
    turns.take()
    assert turns.wait_s() > 0


def test_a_backlog_is_worked_off_without_a_pause(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing_turns, "_MOST", 4)
    store.add(records(9))
    turns = turns_of(store)
    while not turns.wait_s():
        turns.take()
    assert clock.now == 1000
    assert Indexer(store).behind() == 0


def test_trouble_is_given_time_however_many_wait(store: Store, path: Path, clock: Clock) -> None:
    turns = turns_of(store)
    store.run(lambda connection: connection.execute("UPDATE derived SET version = version + 1"))
    with closing(Store.open(path)) as another:
        ids = another.add(records(3))
    turns._indexer = Indexer(store)  # as in a process that has just begun
    turns.stored(10_000)
    turns.take()
    turns.stored(10_000)
    assert turns.wait_s() >= 1
    store.run(lambda connection: connection.execute("UPDATE derived SET version = version - 1"))
    clock.now += turns.wait_s()
    turns.take()
    assert found(store, EVERY) == sorted(ids, reverse=True)


def test_what_is_stored_while_a_turn_is_half_done_is_indexed_by_the_next(store: Store, clock: Clock) -> None:
    turns = turns_of(store)
    first = store.add(records(2))
    late: list[int] = []
    clock.now += 10
    turns.stored(2)

    def meanwhile() -> None:
        # Another request, and a change of one that the turn has prepared.
        late.extend(store.add(records(1)))
        store.annotate(first[0], Score(95))
        turns.stored(1)

    turns.take(meanwhile)
    assert found(store, EVERY) == [first[1]]
    assert 0 < turns.wait_s() < 0.5
    clock.now += turns.wait_s()
    turns.take()
    assert found(store, EVERY) == sorted([*first, *late], reverse=True)
    assert Indexer(store).behind() == 0
