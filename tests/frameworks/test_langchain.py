"""LangChain: chat models, chains and agents on top of openai."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import pydantic
import pytest

import promptlayer_patch
from promptlayer_patch.demo.standin import BUSY_MODEL
from promptlayer_patch.records import Ending
from tests.frameworks.claims import INVOICE, MODEL, QUESTIONS, WEATHER, Claims, Way, called, run, said
from tests.frameworks.ledger import Ledger

pytest.importorskip("langchain_openai")

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from langgraph.func import entrypoint, task


class Reply(pydantic.BaseModel):
    """The desk's answer."""

    text: str
    urgent: bool


@tool
def get_weather(city: str) -> str:
    """The weather in a city, now."""
    return f"light rain in {city}"


def invoke(question: str, model: str) -> str:
    return ChatOpenAI(model=model).invoke(question).text


async def ainvoke(question: str, model: str) -> str:
    return (await ChatOpenAI(model=model).ainvoke(question)).text


def stream(question: str, model: str) -> Iterator[str]:
    for chunk in ChatOpenAI(model=model).stream(question):
        yield chunk.text


async def astream(question: str, model: str) -> AsyncIterator[str]:
    async for chunk in ChatOpenAI(model=model).astream(question):
        yield chunk.text


async def astream_events(question: str, model: str) -> AsyncIterator[str]:
    async for event in ChatOpenAI(model=model).astream_events(question, version="v2"):
        if event["event"] == "on_chat_model_stream":
            yield event["data"]["chunk"].text


def chain(question: str, model: str) -> str:
    prompt = ChatPromptTemplate.from_messages([("system", "You are a support desk."), ("user", "{question}")])
    steps = prompt | ChatOpenAI(model=model) | StrOutputParser()
    return steps.invoke({"question": question})


def responses(question: str, model: str) -> str:
    return ChatOpenAI(model=model, use_responses_api=True).invoke(question).text


def responses_stream(question: str, model: str) -> Iterator[str]:
    for chunk in ChatOpenAI(model=model, use_responses_api=True).stream(question):
        yield chunk.text


def completion(question: str, model: str) -> str:
    return OpenAI(model=model).invoke(question)


def completion_stream(question: str, model: str) -> Iterator[str]:
    yield from OpenAI(model=model).stream(question)


def agent(question: str, model: str) -> str:
    answer = create_agent(ChatOpenAI(model=model), tools=[get_weather]).invoke(_asked(question))
    return str(answer["messages"][-1].text)


async def agent_async(question: str, model: str) -> str:
    answer = await create_agent(ChatOpenAI(model=model), tools=[get_weather]).ainvoke(_asked(question))
    return str(answer["messages"][-1].text)


async def agent_stream(question: str, model: str) -> AsyncIterator[str]:
    steps = create_agent(ChatOpenAI(model=model), tools=[get_weather])
    async for message, _ in steps.astream(_asked(question), stream_mode="messages"):
        if isinstance(message, AIMessageChunk):
            yield message.text


def _asked(question: str) -> Any:
    return {"messages": [{"role": "user", "content": question}]}


class TestLangChain(Claims):
    EXAMPLE = "with_langchain.py"
    WAYS: ClassVar = {
        "invoke": Way(invoke),
        "ainvoke": Way(ainvoke),
        "stream": Way(stream),
        "astream": Way(astream),
        "astream_events": Way(astream_events),
        "chain": Way(chain),
        "responses": Way(responses, "openai.responses.create"),
        "responses_stream": Way(responses_stream, "openai.responses.create"),
        "completion": Way(completion, "openai.completions.create"),
        "completion_stream": Way(completion_stream, "openai.completions.create"),
        "agent": Way(agent),
        "agent_async": Way(agent_async),
        "agent_stream": Way(agent_stream, reads_ahead=True),
    }


def test_an_agent_with_a_tool_makes_two_calls_with_the_tags_of_its_block(ledger: Ledger) -> None:
    with promptlayer_patch.scope(tags=["agent"]) as calls:
        text = agent(WEATHER, MODEL)
    first, last = ledger.records
    assert calls.request_ids() == [1, 2]
    assert [record.tags for record in (first, last)] == [("suite", "agent")] * 2
    assert (called(first), called(last)) == (["get_weather"], [])
    assert said(last) == text
    assert "light rain in Oslo" in text


def test_a_tool_that_asks_a_model_itself_is_a_call_of_its_own(ledger: Ledger) -> None:
    """The graph runs its tools in threads of a pool: the scopes of both are there."""

    @tool
    def weather_report(city: str) -> str:
        """The weather in a city, at length."""
        with promptlayer_patch.scope(tags=["tool"]):
            return invoke("How do I export?", MODEL)

    with promptlayer_patch.scope(tags=["agent"]):
        create_agent(ChatOpenAI(model=MODEL), tools=[weather_report]).invoke(_asked(WEATHER))
    assert [record.tags[1:] for record in ledger.records] == [("agent",), ("agent", "tool"), ("agent",)]


def test_an_agent_with_a_structured_answer_is_recorded_call_by_call(ledger: Ledger) -> None:
    model = ChatOpenAI(model=MODEL)
    answer = create_agent(model, tools=[get_weather], response_format=Reply).invoke(_asked(WEATHER))
    assert answer["structured_response"].urgent is True
    assert "light rain" in answer["structured_response"].text
    assert len(ledger.records) == len(ledger.server.requests) == 2
    assert {record.ending for record in ledger.records} == {Ending.COMPLETE}


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_is_one_record(ledger: Ledger, method: Any) -> None:
    model = ChatOpenAI(model=MODEL).with_structured_output(Reply, method=method, include_raw=True)
    answer = model.invoke(INVOICE)
    assert answer["raw"]
    [name] = ledger.names
    assert name.endswith((".parse", ".create"))


def test_structured_output_over_the_responses_api_is_one_record(ledger: Ledger) -> None:
    model = ChatOpenAI(model=MODEL, use_responses_api=True).with_structured_output(Reply)
    answer: Any = model.invoke(INVOICE)
    assert answer.urgent is True
    assert ledger.names == ["openai.responses.parse"]


def test_streamed_structured_output_is_one_record(ledger: Ledger) -> None:
    parts = list(ChatOpenAI(model=MODEL).with_structured_output(Reply).stream(INVOICE))
    assert parts[-1].urgent is True
    [record] = ledger.records
    assert record.function_name.endswith("chat.completions.stream")
    assert (record.ending, record.streamed) == (Ending.COMPLETE, True)


@pytest.mark.parametrize("how", ["batch", "batch_as_completed", "abatch"])
def test_a_batch_takes_the_scope_into_its_threads_and_tasks(ledger: Ledger, how: str) -> None:
    model = ChatOpenAI(model=MODEL)
    with promptlayer_patch.scope(tags=["batch"], metadata={"run": "9"}) as calls:
        asked = list(QUESTIONS)
        if how == "batch_as_completed":
            answers = [answer for _, answer in model.batch_as_completed(asked)]
        else:
            answers = model.batch(asked) if how == "batch" else run(model.abatch(asked))
    assert sorted(calls.request_ids()) == [1, 2, 3, 4, 5]
    assert {record.tags for record in ledger.records} == {("suite", "batch")}
    assert sorted(map(said, ledger.records)) == sorted(answer.text for answer in answers)


def test_parallel_steps_of_a_chain_keep_scopes_of_their_own(ledger: Ledger) -> None:
    def step(tag: str) -> RunnableLambda[str, str]:
        def ask(question: str) -> str:
            with promptlayer_patch.scope(tags=[tag]):
                return invoke(question, MODEL)

        return RunnableLambda(ask)

    with promptlayer_patch.scope(tags=["all"]):
        RunnableParallel(one=step("one"), two=step("two")).invoke(INVOICE)
    assert sorted(record.tags[1:] for record in ledger.records) == [("all", "one"), ("all", "two")]


def test_tasks_of_a_graph_keep_the_scope_in_their_threads(ledger: Ledger) -> None:
    @task
    def ask(question: str) -> str:
        with promptlayer_patch.scope(metadata={"question": question}):
            return invoke(question, MODEL)

    @entrypoint()
    def flow(questions: list[str]) -> list[str]:
        return [asked.result() for asked in [ask(question) for question in questions]]

    with promptlayer_patch.scope(tags=["graph"]) as calls:
        answers = flow.invoke(list(QUESTIONS))
    assert len(answers) == len(calls.request_ids()) == len(QUESTIONS)
    assert {record.tags for record in ledger.records} == {("suite", "graph")}
    assert {record.metadata["question"] for record in ledger.records} == set(QUESTIONS)


def test_with_retry_makes_a_call_of_each_try(ledger: Ledger) -> None:
    model = ChatOpenAI(model=BUSY_MODEL, max_retries=0).with_retry(
        stop_after_attempt=3, wait_exponential_jitter=False
    )
    with promptlayer_patch.scope() as calls:
        text = model.invoke(INVOICE).text
    first, second = ledger.records
    assert [(record.ending, record.status) for record in (first, second)] == [
        (Ending.PROVIDER_ERROR, 429),
        (Ending.COMPLETE, 200),
    ]
    assert calls.request_ids() == [1, 2]
    assert said(second) == text


def test_a_model_that_was_used_before_install_is_recorded_too(
    server: Any, request: pytest.FixtureRequest
) -> None:
    """It keeps openai's raw methods, as they were, for good."""
    model = ChatOpenAI(model=MODEL)
    model.invoke("How do I export?")
    ledger: Ledger = request.getfixturevalue("ledger")
    ledger.suppressed = 1
    with promptlayer_patch.scope(tags=["late"]) as calls:
        model.invoke(INVOICE)
        model.with_structured_output(Reply).invoke(INVOICE)
    assert calls.request_ids() == [1, 2]
    assert [record.tags for record in ledger.records] == [("suite", "late")] * 2


def test_embeddings_are_recorded(ledger: Ledger) -> None:
    with promptlayer_patch.scope(tags=["index"]) as calls:
        vectors = OpenAIEmbeddings(
            model="text-embedding-3-small", check_embedding_ctx_length=False
        ).embed_documents(["one", "two"])
    assert len(vectors) == 2
    assert ledger.names == ["openai.embeddings.create"]
    assert calls.request_id() == 1
