"""Instructor: answers of a given type, by a tool, a schema or plain JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import jiter
import openai
import pydantic
import pytest

import promptlayer_patch
from promptlayer_patch.demo.standin import BUSY_MODEL
from promptlayer_patch.records import Ending, Record
from tests.frameworks.claims import INVOICE, MODEL, Claims, Way, run
from tests.frameworks.ledger import Ledger

pytest.importorskip("instructor")

import instructor
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

RESPONSES = "openai.responses.create"
Mode = instructor.Mode


class Reply(pydantic.BaseModel):
    """The desk's answer."""

    text: str
    urgent: bool


def asked(question: str, model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}]}


def sync(mode: instructor.Mode) -> Any:
    def ask(question: str, model: str) -> str:
        client: Any = instructor.from_openai(openai.OpenAI(), mode=mode)
        reply: Reply = client.chat.completions.create(response_model=Reply, **asked(question, model))
        return reply.text

    return ask


def by_async(mode: instructor.Mode) -> Any:
    async def ask(question: str, model: str) -> str:
        client: Any = instructor.from_openai(openai.AsyncOpenAI(), mode=mode)
        reply: Reply = await client.create(response_model=Reply, **asked(question, model))
        return reply.text

    return ask


def from_provider(question: str, model: str) -> str:
    client: Any = instructor.from_provider(f"openai/{model}")
    reply: Reply = client.create(response_model=Reply, messages=asked(question, model)["messages"])
    return reply.text


def with_completion(question: str, model: str) -> str:
    client: Any = instructor.from_openai(openai.OpenAI())
    reply, completion = client.create_with_completion(response_model=Reply, **asked(question, model))
    assert completion.choices
    return str(reply.text)


def partial(question: str, model: str) -> Iterator[str]:
    client: Any = instructor.from_openai(openai.OpenAI())
    yield from _growth(client.create_partial(response_model=Reply, **asked(question, model)))


def _growth(replies: Iterator[Any]) -> Iterator[str]:
    seen = 0
    for reply in replies:
        text = reply.text or ""
        yield text[seen:]
        seen = len(text)


async def partial_async(question: str, model: str) -> AsyncIterator[str]:
    client: Any = instructor.from_openai(openai.AsyncOpenAI())
    seen = 0
    async for reply in client.create_partial(response_model=Reply, **asked(question, model)):
        text = reply.text or ""
        yield text[seen:]
        seen = len(text)


class TestInstructor(Claims):
    EXAMPLE = "with_instructor.py"
    WAYS: ClassVar = {
        "tools": Way(sync(Mode.TOOLS)),
        "tools_async": Way(by_async(Mode.TOOLS)),
        "json": Way(sync(Mode.JSON)),
        "json_schema": Way(by_async(Mode.JSON_SCHEMA)),
        "responses": Way(sync(Mode.RESPONSES_TOOLS), RESPONSES),
        "responses_async": Way(by_async(Mode.RESPONSES_TOOLS), RESPONSES),
        "from_provider": Way(from_provider),
        "with_completion": Way(with_completion),
        # The sync form reads the whole stream before it hands over the first part of it.
        "partial": Way(partial, reads_ahead=True),
        "partial_async": Way(partial_async),
    }

    def answer_in(self, record: Record) -> str:
        return str(jiter.from_json(form_in(record).encode(), partial_mode="trailing-strings").get("text", ""))


def form_in(record: Record) -> str:
    """The JSON that a recorded response holds, be it text or the arguments of a tool."""
    response: Any = record.response
    if "output" in response:
        [call] = response["output"]
        return str(call["arguments"])
    message = response["choices"][0]["message"]
    calls = message.get("tool_calls")
    return str(calls[0]["function"]["arguments"] if calls else message["content"])


def test_an_answer_that_does_not_fit_makes_a_call_of_each_try(ledger: Ledger) -> None:
    """The framework asks again with what was wrong: requests of their own."""

    class Strict(pydantic.BaseModel):
        text: str

        @pydantic.field_validator("text")
        @classmethod
        def asked_twice(cls, text: str) -> str:
            if len(ledger.server.requests) < 2:
                raise ValueError("say it again")
            return text

    client: Any = instructor.from_openai(openai.OpenAI())
    with promptlayer_patch.scope(tags=["strict"]) as calls:
        client.create(response_model=Strict, max_retries=3, **asked(INVOICE, MODEL))
    assert calls.request_ids() == [1, 2]
    assert [record.ending for record in ledger.records] == [Ending.COMPLETE] * 2
    assert "say it again" in json.dumps(ledger.records[1].request)


def test_retries_of_the_framework_after_a_refusal_are_calls(ledger: Ledger) -> None:
    client: Any = instructor.from_openai(openai.OpenAI(max_retries=0))
    tries = Retrying(stop=stop_after_attempt(3), retry=retry_if_exception_type(openai.RateLimitError))
    with promptlayer_patch.scope() as calls:
        client.create(response_model=Reply, max_retries=tries, **asked(INVOICE, BUSY_MODEL))
    assert calls.request_ids() == [1, 2]
    endings = [(record.ending, record.status) for record in ledger.records]
    assert endings == [(Ending.PROVIDER_ERROR, 429), (Ending.COMPLETE, 200)]


def test_a_list_that_is_streamed_is_one_record(ledger: Ledger) -> None:
    client: Any = instructor.from_openai(openai.OpenAI())
    replies = list(client.create_iterable(response_model=Reply, **asked(INVOICE, MODEL)))
    assert replies
    [record] = ledger.records
    assert (record.ending, record.streamed) == (Ending.COMPLETE, True)


def test_hooks_of_the_framework_see_what_they_always_see(ledger: Ledger) -> None:
    seen: list[str] = []
    client: Any = instructor.from_openai(openai.OpenAI())
    client.on("completion:response", lambda completion: seen.append(type(completion).__name__))
    client.create(response_model=Reply, **asked(INVOICE, MODEL))
    assert seen == ["ChatCompletion"]
    assert len(ledger.records) == 1


async def _together() -> list[Reply]:
    client: Any = instructor.from_openai(openai.AsyncOpenAI())

    async def ask(tag: str) -> Reply:
        with promptlayer_patch.scope(tags=[tag]):
            reply: Reply = await client.create(response_model=Reply, **asked(INVOICE, MODEL))
            return reply

    return list(await asyncio.gather(ask("one"), ask("two")))


def test_one_client_serves_two_scopes_at_once(ledger: Ledger) -> None:
    run(_together())
    assert sorted(record.tags[1:] for record in ledger.records) == [("one",), ("two",)]
