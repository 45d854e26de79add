"""`promptlayer-patch doctor`: what it says where all is well, and where something is not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch import cli
from promptlayer_patch._commands import doctor_network
from promptlayer_patch._commands.doctor_versions import satisfies
from promptlayer_patch._outbox import Address, Item, OutboxDirectory
from promptlayer_patch.records import Record, new_record_id
from tests.support.fake_promptlayer import FakePromptLayer, nobody_listening
from tests.support.programs import ROOT

KEY = "pl_secret_of_the_test"
_PAGE = {"items": [], "page": 1, "pages": 0, "per_page": 1, "total": 0, "has_next": False, "has_prev": False}

Checks = dict[str, list[tuple[str, str]]]


@dataclass
class Registry:
    """Answers what `doctor` asks for, as PromptLayer does."""

    status: int = 200
    body: Any = field(default_factory=lambda: _PAGE)
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    ahead_s: float = 0.0
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    base_url: str = ""


@pytest.fixture
def registry() -> Iterator[Registry]:
    told, over = Registry(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + told.ahead_s, usegmt=True)

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            told.asked.append((self.command, self.path, self.headers["X-API-KEY"]))
            if told.silent:
                over.wait()
                return
            body = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    told.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield told
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def box(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> OutboxDirectory:
    monkeypatch.setenv("PROMPTLAYER_OUTBOX_DIR", str(tmp_path / "outbox"))
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", registry.base_url)
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    return OutboxDirectory(tmp_path / "outbox")


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], box: OutboxDirectory) -> Any:
    """Run the command; its exit code, and by the name of each check what it said."""

    def run(*arguments: str) -> tuple[int, Checks]:
        code = cli.main(["doctor", "--json", *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        assert KEY not in out
        found: Checks = {}
        for check in json.loads(out)["checks"]:
            found.setdefault(check["name"], []).append((check["status"], check["text"]))
        assert json.loads(out)["ok"] is (code == 0)
        return code, found

    return run


def test_where_all_is_well_every_check_is_ok(doctor: Any, registry: Registry, box: OutboxDirectory) -> None:
    code, found = doctor()
    assert code == 0
    assert {status for checks in found.values() for status, _ in checks} == {"ok"}, found
    assert registry.asked == [("GET", "/prompt-templates?per_page=1", KEY)]
    assert {"python", "promptlayer_patch", "openai", "wrapt", "requests", "sqlite3"} <= set(found)
    assert "httpx" in found or "httpx2" in found
    assert "keys" in found
    assert found["key"] == [("ok", "is accepted")]
    assert not list(box.path.iterdir())


def test_as_a_user_runs_it(box: OutboxDirectory) -> None:
    command = [sys.executable, "-m", "promptlayer_patch", "doctor", "--verbose"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert KEY not in done.stdout
    assert "openai.chat.completions.create" in done.stdout
    assert all(line.startswith(("ok ", "warning ", "failed ", "   ")) for line in done.stdout.splitlines())


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_fails_with_the_servers_words(
    status: int, doctor: Any, registry: Registry
) -> None:
    registry.status, registry.body = status, {"success": False, "message": f"no such key: {KEY}"}
    code, found = doctor()
    assert code == 1
    assert found["key"] == [("failed", f"is not accepted: HTTP {status}: no such key: ***")]
    assert found["destination"][0][0] == "ok"


def test_without_a_key_records_go_to_the_local_store_and_nobody_is_asked(
    doctor: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMPTLAYER_API_KEY")
    code, found = doctor()
    assert code == 0
    assert found["settings"][0][0] == "warning"
    assert "local store" in found["settings"][0][1]
    assert found["local store"][0][0] == "ok"
    assert not registry.asked


def test_a_destination_that_refuses_connections_is_named(
    doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nobody_listening() as url:
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", url.replace("//", "//user:password@"))
        code, found = doctor()
    assert code == 1
    assert found["destination"] == [("failed", f"{url} refuses the connection: nothing listens there")]
    assert "password" not in str(found)


def test_a_name_that_does_not_exist_is_told_from_a_refusal(
    doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", "http://promptlayer.invalid")
    code, found = doctor()
    assert code == 1
    assert "cannot be resolved" in found["destination"][0][1]


def test_a_server_that_says_nothing_is_waited_for_a_few_seconds_only(
    doctor: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_network, "_STEP_S", 0.3)
    registry.silent = True
    code, found = doctor()
    assert code == 1
    assert "does not answer" in found["destination"][0][1]


def test_a_resolver_that_hangs_holds_nothing_up(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(doctor_network, "_ALL_S", 0.3)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: over.wait(20.0) and [])
    began = time.monotonic()
    code, found = doctor()
    over.set()
    assert code == 1
    assert "does not answer" in found["destination"][0][1]
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (
            302,
            b"",
            {"Location": "http://portal.example/login"},
            ("failed", "redirects to http://portal.example"),
        ),
        (200, b"<html>Welcome to the hotel</html>", {}, ("failed", "not as PromptLayer does")),
        (200, {"hello": "world"}, {}, ("failed", "not as PromptLayer does")),
        (403, b"<html>Firewall</html>", {}, ("failed", "not as PromptLayer does")),
        (404, b"not found", {}, ("warning", "it is not PromptLayer itself")),
        (503, {"message": "maintenance"}, {}, ("warning", "HTTP 503: maintenance")),
    ],
)
def test_an_answer_that_is_not_promptlayers_is_told_apart(
    status: int,
    body: Any,
    headers: dict[str, str],
    expected: tuple[str, str],
    doctor: Any,
    registry: Registry,
) -> None:
    registry.status, registry.body, registry.headers = status, body, headers
    code, found = doctor()
    ((state, text),) = found["destination"]
    assert (state, code) == (expected[0], int(expected[0] == "failed"))
    assert expected[1] in text
    assert len(registry.asked) == 1


def test_a_server_that_only_takes_records_is_no_failure(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakePromptLayer() as fake:
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", fake.base_url)
        code, found = doctor()
        assert (code, found["destination"][0][0]) == (0, "warning")
        assert not fake.posts


@pytest.mark.parametrize(
    ("ahead_s", "state", "code"),
    [(-5, "ok", 0), (-100, "warning", 0), (100, "warning", 0), (-1000, "failed", 1), (1000, "failed", 1)],
)
def test_a_clock_that_goes_wrong_is_found(
    ahead_s: float, state: str, code: int, doctor: Any, registry: Registry
) -> None:
    registry.ahead_s = ahead_s
    ended, found = doctor()
    assert (ended, found["clock"][0][0]) == (code, state)
    if state != "ok":
        assert ("behind" if ahead_s > 0 else "ahead of") in found["clock"][0][1]


def test_a_directory_that_cannot_be_written_fails(
    tmp_path: Path, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PROMPTLAYER_OUTBOX_DIR", str(tmp_path / "file" / "outbox"))
    code, found = doctor()
    assert code == 1
    assert found["outbox"][0][0] == "failed"
    assert "Not a directory" in found["outbox"][0][1]


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
def test_a_directory_that_others_may_read_is_warned_of(doctor: Any, box: OutboxDirectory) -> None:
    box.path.mkdir()
    box.path.chmod(0o755)
    code, found = doctor("--offline")
    assert code == 0
    assert [status for status, _ in found["outbox"]] == ["ok", "warning"]
    assert "0755" in found["outbox"][1][1]


def test_what_waits_is_counted_and_damaged_files_are_warned_of(doctor: Any, box: OutboxDirectory) -> None:
    record = Record(id=new_record_id(), function_name="f", started_at=time.time() - 7200)
    file = box.create(Address("http://elsewhere", "pl_other"))
    file.put([Item.of(record)])
    file.close()
    (box.path / "12345678-1.damaged-1700000000000").write_bytes(b"damaged")
    corrupted = box.path / f"12345678-{new_record_id()}.outbox"
    corrupted.write_bytes(b"no database " * 1000)
    code, found = doctor("--offline")
    assert code == 0
    assert found["waiting"] == [("ok", "1 record waiting, the oldest for 2 h")]
    ((state, text),) = found["damaged"]
    assert state == "warning"
    assert "2 damaged files" in text
    assert corrupted.exists()


def test_offline_asks_nobody(doctor: Any, registry: Registry) -> None:
    code, found = doctor("--offline")
    assert code == 0
    assert not registry.asked
    assert "destination" not in found


def test_a_wrong_setting_fails_and_the_other_checks_go_on(
    doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_SAMPLE_RATE", "often")
    monkeypatch.setenv("PROMPTLAYER_APIKEY", "pl_misplaced")
    code, found = doctor()
    assert code == 1
    assert found["settings"][0][0] == "failed"
    assert "PROMPTLAYER_SAMPLE_RATE" in found["settings"][0][1]
    assert found["environment"][1] == (
        "warning",
        "PROMPTLAYER_APIKEY is no option of ours; is PROMPTLAYER_API_KEY meant?",
    )
    assert found["openai"][0][0] == "ok"
    assert "pl_misplaced" not in str(found)


@pytest.mark.parametrize("to", ["nonsense:", "local", "promptlayer:ftp://x"])
def test_a_destination_that_install_would_refuse_fails(
    to: str, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_TO", to)
    code, found = doctor()
    assert (code, found["settings"][0][0]) == (1, "failed")


def test_a_local_store_that_cannot_be_opened_fails(
    tmp_path: Path, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("no database" * 100)
    monkeypatch.setenv("PROMPTLAYER_TO", f"local:{tmp_path / 'notes.txt'}")
    code, found = doctor()
    assert code == 1
    assert found["local store"] == [("failed", f"{tmp_path / 'notes.txt'} is not a SQLite database")]


def test_nothing_stays_patched(doctor: Any) -> None:
    from openai.resources.chat.completions import Completions

    before = vars(Completions)["create"]
    doctor("--offline")
    assert vars(Completions)["create"] is before


@pytest.mark.parametrize(
    ("version", "clauses", "met"),
    [
        ("3.57.0", ">=1.40.0", True),
        ("1.39.9", ">=1.40.0", False),
        ("2.4", ">=2.4.0,<3", True),
        ("3.0", "<3,>=2.4", False),
        ("2.31rc1", ">=2.31", True),
        ("2.1.5", "!=2.1.*,<3", False),
        ("2.2", "!=2.1.*,<3", True),
        ("1.4.9", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False),
        ("7", "", True),
    ],
)
def test_ranges_are_understood(version: str, clauses: str, met: bool) -> None:
    assert satisfies(version, clauses) is met
