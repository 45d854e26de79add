"""The outbox: however a process ends and whoever comes next, each item is delivered once or still there."""

from __future__ import annotations

import copy
import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from promptlayer_patch._delivery.room import Room
from promptlayer_patch._delivery.spooling import Spooling
from promptlayer_patch._encoding import encoded
from promptlayer_patch._outbox import Address, Item, MemorySpool, OutboxDirectory, Unusable
from promptlayer_patch._outbox import database as outbox_database
from promptlayer_patch._outbox import file as outbox_file
from promptlayer_patch._outbox import ledger as outbox_ledger
from promptlayer_patch._outbox.file import OutboxFile
from promptlayer_patch._outbox.items import LONGEST_WAIT_S
from promptlayer_patch._outbox.locking import FileLock
from promptlayer_patch._outbox.rejected import RejectedItems
from promptlayer_patch.records import Delivered, Record, new_record_id
from tests.support.programs import FORKS, ROOT, printed

KEY = "pl_secret_of_these_tests"
ADDRESS = Address("https://pl.test", KEY)
ANOTHER = Address("https://pl.test", "pl_of_another_account")
AN_HOUR_S = 3600.0
TEN_YEARS_S = 10 * 365 * 24 * AN_HOUR_S
MEGABYTE = 1024 * 1024


def record(text: str = "?") -> Record:
    return Record(id=new_record_id(), function_name="openai.chat.completions.create", request={"text": text})


def item(text: str = "?", follows: str | None = None) -> Item:
    return Item.of(record(text), follows)


def items(count: int, text: str = "?") -> list[Item]:
    return [item(text) for _ in range(count)]


def keys(many: list[Item]) -> list[str]:
    return [one.key for one in many]


def taken_from(spool: Any) -> list[Item]:
    """All that can be taken now."""
    return list(iter(spool.take, None))


def killed(file: OutboxFile) -> None:
    """Leave `file` as `kill -9` would: what it has written, its log unmerged, and its lock gone."""
    connection, file._connection = file._connection, None
    assert connection is not None
    left = {
        path: path.read_bytes() for suffix in ("", "-wal") if (path := Path(f"{file.path}{suffix}")).exists()
    }
    connection.close()
    for path, content in left.items():
        path.write_bytes(content)
    file._file_lock.abandon()
    outbox_ledger._open_files.discard(file)


@contextmanager
def locked_by_another(path: Path) -> Iterator[None]:
    """Another connection holds the lock for writing: a backup, say, or a person who looks around."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@pytest.fixture
def directory(tmp_path: Path) -> OutboxDirectory:
    return OutboxDirectory(tmp_path / "outbox")


def filled(directory: OutboxDirectory, many: list[Item], address: Address = ADDRESS) -> OutboxFile:
    file = directory.create(address)
    file.put(many)
    file.publish()
    return file


def orphaned(directory: OutboxDirectory, many: list[Item], address: Address = ADDRESS) -> Path:
    """The file of a process that was killed with these items in it."""
    file = filled(directory, many, address)
    killed(file)
    return file.path


def adopted(directory: OutboxDirectory, address: Address = ADDRESS, **options: Any) -> list[OutboxFile]:
    return list(directory.orphans(address, **options))


# Whatever happens: a model of several processes


@dataclass
class Kept:
    """What is known of an item that is neither delivered nor rejected."""

    item: Item
    follows: str | None
    attempts: int = 0
    request_id: int | None = None
    put_off: bool = False
    """For an hour, as it is written down."""


@dataclass
class Session:
    """What is known of a spool for as long as one process has it."""

    spool: Any
    kept: dict[str, Kept]
    """In order of arrival."""
    published: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    """Taken before in this session, or looked at and held back."""
    waiting: set[str] = field(default_factory=set)
    """Put off for longer than the test lasts."""
    taken: dict[str, Item] = field(default_factory=dict)

    def put(self, many: list[Item]) -> None:
        self.spool.put(many)
        self.kept |= {one.key: Kept(one, one.follows) for one in many}

    def publish(self) -> None:
        news = self.kept.keys() - self.published
        assert self.spool.publish() == bool(news)
        self.published |= news

    def is_held_back(self, key: str) -> bool:
        return self.kept[key].follows in self.kept

    def could_take(self) -> list[str]:
        """In order of arrival."""
        return [
            key
            for key in self.kept
            if key in self.published
            and key not in self.taken
            and key not in self.waiting
            and not self.is_held_back(key)
        ]

    def take(self, *, fresh_first: bool) -> None:
        could = self.could_take()
        found = self.spool.take(fresh_first=fresh_first)
        if found is None:
            assert could == []
            self.seen |= self.published & self.kept.keys()
            return
        if fresh_first and found.key in self.seen:
            # All that were never tried were looked at before it, and are held back.
            self.seen |= self.published & self.kept.keys()
        self._took(found, could)

    def take_along(self, key: str, most: int) -> None:
        first = self.taken[key]
        for found in self.spool.take_along(first, most, 1 << 20):
            assert self.kept[found.key].follows is None
            assert found.spool is self.spool
            self._took(found, self.could_take())

    def _took(self, found: Item, could: list[str]) -> None:
        known = self.kept[found.key]
        assert found.key in could, "taken already, put off, held back or not published"
        assert found.body == known.item.body
        assert (found.attempts, found.request_id) == (known.attempts, known.request_id)
        assert self.spool.has(found)
        if found.key not in self.seen:
            before = could[: could.index(found.key)]
            assert set(before) <= self.seen, "those that were never tried go in order of arrival"
            arrived = list(self.kept)
            self.seen |= set(arrived[: arrived.index(found.key) + 1]) & self.published - self.waiting
        self.taken[found.key] = found

    def delivered(self, key: str, request_id: int) -> None:
        self.all_delivered({key: request_id})

    def all_delivered(self, ids: dict[str, int]) -> None:
        self.spool.all_delivered([(self.taken.pop(key), request_id) for key, request_id in ids.items()])
        for key, request_id in ids.items():
            for one in self.kept.values():
                if one.follows == key:
                    one.request_id = request_id
            self._forget(key)

    def put_off(self, key: str, after_s: float) -> None:
        one = self.taken.pop(key)
        one.attempts += 1
        self.spool.put_off(one, after_s)
        known = self.kept[key]
        known.attempts, known.put_off = one.attempts, after_s > 0
        if after_s:
            self.waiting.add(key)

    def reject(self, key: str) -> list[str]:
        following = [key]
        for gone in following:
            following += [other for other, one in self.kept.items() if one.follows == gone]
        following.remove(key)
        assert sorted(keys(self.spool.remove(self.taken.pop(key)))) == sorted(following)
        for gone in (key, *following):
            self._forget(gone)
        return [key, *following]

    def recall(self) -> None:
        self.spool.recall()
        self.waiting.clear()

    def check(self) -> None:
        sizes = [one.item.size for one in self.kept.values()]
        assert (self.spool.count, self.spool.size) == (len(sizes), sum(sizes))

    def _forget(self, key: str) -> None:
        del self.kept[key]
        for known in (self.published, self.seen, self.waiting):
            known.discard(key)


class Processes(RuleBasedStateMachine):
    """Several processes share a directory, and any of them may be killed at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(outbox_database, "_BUSY_S", 0.0)
        self.path = Path(tempfile.mkdtemp()) / "outbox"
        self.ids = count(1)
        self.put_in: set[str] = set()
        self.delivered: set[str] = set()
        self.rejected: set[str] = set()
        self.left: dict[Path, dict[str, Kept]] = {}
        """What is in files whose process is gone."""
        self.processes: list[dict[str, Session]] = [{}, {}, {}]
        """By `own` or the name of the file that was adopted."""

    def directory(self) -> OutboxDirectory:
        return OutboxDirectory(self.path)

    def sessions(self) -> list[Session]:
        return [session for process in self.processes for session in process.values()]

    def session(self, at: int) -> Session | None:
        sessions = self.sessions()
        return sessions[at % len(sessions)] if sessions else None

    def taken(self, at: int) -> tuple[Session, str] | None:
        found = [(session, key) for session in self.sessions() for key in session.taken]
        return found[at % len(found)] if found else None

    numbers = st.integers(0, 20)

    @rule(process=st.integers(0, 2), many=st.integers(1, 3), follows=st.none() | numbers)
    def put(self, process: int, many: int, follows: int | None) -> None:
        sessions = self.processes[process]
        if "own" not in sessions:
            sessions["own"] = Session(self.directory().create(ADDRESS), {})
        own = sessions["own"]
        others = [*own.kept, *sorted(self.delivered)]
        followed = others[follows % len(others)] if follows is not None and others else None
        new = [item(f"{number} " * (number % 7 + 1), followed) for number in range(many)]
        own.put(new)
        self.put_in |= set(keys(new))

    @rule(at=numbers)
    def publish(self, at: int) -> None:
        if session := self.session(at):
            session.publish()

    @rule(at=numbers, fresh_first=st.booleans(), times=st.integers(1, 4))
    def take(self, at: int, fresh_first: bool, times: int) -> None:
        if session := self.session(at):
            for _ in range(times):
                session.take(fresh_first=fresh_first)

    @rule(at=numbers, most=st.integers(1, 20))
    def take_along(self, at: int, most: int) -> None:
        if found := self.taken(at):
            found[0].take_along(found[1], most)

    @rule(at=numbers)
    def deliver_all(self, at: int) -> None:
        if session := self.session(at):
            ids = {key: next(self.ids) for key in session.taken}
            if ids:
                session.all_delivered(ids)
            self.delivered |= ids.keys()

    @rule(at=numbers)
    def deliver(self, at: int) -> None:
        if found := self.taken(at):
            session, key = found
            assert key not in self.delivered | self.rejected
            session.delivered(key, next(self.ids))
            self.delivered.add(key)

    @rule(at=numbers, after_s=st.sampled_from([0.0, AN_HOUR_S]))
    def put_off(self, at: int, after_s: float) -> None:
        if found := self.taken(at):
            found[0].put_off(found[1], after_s)

    @rule(at=numbers)
    def reject(self, at: int) -> None:
        if found := self.taken(at):
            self.rejected |= set(found[0].reject(found[1]))

    @rule(at=numbers)
    def recall(self, at: int) -> None:
        if session := self.session(at):
            session.recall()

    @rule(
        at=numbers, endings=st.lists(st.sampled_from(["deliver", "reject", "take"]), min_size=1, max_size=6)
    )
    def write_nothing(self, at: int, endings: list[str]) -> None:
        """For a while: what is settled meanwhile is deleted as soon as that is possible."""
        session = self.session(at)
        if session is None:
            return
        with locked_by_another(session.spool.path):
            for number, ending in enumerate(endings):
                key = next(iter(session.taken), None)
                if ending == "take" or key is None:
                    session.take(fresh_first=bool(number % 2))
                elif ending == "deliver":
                    session.delivered(key, next(self.ids))
                    self.delivered.add(key)
                else:
                    self.rejected |= set(session.reject(key))
            with pytest.raises(Unusable):
                session.spool.put(items(1))
        session.spool.note("written", "again")

    @rule(process=st.integers(0, 2))
    def kill(self, process: int) -> None:
        for session in self.processes[process].values():
            killed(session.spool)
            self.left[session.spool.path] = session.kept
        self.processes[process] = {}

    @rule(process=st.integers(0, 2))
    def end_well(self, process: int) -> None:
        for session in self.processes[process].values():
            session.spool.close()
            assert session.spool.path.exists() == bool(session.kept)
            if session.kept:
                self.left[session.spool.path] = session.kept
        self.processes[process] = {}

    @rule(process=st.integers(0, 2))
    def look_around(self, process: int) -> None:
        for file in self.directory().orphans(ADDRESS):
            self.processes[process][file.path.name] = self.session_of(file)
        assert all(not kept for kept in self.left.values()), "all that have something in them are adopted"
        assert not any(path.exists() for path in self.left), "and the empty ones are deleted"
        self.left.clear()

    def session_of(self, file: OutboxFile) -> Session:
        kept = self.left.pop(file.path)
        session = Session(file, kept, published=set(kept))
        session.waiting = {key for key, one in kept.items() if one.put_off}
        session.seen = set(session.waiting)
        return session

    @rule(at=numbers)
    def fork(self, at: int) -> None:
        """The child has a copy of the object and of the descriptor that holds the lock."""
        if session := self.session(at):
            child, parent = session.spool, copy.copy(session.spool)
            parent._file_lock = FileLock(child._file_lock._path, os.dup(child._file_lock._descriptor))
            child._in_forked_child()
            session.spool = parent
            for one in session.taken.values():
                assert not child.has(one)
            with pytest.raises(Unusable):
                child.put(items(1))
            child.close()

    @invariant()
    def all_is_accounted_for(self) -> None:
        for session in self.sessions():
            session.check()
        places = [session.kept.keys() for session in self.sessions()] + [
            kept.keys() for kept in self.left.values()
        ]
        waiting = [key for place in places for key in place]
        assert len(waiting) == len(set(waiting))
        assert set(waiting) | self.delivered | self.rejected == self.put_in

    @invariant()
    def the_files_are_those_that_are_needed(self) -> None:
        expected = {session.spool.path for session in self.sessions()} | self.left.keys()
        assert set(self.directory().files()) == expected

    def teardown(self) -> None:
        for process in range(3):
            self.kill(process)
        for file in self.directory().orphans(ADDRESS):
            session = self.session_of(file)
            session.recall()
            while session.could_take():
                session.take(fresh_first=False)
                for key in list(session.taken):
                    session.delivered(key, next(self.ids))
                    assert key not in self.delivered | self.rejected
                    self.delivered.add(key)
            file.close()
        self.patch.undo()
        assert self.delivered | self.rejected == self.put_in
        assert not self.path.exists() or os.listdir(self.path) == []
        shutil.rmtree(self.path.parent)


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)


class InMemory(RuleBasedStateMachine):
    """The same, as long as the process lives."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(MemorySpool(), {})
        self.ids = count(1)

    numbers = st.integers(0, 20)

    @rule(many=st.integers(1, 4), follows=st.none() | numbers)
    def put(self, many: int, follows: int | None) -> None:
        others = list(self.session.kept)
        followed = others[follows % len(others)] if follows is not None and others else None
        self.session.put([item("?" * number, followed) for number in range(many)])

    @rule()
    def publish(self) -> None:
        self.session.publish()

    @rule(fresh_first=st.booleans())
    def take(self, fresh_first: bool) -> None:
        self.session.take(fresh_first=fresh_first)

    def one_taken(self, at: int) -> str:
        return list(self.session.taken)[at % len(self.session.taken)]

    @precondition(lambda self: self.session.taken)
    @rule(at=numbers, most=st.integers(1, 20))
    def take_along(self, at: int, most: int) -> None:
        self.session.take_along(self.one_taken(at), most)

    @precondition(lambda self: self.session.taken)
    @rule()
    def deliver_all(self) -> None:
        self.session.all_delivered({key: next(self.ids) for key in self.session.taken})

    @precondition(lambda self: self.session.taken)
    @rule(at=numbers)
    def deliver(self, at: int) -> None:
        self.session.delivered(self.one_taken(at), next(self.ids))

    @precondition(lambda self: self.session.taken)
    @rule(at=numbers, after_s=st.sampled_from([0.0, AN_HOUR_S]))
    def put_off(self, at: int, after_s: float) -> None:
        self.session.put_off(self.one_taken(at), after_s)

    @precondition(lambda self: self.session.taken)
    @rule(at=numbers)
    def reject(self, at: int) -> None:
        self.session.reject(self.one_taken(at))

    @rule()
    def recall(self) -> None:
        self.session.recall()

    @invariant()
    def counted(self) -> None:
        self.session.check()
        assert self.session.spool.published == len(self.session.published)

    def teardown(self) -> None:
        left = self.session.spool.empty()
        assert sorted(keys(left)) == sorted(self.session.kept)
        assert not any(self.session.spool.has(one) for one in left)
        assert (self.session.spool.count, self.session.spool.size, self.session.spool.take()) == (0, 0, None)


TestInMemory = InMemory.TestCase
TestInMemory.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


# Who may read it


def test_nothing_is_asked_of_sqlite_while_a_fork_may_come(directory: OutboxDirectory) -> None:
    """A child that was forked while a thread is inside SQLite finds its mutexes locked for ever."""
    file = directory.create(ADDRESS)
    assert file._connection is not None
    unguarded: list[str] = []
    asked: list[str] = []

    def note(statement: str) -> None:
        asked.append(statement)
        if not outbox_database.inside._is_owned():  # type: ignore[attr-defined]
            unguarded.append(statement)

    file._connection.set_trace_callback(note)
    file.put(items(3))
    file.publish()
    first, second, third = taken_from(file)
    file.put_off(first, 0.0)
    file.delivered(second, 1)
    file.remove(third)
    file.note("name", "value")
    assert file.facts()["name"] == "value"
    file.recall()
    file.close()
    assert unguarded == []
    assert any("synchronous" in statement for statement in asked), "the first commit was seen"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_may_read_it_however_lax_the_umask(directory: OutboxDirectory) -> None:
    before = os.umask(0)
    try:
        file = filled(directory, items(3))
        directory.rejected.add(items(1), url="", account="", reason="no")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.path.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert {Path(name).suffix for name in modes} == {".outbox", ".outbox-wal", ".outbox-shm", ".lock", ".db"}
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    file.close()


def test_no_key_is_in_any_file(directory: OutboxDirectory) -> None:
    file = filled(directory, items(3))
    file.note("key_refused", "1")
    directory.rejected.add(items(1), url=ADDRESS.url, account=ADDRESS.account, reason="no")
    assert not any(KEY.encode() in path.read_bytes() for path in directory.path.iterdir())
    assert KEY not in repr(ADDRESS)
    file.close()


# Whose it is

LIVING = """
import sys
from promptlayer_patch._outbox import OutboxDirectory
from tests.test_outbox import ADDRESS, filled, items
file = filled(OutboxDirectory(sys.argv[1]), items(3))
print(file.path, flush=True)
sys.stdin.read()
"""


def test_what_a_living_process_has_is_not_adopted_and_what_a_killed_one_had_is(
    directory: OutboxDirectory,
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", LIVING, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        path = Path(child.stdout.readline().strip())
        assert adopted(directory) == []
        assert directory.in_use(path)
        assert directory.discard(path) is None
        child.kill()
        child.wait()
        assert not directory.in_use(path)
        (file,) = adopted(directory)
    assert (file.path, len(taken_from(file))) == (path, 3)
    file.close()


FORKED = """
import os, sys
from promptlayer_patch._outbox import OutboxDirectory
from tests.test_outbox import ADDRESS, adopted, filled, items, taken_from
directory = OutboxDirectory(sys.argv[1])
file = filled(directory, items(3))
child = os.fork()
if child == 0:
    print("child", adopted(directory), file.has(items(1)[0]), flush=True)
    own = filled(directory, items(2))
    print("child", own.path != file.path, len(taken_from(own)), flush=True)
    sys.exit(0)  # and not os._exit: whatever the interpreter takes apart at its end
assert os.waitpid(child, 0)[1] == 0
for one in taken_from(file):
    file.delivered(one, 1)
file.put(items(1))
print("parent", file.count, [len(taken_from(one)) for one in adopted(directory)])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_leaves_alone_what_its_parent_has(directory: OutboxDirectory) -> None:
    assert printed(FORKED, directory.path, options=FORKS) == [
        "child [] False",
        "child True 2",
        "parent 1 [2]",
    ]


def test_two_that_look_at_once_never_get_the_same_file(directory: OutboxDirectory) -> None:
    paths = {orphaned(directory, items(2)) for _ in range(12)}
    found: list[list[OutboxFile]] = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def look(at: int) -> None:
        start.wait()
        for _ in range(3):
            found[at] += adopted(OutboxDirectory(directory.path))

    threads = [threading.Thread(target=look, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [file.path for files in found for file in files]
    assert (len(got), set(got)) == (12, paths)
    for file in (file for files in found for file in files):
        file.close()


def test_another_accounts_are_left_alone_unless_all_are_asked_for(directory: OutboxDirectory) -> None:
    path = orphaned(directory, items(2), ANOTHER)
    assert adopted(directory) == []
    assert path.exists()
    (file,) = adopted(directory, any_account=True)
    file.close()
    assert len(adopted(directory, ANOTHER)) == 1


def test_the_same_program_delivers_with_a_new_key_what_the_old_one_was_refused_for(
    directory: OutboxDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = filled(directory, items(2), ANOTHER)
    file.note("key_refused", "1")
    killed(file)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "argv", ["another program"])
        assert adopted(directory) == []
    (file,) = adopted(directory)
    file.close()


def test_another_destinations_are_left_alone(directory: OutboxDirectory) -> None:
    orphaned(directory, items(2))
    assert adopted(directory, Address("https://elsewhere.test", KEY), any_account=True) == []


def test_put_back_for_somebody_else_it_is_theirs(directory: OutboxDirectory) -> None:
    """Who puts something back on the command line may not have the key it was recorded with."""
    file = directory.create(ADDRESS, account=ANOTHER.account)
    file.put(items(1))
    file.close()
    assert adopted(directory) == []
    (file,) = adopted(directory, ANOTHER)
    file.close()


# Files that are not what they were


def random_bytes(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(100))


def overwritten(path: Path) -> None:
    """All pages but the first."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE holidays (day TEXT)")


@pytest.mark.parametrize("damage", [random_bytes, half, without_header, overwritten, foreign])
def test_a_damaged_file_is_set_aside_and_said_once(
    directory: OutboxDirectory, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    file = filled(directory, items(200, "x" * 500))
    file.close()
    damage(file.path)
    spooling = spooled(directory)
    put = [record("new")]
    assert spooling.put(put) == [Delivered()]
    spooling.publish()
    assert [one.key for one in delivering(spooling)][-1:] == [put[0].id]
    spooling.close()
    (aside,) = directory.damaged()
    (said,) = warnings_in(caplog)
    assert str(aside) in said
    assert directory.files() == []


def spooled(directory: OutboxDirectory) -> Spooling:
    return Spooling(directory, ADDRESS, Room(100_000, 1 << 30), Room(1000, 1 << 20))


def delivering(spooling: Spooling) -> Iterator[Item]:
    """Deliver all there is."""
    while (one := spooling.take(own_only=False, fresh_first=False)) is not None:
        yield one
        spooling.delivered([(one, 1)])


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.WARNING]


def test_damaged_under_a_living_process_it_is_set_aside_and_a_new_one_begun(
    directory: OutboxDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    spooling = spooled(directory)
    spooling.put([record("x" * 20_000) for _ in range(1000)])
    spooling.publish()
    (path,) = directory.files()
    own = spooling._own
    assert own is not None
    assert own._connection is not None
    own._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwritten(path)
    for _ in range(2000):  # as many as are still in memory
        if spooling._own is not own or (one := spooling.take(own_only=True, fresh_first=False)) is None:
            break
        try:
            spooling.delivered([(one, 1)])
        except Unusable:
            pass
    new = record("new")
    assert spooling.put([new]) == [Delivered()]
    spooling.publish()
    assert new.id in [one.key for one in delivering(spooling)]
    assert len(directory.damaged()) == 1
    assert len(warnings_in(caplog)) == 1
    spooling.close()


@pytest.mark.parametrize("what", ["", "-wal"])
def test_a_file_that_lost_what_was_in_it_is_no_obstacle(
    directory: OutboxDirectory, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """Nobody can say what was in it; its neighbours are delivered."""
    path = orphaned(directory, items(5))
    neighbour = items(1)
    orphaned(directory, neighbour)
    if what:
        Path(f"{path}{what}").unlink()
    else:
        Path(f"{path}-wal").unlink()
        path.write_bytes(b"")
    (file,) = adopted(directory)
    assert keys(taken_from(file)) == keys(neighbour)
    assert not path.exists()
    assert warnings_in(caplog) == []
    file.close()


def test_a_file_of_a_newer_version_is_left_alone(
    directory: OutboxDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    path = orphaned(directory, items(1))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    for _ in range(3):
        assert adopted(directory) == []
    assert (path.read_bytes(), directory.damaged()) == (before, [])
    (said,) = warnings_in(caplog)
    assert "newer" in said


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[]", b"{}", b'"text"', b'{"ending": "soon"}', b"[" * 100_000]
)
def test_an_item_that_cannot_be_read_does_not_hold_back_its_neighbours(
    directory: OutboxDirectory, body: bytes
) -> None:
    before, after = item("before"), item("after")
    broken = item("broken")
    broken.body = body
    orphaned(directory, [before, broken, after])
    spooling = spooled(directory)
    found = []
    while (one := spooling.take(own_only=False, fresh_first=False)) is not None:
        found.append(one.key)
        if one.unreadable:
            assert spooling.reject(one, one.unreadable) == []
        else:
            spooling.delivered([(one, 1)])
    assert found == keys([before, broken, after])
    (rejected,) = directory.rejected.all()
    assert (rejected.key, rejected.body) == (broken.key, body)
    assert rejected.reason.startswith("cannot be read: ")
    assert directory.files() == []
    spooling.close()


@pytest.mark.parametrize("left", ["lock", "lock and empty file", "lock and begun file"])
def test_what_a_process_leaves_that_was_killed_while_it_made_one_is_cleared_away(
    directory: OutboxDirectory, caplog: pytest.LogCaptureFixture, left: str
) -> None:
    directory.path.mkdir()
    stem = directory.path / f"{ADDRESS.place}-{new_record_id()}"
    stem.with_suffix(".lock").touch()
    if left != "lock":
        path = stem.with_suffix(".outbox")
        path.touch()
        if left == "lock and begun file":
            outbox_database.connected(path, new=False).close()
    assert adopted(directory) == []
    assert os.listdir(directory.path) == []
    assert warnings_in(caplog) == []


def test_who_is_overtaken_between_making_a_lock_and_taking_it_makes_another(
    directory: OutboxDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptlayer_patch._outbox import locking

    take, overtaken = locking._try_lock, []

    def slowly(descriptor: int) -> None:
        if not overtaken:
            overtaken.append(descriptor)
            assert adopted(OutboxDirectory(directory.path)) == []  # which locks it, and finds nothing
        take(descriptor)

    monkeypatch.setattr(locking, "_try_lock", slowly)
    file = filled(directory, items(1))
    assert overtaken
    assert directory.files() == [file.path]
    file.close()


# What was rejected

REJECTING = """
import sys
from pathlib import Path
from promptlayer_patch._outbox.rejected import RejectedItems
from tests.test_outbox import items
for one in items(50):
    RejectedItems(Path(sys.argv[1])).add([one], url="u", account="a", reason="theirs")
print(RejectedItems(Path(sys.argv[1])).count() >= 50)
"""


def test_what_was_rejected_is_kept_by_all_processes_in_one_place(directory: OutboxDirectory) -> None:
    ours = items(50)
    done: list[list[str]] = []
    theirs = threading.Thread(target=lambda: done.append(printed(REJECTING, directory.rejected.path)))
    theirs.start()
    for one in ours:
        directory.rejected.add([one, one], url="u", account="a", reason="ours")
    theirs.join()
    assert done == [["True"]]
    found = directory.rejected.all()
    assert [one.key for one in found if one.reason == "ours"] == keys(ours)
    assert [one.reason for one in found].count("theirs") == 50
    assert found[0].body == encoded(ours[0].load) or found[0].reason == "theirs"
    directory.rejected.drop(keys(ours))
    assert directory.rejected.count() == 50
    assert directory.rejected.clear() == 50
    assert directory.rejected.all() == []


def test_the_oldest_of_what_was_rejected_go_when_there_are_too_many(
    directory: OutboxDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlayer_patch._outbox.rejected._MOST", 5)
    many = items(8)
    for one in many:
        directory.rejected.add([one], url="u", account="a", reason="no")
    assert [one.key for one in directory.rejected.all()] == keys(many)[3:]


def test_nothing_is_made_by_asking_what_was_rejected(tmp_path: Path) -> None:
    rejected = RejectedItems(tmp_path / "none" / "rejected.db")
    assert (rejected.all(), rejected.count(), rejected.clear()) == ([], 0, 0)
    assert not rejected.path.parent.exists()


# Room and time


def test_the_file_is_small_again_after_a_long_outage(directory: OutboxDirectory) -> None:
    file = filled(directory, items(24, "x" * MEGABYTE))
    most = directory.size()
    assert most > 24 * MEGABYTE
    for one in taken_from(file):
        file.delivered(one, 1)
    file.put(items(1))
    assert directory.size() < 6 * MEGABYTE, "the log may keep its 4 MiB"
    file.close()


def test_when_an_item_is_due_outlives_the_process(directory: OutboxDirectory) -> None:
    first, second = many = items(2)
    file = filled(directory, many)
    for one, after_s in zip(taken_from(file), [AN_HOUR_S / 2, 0.0], strict=True):
        one.attempts += 1
        file.put_off(one, after_s)
    killed(file)
    (file,) = adopted(directory)
    (found,) = taken_from(file)
    assert (found.key, found.attempts) == (second.key, 1)
    due = file.next_due()
    assert due is not None
    assert AN_HOUR_S / 2 - 60 < due - time.monotonic() <= AN_HOUR_S / 2
    file.recall()
    (found,) = taken_from(file)
    assert (found.key, found.attempts) == (first.key, 1)
    file.close()


@pytest.mark.parametrize("jump_s", [-TEN_YEARS_S, TEN_YEARS_S])
@pytest.mark.parametrize("dies", [False, True], ids=["in one process", "between two"])
def test_a_clock_that_jumps_by_years_delays_nothing_for_longer_than_an_hour(
    directory: OutboxDirectory, monkeypatch: pytest.MonkeyPatch, jump_s: float, dies: bool
) -> None:
    many = items(4)
    file = filled(directory, many)
    for one in [file.take(), file.take()]:
        assert one is not None
        file.put_off(one, AN_HOUR_S)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    if dies:
        killed(file)
        (file,) = adopted(directory)
    file.put(late := items(1))
    file.publish()
    found = taken_from(file)
    while (due := file.next_due()) is not None:
        assert due - time.monotonic() <= LONGEST_WAIT_S
        file.recall()
        found += taken_from(file)
    assert sorted(keys(found)) == sorted(keys(many + late))
    file.close()


def test_a_wait_is_never_longer_than_an_hour_whatever_is_asked_for(directory: OutboxDirectory) -> None:
    file = filled(directory, items(1))
    (one,) = taken_from(file)
    file.put_off(one, TEN_YEARS_S)
    due = file.next_due()
    assert due is not None
    assert due - time.monotonic() <= LONGEST_WAIT_S
    file.close()


def test_the_order_is_that_of_arrival_also_beyond_what_memory_keeps(directory: OutboxDirectory) -> None:
    many = items(outbox_file._FRESH_ITEMS * 3)
    file = filled(directory, many)
    assert keys(taken_from(file)) == keys(many)
    assert not file._fresh
    file.close()


def test_any_thread_may_use_it(directory: OutboxDirectory) -> None:
    """The worker puts, the senders take, and each of them settles."""
    file = directory.create(ADDRESS)
    many, found = items(400), []
    over = threading.Event()

    def deliver() -> None:
        while not over.is_set() or file.count:
            one = file.take()
            if one is not None:
                found.append(one.key)
                file.delivered(one, 1)

    threads = [threading.Thread(target=deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for at in range(0, 400, 40):
        file.put(many[at : at + 40])
        file.publish()
    over.set()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(keys(many))
    assert (file.count, file.size) == (0, 0)
    file.close()
    assert directory.files() == []
