"""Our own cassettes, played without a network: what `make record` heard from servers nobody here wrote.

Each is played through the real client with promptlayer_patch installed. The application must get what is on
the cassette, and PromptLayer must be told what it was told then, once for each call.
"""

from __future__ import annotations

import base64
import json
import socket
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from recording.reading import plain, recorded, result_of
from recording.scenarios import SCENARIOS, Scenario
from recording.scrub import HIDDEN, TRACK_REQUEST, Scrubber, account, keys_in
from recording.session import Clients, heard
from recording.tape import HOME, OPENAI, PROMPTLAYER, Format, KeyFound, Tape, interactions_of

FILES = sorted(path for path in HOME.rglob("*") if path.is_file())

# Put together here, so that no search for keys finds them in this file.
OPENAI_KEY, PROMPTLAYER_KEY = "sk" + "-replay-0123456789abcdef", "pl" + "_0123456789abcdef0123"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a test of cassettes reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_replay(scenario: Scenario) -> None:
    missing = scenario.missing()
    if missing:
        pytest.skip(missing)
    path = HOME / f"{scenario.name}.json"
    then = recorded(interactions_of(path))
    tape = Tape(path)
    began = time.time()

    now, cassette = heard(
        scenario.play,
        tape,
        Clients(OPENAI, OPENAI_KEY),
        promptlayer_url=PROMPTLAYER,
        promptlayer_key=PROMPTLAYER_KEY,
    )

    assert [plain(result) for result in now.results] == [result_of(call) for call in then.calls]

    assert now.flushed
    assert now.stats.recorded == now.stats.delivered == len(then.calls) == len(tape.posted)
    assert now.stats.retried == now.stats.rejected == now.stats.dropped == 0
    assert cassette.all_played
    assert cassette.play_count == len(cassette)

    told = {body["metadata"]["promptlayer_patch.record_id"]: body for body in tape.posted}
    ids = [receipt.request_id(0.0) for receipt in now.receipts]
    assert ids == sorted(then.accounts)
    for receipt, request_id in zip(now.receipts, ids, strict=True):
        body = told.pop(receipt.record_id)
        assert account(body) == then.accounts[request_id]
        assert body["api_key"] == PROMPTLAYER_KEY
        assert began <= body["request_start_time"] <= body["request_end_time"] <= time.time()
        assert body["metadata"]["promptlayer_patch.sdk"] == f"openai-python/{openai.__version__}"
    assert not told


@pytest.mark.parametrize("path", sorted(HOME.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_recorded_is_right(path: Path) -> None:
    """The accounts on the cassettes against the traffic beside them, not against a run of the same code."""
    then = recorded(interactions_of(path))
    assert then.calls
    for call, attempts, body in zip(then.calls, then.attempts, then.accounts.values(), strict=True):
        request, response, metadata = call["request"], call["response"], body["metadata"]
        if request["headers"]["content-type"][0] == "application/json":
            assert body["kwargs"] == json.loads(request["body"])
        assert metadata["promptlayer_patch.attempts"] == str(attempts)
        assert metadata["promptlayer_patch.endpoint"] == request["uri"].partition("?")[0]
        assert metadata["promptlayer_patch.x_request_id"] == response["headers"]["x-request-id"][0]
        assert body["tags"] == ["own-cassettes", path.stem]
        assert body["provider_type"] == ("openai.azure" if "/deployments/" in request["uri"] else "openai")
        _answer_is_told(body, result_of(call))


def _answer_is_told(body: dict[str, Any], result: Any) -> None:
    told = body["request_response"]
    if isinstance(result, bytes):
        assert told == {"content_type": "audio/mpeg", "bytes": len(result)}
    elif isinstance(result, dict) and "error" in result and "status" in result and "id" not in result:
        assert (told, body["status"]) == ({}, "ERROR")
        assert result["error"]["message"] in body["error_message"]
    elif isinstance(result, dict):
        assert told == result
    elif body["function_name"].endswith("responses.create"):
        assert told == result[-1]["response"]
    elif body["function_name"].endswith("transcriptions.create"):
        assert told["text"] == result[-1]["text"] == "".join(event.get("delta", "") for event in result)
    else:
        _stream_is_told(told, result)


def _stream_is_told(told: dict[str, Any], chunks: list[Any]) -> None:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    message = told["choices"][0]["message"]
    assert (message.get("content") or "") == "".join(delta.get("content") or "" for delta in deltas)
    calls: dict[int, dict[str, str]] = {}
    for part in (part for delta in deltas for part in delta.get("tool_calls", ())):
        call = calls.setdefault(part["index"], {"name": "", "arguments": ""})
        for name, text in part["function"].items():
            call[name] += text
    assert [call["function"] for call in message.get("tool_calls", ())] == list(calls.values())
    assert told["choices"][0]["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"] if not told.get(
        "usage"
    ) else told["usage"] == chunks[-1]["usage"]


def test_every_scenario_has_its_cassette_and_every_cassette_its_scenario() -> None:
    assert {path.stem for path in HOME.glob("*.json")} == {scenario.name for scenario in SCENARIOS}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_key_in_any_file(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    assert keys_in(text) == []
    assert "127.0.0.1" not in text
    assert "localhost" not in text


def test_cassettes_are_written_as_they_are_read() -> None:
    for path in HOME.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert Format(list).serialize(_as_text(Format.deserialize(text))) == text


def test_a_request_that_is_not_on_the_cassette_is_refused() -> None:
    def another_question(clients: Clients) -> list[Any]:
        with clients.sync(max_retries=0) as client:
            asked: Any = [{"role": "user", "content": "And in Hull?"}]
            with pytest.raises(openai.APIConnectionError):
                client.chat.completions.create(model="gpt-4o-mini", messages=asked)
        return []

    now, cassette = heard(
        another_question,
        Tape(HOME / "chat.json"),
        Clients(OPENAI, OPENAI_KEY),
        promptlayer_url=PROMPTLAYER,
        promptlayer_key=PROMPTLAYER_KEY,
    )
    assert cassette.play_count == 0
    assert now.stats.delivered == 0
