"""Recorded traffic as blueprints: PromptLayer's own answers, and what OpenAI said to many programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from replay.cases import Exchange, load_cases

from promptlayer_patch._blueprint import blueprint_of, facts_of, input_of, output_of
from promptlayer_patch._folding import fold_stream
from promptlayer_patch.records import Record

yaml: Any = pytest.importorskip("yaml")

RECORDINGS = Path(__file__).parents[2] / "shared" / "cassettes"
ABSENT = "../shared/cassettes is absent: the recordings are kept beside the project, not in it"
CASES = load_cases(index) if (index := RECORDINGS / "openai" / "index.json").exists() else []
SAID = frozenset(
    {"content", "text", "arguments", "refusal", "transcript", "code", "logs", "reasoning_content"}
)
"""Fields of an answer whose text somebody would look for."""
NO_ANSWER = frozenset(
    {"content_filter_results", "content_filters", "error", "instructions", "logprobs", "prompt", "tools"}
)
"""What an answer holds beside what the model says."""


class Logged(NamedTuple):
    """One request to PromptLayer as it was recorded, and the answer."""

    where: str
    path: str
    body: dict[str, Any]
    answer: dict[str, Any]


def logged() -> Iterator[Logged]:
    for file in sorted((RECORDINGS / "promptlayer").glob("*.yaml")):
        for interaction in yaml.safe_load(file.read_bytes())["interactions"]:
            request = interaction["request"]
            path = request["uri"].partition("localhost:8000")[2]
            if path in ("/track-request", "/log-request"):
                answer = json.loads(interaction["response"]["body"]["string"])
                yield Logged(file.stem, path, json.loads(request["body"]), answer)


LOGGED = list(logged())


def record_of(sent: Logged) -> Record:
    body = sent.body
    if sent.path == "/log-request":
        return Record(
            id="0" * 32,
            function_name=body["function_name"],
            provider=body["provider"],
            request={key: body[key] for key in ("model", "input", "parameters")},
            response={"output": body["output"]},
        )
    return Record(
        id="0" * 32,
        function_name=body["function_name"],
        provider=body["provider_type"],
        request=body["kwargs"],
        response=body["request_response"],
    )


def differences(recorded: Any, ours: Any, path: str = "$") -> Iterator[str]:
    """Where `ours` is not what was `recorded`; fields that are null in ours may be missing in the record."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for key in recorded.keys() | ours.keys():
            if key in recorded and key not in ours:
                yield f"{path}.{key} is missing"
            elif key not in recorded:
                if ours[key] is not None and key not in NEWER:
                    yield f"{path}.{key} was not recorded"
            else:
                yield from differences(recorded[key], ours[key], f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        for position, (one, other) in enumerate(zip(recorded, ours, strict=True)):
            yield from differences(one, other, f"{path}[{position}]")
    elif recorded != ours or type(recorded) is not type(ours):
        yield f"{path}: recorded {recorded!r}, ours {ours!r}"


NEWER = frozenset({"display_params", "api_type"})
"""Fields that PromptLayer's server of April 2025 did not have yet and the one of February 2026 does."""


@pytest.mark.skipif(not LOGGED, reason=ABSENT)
def test_the_blueprints_promptlayer_answered_with_are_ours_field_by_field() -> None:
    """Those of `run()`, failed and not, and the row that `/log-request` gives back."""
    compared = 0
    for sent in LOGGED:
        theirs = sent.answer.get("prompt_blueprint") or sent.answer.get("prompt_version")
        if theirs:
            compared += 1
            found = list(differences(theirs, blueprint_of(record_of(sent))))
            assert not found, f"{sent.where}: {found}"
    assert compared == 3


@pytest.mark.skipif(not LOGGED, reason=ABSENT)
def test_the_newest_recorded_blueprint_has_exactly_our_fields_in_our_order() -> None:
    (failed,) = (sent for sent in LOGGED if sent.body.get("status") == "ERROR")
    ours = blueprint_of(record_of(failed))
    assert ours == failed.answer["prompt_blueprint"]
    theirs = failed.answer["prompt_blueprint"]["prompt_template"]
    assert json.dumps(ours["prompt_template"]) == json.dumps(theirs)


@pytest.mark.skipif(not LOGGED, reason=ABSENT)
def test_every_recorded_request_to_promptlayer_shows_what_was_said() -> None:
    """Also those that were not answered with a blueprint: streams of several generations, Anthropic's."""
    for sent in LOGGED:
        record = record_of(sent)
        assert sent.path == "/log-request" or input_of(record)["messages"], sent.where
        lost = "choices" in (record.response or {}) and "delta" in record.response["choices"][0]
        answered = bool(record.response) and not lost
        assert bool(output_of(record)["messages"]) is answered, sent.where
        assert bool(facts_of(record).output_text) is answered, sent.where


def openai_records() -> Iterator[tuple[str, Record]]:
    for case in CASES:
        for call, _ in case.calls:
            for exchange in call.exchanges:
                yield case.id, openai_record(f"openai.{call.method}", exchange)


def openai_record(function_name: str, exchange: Exchange) -> Record:
    return Record(
        id="0" * 32,
        function_name=function_name,
        request=_json(exchange.request_body) or {},
        response=_answer(exchange),
        status=exchange.status,
    )


def _answer(exchange: Exchange) -> Any:
    if exchange.body.startswith((b"data:", b"event:", b":")):
        return fold_stream(exchange.body).response
    found = _json(exchange.body)
    return exchange.body.decode("utf-8", "replace") if found is None else found


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def words_in(answer: Any) -> Iterator[str]:
    """The texts under the names that hold what a model says, wherever they are."""
    for key, value in answer.items() if isinstance(answer, dict) else enumerate(answer):
        if isinstance(value, str):
            if key in SAID:
                yield value
        elif isinstance(value, (dict, list)) and key not in NO_ANSWER:
            yield from words_in(value)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_in(item)


@pytest.mark.skipif(not CASES, reason=ABSENT)
def test_every_answer_of_openai_is_in_its_blueprint() -> None:
    looked_for = 0
    for where, record in openai_records():
        blueprint = blueprint_of(record)
        json.dumps(blueprint, allow_nan=False)
        if isinstance(record.response, dict) and record.status == 200 and "data" not in record.response:
            said = "\n".join(texts_in(output_of(record)))
            for words in words_in(record.response):
                looked_for += 1
                assert words.strip() in said, (where, record.function_name, words)
    assert looked_for > 300


@pytest.mark.skipif(not CASES, reason=ABSENT)
def test_every_prompt_sent_to_openai_is_in_its_blueprint() -> None:
    looked_for = 0
    for where, record in openai_records():
        if record.status != 200:
            continue  # some of those are refused because their messages are none
        said = "\n".join(texts_in(input_of(record)))
        for name in ("messages", "input", "instructions", "prompt"):
            given = record.request.get(name)
            for words in (given,) if isinstance(given, str) else words_in(given or []):
                looked_for += 1
                assert words.strip() in said, (where, record.function_name, words)
    assert looked_for > 300


@pytest.mark.skipif(not CASES, reason=ABSENT)
def test_an_answer_of_openai_tells_its_tokens() -> None:
    for where, record in openai_records():
        usage = facts_of(record).usage
        answer = record.response if isinstance(record.response, dict) else {}
        if answer.get("usage") and answer.get("object") in ("chat.completion", "response"):
            assert usage.input_tokens is not None, where
            assert usage.output_tokens is not None, where
