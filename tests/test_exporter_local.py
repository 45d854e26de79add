"""`local:[path]`: every record of a batch gets its own outcome, and a request id at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch.exporters.local import LocalExporter, open_exporter
from promptlayer_patch.records import Delivered, Record, Rejected, TryLater, new_record_id
from promptlayer_patch.store import Store
from tests.support.programs import printed

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class OwnStore:
    local_db: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@pytest.fixture
def exporter(path: Path) -> Iterator[LocalExporter]:
    with closing(open_exporter(str(path), OwnStore("unused"))) as opened:
        yield opened


def a_record(**fields: Any) -> Record:
    return Record(**{"id": new_record_id(), "function_name": "openai.chat.completions.create", **fields})


def a_bad_record() -> Record:
    return a_record(request={("no", "JSON"): "key"})


def python(script: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,  # where -c finds the package
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_every_record_is_delivered_with_the_id_it_is_found_under(exporter: LocalExporter, path: Path) -> None:
    records = [a_record(tags=(str(n),)) for n in range(3)]
    deliveries = exporter.export(records)
    with closing(Store.open(path, read_only=True)) as store:
        for record, delivery in zip(records, deliveries, strict=True):
            assert isinstance(delivery, Delivered)
            assert delivery.request_id is not None
            stored = store.get(delivery.request_id)
            assert stored is not None
            assert stored.record == record


def test_a_record_that_is_sent_again_is_stored_once(exporter: LocalExporter, path: Path) -> None:
    """The worker repeats a batch of which it does not know whether it arrived."""
    record = a_record()
    assert exporter.export([record]) == exporter.export([record])
    with closing(Store.open(path)) as store:
        assert store.count() == 1


def test_a_bad_record_is_rejected_alone(exporter: LocalExporter, path: Path) -> None:
    bad = a_bad_record()
    first, rejected, last = exporter.export([a_record(), bad, a_record()])
    assert isinstance(first, Delivered)
    assert isinstance(last, Delivered)
    assert isinstance(rejected, Rejected)
    assert bad.id in rejected.reason
    assert "TypeError" in rejected.reason
    with closing(Store.open(path)) as store:
        assert store.count() == 2


def test_an_empty_batch_is_nothing(exporter: LocalExporter) -> None:
    assert exporter.export([]) == []


def test_a_store_that_is_locked_asks_for_another_try(exporter: LocalExporter, path: Path) -> None:
    exporter.export([a_record()])
    batch = [a_record(), a_record()]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        deliveries = exporter.export(batch)
    assert [type(delivery) for delivery in deliveries] == [TryLater, TryLater]
    assert all(isinstance(delivery, TryLater) and "locked" in delivery.reason for delivery in deliveries)
    assert [type(delivery) for delivery in exporter.export(batch)] == [Delivered, Delivered]


NO_ROOM = """
import os, resource, sys
from promptlayer_patch.exporters.local import LocalExporter
from promptlayer_patch.records import Record, new_record_id
exporter = LocalExporter(sys.argv[1])
bodies = [{"x": os.urandom(200_000).hex()} for _ in range(2)]
records = [Record(id=new_record_id(), function_name="f", request=body) for body in bodies]
print(type(exporter.export(records[:1])[0]).__name__)
size = os.path.getsize(sys.argv[1] + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
print(exporter.export(records[1:])[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(type(exporter.export(records[1:])[0]).__name__)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_disk_without_room_asks_for_another_try(path: Path) -> None:
    before, without_room, after = python(NO_ROOM, path)
    assert (before, after) == ("Delivered", "Delivered")
    assert without_room.startswith("TryLater")


def newer(path: Path) -> None:
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")


def another_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (id)")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"not a database " * 4096), "not a SQLite database"),
        (newer, "newer promptlayer_patch"),
        (another_application, "another application"),
        (Path.mkdir, "not a regular file"),
    ],
    ids=["text", "newer", "foreign", "directory"],
)
def test_a_file_that_cannot_be_the_store_rejects_with_the_reason(
    exporter: LocalExporter, path: Path, spoil: Any, reason: str
) -> None:
    spoil(path)
    deliveries = exporter.export([a_record(), a_bad_record()])
    assert len(deliveries) == 2
    assert all(isinstance(delivery, Rejected) and str(path) in delivery.reason for delivery in deliveries)
    assert reason in str(deliveries[0])


def test_a_file_that_was_put_right_is_used(exporter: LocalExporter, path: Path) -> None:
    path.write_bytes(b"not a database " * 4096)
    assert isinstance(exporter.export([a_record()])[0], Rejected)
    path.unlink()
    assert isinstance(exporter.export([a_record()])[0], Delivered)


def test_a_place_that_cannot_be_written_rejects_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (delivery,) = LocalExporter(str(tmp_path / "file" / "requests.db")).export([a_record()])
    assert isinstance(delivery, Rejected)
    assert "cannot be created" in delivery.reason


def test_no_path_means_the_users_own_store(tmp_path: Path) -> None:
    assert open_exporter("", OwnStore(str(tmp_path / "own.db"))).path == str(tmp_path / "own.db")


@pytest.mark.parametrize("target", ["~/requests.db", ""])
def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    exporter = open_exporter(target, OwnStore("~/requests.db"))
    assert exporter.path == str(tmp_path / "requests.db")


def test_a_relative_path_stays_where_it_was_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exporter = open_exporter("requests.db", OwnStore("unused"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with closing(exporter):
        exporter.export([a_record()])
    assert (tmp_path / "requests.db").exists()


def test_nothing_is_created_before_the_first_record(tmp_path: Path) -> None:
    open_exporter(str(tmp_path / "new" / "requests.db"), OwnStore("unused")).close()
    assert list(tmp_path.iterdir()) == []


def test_an_exporter_that_was_closed_opens_again(exporter: LocalExporter) -> None:
    record = a_record()
    first = exporter.export([record])
    exporter.close()
    exporter.close()
    assert exporter.export([record]) == first


def test_sqlite3_is_not_imported_before_the_first_record() -> None:
    script = """
import sys
from promptlayer_patch.exporters.local import LocalExporter
LocalExporter("requests.db")
print("sqlite3" in sys.modules)
"""
    assert python(script) == ["False"]


_LOOPS = """
import openai, promptlayer_patch
import openai._base_client as base
http = getattr(base, "httpx2", None) or base.httpx
message = {"role": "assistant", "content": "An answer of ordinary length. " * 8}
choice = {"index": 0, "finish_reason": "stop", "message": message}
answer = {"id": "c", "choices": [choice], "model": "gpt-4o"}
transport = http.MockTransport(lambda _: http.Response(200, json=answer))
client = openai.OpenAI(api_key="x", base_url="http://local/v1", http_client=http.Client(transport=transport))
question = [{"role": "user", "content": "word " * 200}]
promptlayer_patch.install()
for calls in (1, 500, 500, 500):
    before = promptlayer_patch.stats().delivered
    for _ in range(calls):
        client.chat.completions.create(model="gpt-4o", messages=question)
    print(promptlayer_patch.stats().delivered - before)
    assert promptlayer_patch.flush(60)
"""


def test_a_loop_of_calls_that_never_wait_is_stored_while_it_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`openai` gives the interpreter up for a moment in each call, and takes it back before the worker has
    woken: without a word between the two the worker would run when the loop is over, and not before."""
    monkeypatch.setenv("PROMPTLAYER_TO", f"local:{path}")
    _, *delivered = printed(_LOOPS)
    assert "0" not in delivered
