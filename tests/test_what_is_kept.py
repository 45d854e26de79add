"""What of a call is recorded, by the options that leave something out: content, secrets, media, calls."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import openai
import pytest

import promptlayer_patch
from promptlayer_patch import Record, Stats, scope
from promptlayer_patch.errors import RequestIdUnavailable
from promptlayer_patch.exporters.memory import MemoryExporter
from tests.support.faults import failing, places
from tests.support.faults_watching import our_log
from tests.support.wire import MODEL, Wire, answer_events, chat, chat_events, refusal, replies

SECRET = "sk-proj-0123456789abcdefABCDEF"


def recorded(prompt: Any = "What is my balance?", *, answer: str = "42", **options: Any) -> Record:
    """What is recorded of one call under these options."""
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, **options)
    messages = [{"role": "user", "content": prompt}]
    Wire(replies(chat(answer))).client().chat.completions.create(model=MODEL, messages=messages)
    assert promptlayer_patch.flush()
    (record,) = sink.records
    return record


def prompt_of(record: Record) -> Any:
    return record.request["messages"][0]["content"]


def answer_of(record: Record) -> Any:
    return record.response["choices"][0]["message"]["content"]


def test_without_an_option_everything_is_kept() -> None:
    record = recorded()
    assert (prompt_of(record), answer_of(record)) == ("What is my balance?", "42")
    assert record.shortened_from is None


def test_secrets_are_always_taken_out() -> None:
    record = recorded(f"my key is {SECRET}, keep it", answer=f"Authorization: Bearer {SECRET}")
    assert prompt_of(record) == "my key is ***, keep it"
    assert SECRET not in json.dumps(record.response)


def test_the_call_itself_keeps_its_secrets() -> None:
    """What is taken out of the record is not taken out of the request nor of the answer."""
    promptlayer_patch.install(to=MemoryExporter(), redact=re.compile("balance"))
    wire = Wire(replies(chat(SECRET)))
    asked = [{"role": "user", "content": f"balance {SECRET}"}]
    answer = wire.client().chat.completions.create(model=MODEL, messages=asked)
    assert promptlayer_patch.flush()
    assert wire.sent[0].data["messages"] == asked == [{"role": "user", "content": f"balance {SECRET}"}]
    assert answer.choices[0].message.content == SECRET


@pytest.mark.parametrize(
    ("redact", "prompt", "answer"),
    [
        ("content", "[redacted]", "[redacted]"),
        ("$.request.messages[*].content", "[redacted]", "42"),
        ("messages[*].content", "[redacted]", "42"),
        ("$.response.choices[0].message.content", "What is my balance?", "[redacted]"),
        (re.compile(r"my \w+"), "What is [redacted]?", "42"),
        ([re.compile("What"), re.compile("4")], "[redacted] is my balance?", "[redacted]2"),
    ],
    ids=["key", "whole path", "path", "path into the answer", "pattern", "list"],
)
def test_redact_takes_out_what_it_names(redact: Any, prompt: str, answer: str) -> None:
    record = recorded(redact=redact)
    assert (prompt_of(record), answer_of(record)) == (prompt, answer)


def test_redact_may_be_a_function_of_the_record() -> None:
    record = recorded(redact=lambda record: replace(record, response={"id": record.response["id"]}))
    assert set(record.response) == {"id"}
    assert prompt_of(record) == "What is my balance?"


def test_a_redaction_that_raises_drops_the_content_and_not_the_fact() -> None:
    def raises(record: Record) -> Record:
        raise LookupError(record.request)

    with our_log() as log:
        record = recorded("the secret prompt", redact=raises)
    assert (dict(record.request), record.response) == ({}, None)
    assert (record.function_name, record.status) == ("openai.chat.completions.create", 200)
    assert [entry for entry in log if "secret prompt" in entry.getMessage()] == []


def test_the_environment_can_redact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAYER_REDACT", "content")
    assert prompt_of(recorded()) == "[redacted]"


def test_without_content_names_sizes_usage_and_times_are_left() -> None:
    record = recorded("the secret prompt", answer="the secret answer", capture_content=False)
    assert "secret" not in json.dumps([record.request, record.response])
    assert record.request["model"] == MODEL
    assert record.response["usage"]["total_tokens"] > 0
    assert record.duration_s > 0


def test_large_media_become_a_digest() -> None:
    picture = "data:image/png;base64," + base64.b64encode(bytes(300_000)).decode()
    small = "data:image/png;base64," + base64.b64encode(bytes(300)).decode()
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in (picture, small)]
    large, kept = (part["image_url"]["url"] for part in prompt_of(recorded(parts)))
    assert re.fullmatch(r"data:image/png;bytes=300000;sha256=[0-9a-f]{64}", large)
    assert kept == small


def test_a_record_that_is_too_large_is_shortened_and_says_so() -> None:
    record = recorded("a word " * 150_000, record_max_bytes=10_000)
    assert len(json.dumps([record.request, record.response])) < 11_000
    assert record.shortened_from is not None
    assert record.shortened_from > 1_000_000
    assert answer_of(record) == "42", "the largest field is cut first"
    assert promptlayer_patch.stats().shortened == 1


def test_what_finds_no_room_in_the_queue_gives_up_its_largest_part_before_it_is_dropped() -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, queue_max_bytes=5_000)
    client = Wire(replies(chat("short"), chat("long " * 2_000))).client()
    for prompt in ("long " * 2_000, "short"):
        asked = [{"role": "user", "content": prompt}]
        client.chat.completions.create(model=MODEL, messages=asked)
        assert promptlayer_patch.flush()
    asked_at_length, answered_at_length = sink.records
    assert (dict(asked_at_length.request), answer_of(asked_at_length)) == ({}, "short")
    assert (prompt_of(answered_at_length), answered_at_length.response) == ("short", None)
    assert all(record.shortened_from and record.shortened_from > 10_000 for record in sink.records)
    assert promptlayer_patch.stats() == Stats(recorded=2, delivered=2, shortened=2)


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "packed"])
def test_a_stream_is_counted_as_it_is_held_in_memory_however_small_it_came(packed: bool) -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, queue_max_bytes=20_000)
    reply = chat_events(*["long " * 100] * 100)
    if packed:
        body = gzip.compress(b"".join(reply.chunks))
        assert len(body) < 20_000
        reply = replace(reply, chunks=(body,), headers=(("content-encoding", "gzip"),))
    messages = [{"role": "user", "content": "?"}]
    stream = (
        Wire(replies(reply)).client().chat.completions.create(model=MODEL, messages=messages, stream=True)
    )
    assert len(list(stream)) == 101
    assert promptlayer_patch.flush()
    (record,) = sink.records
    assert record.response is None
    assert record.shortened_from is not None
    assert record.shortened_from > 50_000


# Sampling


class Sampled:
    """Calls under a sampling, and what is recorded of them."""

    def __init__(self, *answers: Any, **options: Any) -> None:
        self.sink = MemoryExporter()
        promptlayer_patch.install(to=self.sink, **options)
        self.client = Wire(replies(*answers)).client()

    def ask(self, text: str = "?", **options: Any) -> Any:
        messages = [{"role": "user", "content": text}]
        return self.client.chat.completions.create(model=MODEL, messages=messages, **options)

    @property
    def prompts(self) -> list[str]:
        assert promptlayer_patch.flush()
        return [record.request["messages"][0]["content"] for record in self.sink.records]


def test_a_rate_of_zero_records_nothing_and_says_so_to_who_waits() -> None:
    sampled = Sampled(chat(), sample_rate=0)
    with scope() as calls:
        sampled.ask()
    assert sampled.prompts == []
    with pytest.raises(RequestIdUnavailable, match="not sampled"):
        calls.request_id(0)
    assert promptlayer_patch.stats() == Stats()


def test_a_rate_between_records_a_part() -> None:
    sampled = Sampled(*[chat()] * 400, sample_rate=0.5)
    for _ in range(400):
        sampled.ask()
    assert 120 < len(sampled.prompts) < 280


def test_a_function_decides_by_method_and_arguments() -> None:
    def only_long(name: str, arguments: Mapping[str, Any]) -> bool:
        assert name == "openai.chat.completions.create"
        return len(arguments["messages"][0]["content"]) > 3

    sampled = Sampled(chat(), chat(), sample_rate=only_long)
    sampled.ask("yes, do")
    sampled.ask("no")
    assert sampled.prompts == ["yes, do"]


def test_failed_calls_are_kept_unless_that_is_switched_off() -> None:
    for part, kept in ((None, ["?"]), (0.0, [])):
        sampled = Sampled(refusal(400), sample_rate=0, sample_errors=part)
        with pytest.raises(openai.BadRequestError):
            sampled.ask()
        assert sampled.prompts == kept


def test_a_failure_that_a_stream_reports_is_kept() -> None:
    failure = answer_events({"error": {"message": "overloaded", "type": "server_error"}})
    sampled = Sampled(chat_events("a"), failure, sample_rate=0)
    list(sampled.ask("whole", stream=True))
    with pytest.raises(openai.APIError):
        list(sampled.ask("failed", stream=True))
    assert sampled.prompts == ["failed"]


@pytest.mark.parametrize("place", ["_sampling.takes", "_intake._is_kept_error"])
def test_a_fault_while_sampling_is_not_noticed(place: str) -> None:
    def fail() -> None:
        raise RuntimeError("of ours")

    sampled = Sampled(chat("kept"), sample_rate=0.0)
    with our_log(), failing(places(["_sampling", "_intake"])[place], fail):
        assert sampled.ask().choices[0].message.content == "kept"
    promptlayer_patch.flush()
