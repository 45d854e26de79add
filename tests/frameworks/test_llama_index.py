"""LlamaIndex: its OpenAI models, agents and programs, over chat completions and over the Responses API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import openai
import pydantic
import pytest

import promptlayer_patch
from promptlayer_patch.demo.standin import BUSY_MODEL
from promptlayer_patch.records import Ending
from tests.frameworks.claims import INVOICE, MODEL, QUESTIONS, WEATHER, Claims, Way, called, run, said
from tests.frameworks.ledger import Ledger

pytest.importorskip("llama_index.llms.openai")

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai import OpenAI, OpenAIResponses

RESPONSES = "openai.responses.create"


class Reply(pydantic.BaseModel):
    text: str
    urgent: bool


def get_weather(city: str) -> str:
    """The weather in a city, now."""
    return f"light rain in {city}"


class Model(OpenAI):
    """Knows the stand-in's own models too: LlamaIndex looks every name up in a list."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            model_name=self.model, context_window=128_000, is_chat_model=True, is_function_calling_model=True
        )


def chat_model(model: str, **options: Any) -> OpenAI:
    return Model(model=model, timeout=20, **options)


def responses_model(model: str) -> OpenAIResponses:
    return OpenAIResponses(model=model, timeout=20, context_window=128_000)


def messages(question: str) -> list[ChatMessage]:
    return [ChatMessage(role="system", content="You are a desk."), ChatMessage(role="user", content=question)]


def complete(question: str, model: str) -> str:
    return chat_model(model).complete(question).text


async def acomplete(question: str, model: str) -> str:
    return (await chat_model(model).acomplete(question)).text


def chat(question: str, model: str) -> str:
    return str(chat_model(model).chat(messages(question)).message.content)


async def achat(question: str, model: str) -> str:
    return str((await chat_model(model).achat(messages(question))).message.content)


def stream_chat(question: str, model: str) -> Iterator[str]:
    for piece in chat_model(model).stream_chat(messages(question)):
        yield piece.delta or ""


async def astream_chat(question: str, model: str) -> AsyncIterator[str]:
    async for piece in await chat_model(model).astream_chat(messages(question)):
        yield piece.delta or ""


def predict(question: str, model: str) -> str:
    return chat_model(model).predict(PromptTemplate("{question}"), question=question)


def responses(question: str, model: str) -> str:
    return str(responses_model(model).chat(messages(question)).message.content)


async def responses_async(question: str, model: str) -> str:
    return str((await responses_model(model).achat(messages(question))).message.content)


def responses_stream(question: str, model: str) -> Iterator[str]:
    for piece in responses_model(model).stream_chat(messages(question)):
        yield piece.delta or ""


class TestLlamaIndex(Claims):
    EXAMPLE = "with_llama_index.py"
    WAYS: ClassVar = {
        "complete": Way(complete),
        "acomplete": Way(acomplete),
        "chat": Way(chat),
        "achat": Way(achat),
        "stream_chat": Way(stream_chat),
        "astream_chat": Way(astream_chat),
        "predict": Way(predict),
        "responses": Way(responses, RESPONSES),
        "responses_async": Way(responses_async, RESPONSES),
        "responses_stream": Way(responses_stream, RESPONSES),
    }


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_with_a_tool_makes_two_calls_with_the_tags_of_its_block(
    ledger: Ledger, streaming: bool
) -> None:
    """An agent is a workflow: steps in tasks of their own."""

    async def ask() -> str:
        agent = FunctionAgent(tools=[get_weather], llm=chat_model(MODEL), streaming=streaming)
        return str(await agent.run(WEATHER))

    with promptlayer_patch.scope(tags=["agent"]) as calls:
        text = run(ask())
    first, last = ledger.records
    assert calls.request_ids() == [1, 2]
    assert {record.tags for record in ledger.records} == {("suite", "agent")}
    assert (called(first), called(last)) == (["get_weather"], [])
    assert [record.streamed for record in ledger.records] == [streaming] * 2
    assert said(last) == text
    assert "light rain in Oslo" in text


def test_a_tool_that_asks_a_model_itself_is_a_call_of_its_own(ledger: Ledger) -> None:
    def weather_report(city: str) -> str:
        """The weather in a city, at length."""
        with promptlayer_patch.scope(tags=["tool"]):
            return complete("How do I export?", MODEL)

    async def ask() -> None:
        await FunctionAgent(tools=[weather_report], llm=chat_model(MODEL), streaming=False).run(WEATHER)

    with promptlayer_patch.scope(tags=["agent"]):
        run(ask())
    assert [record.tags[1:] for record in ledger.records] == [("agent",), ("agent", "tool"), ("agent",)]


@pytest.mark.parametrize("how", ["structured", "structured_stream", "program"])
def test_a_typed_answer_is_one_record(ledger: Ledger, how: str) -> None:
    if how == "program":
        answer: Any = chat_model(MODEL).structured_predict(Reply, PromptTemplate("{q}"), q=INVOICE)
    elif how == "structured":
        answer = chat_model(MODEL).as_structured_llm(Reply).complete(INVOICE).raw
    else:
        *_, last = chat_model(MODEL).as_structured_llm(Reply).stream_chat(messages(INVOICE))
        answer = last.raw
    assert "Billing > Invoices" in answer.text
    [record] = ledger.records
    assert (record.ending, record.streamed) == (Ending.COMPLETE, how == "structured_stream")


def test_its_own_retries_are_calls(ledger: Ledger) -> None:
    """They begin where those of openai's client end: one that is handed over may have none."""
    model = chat_model(BUSY_MODEL, max_retries=3, openai_client=openai.OpenAI(max_retries=0))
    with promptlayer_patch.scope(tags=["patient"]) as calls:
        text = model.complete(INVOICE).text
    endings = [(record.ending, record.status) for record in ledger.records]
    assert endings == [(Ending.PROVIDER_ERROR, 429), (Ending.COMPLETE, 200)]
    assert calls.request_ids() == [1, 2]
    assert {record.tags for record in ledger.records} == {("suite", "patient")}
    assert said(ledger.records[1]) == text


def test_many_in_tasks_share_a_scope(ledger: Ledger) -> None:
    async def ask() -> list[Any]:
        model = chat_model(MODEL)
        return await asyncio.gather(*(model.acomplete(question) for question in QUESTIONS))

    with promptlayer_patch.scope(tags=["many"]) as calls:
        answers = run(ask())
    assert sorted(calls.request_ids()) == [1, 2, 3, 4, 5]
    assert sorted(map(said, ledger.records)) == sorted(answer.text for answer in answers)
