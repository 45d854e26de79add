"""Whatever the disk does, calls are as without us and every record arrives, from memory if need be."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests  # noqa: F401  its import warns, by filters that another thread changes meanwhile

import promptlayer_patch
from promptlayer_patch import Stats
from promptlayer_patch._outbox import OutboxDirectory
from promptlayer_patch._outbox import database as outbox_database
from promptlayer_patch._outbox import ledger as outbox_ledger
from promptlayer_patch._outbox.file import OutboxFile
from tests.support.fake_promptlayer import PATIENCE_S, FakePromptLayer, refused
from tests.support.faults_watching import Run, observe, our_log
from tests.support.programs import run_program
from tests.support.wire import MODEL, Wire

KEY = "pl_secret_of_these_tests"
PROMPT = "a prompt that nobody may read in a log"
LARGE = PROMPT * 500
TEN_YEARS_S = 10 * 365 * 24 * 3600

RUNS: list[Run] = [
    ("plain_call", False),
    ("plain_call", True),
    ("whole_stream", False),
    ("whole_stream", True),
    ("refused_call", False),
    ("refused_call", True),
]
"""Each of these makes one record."""


@pytest.fixture
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "outbox"
    monkeypatch.setenv("PROMPTLAYER_OUTBOX_DIR", str(path))
    return path


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    with our_log() as records:
        yield records


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_database, "_BUSY_S", 0.01)


def install(promptlayer: FakePromptLayer, **options: Any) -> None:
    promptlayer_patch.install(to="promptlayer:", api_key=KEY, base_url=promptlayer.base_url, **options)


def ask(text: str = PROMPT) -> None:
    Wire().client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])


def settled() -> Stats:
    assert promptlayer_patch.flush(PATIENCE_S)
    return promptlayer_patch.stats()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        pause.wait(0.002)


def warnings_in(logged: Sequence[logging.LogRecord]) -> list[str]:
    said = [entry.getMessage() for entry in logged]
    assert not any(KEY in line or PROMPT in line for line in said)
    return [entry.getMessage() for entry in logged if entry.levelno >= logging.WARNING]


def assert_calls_are_as_bare(bare: Sequence[Any]) -> None:
    for run, without in zip(RUNS, bare, strict=True):
        assert observe(run, installed=True).differences(without) == []


@functools.cache
def observed_bare() -> list[Any]:
    return [observe(run, installed=False) for run in RUNS]


def assert_all_arrived(promptlayer: FakePromptLayer, records: int) -> None:
    stats = settled()
    assert (stats.recorded, stats.delivered) == (records, records), stats
    assert (stats.queued, stats.outbox, stats.rejected, stats.dropped) == (0, 0, 0, 0)
    assert len(promptlayer.posts) == records


# No outbox at all


def full_from_the_start(path: Path, patch: pytest.MonkeyPatch) -> None:
    bound_to_pages(patch, 2)


def full_after_a_while(path: Path, patch: pytest.MonkeyPatch) -> None:
    bound_to_pages(patch, 10)


def bound_to_pages(patch: pytest.MonkeyPatch, pages: int) -> None:
    connected = outbox_database.connected

    def small(path: Path, *, new: bool) -> sqlite3.Connection:
        connection = connected(path, new=new)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    patch.setattr(outbox_ledger, "connected", small)


def below_a_regular_file(path: Path, patch: pytest.MonkeyPatch) -> None:
    path.write_text("")
    patch.setenv("PROMPTLAYER_OUTBOX_DIR", str(path / "outbox"))


def read_only(path: Path, patch: pytest.MonkeyPatch) -> None:
    path.mkdir(mode=0o500)


def refused_even_to_root(path: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PROMPTLAYER_OUTBOX_DIR", "/proc/promptlayer/outbox")


def without_sqlite(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Some Pythons are built without it."""
    patch.setitem(sys.modules, "sqlite3", None)
    for name in [name for name in sys.modules if name.startswith("promptlayer_patch._outbox.")]:
        if name.endswith((".database", ".file", ".ledger", ".rejected")):
            patch.delitem(sys.modules, name)


is_root = getattr(os, "geteuid", lambda: -1)() == 0
FAULTS = [
    full_from_the_start,
    full_after_a_while,
    below_a_regular_file,
    pytest.param(read_only, marks=pytest.mark.skipif(is_root, reason="root may write everywhere")),
    pytest.param(
        refused_even_to_root,
        marks=pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc"),
    ),
    without_sqlite,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_where_no_outbox_can_be_kept_everything_goes_from_memory(
    promptlayer: FakePromptLayer,
    outbox: Path,
    logged: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    bare = observed_bare()
    fault(outbox, monkeypatch)
    install(promptlayer)
    assert_calls_are_as_bare(bare)
    for _ in range(10):
        ask(LARGE)
    assert_all_arrived(promptlayer, len(RUNS) + 10)
    (said,) = warnings_in(logged)
    assert "outbox" in said
    promptlayer_patch.uninstall()
    assert not outbox.is_dir() or list(outbox.iterdir()) == [], "nothing is left lying about"


def test_a_file_that_another_program_has_locked_is_done_without_until_it_lets_go(
    promptlayer: FakePromptLayer, outbox: Path, logged: list[logging.LogRecord]
) -> None:
    bare = observed_bare()
    install(promptlayer)
    ask()
    settled()
    with locked(outbox):
        assert_calls_are_as_bare(bare)
        assert_all_arrived(promptlayer, 1 + len(RUNS))
        (said,) = warnings_in(logged)
        assert "outbox" in said
    ask()
    assert_all_arrived(promptlayer, 2 + len(RUNS))
    promptlayer_patch.uninstall()
    assert OutboxDirectory(outbox).files() == []


def locked(outbox: Path) -> Any:
    (path,) = OutboxDirectory(outbox).files()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return closing(connection)


@pytest.mark.parametrize("answer", ["accepted", "later", "rejected"])
def test_what_was_under_way_when_the_file_was_locked_is_settled_all_the_same(
    promptlayer: FakePromptLayer, outbox: Path, logged: list[logging.LogRecord], answer: str
) -> None:
    """Its answer comes when it cannot be written down: it is neither stuck nor sent again."""
    answered = {"accepted": refused(200), "later": refused(503), "rejected": refused(400)}[answer]
    put, held = promptlayer.take, threading.Event()

    def slowly(post: Any) -> Any:
        found = put(post)
        assert held.wait(PATIENCE_S)
        return found

    promptlayer.take = slowly  # type: ignore[method-assign]
    if answer != "accepted":
        promptlayer.next_answers.append(answered)
    install(promptlayer)
    ask()
    promptlayer.wait_for(1)
    with locked(outbox):
        held.set()
        stats = settled()
        assert (stats.delivered, stats.rejected) == ((0, 1) if answer == "rejected" else (1, 0))
    assert len(promptlayer.posts) == (2 if answer == "later" else 1)
    about_the_disk = [line for line in warnings_in(logged) if "outbox" in line]
    assert len(about_the_disk) == 1
    promptlayer_patch.uninstall()
    assert OutboxDirectory(outbox).files() == []
    install(promptlayer)
    assert len(promptlayer.posts) == (2 if answer == "later" else 1)


# Slow, and gone


def test_no_call_waits_for_a_disk_that_takes_its_time(
    promptlayer: FakePromptLayer,
    outbox: Path,
    logged: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = observed_bare()
    put, reached, let_go = OutboxFile.put, threading.Event(), threading.Event()

    def slowly(file: OutboxFile, items: Any) -> None:
        reached.set()
        assert let_go.wait(PATIENCE_S)
        put(file, items)

    monkeypatch.setattr(OutboxFile, "put", slowly)
    install(promptlayer)
    ask()
    assert reached.wait(PATIENCE_S)
    assert_calls_are_as_bare(bare)
    stats = promptlayer_patch.stats()
    assert (stats.recorded, stats.queued, promptlayer.posts) == (1 + len(RUNS), 1 + len(RUNS), [])
    let_go.set()
    assert_all_arrived(promptlayer, 1 + len(RUNS))
    assert warnings_in(logged) == []


@pytest.mark.parametrize("jump_s", [-TEN_YEARS_S, TEN_YEARS_S])
def test_a_clock_that_jumps_changes_nothing(
    promptlayer: FakePromptLayer,
    outbox: Path,
    logged: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
    jump_s: int,
) -> None:
    bare = observed_bare()
    install(promptlayer)
    promptlayer.next_answers.append(refused(503))
    ask()
    promptlayer.wait_for(1)
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + jump_s * 10**9)
    assert_calls_are_as_bare(bare)
    stats = settled()
    assert (stats.delivered, stats.outbox) == (1 + len(RUNS), 0)
    assert len(promptlayer.posts) == stats.delivered + stats.retried
    assert len(warnings_in(logged)) == 1, "of the answer"


def its_files(outbox: Path) -> None:
    for path in outbox.iterdir():
        path.unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no file that is open")
@pytest.mark.parametrize("delete", [its_files, shutil.rmtree])
def test_deleted_under_the_running_process_it_costs_no_record(
    promptlayer: FakePromptLayer,
    outbox: Path,
    logged: list[logging.LogRecord],
    delete: Callable[[Path], None],
) -> None:
    bare = observed_bare()
    install(promptlayer)
    promptlayer.next_answers += [refused(503)] * 3
    for _ in range(3):
        ask()
    promptlayer.wait_for(3)
    logged.clear()
    delete(outbox)
    assert_calls_are_as_bare(bare)
    promptlayer.next_answers += [refused(400)]
    ask()
    stats = settled()
    assert (stats.delivered, stats.rejected, stats.outbox) == (3 + len(RUNS), 1, 0)
    about_the_disk = [line for line in warnings_in(logged) if "HTTP" not in line]
    assert len(about_the_disk) <= 1
    promptlayer_patch.uninstall()


# With limits of the system, in a process of its own

LIMITED = """
import resource, sys, os, logging
import promptlayer_patch
from tests.support.fake_promptlayer import PATIENCE_S
from tests.support.wire import MODEL, Wire

base_url, outbox, limited = sys.argv[1:]
os.environ["PROMPTLAYER_OUTBOX_DIR"] = outbox  # noqa: TID251
client = Wire().client()
def ask(text):
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}]).to_json()
bare = ask("bare")
handler = logging.StreamHandler(sys.stdout)
logging.getLogger("promptlayer_patch").addHandler(handler)
promptlayer_patch.install(to="promptlayer:", api_key="pl_secret", base_url=base_url)

name = getattr(resource, limited)
free = os.dup(0)
os.close(free)
before = resource.getrlimit(name)
limit = free if limited == "RLIMIT_NOFILE" else 100_000
resource.setrlimit(name, (limit, before[1]))
same = all(ask("a prompt nobody may read" * 400) == bare for _ in range(30))
if limited == "RLIMIT_NOFILE":
    promptlayer_patch.flush(0.5)
    resource.setrlimit(name, before)
print(same, promptlayer_patch.flush(PATIENCE_S), promptlayer_patch.stats())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.parametrize("limited", ["RLIMIT_FSIZE", "RLIMIT_NOFILE"])
def test_at_a_limit_of_the_system_calls_are_as_ever_and_every_record_arrives(
    promptlayer: FakePromptLayer, outbox: Path, limited: str
) -> None:
    ended = run_program(LIMITED, promptlayer.base_url, outbox, limited)
    assert (ended.code, ended.err) == (0, ""), ended
    *said, result = ended.out.splitlines()
    assert result.startswith(
        "True True Stats(recorded=30, delivered=30, queued=0, outbox=0, rejected=0, dropped=0"
    )
    about_the_disk = [line for line in said if "outbox" in line]
    assert len(about_the_disk) == 1, ended.out
    assert len(said) <= 2, ended.out
    assert "secret" not in ended.out
    assert "prompt nobody" not in ended.out
    assert len(promptlayer.posts) == 30
    assert not outbox.is_dir() or list(outbox.iterdir()) == []
