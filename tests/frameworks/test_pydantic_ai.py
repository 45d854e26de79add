"""pydantic-ai: agents, tools and typed answers, over chat completions and over the Responses API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import openai
import pydantic
import pytest

import promptlayer_patch
from promptlayer_patch.records import Ending
from tests.frameworks.claims import INVOICE, MODEL, WEATHER, Claims, Way, called, run, said
from tests.frameworks.ledger import Ledger

pytest.importorskip("pydantic_ai")

from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, RunContext
from pydantic_ai.direct import model_request_sync
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

RESPONSES = "openai.responses.create"


class Reply(pydantic.BaseModel):
    text: str
    urgent: bool


def get_weather(city: str) -> str:
    """The weather in a city, now."""
    return f"light rain in {city}"


def chat_model(model: str) -> OpenAIChatModel:
    # A client of its own: the one that pydantic-ai would make is shared, and bound to its first event loop.
    return OpenAIChatModel(model, provider=OpenAIProvider(openai_client=openai.AsyncOpenAI()))


def responses_model(model: str) -> OpenAIResponsesModel:
    return OpenAIResponsesModel(model, provider=OpenAIProvider(openai_client=openai.AsyncOpenAI()))


async def chat(question: str, model: str) -> str:
    return (await Agent(chat_model(model)).run(question)).output


def run_sync(question: str, model: str) -> str:
    return Agent(chat_model(model)).run_sync(question).output


def direct(question: str, model: str) -> str:
    answer = model_request_sync(chat_model(model), [ModelRequest.user_text_prompt(question)])
    return "".join(part.content for part in answer.parts if part.part_kind == "text")


async def chat_stream(question: str, model: str) -> AsyncIterator[str]:
    async with Agent(chat_model(model)).run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece


def stream_sync(question: str, model: str) -> Iterator[str]:
    yield from Agent(chat_model(model)).run_stream_sync(question).stream_text(delta=True, debounce_by=None)


async def steps(question: str, model: str) -> str:
    async with Agent(chat_model(model)).iter(question) as graph:
        async for _ in graph:
            pass
    assert graph.result
    return str(graph.result.output)


async def responses(question: str, model: str) -> str:
    return (await Agent(responses_model(model)).run(question)).output


async def responses_stream(question: str, model: str) -> AsyncIterator[str]:
    async with Agent(responses_model(model)).run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece


class TestPydanticAI(Claims):
    EXAMPLE = "with_pydantic_ai.py"
    WAYS: ClassVar = {
        "chat": Way(chat),
        "run_sync": Way(run_sync),
        "direct": Way(direct),
        "chat_stream": Way(chat_stream),
        "stream_sync": Way(stream_sync),
        "steps": Way(steps),
        "responses": Way(responses, RESPONSES),
        "responses_stream": Way(responses_stream, RESPONSES),
    }


@pytest.mark.parametrize("api", [chat_model, responses_model])
@pytest.mark.parametrize("how", ["plain", "sync", "streamed"])
def test_an_agent_with_a_tool_makes_two_calls_with_the_tags_of_its_block(
    ledger: Ledger, api: Any, how: str
) -> None:
    agent = Agent(api(MODEL), tools=[get_weather])

    async def streamed() -> str:
        async with agent.run_stream(WEATHER) as result:
            return await result.get_output()

    with promptlayer_patch.scope(tags=["agent"]) as calls:
        if how == "plain":
            text = run(agent.run(WEATHER)).output
        else:
            text = agent.run_sync(WEATHER).output if how == "sync" else run(streamed())
    first, last = ledger.records
    assert calls.request_ids() == [1, 2]
    assert {record.tags for record in ledger.records} == {("suite", "agent")}
    assert (called(first), called(last)) == (["get_weather"], [])
    assert said(last) == text
    assert "light rain in Oslo" in text


def test_a_tool_that_asks_a_model_itself_is_a_call_of_its_own(ledger: Ledger) -> None:
    """Tools that are plain functions run in threads: the scopes of both are there."""

    def weather_report(city: str) -> str:
        """The weather in a city, at length."""
        with promptlayer_patch.scope(tags=["tool"]):
            answer = openai.OpenAI().chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "How do I export?"}]
            )
        return str(answer.choices[0].message.content)

    with promptlayer_patch.scope(tags=["agent"]):
        run(Agent(chat_model(MODEL), tools=[weather_report]).run(WEATHER))
    assert [record.tags[1:] for record in ledger.records] == [("agent",), ("agent", "tool"), ("agent",)]


@pytest.mark.parametrize("api", [chat_model, responses_model])
@pytest.mark.parametrize(
    "form", [Reply, NativeOutput(Reply), PromptedOutput(Reply)], ids=["tool", "native", "prompted"]
)
def test_a_typed_answer_is_recorded_call_by_call(ledger: Ledger, api: Any, form: Any) -> None:
    agent = Agent(api(MODEL), output_type=form, tools=[get_weather])
    answer = run(agent.run(WEATHER)).output
    assert answer.urgent is True
    assert "light rain in Oslo" in answer.text
    assert len(ledger.records) == len(ledger.server.requests) == 2


def test_an_answer_that_is_sent_back_makes_a_call_of_each_try(ledger: Ledger) -> None:
    """The framework's own retries are requests of their own."""
    agent = Agent(chat_model(MODEL), retries=2)

    @agent.output_validator
    def not_at_once(context: RunContext[None], text: str) -> str:
        if context.retry == 0:
            raise ModelRetry("say it again")
        return text

    with promptlayer_patch.scope(tags=["agent"]) as calls:
        run(agent.run(INVOICE))
    assert calls.request_ids() == [1, 2]
    assert [record.ending for record in ledger.records] == [Ending.COMPLETE] * 2
