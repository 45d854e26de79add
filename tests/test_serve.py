"""The server as a command and in a program: it is there at once, and ends cleanly; and its keys."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import closing
from pathlib import Path

import openai
import pytest

import promptlayer_patch
from promptlayer_patch.cli import main
from promptlayer_patch.demo.history import entries
from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.server.running import Server, ServerError
from promptlayer_patch.store import Store
from promptlayer_patch.store.keys import Keys, local_key
from tests.support.serving import TIMEOUT_S, Client, command

ROOT = Path(__file__).resolve().parents[1]
NOW = 1_790_000_000.0
unix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@unix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with command("--db", tmp_path / "requests.db", "--port", 0) as (process, url, key):
        client = Client(url, key)
        assert client.get("/health").json()["success"] is True
        assert client.post("/create-group", {}).json() == {"success": True, "id": 1}
        process.send_signal(number)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
        client.close()
    assert process.returncode == 0
    assert rest == "Stopping: what is under way is finished first.\n"
    assert not list(tmp_path.glob("*-wal")), "the last one out folds the log into the file"


@unix_only
def test_what_is_under_way_at_a_signal_is_answered_and_kept(tmp_path: Path) -> None:
    db = tmp_path / "requests.db"
    body = {"kwargs": {}, "request_response": {}, "request_start_time": NOW, "request_end_time": NOW}
    acknowledged: list[int] = []

    def post(client: Client) -> None:
        try:
            while True:
                answer = client.post("/track-request", body)
                assert answer.status_code == 200
                acknowledged.append(answer.json()["request_id"])
        except OSError:  # requests' own errors among them: it has gone
            client.close()

    with command("--db", db, "--port", 0) as (process, url, key):
        threads = [threading.Thread(target=post, args=(Client(url, key),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 50:
            threads[0].join(0.01)
        process.terminate()
        for thread in threads:
            thread.join()
        process.communicate(timeout=TIMEOUT_S)
    with closing(Store.open(db, read_only=True)) as store:
        assert {summary.request_id for summary in store.recent(100_000)} >= set(acknowledged)


def test_the_key_is_the_same_at_every_start(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        with command("--db", tmp_path / "requests.db", "--port", 0) as (_, _, key):
            keys.append(key)
    assert keys[0] == keys[1] == local_key(tmp_path / "requests.db")


def test_a_port_in_use_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--db", str(tmp_path / "requests.db"), "--port", port]) == 1
    assert f"cannot serve on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["no.such.host.invalid", "256.1.1.1", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_said_to_be(tmp_path: Path, host: str) -> None:
    with pytest.raises(ServerError, match=f"cannot serve on {host}"):
        Server(tmp_path / "requests.db", host=host)


def test_a_file_that_is_no_store_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.txt").write_text("Dear all, " * 100)
    assert main(["serve", "--db", str(tmp_path / "letter.txt"), "--port", "0"]) == 1
    assert "is not a SQLite database" in capsys.readouterr().err
    assert (tmp_path / "letter.txt").read_text() == "Dear all, " * 100


# --- in this process


def test_a_server_in_this_process_takes_what_the_program_records(tmp_path: Path) -> None:
    """The whole loop on one machine: the bare library, this package, this server, its store."""
    with promptlayer_patch.serve(tmp_path / "requests.db") as server, StandIn() as provider:
        promptlayer_patch.install(api_key=server.api_key, base_url=server.url, outbox=False)
        try:
            client = openai.OpenAI(api_key="sk-none", base_url=provider.base_url)
            with promptlayer_patch.scope(tags=["loop"]) as calls:
                client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": "I want a refund"}]
                )
            request_id = calls.request_id(timeout_s=TIMEOUT_S)
            promptlayer_patch.track.score(request_id, 90)
            assert promptlayer_patch.flush(timeout_s=TIMEOUT_S)
        finally:
            promptlayer_patch.uninstall()
    with closing(Store.open(tmp_path / "requests.db", read_only=True)) as store:
        kept = store.get(request_id)
    assert kept is not None
    assert (kept.record.tags, kept.scores) == (("loop",), {"default": 90})
    assert kept.record.client == "OpenAI"


def test_a_server_that_was_stopped_is_gone(tmp_path: Path) -> None:
    before = threading.active_count()
    server = promptlayer_patch.serve(tmp_path / "requests.db")
    assert Client(server.url, None).get("/health").status_code == 200
    server.stop()
    server.stop()
    assert threading.active_count() == before
    with pytest.raises(OSError, match="refused"):
        Client(server.url, None).get("/health")


def test_two_servers_share_a_store(tmp_path: Path) -> None:
    db = tmp_path / "requests.db"
    with promptlayer_patch.serve(db) as one, promptlayer_patch.serve(db) as other:
        groups = [Client(one.url, one.api_key).post("/create-group", {}).json()["id"] for _ in range(2)]
        groups.append(Client(other.url, other.api_key).post("/create-group", {}).json()["id"])
    assert groups == [1, 2, 3]


# --- keys


def test_keys_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = str(tmp_path / "requests.db")
    with promptlayer_patch.serve(db) as server:
        assert main(["keys", "--db", db, "create", "Ada"]) == 0
        key = capsys.readouterr().out.strip()
        assert key.startswith("pl_")
        assert Client(server.url, key).post("/create-group", {}).status_code == 200
        assert main(["keys", "--db", db]) == 0
        listed = capsys.readouterr().out
        assert "Ada" in listed
        assert key not in listed
        assert main(["keys", "--db", db, "revoke", "1"]) == 0
        assert "refuses it within a second" in capsys.readouterr().out
        client = Client(server.url, key)
        while client.post("/create-group", {}).status_code == 200:
            pass  # remembered for a second
        assert client.post("/create-group", {}).status_code == 401
    assert main(["keys", "--db", db, "revoke", "1"]) == 1
    assert main(["keys", "--db", db, "create", "x", "--workspace", "9"]) == 1
    assert main(["keys", "--db", db, "create", " "]) == 1
    assert "there is no workspace 9" in capsys.readouterr().err


def test_a_workspace_is_given_to_nobody_else_when_its_key_is_revoked(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "requests.db")) as store:
        keys = Keys(store)
        _, first = keys.create("first")
        assert keys.revoke(first.id)
        _, second = keys.create("second")
        assert (first.workspace_id, second.workspace_id) == (2, 3)
        key, third = keys.create("third", 2)
        assert third.workspace_id == 2
        assert keys.workspace_of(key) == 2


# --- invented requests


def test_invented_requests_are_as_real_ones_are() -> None:
    made = list(entries(NOW))
    assert made == list(entries(NOW))
    moments = [entry.record.started_at for entry in made]
    assert len({entry.record.id for entry in made}) == len(made) > 1_000
    assert min(moments) > NOW - 31 * 86_400
    assert max(moments) <= NOW
    assert {entry.status for entry in made} == {"SUCCESS", "ERROR"}
    assert any(entry.score for entry in made)


def test_a_store_is_filled_once(tmp_path: Path) -> None:
    counts = []
    for _ in range(2):
        with command("--demo", "--db", tmp_path / "demo.db", "--port", 0):
            store = Store.open(tmp_path / "demo.db", read_only=True)
        with closing(store):
            counts.append(store.count())
    assert counts[0] == counts[1] > 1_000
