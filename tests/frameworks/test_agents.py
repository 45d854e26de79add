"""The OpenAI Agents SDK: agents, tools and handovers, over the Responses API and over chat completions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pydantic
import pytest

import promptlayer_patch
from promptlayer_patch.records import Ending
from tests.frameworks.claims import INVOICE, MODEL, WEATHER, Claims, Way, called, run, said
from tests.frameworks.ledger import Ledger

pytest.importorskip("agents")

import openai
from agents import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)

RESPONSES = "openai.responses.create"


class Reply(pydantic.BaseModel):
    text: str
    urgent: bool


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city, now."""
    return f"light rain in {city}"


@pytest.fixture(autouse=True)
def _no_tracing() -> None:
    """Its traces go to OpenAI's own address."""
    set_tracing_disabled(True)


def agent(model: str | Model = MODEL, **options: Any) -> Agent:
    # A client of its own that finds this test's stand-in: the SDK makes one for the whole process.
    if isinstance(model, str):
        model = OpenAIResponsesModel(model, openai.AsyncOpenAI())
    return Agent(name="Desk", instructions="You are a support desk.", model=model, **options)


def chat_model(model: str) -> Model:
    return OpenAIChatCompletionsModel(model, openai.AsyncOpenAI())


async def responses(question: str, model: str) -> str:
    return str((await Runner.run(agent(model), question)).final_output)


def run_sync(question: str, model: str) -> str:
    return str(Runner.run_sync(agent(model), question).final_output)


async def responses_stream(question: str, model: str) -> AsyncIterator[str]:
    async for piece in _pieces(agent(model), question):
        yield piece


async def chat(question: str, model: str) -> str:
    return str((await Runner.run(agent(chat_model(model)), question)).final_output)


async def chat_stream(question: str, model: str) -> AsyncIterator[str]:
    async for piece in _pieces(agent(chat_model(model)), question):
        yield piece


async def _pieces(desk: Agent, question: str) -> AsyncIterator[str]:
    result = Runner.run_streamed(desk, question)
    try:
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                yield event.data.delta
    finally:
        result.cancel()


class TestAgents(Claims):
    EXAMPLE = "with_openai_agents.py"
    WAYS: ClassVar = {
        "responses": Way(responses, RESPONSES),
        "run_sync": Way(run_sync, RESPONSES),
        "responses_stream": Way(responses_stream, RESPONSES, reads_ahead=True),
        "chat": Way(chat),
        "chat_stream": Way(chat_stream, reads_ahead=True),
    }


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("how", ["plain", "sync", "streamed"])
def test_an_agent_with_a_tool_makes_two_calls_with_the_tags_of_its_block(
    ledger: Ledger, api: str, how: str
) -> None:
    model = MODEL if api == "responses" else chat_model(MODEL)
    desk = agent(model, tools=[get_weather])

    async def text() -> str:
        if how == "streamed":
            return "".join([piece async for piece in _pieces(desk, WEATHER)])
        return str((await Runner.run(desk, WEATHER)).final_output)

    with promptlayer_patch.scope(tags=["agent"]) as calls:
        answer = Runner.run_sync(desk, WEATHER).final_output if how == "sync" else run(text())
    first, last = ledger.records
    assert calls.request_ids() == [1, 2]
    assert {record.tags for record in ledger.records} == {("suite", "agent")}
    assert (called(first), called(last)) == (["get_weather"], [])
    assert said(last) == answer
    assert "light rain in Oslo" in answer


def test_a_tool_that_asks_a_model_itself_is_a_call_of_its_own(ledger: Ledger) -> None:
    """Tools that are plain functions run in threads: the scopes of both are there."""

    @function_tool
    def weather_report(city: str) -> str:
        """The weather in a city, at length."""
        with promptlayer_patch.scope(tags=["tool"]):
            answer = openai.OpenAI().chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "How do I export?"}]
            )
        return str(answer.choices[0].message.content)

    with promptlayer_patch.scope(tags=["agent"]):
        run(Runner.run(agent(tools=[weather_report]), WEATHER))
    assert [record.tags[1:] for record in ledger.records] == [("agent",), ("agent", "tool"), ("agent",)]


def test_a_handover_is_recorded_call_by_call(ledger: Ledger) -> None:
    billing = Agent(name="Billing", model=chat_model(MODEL))
    with promptlayer_patch.scope(tags=["agent"]) as calls:
        result = run(Runner.run(agent(handoffs=[billing]), "A question for billing: where is my invoice?"))
    assert result.last_agent is billing
    assert ledger.names == [RESPONSES, "openai.chat.completions.create"]
    assert called(ledger.records[0]) == ["transfer_to_billing"]
    assert calls.request_ids() == [1, 2]


def test_an_agent_as_a_tool_is_recorded_call_by_call(ledger: Ledger) -> None:
    forecaster = agent().as_tool("ask_weather_desk", "Knows the weather")
    with promptlayer_patch.scope(tags=["agent"]) as calls:
        run(Runner.run(agent(tools=[forecaster]), WEATHER))
    assert ledger.names == [RESPONSES] * 3
    assert calls.request_ids() == [1, 2, 3]
    assert {record.tags for record in ledger.records} == {("suite", "agent")}


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_structured_answer_is_one_record(ledger: Ledger, api: str) -> None:
    desk = agent(MODEL if api == "responses" else chat_model(MODEL), output_type=Reply)
    answer = run(Runner.run(desk, INVOICE)).final_output
    [record] = ledger.records
    assert answer == Reply.model_validate_json(said(record))


def test_a_tool_call_that_fails_is_asked_about_again(ledger: Ledger) -> None:
    """Whatever the framework makes of it: the records are the requests."""

    @function_tool
    def get_weather(city: str) -> str:
        """The weather in a city, now."""
        raise LookupError("no weather today")

    run(Runner.run(agent(tools=[get_weather]), WEATHER))
    assert len(ledger.records) == 2
    assert {record.ending for record in ledger.records} == {Ending.COMPLETE}
