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
from recording.promptlayer import wrong_fields
from recording.reading import Recorded, plain, recorded, result_of
from recording.scenarios import SCENARIOS, Scenario
from recording.scrub import Interaction, Scrubber, account, keys_in
from recording.session import Clients, Heard, heard
from recording.tape import HOME, OPENAI, PROMPTLAYER, Format, KeyFound, Tape, interactions_of
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.serialize import deserialize, serialize

CASSETTES = sorted(HOME.glob("*.json"))
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
    then, tape, began = recorded(interactions_of(path)), Tape(path), time.time()

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
    _told_as_then(now, then, tape.posted)
    for body in tape.posted:
        assert began <= body["request_start_time"] <= body["request_end_time"] <= time.time()


def _told_as_then(now: Heard, then: Recorded, posted: list[dict[str, Any]]) -> None:
    """Each call's account, found by its record id, is the one that was given the same request id then."""
    told = {body["metadata"]["promptlayer_patch.record_id"]: body for body in posted}
    ids = [receipt.request_id(0.0) for receipt in now.receipts]
    assert ids == sorted(then.accounts)
    for receipt, request_id, result in zip(now.receipts, ids, now.results, strict=True):
        body, expected = told.pop(receipt.record_id), then.accounts[request_id]
        if isinstance(result, Exception):
            # Each version of openai words its exceptions in its own way.
            expected["error_message"] = f"{type(result).__name__}: {result}"
        assert account(body) == expected
        assert body["api_key"] == PROMPTLAYER_KEY
        assert body["metadata"]["promptlayer_patch.sdk"] == f"openai-python/{openai.__version__}"
    assert not told


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_what_was_recorded_is_right(path: Path) -> None:
    """The accounts on the cassettes against the traffic beside them, not against another run of our code."""
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
        assert wrong_fields(body) == []
        _answer_is_told(body, result_of(call), failed=response["status"]["code"] >= 400)


def _answer_is_told(body: dict[str, Any], result: Any, *, failed: bool) -> None:
    told = body["request_response"]
    if failed:
        assert (told, body["status"]) == ({}, "ERROR")
        assert result["error"]["message"] in body["error_message"]
    elif isinstance(result, bytes):
        assert told == {"content_type": "audio/mpeg", "bytes": len(result)}
    elif isinstance(result, dict):
        assert told == result
    elif body["function_name"].endswith("responses.create"):
        assert told == result[-1]["response"]
    elif body["function_name"].endswith("transcriptions.create"):
        assert told["text"] == result[-1]["text"] == "".join(event.get("delta", "") for event in result)
    else:
        _chunks_are_told(told, result)


def _chunks_are_told(told: dict[str, Any], chunks: list[Any]) -> None:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    deltas = [choice["delta"] for choice in choices]
    message = told["choices"][0]["message"]
    assert (message.get("content") or "") == "".join(delta.get("content") or "" for delta in deltas)
    functions: dict[int, dict[str, str]] = {}
    for part in (part for delta in deltas for part in delta.get("tool_calls", ())):
        function = functions.setdefault(part["index"], {"name": "", "arguments": ""})
        for field, text in part["function"].items():
            function[field] += text
    assert [call["function"] for call in message.get("tool_calls", ())] == list(functions.values())
    assert told["choices"][0]["finish_reason"] == choices[-1]["finish_reason"]
    assert told.get("usage") == chunks[-1].get("usage")


def test_every_scenario_has_its_cassette_and_every_cassette_its_scenario() -> None:
    assert {path.stem for path in CASSETTES} == {scenario.name for scenario in SCENARIOS}


def test_cassettes_are_written_as_they_are_read() -> None:
    form = Format(list)
    for path in CASSETTES:
        text = path.read_text(encoding="utf-8")
        requests, responses, *_ = deserialize(text, form)
        assert serialize({"requests": requests, "responses": responses}, form) == text


def test_a_request_that_is_not_on_the_cassette_is_refused() -> None:
    clients = Clients(OPENAI, OPENAI_KEY)
    with Tape(HOME / "chat.json").running() as cassette, clients.sync(max_retries=0) as client:
        asked: Any = [{"role": "user", "content": "And in Hull?"}]
        with pytest.raises((openai.APIConnectionError, CannotOverwriteExistingCassetteException)):
            client.chat.completions.create(model="gpt-4o-mini", messages=asked)
    assert cassette.play_count == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_key_in_any_file(path: Path) -> None:
    assert keys_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_no_address_or_time_of_the_recording(path: Path) -> None:
    for one in interactions_of(path):
        text = one["request"]["uri"] + str(one["request"]["body"]) + str(one["response"]["body"])
        assert "127.0.0.1" not in text
        assert "localhost" not in text
        assert set(one["request"]["headers"]) <= {"content-type", "x-stainless-retry-count"}
        assert set(one["response"]["headers"]) <= {"content-type", "retry-after", "x-request-id"}


LEAKS = {
    "OpenAI's key": OPENAI_KEY,
    "a project's key": OPENAI_KEY.replace("sk-", "sk-proj-"),
    "PromptLayer's key": PROMPTLAYER_KEY,
    "a bearer token": "Bear" + "er 0123456789abcdef",
    "a header with a key": '"Authori' + 'zation": "0123456789"',
    "Azure's header": '"api-' + 'key": "0123456789"',
    "an organisation": '"OpenAI-Organi' + 'zation": "org-0123"',
    "the field of a body": '"api_' + 'key": "0123456789"',
    "a key in binary data": f'"base64": "{base64.b64encode(b"ID3" + OPENAI_KEY.encode()).decode()}"',
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_leaked_key_would_be_found(leak: str) -> None:
    text = (HOME / "chat.json").read_text(encoding="utf-8")
    assert keys_in(text) == []
    assert keys_in(text.replace("04:12", leak)) != []


def _interaction(body: str | bytes, **headers: str) -> Interaction:
    """A request as vcrpy hands it over, with every header that gives something away."""
    told = {"Authorization": f"Bearer {OPENAI_KEY}", "api-key": "azure-secret", "Cookie": "a=b", **headers}
    return {
        "request": {
            "method": "POST",
            "uri": "http://127.0.0.1:4010/v1/chat/completions",
            "headers": {name: [value] for name, value in (told | {"OpenAI-Organization": "org-1"}).items()},
            "body": body,
        },
        "response": {
            "status": {"code": 401, "message": "Unauthorized"},
            "headers": {"Set-Cookie": ["session=azure-secret"], "X-Request-Id": ["req-AbCdEfGhIjKlMnOp"]},
            "body": {"string": f'{{"error":{{"message":"Incorrect API key provided: {OPENAI_KEY}"}}}}'},
        },
    }


@pytest.mark.parametrize(
    "body",
    [
        '{"user":"azure-secret","key":"' + OPENAI_KEY + '"}',
        f"a line with {PROMPTLAYER_KEY} in it",
        b"\xff\xfb" + OPENAI_KEY.encode() + b"azure-secret",
    ],
    ids=["json", "text", "binary"],
)
def test_the_scrubber_takes_every_key_out(body: str | bytes) -> None:
    telling = {"interactions": [_interaction(body, **{"Content-Type": "application/json"})]}
    with pytest.raises(KeyFound):
        Format(list).serialize(telling)

    text = Format(Scrubber({"http://127.0.0.1:4010": OPENAI}, ["azure-secret"])).serialize(telling)

    said = "".join(str(one) for one in Format.deserialize(text)["interactions"])
    assert keys_in(text) == keys_in(said) == []
    for secret in (OPENAI_KEY, PROMPTLAYER_KEY, "azure-secret", "org-1", "session", "127.0.0.1"):
        assert secret not in said


def test_the_scrubber_gives_an_account_no_key_and_no_time() -> None:
    told = {
        "api_key": "of-a-look-of-its-own",
        "request_start_time": 1.5,
        "request_end_time": 2.5,
        "metadata": {"promptlayer_patch.record_id": "0a" * 16, "team": "x"},
        "kwargs": {"model": "m"},
    }
    one = _interaction(json.dumps(told))
    one["request"]["uri"] = "http://127.0.0.1:4011/track-request"

    [kept] = Scrubber({"http://127.0.0.1:4011": PROMPTLAYER})([one])

    assert kept["request"]["uri"] == f"{PROMPTLAYER}/track-request"
    assert json.loads(kept["request"]["body"]) == {
        "api_key": "***",
        "request_start_time": 0.0,
        "request_end_time": 0.0,
        "metadata": {"promptlayer_patch.record_id": "0" * 32, "team": "x"},
        "kwargs": {"model": "m"},
    }


def test_the_scrubber_calls_a_random_id_the_same_everywhere() -> None:
    first, second = _interaction('{"input":"one"}'), _interaction('{"previous":"resp-AbCdEfGhIjKlMnOp"}')
    first["response"]["body"]["string"] = '{"id":"resp-AbCdEfGhIjKlMnOp","created_at":1790000000}'
    second["response"]["headers"]["X-Request-Id"] = ["req-QrStUvWxYz012345"]

    one, two = Scrubber({}, [])([first, second])

    assert one["response"]["body"]["string"] == '{"id":"resp-1","created_at":1700000000}'
    assert two["request"]["body"] == '{"previous":"resp-1"}'
    ids = [kept["response"]["headers"]["x-request-id"] for kept in (one, two)]
    assert ids == [["req-1"], ["req-2"]]
