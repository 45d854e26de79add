"""Where records go: PromptLayer over a real connection, the local store, memory, files, the console."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import openai
import pytest

import promptlayer_patch
from promptlayer_patch import Stats, scope
from promptlayer_patch._version import __version__
from promptlayer_patch.errors import InvalidArgument, RequestIdTimeout, RequestIdUnavailable
from promptlayer_patch.exporters.memory import MemoryExporter, open_exporter
from promptlayer_patch.records import Delivered, Record, Rejected
from promptlayer_patch.store import Store
from tests.support.fake_promptlayer import (
    FIRST_ID,
    PATIENCE_S,
    SILENCE,
    Answer,
    FakePromptLayer,
    Held,
    Numbering,
    nobody_listening,
    refused,
)
from tests.support.programs import FORKS, printed
from tests.support.wire import MODEL, Wire, chat, refusal, replies

KEY = "pl_0123456789abcdef"
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Wie spät ist es? 🕰"}]}
AN_HOUR_S = 3600.0


def ask(wire: Wire | None = None, **options: Any) -> promptlayer_patch.Receipt:
    """The receipt of a call."""
    with scope() as calls:
        (wire or Wire()).client().chat.completions.create(**ASKED, **options)
    return calls.receipts[0]


def unavailable(receipt: promptlayer_patch.Receipt) -> str:
    with pytest.raises(RequestIdUnavailable) as raised:
        receipt.request_id(0)
    return str(raised.value)


# PromptLayer


@pytest.fixture
def server() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as server:
        yield server


@pytest.fixture
def promptlayer(server: FakePromptLayer) -> FakePromptLayer:
    """A fake PromptLayer to which everything is recorded."""
    promptlayer_patch.install(to="promptlayer:", api_key=KEY, base_url=server.base_url)
    return server


def test_a_call_is_posted_to_track_request_and_gets_its_id(promptlayer: FakePromptLayer) -> None:
    receipt = ask()
    assert receipt.request_id() == FIRST_ID
    (post,) = promptlayer.posts
    assert post.path == "/track-request"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["user-agent"] == f"promptlayer_patch/{__version__}"


def test_the_body_has_promptlayers_fields_and_no_others(promptlayer: FakePromptLayer) -> None:
    with scope(tags=["a", "b"], metadata={"user_id": "42"}):
        receipt = ask()
    assert receipt.request_id() == FIRST_ID
    (body,) = promptlayer.bodies
    assert body.keys() == {
        "api_key",
        "args",
        "function_name",
        "kwargs",
        "metadata",
        "provider_type",
        "request_end_time",
        "request_response",
        "request_start_time",
        "span_id",
        "tags",
    }
    assert body["api_key"] == KEY
    assert (body["function_name"], body["provider_type"]) == (
        "openai.OpenAI.chat.completions.create",
        "openai",
    )
    assert (body["args"], body["span_id"], body["tags"]) == ([], None, ["a", "b"])
    assert body["kwargs"] == ASKED
    assert body["request_response"] == json.loads(chat().chunks[0])
    assert body["request_start_time"] <= body["request_end_time"]
    assert body["metadata"]["user_id"] == "42"
    assert body["metadata"]["promptlayer_patch.record_id"] == receipt.record_id
    assert set(map(type, body["metadata"].values())) == {str}


def test_function_names_are_those_promptlayers_own_sdk_sends(promptlayer: FakePromptLayer) -> None:
    wire = Wire()
    wire.client().embeddings.create(model="text-embedding-3-small", input="?")
    wire.client(openai.AzureOpenAI).chat.completions.create(**ASKED)

    async def main() -> None:
        await wire.async_client().chat.completions.create(**ASKED)

    asyncio.run(main())
    assert promptlayer_patch.flush()
    assert {(body["function_name"], body["provider_type"]) for body in promptlayer.bodies} == {
        ("openai.OpenAI.embeddings.create", "openai"),
        ("openai.AzureOpenAI.chat.completions.create", "openai.azure"),
        ("openai.AsyncOpenAI.chat.completions.create", "openai"),
    }


def test_a_stream_is_posted_with_its_text(promptlayer: FakePromptLayer) -> None:
    """PromptLayer's own SDK posts the last chunk only, and the text is lost."""
    for _ in Wire().client().chat.completions.create(**ASKED, stream=True):
        pass
    assert promptlayer_patch.flush()
    (body,) = promptlayer.bodies
    assert body["kwargs"]["stream"] is True
    assert body["request_response"]["object"] == "chat.completion"
    assert body["request_response"]["choices"][0]["message"]["content"] == '{"hour": 7}'


def test_a_failed_call_is_posted_as_an_error(promptlayer: FakePromptLayer) -> None:
    with pytest.raises(openai.RateLimitError):
        ask(Wire(replies(refusal(429))))
    assert promptlayer_patch.flush()
    (body,) = promptlayer.bodies
    assert (body["status"], body["error_type"]) == ("ERROR", "PROVIDER_RATE_LIMIT")
    assert body["error_message"].startswith("RateLimitError: ")
    assert body["request_response"] == {}


def test_the_environment_will_do(monkeypatch: pytest.MonkeyPatch, server: FakePromptLayer) -> None:
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY + "\n")
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", server.base_url + "/")
    promptlayer_patch.install()
    assert ask().request_id() == FIRST_ID
    assert [(post.path, post.body["api_key"]) for post in server.posts] == [("/track-request", KEY)]


def test_an_argument_beats_the_environment(monkeypatch: pytest.MonkeyPatch, server: FakePromptLayer) -> None:
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_of_the_environment")
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", "http://127.0.0.1:9")
    promptlayer_patch.install(api_key=KEY, base_url=server.base_url)
    assert ask().request_id() == FIRST_ID
    assert server.bodies[0]["api_key"] == KEY


def test_the_address_may_stand_in_the_destination(server: FakePromptLayer) -> None:
    """So that two PromptLayers can be given at once."""
    with FakePromptLayer() as other:
        promptlayer_patch.install(
            to=["promptlayer:", f"promptlayer:{other.base_url}/"], api_key=KEY, base_url=server.base_url
        )
        ask()
        assert promptlayer_patch.flush()
        assert [len(each.posts) for each in (server, other)] == [1, 1]
        assert other.posts[0].path == "/track-request"


def test_without_a_key_it_is_refused_at_install() -> None:
    with pytest.raises(InvalidArgument, match="PROMPTLAYER_API_KEY") as raised:
        promptlayer_patch.install(to="promptlayer:")
    assert raised.value.argument == "api_key"


def test_many_calls_are_posted_once_each_over_several_connections(promptlayer: FakePromptLayer) -> None:
    create = Wire().client().chat.completions.create
    with scope() as calls:
        for _ in range(100):
            create(**ASKED)
    ids = calls.request_ids(PATIENCE_S)
    assert sorted(ids) == list(range(FIRST_ID, FIRST_ID + 100))
    by_record = {body["metadata"]["promptlayer_patch.record_id"] for body in promptlayer.bodies}
    assert by_record == {receipt.record_id for receipt in calls.receipts}


FORK = """
import os, sys
import promptlayer_patch
from tests.support.wire import MODEL, Wire

promptlayer_patch.install()
create = Wire().client().chat.completions.create
def ask(who):
    with promptlayer_patch.scope(tags=[who]) as calls:
        for _ in range(8):
            create(model=MODEL, messages=[{"role": "user", "content": "?"}])
    line = f"{who} {len(set(calls.request_ids(20)))}" + os.linesep
    os.write(1, line.encode())  # whole, as the other process writes too
ask("before")
child = os.fork()
if child == 0:
    ask("child")
    os._exit(0)
ask("parent")
os.waitpid(child, 0)
ask("after")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_has_connections_of_its_own(
    server: FakePromptLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On those of its parent the two would read each other's answers."""
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", server.base_url)
    lines = printed(FORK, options=FORKS)
    assert sorted(lines) == ["after 8", "before 8", "child 8", "parent 8"]
    tags = Counter(body["tags"][0] for body in server.bodies)
    assert tags == dict.fromkeys(["before", "child", "parent", "after"], 8)


@pytest.mark.parametrize(
    "answer",
    [
        refused(500, "oops"),
        refused(502),
        refused(503),
        refused(408),
        refused(429),
        refused(429, retry_after="0"),
        refused(429, retry_after="not a time"),
        refused(429, retry_after="99999999999999999999"),
        refused(503, retry_after="Mon, 01 Jan 99999999999 00:00:00 GMT"),
        refused(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        Answer(500, b"<html>Bad gateway</html>"),
        Answer(500, b"[" * 100_000),
        Answer(200, b"<html>Log in to the hotel's network</html>"),
        Answer(200, b""),
        Answer(200, b'{"success": true, "request_id": 1', cut=20),
        Answer(500, b"\xff\xfe\x00"),
    ],
    ids=lambda answer: f"{answer.status} {answer.headers.get('retry-after', '')} {str(answer.body)[:20]}",
)
def test_a_passing_trouble_is_tried_again(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    promptlayer.next_answers += [answer, answer]
    receipt = ask()
    while not receipt.done:
        promptlayer_patch.flush(0.1)  # each one cuts the wait for the next try short
    assert receipt.request_id() == FIRST_ID
    assert promptlayer_patch.stats() == Stats(recorded=1, delivered=1, retried=2)
    first, *others = promptlayer.bodies
    assert others == [first, first]
    troubles = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(troubles) == 1, troubles


@pytest.mark.parametrize(
    "asked_for",
    ["3600", lambda: format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)],
    ids=["seconds", "date"],
)
def test_retry_after_is_honoured_until_somebody_is_in_a_hurry(
    promptlayer: FakePromptLayer, asked_for: str | Callable[[], str]
) -> None:
    value = asked_for if isinstance(asked_for, str) else asked_for()
    promptlayer.next_answers.append(refused(429, retry_after=value))
    waiting = ask()
    promptlayer.wait_for(1)
    assert any(promptlayer_patch.stats().retried for _ in range(1_000_000))
    later = ask(pl_tags=["later"])
    with pytest.raises(RequestIdTimeout):
        later.request_id(0.3)
    assert len(promptlayer.posts) == 1, "it asked for time, and not for one record"
    assert promptlayer_patch.stats() == Stats(recorded=2, outbox=2, retried=1)
    assert promptlayer_patch.flush(PATIENCE_S)
    assert {waiting.request_id(), later.request_id()} == {FIRST_ID, FIRST_ID + 1}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refused(400, "kwargs.model is required"), "HTTP 400: kwargs.model is required"),
        (Answer(400, {"error": "no good"}), "HTTP 400: no good"),
        (
            Answer(422, {"detail": [{"loc": ["tags"], "msg": "not a list", "type": "list"}]}),
            "not a list",
        ),
        (refused(404), "HTTP 404"),
        (refused(413), "HTTP 413"),
        (Answer(400, b"plain text"), "HTTP 400"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_a_refusal_is_final_and_says_why(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture, answer: Answer, reason: str
) -> None:
    promptlayer.next_answers.append(answer)
    receipt = ask()
    assert promptlayer_patch.flush(PATIENCE_S)
    assert reason in unavailable(receipt)
    assert promptlayer_patch.stats() == Stats(recorded=1, rejected=1)
    assert reason in caplog.text
    assert ask().request_id() == FIRST_ID


@pytest.mark.parametrize(
    "answer",
    [
        Answer(302, b"", {"location": "/elsewhere"}),
        Answer(307, b"", {"location": "http://127.0.0.1:9/elsewhere"}),
        Answer(403, b"<html>The firewall dislikes this prompt</html>"),
    ],
    ids=["302", "307", "403"],
)
def test_what_is_not_promptlayers_answer_says_nothing_about_the_record(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    """And a redirect is not followed: the POST would become a GET."""
    promptlayer.next_answers.append(answer)
    receipt = ask()
    assert promptlayer_patch.flush(PATIENCE_S)
    assert receipt.request_id() == FIRST_ID
    assert promptlayer_patch.stats() == Stats(recorded=1, delivered=1, retried=1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_stops_everything_until_there_is_another(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    promptlayer.answer = Answer(status, {"message": "Invalid API key"})
    first = ask()
    assert not promptlayer_patch.flush(PATIENCE_S), "and it does not wait for what cannot come"
    for _ in range(5):
        ask()
    assert not promptlayer_patch.flush(PATIENCE_S)
    assert len(promptlayer.posts) == 1
    assert promptlayer_patch.stats() == Stats(recorded=6, outbox=6, retried=1)
    assert caplog.text.count(f"HTTP {status}: Invalid API key") == 1
    promptlayer.answer = Answer()
    promptlayer_patch.install(to="promptlayer:", api_key="pl_another", base_url=promptlayer.base_url)
    promptlayer.wait_for(7)
    assert [body["api_key"] for body in promptlayer.bodies] == [KEY] + ["pl_another"] * 6
    assert "the outbox" in unavailable(first), "another installation delivers it"


def test_a_refused_record_does_not_take_its_neighbours_along(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [refused(400), Answer(), refused(503, retry_after="3600"), Answer(), Answer(200, b"?")] * 4
    promptlayer.next_answers += answers
    create = Wire().client().chat.completions.create
    with scope() as calls:
        for _ in range(20):
            create(**ASKED)
    while not promptlayer_patch.flush(0.1):
        pass
    stats = promptlayer_patch.stats()
    assert (stats.delivered, stats.rejected, stats.retried) == (16, 4, 8)
    assert all(receipt.done for receipt in calls.receipts)


def test_a_success_without_an_id_is_not_posted_again(promptlayer: FakePromptLayer) -> None:
    """The server has said that it has the request; once more would make it two."""
    promptlayer.next_answers.append(Answer(200, {"success": True, "message": "Request tracked successfully"}))
    receipt = ask()
    assert promptlayer_patch.flush(PATIENCE_S)
    assert "no ids" in unavailable(receipt)
    assert len(promptlayer.posts) == 1
    assert promptlayer_patch.stats() == Stats(recorded=1, delivered=1)


def test_a_quoted_id_is_an_id(promptlayer: FakePromptLayer) -> None:
    promptlayer.next_answers.append(Answer(200, {"success": True, "request_id": "77"}))
    assert ask().request_id() == 77


def test_a_silent_server_holds_up_nobody(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture
) -> None:
    promptlayer_patch.install(
        to="promptlayer:", api_key=KEY, base_url=promptlayer.base_url, shutdown_timeout_s=0.05
    )
    promptlayer.answer = SILENCE
    receipt = ask()
    promptlayer.wait_for(1)
    assert not promptlayer_patch.flush(0.05)
    assert promptlayer_patch.stats().outbox == 1
    promptlayer_patch.uninstall()
    assert unavailable(receipt)
    assert "1 records were not delivered" in caplog.text


def test_nobody_there(caplog: pytest.LogCaptureFixture) -> None:
    with nobody_listening() as url:
        promptlayer_patch.install(to="promptlayer:", api_key=KEY, base_url=url)
        receipt = ask()
        assert not promptlayer_patch.flush(0.2)
        assert not receipt.done
        assert promptlayer_patch.stats().outbox == 1
        promptlayer_patch.uninstall()
    assert "ConnectionError" in caplog.text


def test_a_server_that_comes_back_gets_everything(caplog: pytest.LogCaptureFixture) -> None:
    with FakePromptLayer() as server:
        promptlayer_patch.install(to="promptlayer:", api_key=KEY, base_url=server.base_url)
        server.answer = refused(503)
        create = Wire().client().chat.completions.create
        with scope() as calls:
            for _ in range(10):
                create(**ASKED)
        server.wait_for(3)
        server.answer = Answer()
        while not promptlayer_patch.flush(0.1):
            pass
        assert sorted(calls.request_ids()) == list(range(FIRST_ID, FIRST_ID + 10))


def test_an_object_that_cannot_be_written_is_rejected_alone(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a call is cancelled before it was serialised, its arguments are kept as they are."""

    class Unprintable:
        def __str__(self) -> str:
            raise LookupError("no")

    exporter = promptlayer_patch.exporters.open_exporter(
        f"promptlayer:{promptlayer.base_url}", promptlayer_patch._settings.read_settings(api_key=KEY)
    )
    records = [
        Record(id=str(at), function_name="f", request={"a": Unprintable() if at == 1 else at})
        for at in range(3)
    ]
    first, second, third = exporter.export(records)
    exporter.close()
    assert (first, third) == (Delivered(FIRST_ID), Delivered(FIRST_ID + 1))
    assert second == Rejected("cannot be written as JSON: LookupError")


def test_the_key_is_nowhere_but_in_the_body(
    promptlayer: FakePromptLayer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not in log lines of any level, receipts, statistics or reprs, even when the server quotes it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    promptlayer_patch.install(to=["promptlayer:", "console:"], base_url=promptlayer.base_url)
    promptlayer.next_answers += [
        refused(401, f"Invalid API key {KEY}"),
        refused(500, f"Crashed at {KEY}"),
        Answer(400, {"detail": [{"msg": f"key={KEY}"}]}),
    ]
    receipts = []
    for _ in range(3):
        receipts.append(ask())
        promptlayer_patch.flush(PATIENCE_S)
    said = [caplog.text, *map(repr, receipts), repr(promptlayer_patch.stats()), *capfd.readouterr()]
    said += [repr(promptlayer_patch._process.process._settings), repr(promptlayer_patch._process.process)]
    said += [post.path + str(post.headers) for post in promptlayer.posts]
    assert "***" in caplog.text
    assert KEY not in "".join(said)
    assert all(post.body["api_key"] == KEY for post in promptlayer.posts)


def test_a_prompt_is_in_no_log_line(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "promptlayer_patch")
    promptlayer_patch.install(
        to=["promptlayer:", "console:", "memory:no-log"], api_key=KEY, base_url=promptlayer.base_url
    )
    promptlayer.next_answers += [refused(503), refused(400)]
    ask()
    ask(Wire(replies(chat("the answer"))))
    promptlayer_patch.flush(PATIENCE_S)
    promptlayer_patch.uninstall()
    said = caplog.text + "".join(capfd.readouterr())
    assert "Wie spät" not in said
    assert "the answer" not in said


# The local store


def kept(path: Path) -> list[int]:
    """The ids in a store, oldest first."""
    store = Store.open(path, read_only=True)
    try:
        return [summary.request_id for summary in reversed(store.recent())]
    finally:
        store.close()


def test_the_local_store_is_in_the_users_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform != "linux":
        pytest.skip("another platform's convention")
    promptlayer_patch.install(to="local:")
    request_id = ask().request_id()
    path = tmp_path / "promptlayer" / "requests.db"
    assert kept(path) == [request_id]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0


def test_the_local_store_can_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAYER_LOCAL_DB", str(tmp_path / "of the environment.db"))
    promptlayer_patch.install(to="local:")
    first = ask().request_id()
    promptlayer_patch.install(to=f"local:{tmp_path / 'given.db'}")
    second = ask().request_id()
    promptlayer_patch.uninstall()
    assert [kept(tmp_path / name) for name in ("of the environment.db", "given.db")] == [[first], [second]]


def test_ids_of_the_local_store_go_on_in_the_next_process(tmp_path: Path) -> None:
    ids = []
    for _ in range(3):
        promptlayer_patch.install(to=f"local:{tmp_path / 'requests.db'}")
        ids.append(ask().request_id())
        promptlayer_patch.uninstall()
    assert kept(tmp_path / "requests.db") == ids == sorted(set(ids))
    assert all(0 < request_id < 2**53 for request_id in ids), "what every JSON reader can hold"


def test_the_home_directory_may_be_abbreviated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    promptlayer_patch.install(to=["local:~/requests.db", "jsonl:~/calls.jsonl"])
    ask()
    promptlayer_patch.uninstall()
    assert {path.name for path in tmp_path.iterdir()} >= {"requests.db", "calls.jsonl"}


def test_a_local_store_that_is_no_database_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "requests.db"
    path.write_text("my diary " * 100)
    promptlayer_patch.install(to=f"local:{path}")
    receipt = ask()
    assert promptlayer_patch.flush(PATIENCE_S)
    assert "not a SQLite database" in unavailable(receipt)
    assert path.read_text() == "my diary " * 100


# Memory


def test_memory_of_a_name_is_one_list_for_the_process() -> None:
    promptlayer_patch.install(to="memory:a test of this name")
    assert ask().request_id() == 1
    found = open_exporter("a test of this name", promptlayer_patch._settings.Settings())
    assert [record.function_name for record in found.records] == ["openai.chat.completions.create"]


# Lines of JSON


def lines(path: Path) -> list[dict[str, Any]]:
    """Read strictly: `NaN`, which Python's own reader takes, is no JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_jsonl_is_one_object_a_line_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "calls.jsonl"
    promptlayer_patch.install(to=f"jsonl:{path}")
    with scope(tags=["a"]):
        for text in ("two\nlines", "ünï 🕰 \u2028", "\ud800"):
            ask(Wire(replies(chat(text))))
    promptlayer_patch.uninstall()
    found = lines(path)
    contents = [line["request_response"]["choices"][0]["message"]["content"] for line in found]
    assert contents == ["two\nlines", "ünï 🕰 \u2028", "\\ud800"]
    assert [line["tags"] for line in found] == [["a"]] * 3
    assert all("api_key" not in line for line in found)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_jsonl_appends(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    for _ in range(2):
        promptlayer_patch.install(to=f"jsonl:{path}")
        ask()
        promptlayer_patch.uninstall()
    assert len(lines(path)) == 2


def test_jsonl_writes_what_json_does_not_know_as_null(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    exporter = promptlayer_patch.exporters.open_exporter(
        f"jsonl:{path}", promptlayer_patch._settings.Settings()
    )
    odd = {"a": float("nan"), "b": [float("inf"), 1]}
    assert exporter.export([Record(id="1", function_name="f", response=odd)]) == [Delivered()]
    exporter.close()
    assert lines(path)[0]["request_response"] == {"a": None, "b": [None, 1]}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_jsonl_waits_for_a_full_disk(caplog: pytest.LogCaptureFixture) -> None:
    promptlayer_patch.install(to="jsonl:/dev/full", shutdown_timeout_s=0.1)
    ask()
    assert not promptlayer_patch.flush(0.1)
    stats = promptlayer_patch.stats()
    assert (stats.queued, stats.rejected) == (1, 0)
    assert "No space left" in caplog.text


def test_jsonl_needs_a_path() -> None:
    with pytest.raises(InvalidArgument, match="jsonl: needs a path"):
        promptlayer_patch.install(to="jsonl:")


# The console


def test_the_console_shows_a_line_a_call_without_content(capsys: pytest.CaptureFixture[str]) -> None:
    promptlayer_patch.install(to="console:")
    with scope(tags=["a", "b"]):
        ask()
        with pytest.raises(openai.BadRequestError):
            ask(Wire(replies(refusal(400))))
    assert promptlayer_patch.flush()
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    for part in ("openai.chat.completions.create", MODEL, "9+3 tokens", "a,b", "complete"):
        assert part in first
    assert "provider_error" in second
    assert "BadRequestError" in second
    assert "Wie spät" not in err


@pytest.mark.parametrize("usage", [None, {}, {"seconds": 3}, {"prompt_tokens": None}, 7], ids=str)
def test_the_console_shows_tokens_only_where_there_are_any(
    capsys: pytest.CaptureFixture[str], usage: Any
) -> None:
    exporter = promptlayer_patch.exporters.open_exporter("console:", promptlayer_patch._settings.Settings())
    assert exporter.export([Record(id="1", function_name="f", response={"usage": usage})]) == [Delivered()]
    assert "None" not in capsys.readouterr().err


# Own exporters, and several


def test_an_own_exporter_gets_the_records() -> None:
    exporter = Numbering()
    promptlayer_patch.install(to=exporter)
    with scope(tags=["a"]):
        assert ask().request_id() == 1
    (record,) = exporter.records
    assert isinstance(record, Record)
    assert record.tags == ("a",)
    promptlayer_patch.uninstall()
    assert exporter.closed.is_set()


def test_every_destination_of_a_list_gets_every_record() -> None:
    one, two = Numbering(), Numbering()
    promptlayer_patch.install(to=[one, two, "memory:every"])
    ask()
    ask()
    assert promptlayer_patch.flush()
    assert [record.id for record in one.records] == [record.id for record in two.records]
    assert promptlayer_patch.stats() == Stats(recorded=6, delivered=6)


def test_the_first_id_wins_and_a_dead_destination_holds_up_nobody() -> None:
    dead, alive = Held(), Numbering(lambda batch: [Delivered(70 + at) for at, _ in enumerate(batch)])
    promptlayer_patch.install(to=[dead, alive])
    receipt = ask()
    assert receipt.request_id(PATIENCE_S) == 70
    assert promptlayer_patch.stats() == Stats(recorded=2, delivered=1, queued=1)
    dead.let_go.set()
    assert promptlayer_patch.flush(PATIENCE_S)
    assert receipt.request_id() == 70, "the other's id comes too late"


@pytest.mark.parametrize("answer", [Delivered(), Rejected("no")])
def test_a_destination_without_an_id_leaves_the_receipt_to_the_others(answer: Any) -> None:
    late, other = Held(), Numbering(lambda batch: [answer] * len(batch))
    promptlayer_patch.install(to=[other, late])
    receipt = ask()
    assert late.reached.wait(PATIENCE_S)
    assert any(promptlayer_patch.stats().queued == 1 for _ in range(1_000_000))
    assert not receipt.done
    late.let_go.set()
    assert receipt.request_id(PATIENCE_S) == 1


def test_no_destination_with_an_id_says_so_when_the_last_has_answered() -> None:
    one = Numbering(lambda batch: [Delivered()] * len(batch))
    two = Numbering(lambda batch: [Rejected("two says no")] * len(batch))
    promptlayer_patch.install(to=[one, two])
    receipt = ask()
    assert promptlayer_patch.flush(PATIENCE_S)
    assert unavailable(receipt)


# Which one, and the line that says so


def chosen(caplog: pytest.LogCaptureFixture, **options: Any) -> tuple[str, str]:
    """Level and text of the one line that `install()` logs."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "promptlayer_patch"):
        promptlayer_patch.install(**options)
    (line,) = [record for record in caplog.records if record.name.startswith("promptlayer_patch")]
    return line.levelname, line.getMessage()


def test_a_key_chooses_promptlayer(caplog: pytest.LogCaptureFixture, server: FakePromptLayer) -> None:
    level, text = chosen(caplog, api_key=KEY, base_url=server.base_url)
    assert level == "INFO"
    assert server.base_url in text
    assert KEY not in text
    assert ask().request_id() == FIRST_ID


def test_no_key_falls_back_to_the_local_store_with_a_warning(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "requests.db"
    monkeypatch.setenv("PROMPTLAYER_LOCAL_DB", str(path))
    level, text = chosen(caplog)
    assert level == "WARNING"
    assert str(path) in text
    assert "PROMPTLAYER_API_KEY" in text
    request_id = ask().request_id()
    promptlayer_patch.uninstall()
    assert kept(path) == [request_id]


def test_the_local_store_by_choice_is_no_warning(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    level, text = chosen(caplog, to="local:")
    assert level == "INFO"
    assert "requests.db" in text
    level, text = chosen(caplog, to=f"local:{tmp_path / 'x.db'}")
    assert (level, str(tmp_path / "x.db") in text) == ("INFO", True)


def test_the_environment_chooses(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_TO", f"memory:env, jsonl:{tmp_path / 'calls.jsonl'}")
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    level, text = chosen(caplog)
    assert level == "INFO"
    assert "memory:env" in text
    assert "calls.jsonl" in text
    ask()
    promptlayer_patch.uninstall()
    assert len(lines(tmp_path / "calls.jsonl")) == 1


def test_an_own_exporter_is_named_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    assert chosen(caplog, to=[MemoryExporter(), Numbering()]) == (
        "INFO",
        "OpenAI requests are recorded in MemoryExporter, Numbering",
    )


def test_an_address_with_a_password_is_logged_without_it(caplog: pytest.LogCaptureFixture) -> None:
    for options in (
        {"base_url": "https://me:hunter2@promptlayer.test/root"},
        {"to": "promptlayer:https://me:hunter2@promptlayer.test/root"},
    ):
        level, text = chosen(caplog, api_key=KEY, **options)
        assert (level, "promptlayer.test" in text, "hunter2" in text) == ("INFO", True, False)
