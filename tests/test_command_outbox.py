"""`promptlayer-patch outbox`: as a user runs it, on what killed programs have really left."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch import cli
from promptlayer_patch._commands import progress
from promptlayer_patch._outbox import OutboxDirectory
from tests.support.fake_promptlayer import SILENCE, FakePromptLayer, nobody_listening, refused
from tests.support.programs import ROOT

KEY = "pl_secret_of_the_test"
PROMPT = "what nobody may read"
ANSWER = "an answer of the model"

_PROGRAM = f"""
import json, os, signal, sys, threading, openai, promptlayer_patch
import openai._base_client as base
http = getattr(base, "httpx2", None) or base.httpx
message = {{"role": "assistant", "content": "{ANSWER}"}}
choice = {{"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}}
body = {{"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]}}
transport = http.MockTransport(lambda _: http.Response(200, json=body))
client = openai.OpenAI(
    api_key="sk-test", base_url="http://provider/v1", http_client=http.Client(transport=transport)
)
promptlayer_patch.install()
for _ in range(int(sys.argv[1])):
    client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "{PROMPT}"}}])
while promptlayer_patch.stats().queued:
    threading.Event().wait(0.01)
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as fake:
        yield fake


@pytest.fixture
def box(tmp_path: Path, promptlayer: FakePromptLayer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the outbox; the settings lead to `promptlayer`, which is out of order at first."""
    monkeypatch.setenv("PROMPTLAYER_OUTBOX_DIR", str(tmp_path / "outbox"))
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", promptlayer.base_url)
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    promptlayer.answer = refused(503, "out of order")
    return tmp_path / "outbox"


@contextmanager
def program(calls: int) -> Iterator[subprocess.Popen[str]]:
    """A program that has made calls and lives; at the end of the block it kills itself."""
    command = [sys.executable, "-c", _PROGRAM, str(calls)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()
        assert process.wait(timeout=30) == -signal.SIGKILL


def leave(calls: int, promptlayer: FakePromptLayer) -> None:
    """Have a killed program leave records, and bring the endpoint back into order."""
    with program(calls):
        pass
    promptlayer.posts.clear()
    promptlayer.answer = type(promptlayer.answer)()


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "promptlayer_patch", "outbox", *arguments]
    pipes: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
    }
    return subprocess.Popen(command, cwd=ROOT, text=True, **{**pipes, **options})


def outbox(*arguments: str) -> tuple[int, str, str]:
    """Code, output and complaints of one command; none may show what is secret."""
    with start(*arguments) as process:
        out, err = process.communicate(timeout=60)
    assert not any(secret in out + err for secret in (KEY, PROMPT, ANSWER, "sk-test", "Traceback"))
    return process.returncode, out, err


def status() -> dict[str, Any]:
    code, out, _ = outbox("--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def ids(promptlayer: FakePromptLayer) -> list[str]:
    return [body["metadata"]["promptlayer_patch.record_id"] for body in promptlayer.bodies]


def test_without_an_outbox_every_look_says_so_and_succeeds(tmp_path: Path, box: Path) -> None:
    for action in ([], ["status"], ["list"], ["status", "--dir", str(tmp_path)]):
        code, out, err = outbox(*action)
        assert (code, err) == (0, "")
        assert out.startswith("Nothing waits in ")
        assert len(out.splitlines()) == 1


def test_status_tells_what_a_killed_program_has_left(box: Path, promptlayer: FakePromptLayer) -> None:
    leave(3, promptlayer)
    code, out, err = outbox()
    assert (code, err) == (0, "")
    line = out.splitlines()[1]
    assert promptlayer.base_url in line
    assert "left behind" in line
    assert f"in {ROOT}" in line
    assert "rejected: 0" in out
    (found,) = status()["outboxes"]
    assert (found["records"], found["in_use"], found["key_refused"]) == (3, False, False)
    assert found["bytes"] > 0
    assert found["oldest_at"] > 1_700_000_000


def test_status_and_list_while_the_owner_lives_leave_it_alone(box: Path) -> None:
    with program(2) as owner:
        (found,) = status()["outboxes"]
        assert (found["state"], found["records"]) == (f"in use by pid {owner.pid}", 2)
        _, out, _ = outbox("list")
        assert out.count("in use") == 2
        (again,) = status()["outboxes"]
        assert again == found


def test_list_names_records_and_neither_prompts_nor_answers(box: Path, promptlayer: FakePromptLayer) -> None:
    leave(3, promptlayer)
    code, out, _ = outbox("list", "--limit", "2")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 4
    assert "openai.chat.completions.create" in lines[1]
    assert "gpt-4o" in lines[1]
    assert "waiting" in lines[1]
    assert lines[3] == "and 1 more record: --limit shows them"
    told = json.loads(outbox("list", "--json")[1])
    assert told["more"] == 0
    records = told["records"]
    assert len({record["id"] for record in records}) == 3
    assert all(record["bytes"] > 0 and record["model"] == "gpt-4o" for record in records)


def test_flush_delivers_what_was_left_with_progress_in_plain_lines(
    box: Path,
    promptlayer: FakePromptLayer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    leave(20, promptlayer)
    code = cli.main(["outbox", "flush"])
    out, err = capsys.readouterr()
    assert (code, out) == (0, f"{promptlayer.base_url}: 20 delivered, 0 rejected, 0 left\n")
    assert err
    assert all(line.partition(" ")[2].startswith("of 20 records") for line in err.splitlines())
    assert "\x1b" not in err
    assert len(set(ids(promptlayer))) == len(promptlayer.posts) == 20
    assert not list(box.iterdir())


def test_flush_on_a_terminal_shows_a_bar(box: Path, promptlayer: FakePromptLayer) -> None:
    pytest.importorskip("rich")
    leave(3, promptlayer)
    terminal, theirs = pty.openpty()
    with start("flush", stderr=theirs) as process:
        os.close(theirs)
        assert process.wait(timeout=60) == 0
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "delivering" in shown


def test_flush_goes_on_until_the_endpoint_is_back(box: Path, promptlayer: FakePromptLayer) -> None:
    leave(5, promptlayer)
    promptlayer.next_answers.extend([refused(503, "out of order")] * 6)
    code, out, _ = outbox("flush", "--timeout", "30")
    assert (code, out) == (0, f"{promptlayer.base_url}: 5 delivered, 0 rejected, 0 left\n")


def test_flush_gives_up_in_time_and_says_why(box: Path, promptlayer: FakePromptLayer) -> None:
    leave(4, promptlayer)
    promptlayer.answer = refused(503, "out of order")
    code, out, _ = outbox("flush", "--timeout", "1.5")
    assert code == 1
    assert out.splitlines()[0].endswith(": 0 delivered, 0 rejected, 4 left")
    assert "not delivered: HTTP 503: out of order" in out
    (found,) = status()["outboxes"]
    assert (found["records"], found["state"]) == (4, "left behind")


def test_flush_where_nobody_listens_says_so(
    box: Path, promptlayer: FakePromptLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nobody_listening() as url:
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", url)
        leave(2, promptlayer)
        code, out, _ = outbox("flush", "--timeout", "1")
    assert code == 1
    assert f"{url}: 0 delivered, 0 rejected, 2 left" in out
    assert "ConnectionError" in out


def test_flush_stops_when_the_key_is_refused_and_any_key_helps(
    box: Path, promptlayer: FakePromptLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(6, promptlayer)
    promptlayer.answer = refused(401, f"unknown key {KEY}")
    code, out, _ = outbox("flush")
    assert code == 1
    assert "6 left" in out
    assert "HTTP 401" in out
    assert status()["outboxes"][0]["state"] == "left behind, key refused"
    promptlayer.posts.clear()
    promptlayer.answer = type(promptlayer.answer)()
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_another")
    code, out, _ = outbox("flush")
    assert code == 0
    assert "6 records of other keys: --any-key" in out
    assert not promptlayer.posts
    code, out, _ = outbox("flush", "--any-key")
    assert (code, len(set(ids(promptlayer)))) == (0, 6)
    assert {body["api_key"] for body in promptlayer.bodies} == {"pl_another"}


def test_flush_without_a_key_says_what_is_missing(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPTLAYER_API_KEY")
    code, out, err = outbox("flush")
    assert (code, out) == (1, "")
    assert "PROMPTLAYER_API_KEY" in err


@pytest.mark.parametrize("wrong", [["--timeout", "soon"], ["--timeout", "nan"], ["--api-key", "pl_x"]])
def test_wrong_usage_ends_with_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["outbox", "flush", *wrong])
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_flush_leaves_what_a_living_program_has_and_mentions_it(
    box: Path, promptlayer: FakePromptLayer
) -> None:
    with program(2):
        code, out, _ = outbox("flush", "--timeout", "5")
        assert code == 0
        assert "0 left" in out
        assert "2 records in use by programs that run" in out


def test_two_flushes_at_once_deliver_nothing_twice(box: Path, promptlayer: FakePromptLayer) -> None:
    for _ in range(3):
        promptlayer.answer = refused(503, "out of order")
        leave(30, promptlayer)
    running = [start("flush") for _ in range(2)]
    told = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    assert len(ids(promptlayer)) == len(set(ids(promptlayer))) == 90
    assert not list(box.glob("*.outbox"))


def test_an_interrupt_ends_flush_and_loses_nothing(box: Path, promptlayer: FakePromptLayer) -> None:
    leave(3, promptlayer)
    promptlayer.answer = SILENCE
    with start("flush") as process:
        promptlayer.wait_for(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stays in the outbox" in err
    assert "Traceback" not in err
    assert status()["outboxes"][0]["records"] == 3


def test_what_was_rejected_is_listed_with_its_reason_and_can_be_retried(
    box: Path, promptlayer: FakePromptLayer
) -> None:
    leave(3, promptlayer)
    promptlayer.answer = refused(400, "bad tags")
    code, out, _ = outbox("flush")
    assert code == 0
    assert "0 delivered, 3 rejected, 0 left" in out
    assert outbox("list")[1].count("rejected: HTTP 400: bad tags") == 3
    first = json.loads(outbox("list", "--json")[1])["records"][0]["id"]

    assert outbox("retry", first, "unknown")[0] == 1
    assert (status()["rejected"], status()["outboxes"][0]["records"]) == (2, 1)
    code, out, _ = outbox("retry")
    assert (code, out.split(";")[0]) == (0, "2 records put back")
    assert status()["rejected"] == 0
    promptlayer.posts.clear()
    promptlayer.answer = type(promptlayer.answer)()
    code, out, _ = outbox("flush")
    assert code == 0
    assert "3 delivered" in out
    assert len(set(ids(promptlayer))) == 3


def test_what_is_retried_keeps_its_account(
    box: Path, promptlayer: FakePromptLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(1, promptlayer)
    promptlayer.answer = refused(400, "bad tags")
    outbox("flush")
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_another")
    outbox("retry")
    promptlayer.posts.clear()
    assert "1 record of other keys" in outbox("flush")[1]
    assert not promptlayer.posts


def test_retry_with_nothing_rejected_changes_nothing(box: Path) -> None:
    code, out, _ = outbox("retry")
    assert (code, out.split(";")[0]) == (0, "0 records put back")
    assert not box.exists()


@pytest.mark.parametrize("what", ["--rejected", "--damaged", "--all-waiting"])
def test_drop_refuses_without_yes_where_nobody_can_be_asked(
    what: str, box: Path, promptlayer: FakePromptLayer
) -> None:
    everything(box, promptlayer)
    before = status()
    code, out, err = outbox("drop", what)
    assert (code, out) == (1, "")
    assert "--yes" in err
    assert status() == before


@pytest.mark.parametrize(
    ("what", "told", "left"),
    [
        ("--rejected", "2 rejected records deleted.", (0, 1, 1)),
        ("--damaged", "1 damaged file deleted.", (2, 0, 1)),
        ("--all-waiting", "2 waiting records deleted.", (2, 1, 0)),
    ],
)
def test_drop_deletes_what_was_named_and_says_how_much(
    what: str, told: str, left: tuple[int, int, int], box: Path, promptlayer: FakePromptLayer
) -> None:
    everything(box, promptlayer)
    code, out, _ = outbox("drop", what, "--yes")
    assert (code, out.strip()) == (0, told)
    found = status()
    assert (found["rejected"], len(found["damaged"]), len(found["outboxes"])) == left
    assert PROMPT.encode() not in (box / "rejected.db").read_bytes() or what != "--rejected"


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 1), ("", 1, 1)])
def test_drop_asks_on_a_terminal(
    answer: str,
    code: int,
    left: int,
    box: Path,
    promptlayer: FakePromptLayer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave(2, promptlayer)
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    assert cli.main(["outbox", "drop", "--all-waiting"]) == code
    assert asked == ["Delete 2 waiting records for good? [y/N] "]
    assert len(list(box.glob("*.outbox"))) == left


def test_drop_never_touches_the_outbox_of_a_living_program(box: Path) -> None:
    with program(2):
        code, out, _ = outbox("drop", "--all-waiting", "--yes")
        assert code == 0
        assert "1 outbox in use, and not touched" in out
        assert status()["outboxes"][0]["records"] == 2


def test_a_file_that_is_no_outbox_is_shown_as_such_and_set_aside_by_flush(
    box: Path, promptlayer: FakePromptLayer
) -> None:
    leave(2, promptlayer)
    (left,) = box.glob("*.outbox")
    spoil(left)
    code, out, _ = outbox()
    assert code == 0
    assert "cannot be read" in out
    code, _, err = outbox("flush")
    assert code == 0
    assert "damaged, and set aside: " in err
    assert [path.name.partition(".")[2][:8] for path in OutboxDirectory(box).damaged()] == ["damaged-"]
    assert "damaged:  1 " in outbox()[1]


def test_status_goes_on_where_the_rejected_cannot_be_read(box: Path, promptlayer: FakePromptLayer) -> None:
    leave(2, promptlayer)
    (box / "rejected.db").write_bytes(b"no database " * 1000)
    code, out, _ = outbox()
    assert code == 0
    assert "left behind" in out
    assert "rejected: cannot be read" in out


def test_flush_where_the_server_says_nothing_ends_in_time(box: Path, promptlayer: FakePromptLayer) -> None:
    leave(2, promptlayer)
    promptlayer.answer = SILENCE
    code, out, _ = outbox("flush", "--timeout", "1")
    assert code == 1
    assert "2 left\nnot delivered: the time was over\n" in out
    assert "programs that run" not in out


def everything(box: Path, promptlayer: FakePromptLayer) -> None:
    """Two rejected records, one damaged file, two waiting records."""
    leave(2, promptlayer)
    promptlayer.answer = refused(400, "bad tags")
    outbox("flush")
    promptlayer.answer = refused(503, "out of order")
    leave(2, promptlayer)
    (box / "12345678-1.damaged-1700000000000").write_bytes(b"damaged")


def spoil(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(b"no database " * 1000)
