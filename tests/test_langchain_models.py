"""LangChain's models record what they ask and hand out its id; otherwise they are the classes they extend."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

import langchain_core.globals
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumps, loads
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, AzureOpenAI, ChatOpenAI, OpenAI
from pydantic import BaseModel

import promptlayer_patch
from promptlayer_patch._capture import call_options
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.langchain import (
    PromptLayerAzureChatOpenAI,
    PromptLayerAzureOpenAI,
    PromptLayerChatOpenAI,
    PromptLayerOpenAI,
    _requests,
)
from tests.support.fake_promptlayer import FakePromptLayer, nobody_listening
from tests.support.langchain import (
    ABSENT,
    KEY,
    Ids,
    Models,
    Numbering,
    added,
    id_of,
    ids_in,
    in_the_environment,
    on_a_loop,
)
from tests.support.wire import Sent, answer_events, http, refusal

# LangChain's own, about usage that leaves details out, and about structured output.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Unexpected type for token usage"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]

PARENTS = {PromptLayerOpenAI: OpenAI, PromptLayerChatOpenAI: ChatOpenAI}
AZURE = {PromptLayerAzureOpenAI: AzureOpenAI, PromptLayerAzureChatOpenAI: AzureChatOpenAI}
KINDS = {"llm": PromptLayerOpenAI, "chat": PromptLayerChatOpenAI}
either = pytest.mark.parametrize("kind", KINDS)
both_ways = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
PROMPTS = ["Where is my order?", "What does it cost?", "Who are you?"]


@pytest.fixture
def promptlayer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Numbering]:
    with in_the_environment(monkeypatch) as endpoint:
        yield endpoint


@pytest.fixture
def models() -> Models:
    return Models()


def make(models: Models, kind: str, cls: type[Any] | None = None, **options: Any) -> Any:
    maker = models.llm if kind == "llm" else models.chat
    return maker(cls or KINDS[kind], **options)


def as_input(kind: str, prompt: str) -> Any:
    """What `generate` takes for a prompt."""
    return prompt if kind == "llm" else [HumanMessage(content=prompt)]


def call(model: Any, kind: str, method: str, prompts: list[str], seen: Ids) -> None:
    config: Any = {"callbacks": [seen]}
    match method:
        case "generate":
            model.generate([as_input(kind, prompt) for prompt in prompts], callbacks=[seen])
        case "invoke":
            for prompt in prompts:
                model.invoke(prompt, config)
        case "batch":
            model.batch(prompts, config)
        case "stream":
            for prompt in prompts:
                list(model.stream(prompt, config))


async def acall(model: Any, kind: str, method: str, prompts: list[str], seen: Ids) -> None:
    config: Any = {"callbacks": [seen]}
    match method:
        case "generate":
            await model.agenerate([as_input(kind, prompt) for prompt in prompts], callbacks=[seen])
        case "invoke":
            for prompt in prompts:
                await model.ainvoke(prompt, config)
        case "batch":
            await model.abatch(prompts, config)
        case "stream":
            for prompt in prompts:
                async for _ in model.astream(prompt, config):
                    pass


def ids_seen(
    model: Any, kind: str, method: str, asynchronous: bool, *calls: list[str]
) -> dict[str, list[Any]]:
    """By prompt the ids that callbacks see, of calls that have one or several prompts each."""
    seen = Ids()

    async def one_by_one() -> None:
        for prompts in calls:
            await acall(model, kind, method, prompts, seen)

    if asynchronous:
        on_a_loop(one_by_one())
    else:
        for prompts in calls:
            call(model, kind, method, prompts, seen)
    return seen.found


# Every way to ask, and the id of what was asked


@pytest.mark.parametrize("cached", [False, True], ids=["no cache", "cache"])
@pytest.mark.parametrize("n", [1, 2])
@both_ways
@pytest.mark.parametrize("method", ["generate", "invoke", "batch", "stream"])
@either
def test_each_id_is_that_of_the_request_with_the_prompt(
    promptlayer: Numbering,
    models: Models,
    kind: str,
    method: str,
    asynchronous: bool,
    n: int,
    cached: bool,
) -> None:
    """And what LangChain's cache answers was no request, so it has no id."""
    if method == "stream" and n > 1:
        pytest.skip("LangChain does not tell several streamed choices apart")
    more = {"best_of": n} if kind == "llm" else {}
    cache = InMemoryCache() if cached else None
    model = make(models, kind, n=n, cache=cache, pl_tags=["a", "b"], return_pl_id=True, **more)
    together = kind == "llm" and method in ("generate", "batch")

    seen = ids_seen(model, kind, method, asynchronous, PROMPTS[:1], PROMPTS[1:])

    assert set(seen) == set(PROMPTS)
    for prompt, ids in seen.items():
        assert len(ids) == (1 if method == "stream" else n)
        assert len(set(ids)) == 1
        assert prompt in promptlayer.asked(ids[0])
    requests = 2 if together else 3
    assert len(promptlayer.posts) == len(models.wire.sent) == requests
    assert {tuple(body["tags"]) for body in promptlayer.bodies} == {("a", "b")}

    if cached and method != "stream":  # LangChain has no cache for streams
        again = ids_seen(model, kind, method, asynchronous, PROMPTS)
        assert set(map(tuple, again.values())) <= {(None,) * n}
        assert len(models.wire.sent) == requests


@both_ways
@either
def test_generate_returns_an_id_for_each_generation(
    promptlayer: Numbering, models: Models, kind: str, asynchronous: bool
) -> None:
    model = make(models, kind, return_pl_id=True)
    inputs = [as_input(kind, prompt) for prompt in PROMPTS]

    result = on_a_loop(model.agenerate(inputs)) if asynchronous else model.generate(inputs)

    for prompt, ids in zip(PROMPTS, ids_in(result), strict=True):
        assert prompt in promptlayer.asked(ids[0])


@both_ways
@pytest.mark.parametrize(("batch_size", "requests"), [(1, 3), (2, 2), (20, 1)])
def test_prompts_that_went_out_in_one_request_have_its_id(
    promptlayer: Numbering, models: Models, batch_size: int, requests: int, asynchronous: bool
) -> None:
    model = models.llm(batch_size=batch_size, n=2, best_of=2, return_pl_id=True)

    result = on_a_loop(model.agenerate(PROMPTS)) if asynchronous else model.generate(PROMPTS)

    ids = ids_in(result)
    assert [len(set(one)) for one in ids] == [1, 1, 1]
    assert len({one[0] for one in ids}) == requests == len(promptlayer.posts)
    for prompt, one in zip(PROMPTS, ids, strict=True):
        assert prompt in promptlayer.asked(one[0])


@both_ways
@either
def test_a_streaming_model_has_the_id_too(
    promptlayer: Numbering, models: Models, kind: str, asynchronous: bool
) -> None:
    """`streaming=True` has `generate` and `invoke` read a stream."""
    model = make(models, kind, streaming=True, return_pl_id=True, pl_tags=["s"])
    inputs = [as_input(kind, PROMPTS[0])]

    result = on_a_loop(model.agenerate(inputs)) if asynchronous else model.generate(inputs)

    (((request_id,),), (body,)) = ids_in(result), promptlayer.bodies
    assert promptlayer.asked(request_id) == [PROMPTS[0]]
    assert (body["kwargs"]["stream"], body["tags"]) == (True, ["s"])


@both_ways
@either
def test_streamed_prompts_one_by_one_have_their_ids(
    promptlayer: Numbering, models: Models, kind: str, asynchronous: bool
) -> None:
    more = {"batch_size": 1} if kind == "llm" else {}
    model = make(models, kind, streaming=True, return_pl_id=True, **more)
    inputs = [as_input(kind, prompt) for prompt in PROMPTS]

    result = on_a_loop(model.agenerate(inputs)) if asynchronous else model.generate(inputs)

    assert [promptlayer.asked(ids[0]) for ids in ids_in(result)] == [[prompt] for prompt in PROMPTS]


@both_ways
def test_a_message_has_the_id(promptlayer: Numbering, models: Models, asynchronous: bool) -> None:
    model = models.chat(return_pl_id=True)

    message = on_a_loop(model.ainvoke(PROMPTS[0])) if asynchronous else model.invoke(PROMPTS[0])

    assert promptlayer.asked(id_of(message)) == [PROMPTS[0]]


@either
def test_without_return_pl_id_there_is_no_such_key(promptlayer: Numbering, models: Models, kind: str) -> None:
    model = make(models, kind, pl_tags=["a"])

    result = model.generate([as_input(kind, PROMPTS[0])])
    chunks = list(model.stream(PROMPTS[0]))

    assert ids_in(result) == [[ABSENT]]
    assert kind == "llm" or id_of(added(chunks)) == ABSENT
    assert promptlayer_patch.flush(20)
    assert [body["tags"] for body in promptlayer.bodies] == [["a"], ["a"]]


# Streams


def chunks_of(model: Any, asynchronous: bool) -> list[Any]:
    async def read() -> list[Any]:
        return [chunk async for chunk in model.astream(PROMPTS[0])]

    return on_a_loop(read()) if asynchronous else list(model.stream(PROMPTS[0]))


every_chat_stream = pytest.mark.parametrize(
    "more",
    [
        {},
        {"output_version": "v1"},
        {"use_responses_api": True},
        {"use_responses_api": True, "output_version": "v1"},
    ],
    ids=["chat completions", "chat completions v1", "responses", "responses v1"],
)


@both_ways
@every_chat_stream
def test_the_id_is_in_the_last_chunk_of_a_stream_which_is_empty(
    promptlayer: Numbering, models: Models, more: Any, asynchronous: bool
) -> None:
    chunks = chunks_of(models.chat(return_pl_id=True, **more), asynchronous)

    assert not chunks[-1].content
    assert chunks[-1].chunk_position == "last"
    assert [id_of(chunk) for chunk in chunks[:-1]] == [ABSENT] * (len(chunks) - 1)
    assert promptlayer.asked(id_of(chunks[-1])) == [PROMPTS[0]]


@both_ways
@every_chat_stream
def test_a_stream_put_together_is_that_of_the_class_but_for_the_id(
    promptlayer: Numbering, models: Models, more: Any, asynchronous: bool
) -> None:
    ours = added(chunks_of(models.chat(return_pl_id=True, **more), asynchronous))
    theirs = added(chunks_of(models.chat(ChatOpenAI, **more), asynchronous))

    assert ours.response_metadata.pop(KEY)
    assert _plain(ours) == _plain(theirs)


@both_ways
def test_a_stream_of_texts_ends_with_an_empty_one(
    promptlayer: Numbering, models: Models, asynchronous: bool
) -> None:
    with_id = chunks_of(models.llm(return_pl_id=True), asynchronous)
    without = chunks_of(models.llm(), asynchronous)

    assert with_id == [*without, ""]


@both_ways
@either
def test_a_stream_that_is_left_is_recorded_as_that(
    promptlayer: Numbering, models: Models, kind: str, asynchronous: bool
) -> None:
    model = make(models, kind, return_pl_id=True)

    async def leave() -> None:
        stream = model.astream(PROMPTS[0])
        async for _ in stream:
            break
        await stream.aclose()

    if asynchronous:
        on_a_loop(leave())
    else:
        for _ in model.stream(PROMPTS[0]):
            break

    gc.collect()  # LangChain drops the streams of texts without closing them
    assert promptlayer_patch.flush(20)
    assert promptlayer.bodies[0]["metadata"]["promptlayer_patch.ending"] in ("closed_early", "abandoned")


@both_ways
@either
def test_the_scope_does_not_leak_into_the_consumer_of_a_stream(
    promptlayer: Numbering, models: Models, kind: str, asynchronous: bool
) -> None:
    """Nor into callbacks: what they ask beside the model is none of its requests."""
    client, other = models.wire.client(), models.wire.async_client()
    asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "beside"}]}

    class Asking(Ids):
        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            client.chat.completions.create(**asked)

    config: Any = {"callbacks": [Asking()]}
    model = make(models, kind, return_pl_id=True)

    async def read() -> None:
        async for _ in model.astream(PROMPTS[0], config):
            await other.chat.completions.create(**asked)

    if asynchronous:
        on_a_loop(read())
    else:
        for _ in model.stream(PROMPTS[0], config):
            client.chat.completions.create(**asked)

    assert promptlayer_patch.flush(20)
    assert [promptlayer.asked(request_id) for request_id in promptlayer.by_id] == [[PROMPTS[0]]]
    assert len(models.wire.sent) > 3


@pytest.mark.parametrize("same", [False, True], ids=["another", "the same"])
@either
def test_callbacks_of_a_streaming_model_may_use_a_model(
    promptlayer: Numbering, models: Models, kind: str, same: bool
) -> None:
    model = make(models, kind, streaming=True, return_pl_id=True)
    inner = model if same else make(models, kind, return_pl_id=True)
    within = Ids()

    class Asking(Ids):
        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            if not within.found:
                list(inner.stream(PROMPTS[1], {"callbacks": [within]}))

    seen = Asking()
    model.invoke(PROMPTS[0], {"callbacks": [seen]})

    assert promptlayer.asked(seen.found[PROMPTS[0]][0]) == [PROMPTS[0]]
    assert promptlayer.asked(within.found[PROMPTS[1]][0]) == [PROMPTS[1]]
    assert len(promptlayer.posts) == 2


def test_events_end_with_the_id(promptlayer: Numbering, models: Models) -> None:
    model = models.chat(return_pl_id=True)

    async def read() -> list[Any]:
        return [event async for event in model.astream_events(PROMPTS[0], version="v2")]

    last = on_a_loop(read())[-1]["data"]["output"]
    assert promptlayer.asked(id_of(last)) == [PROMPTS[0]]


@pytest.mark.filterwarnings("ignore:.*in beta")
def test_a_stream_of_blocks_has_the_id(promptlayer: Numbering, models: Models) -> None:
    """The third version of LangChain's events, where this LangChain has it."""
    if not hasattr(ChatOpenAI, "_chat_model_stream_v3"):
        pytest.skip("this LangChain has no such stream")
    message = models.chat(return_pl_id=True).stream_events(PROMPTS[0], version="v3").output

    assert message.text
    assert promptlayer.asked(id_of(message)) == [PROMPTS[0]]


# Structured output, tools, the Responses API


class Answer(BaseModel):
    """What is answered."""

    text: str


@both_ways
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_has_the_id(
    promptlayer: Numbering, models: Models, method: Any, asynchronous: bool
) -> None:
    schema: Any = Answer if method != "json_mode" else None
    model = models.chat(return_pl_id=True, pl_tags=["s"])
    chain = model.with_structured_output(schema, method=method, include_raw=True)

    answer = on_a_loop(chain.ainvoke(PROMPTS[0])) if asynchronous else chain.invoke(PROMPTS[0])

    assert answer["parsing_error"] is None
    assert promptlayer.asked(id_of(answer["raw"])) == [PROMPTS[0]]
    assert [body["tags"] for body in promptlayer.bodies] == [["s"]]


def test_a_stream_of_structured_output_has_the_id(promptlayer: Numbering, models: Models) -> None:
    """LangChain reads it through openai's own helper for streams."""
    model = models.chat(return_pl_id=True, pl_tags=["s"])
    chain = model.with_structured_output(Answer, method="json_schema", include_raw=True)

    whole = added(list(chain.stream(PROMPTS[0])))

    assert isinstance(whole["parsed"], Answer)
    assert promptlayer.asked(id_of(whole["raw"])) == [PROMPTS[0]]
    assert [body["tags"] for body in promptlayer.bodies] == [["s"]]


@both_ways
def test_the_responses_api_has_the_id(promptlayer: Numbering, models: Models, asynchronous: bool) -> None:
    model = models.chat(return_pl_id=True, use_responses_api=True)

    message = on_a_loop(model.ainvoke(PROMPTS[0])) if asynchronous else model.invoke(PROMPTS[0])

    assert promptlayer.asked(id_of(message)) == [PROMPTS[0]]
    assert promptlayer.bodies[0]["function_name"].endswith(".responses.create")


@tool
def weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


WEATHER = "How is the weather in Paris?"


def test_a_model_with_tools_has_the_ids(promptlayer: Numbering, models: Models) -> None:
    model = models.chat(return_pl_id=True).bind_tools([weather])

    asks = model.invoke(WEATHER)
    result = ToolMessage("sunny", tool_call_id=asks.tool_calls[0]["id"])
    answer = model.invoke([HumanMessage(WEATHER), asks, result])

    assert len({id_of(asks), id_of(answer)} & set(promptlayer.by_id)) == 2


@both_ways
def test_an_agents_messages_have_their_ids(
    promptlayer: Numbering, models: Models, asynchronous: bool
) -> None:
    agents = pytest.importorskip("langchain.agents", reason="langchain is not installed")
    agent = agents.create_agent(models.chat(return_pl_id=True, pl_tags=["agent"]), tools=[weather])
    question: Any = {"messages": [HumanMessage(WEATHER)]}

    state = on_a_loop(agent.ainvoke(question)) if asynchronous else agent.invoke(question)

    ids = [id_of(message) for message in state["messages"] if message.type == "ai"]
    assert len(ids) == 2
    assert sorted(ids) == sorted(promptlayer.by_id)
    assert len(models.wire.sent) == 2


def test_an_agents_messages_have_their_ids_while_it_streams(promptlayer: Numbering, models: Models) -> None:
    """LangGraph has the model stream to its callbacks then, and hands on the chunks as they come."""
    agents = pytest.importorskip("langchain.agents", reason="langchain is not installed")
    agent = agents.create_agent(models.chat(return_pl_id=True), tools=[weather])
    question: Any = {"messages": [HumanMessage(WEATHER)]}

    *_, (mode, state) = agent.stream(question, stream_mode=["messages", "values"])

    assert mode == "values"
    assert [id_of(message) for message in state["messages"] if message.type == "ai"] == list(
        promptlayer.by_id
    )
    assert [sent.data["stream"] for sent in models.wire.sent] == [True, True]


@both_ways
def test_a_chain_has_one_record_with_the_tags(
    promptlayer: Numbering, models: Models, asynchronous: bool
) -> None:
    seen = Ids()
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    chain = prompt | models.chat(return_pl_id=True, pl_tags=["chain"]) | StrOutputParser()
    question, config = {"question": PROMPTS[0]}, {"callbacks": [seen]}

    answer = on_a_loop(chain.ainvoke(question, config)) if asynchronous else chain.invoke(question, config)

    assert isinstance(answer, str)
    assert promptlayer.asked(seen.found[PROMPTS[0]][0]) == [PROMPTS[0]]
    assert [body["tags"] for body in promptlayer.bodies] == [["chain"]]


# Caches


@both_ways
@either
def test_only_what_was_asked_now_has_an_id(
    promptlayer: Numbering, models: Models, kind: str, asynchronous: bool
) -> None:
    model = make(models, kind, cache=InMemoryCache(), return_pl_id=True)

    async def twice() -> list[Any]:
        inputs = [as_input(kind, prompt) for prompt in PROMPTS]
        return [await model.agenerate(inputs[:1]), await model.agenerate(inputs)]

    if asynchronous:
        first, second = on_a_loop(twice())
    else:
        first = model.generate([as_input(kind, PROMPTS[0])])
        second = model.generate([as_input(kind, prompt) for prompt in PROMPTS])

    ((filled,),) = ids_in(first)
    ((hit,), *others) = ids_in(second)
    assert promptlayer.asked(filled) == [PROMPTS[0]]
    assert hit is None
    assert [PROMPTS[at + 1] in promptlayer.asked(one[0]) for at, one in enumerate(others)] == [True, True]


@pytest.mark.parametrize("streaming", [False, True])
@either
def test_no_id_gets_into_the_cache(
    promptlayer: Numbering, models: Models, kind: str, streaming: bool
) -> None:
    """It is shared with models that hand out none, and may be kept for long."""
    kept: list[Any] = []

    class Keeping(InMemoryCache):
        def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
            kept.append(dumps(list(return_val)))
            super().update(prompt, llm_string, return_val)

    cache = Keeping()
    make(models, kind, cache=cache, streaming=streaming, return_pl_id=True).invoke(PROMPTS[0])

    assert len(kept) == 1
    assert KEY not in kept[0]
    again = make(models, kind, cls=PARENTS[KINDS[kind]], cache=cache, streaming=streaming)
    result = again.generate([as_input(kind, PROMPTS[0])])
    assert ids_in(result) == [[ABSENT]]
    assert len(models.wire.sent) == 1  # so the cache's key is that of the class it extends


@either
def test_the_global_cache_is_used_like_any(
    promptlayer: Numbering, models: Models, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(langchain_core.globals, "_llm_cache", InMemoryCache())
    model = make(models, kind, return_pl_id=True)
    inputs = [as_input(kind, PROMPTS[0])]

    first, second = model.generate(inputs), model.generate(inputs)

    assert (ids_in(first) == [[None]], ids_in(second) == [[None]]) == (False, True)
    assert ids_in(first) == [[next(iter(promptlayer.by_id))]]  # a later call does not reach back


# One record for each request, with install() and without


@either
def test_beside_install_there_is_one_record(promptlayer: Numbering, models: Models, kind: str) -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=["promptlayer:", sink], tags=["process"], metadata={"m": "1"})
    model = make(models, kind, pl_tags=["mine"], return_pl_id=True)

    with promptlayer_patch.scope(tags=["block"]) as calls:
        ((request_id,),) = ids_in(model.generate([as_input(kind, PROMPTS[0])]))

    assert calls.request_ids() == [request_id]
    assert promptlayer_patch.flush(20)
    (record,) = sink.records
    assert record.tags == ("process", "block", "mine")
    assert record.metadata["m"] == "1"
    assert len(promptlayer.posts) == 1


@either
def test_without_install_nothing_else_is_recorded(promptlayer: Numbering, models: Models, kind: str) -> None:
    """Neither what others ask with the same library, nor what other models of LangChain ask."""
    model = make(models, kind, return_pl_id=True)
    client = models.wire.client()
    plain = make(models, kind, cls=PARENTS[KINDS[kind]])
    ask: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "not this"}]}

    client.chat.completions.create(**ask)
    plain.invoke("nor this")
    model.invoke(PROMPTS[0])
    client.chat.completions.create(**ask)
    plain.invoke("nor this")
    list(plain.stream("nor this"))

    assert promptlayer_patch.flush(20)
    assert [promptlayer.asked(request_id) for request_id in promptlayer.by_id] == [[PROMPTS[0]]]
    assert len(models.wire.sent) == 6


@either
def test_nothing_is_recorded_where_recording_is_suppressed(
    promptlayer: Numbering, models: Models, kind: str
) -> None:
    model = make(models, kind, return_pl_id=True)

    with promptlayer_patch.suppress():
        result = model.generate([as_input(kind, PROMPTS[0])])

    assert ids_in(result) == [[None]]
    assert promptlayer_patch.flush(20)
    assert promptlayer.posts == []


# Identity


def _plain(message: Any) -> dict[str, Any]:
    """A message's fields, but for LangChain's number of the run."""
    return message.model_dump(exclude={"id"})  # type: ignore[no-any-return]


OPTIONS: dict[str, Any] = {
    "temperature": 0.2,
    "max_tokens": 32,
    "model_kwargs": {"user": "u"},
    "metadata": {"team": "a"},
}


@either
def test_the_request_is_that_of_the_class_it_extends(
    promptlayer: Numbering, models: Models, kind: str
) -> None:
    ours = make(models, kind, pl_tags=["a"], return_pl_id=True, **OPTIONS)
    theirs = make(models, kind, cls=PARENTS[KINDS[kind]], **OPTIONS)

    for model in (ours, theirs):
        model.invoke(PROMPTS[0], stop=["."])
        list(model.stream(PROMPTS[0]))
        model.generate([as_input(kind, PROMPTS[0])], seed=1)

    sent = models.wire.sent
    assert len(sent) == 6
    for one, other in zip(sent[:3], sent[3:], strict=True):
        assert (one.method, one.url, one.body) == (other.method, other.url, other.body)
        assert dict(one.headers) == dict(other.headers)


@pytest.mark.parametrize("more", [{}, {"use_responses_api": True}], ids=["chat completions", "responses"])
def test_the_message_is_that_of_the_class_it_extends_but_for_the_id(
    promptlayer: Numbering, models: Models, more: Any
) -> None:
    ours = models.chat(return_pl_id=True, **more).invoke(PROMPTS[0])
    theirs = models.chat(ChatOpenAI, **more).invoke(PROMPTS[0])

    assert type(ours) is type(theirs)
    assert ours.response_metadata.pop(KEY)
    assert _plain(ours) == _plain(theirs)


def test_a_result_is_that_of_the_class_it_extends_but_for_the_ids(
    promptlayer: Numbering, models: Models
) -> None:
    ours = models.llm(return_pl_id=True).generate(PROMPTS)
    theirs = models.llm(OpenAI).generate(PROMPTS)

    for generations in ours.generations:
        for generation in generations:
            assert generation.generation_info.pop(KEY)
    assert ours.model_dump(exclude={"run"}) == theirs.model_dump(exclude={"run"})


@pytest.mark.parametrize("cls", [*PARENTS, *AZURE], ids=lambda cls: cls.__name__)
def test_a_model_calls_itself_as_the_class_it_extends(cls: type[Any]) -> None:
    """Its serialised form is a key of LangChain's caches, and what traces and prices go by."""
    parent = {**PARENTS, **AZURE}[cls]
    options: dict[str, Any] = {"api_key": "sk-test", "temperature": 0.5, "model": "gpt-4o"}
    if cls in AZURE:
        options.update(azure_endpoint="http://azure.test", api_version="2024-06-01", azure_deployment="d")
    ours, theirs = cls(**options, pl_tags=["a"], return_pl_id=True), parent(**options)

    assert ours._llm_type == theirs._llm_type
    assert ours.lc_id() == theirs.lc_id()
    assert dumps(ours) == dumps(theirs)
    assert ours._identifying_params == theirs._identifying_params
    assert ours.get_name() == theirs.get_name()
    assert ours._get_ls_params() == theirs._get_ls_params()
    assert ours.model_dump(exclude_none=True).keys() == theirs.model_dump(exclude_none=True).keys()
    for name in ("generate", "agenerate", "invoke", "ainvoke", "stream", "astream", "batch", "abatch"):
        assert inspect.signature(getattr(cls, name)) == inspect.signature(getattr(parent, name))
    own = type("Own", (cls,), {"__module__": __name__})
    assert own.lc_id()[-1] == "Own"


@pytest.mark.filterwarnings("ignore:.*in beta")
@pytest.mark.parametrize("cls", PARENTS, ids=lambda cls: cls.__name__)
def test_a_model_is_loaded_as_the_class_it_extends(cls: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    model = cls(pl_tags=["a"], temperature=0.3)

    newer = "allowed_objects" in inspect.signature(loads).parameters
    options: Any = {"allowed_objects": "all"} if newer else {}
    loaded = loads(dumps(model), secrets_map={"OPENAI_API_KEY": "sk-test"}, **options)

    assert type(loaded) is PARENTS[cls]
    assert loaded.temperature == 0.3


@either
def test_copies_keep_the_fields(promptlayer: Numbering, models: Models, kind: str) -> None:
    model = make(models, kind, pl_tags=["a"], return_pl_id=True)

    for copied in (copy.copy(model), model.model_copy(), model.model_copy(update={"temperature": 0.1})):
        assert (copied.pl_tags, copied.return_pl_id) == (["a"], True)
    assert model.bind(stop=["."]).bound is model
    configured = model.configurable_fields(
        temperature=_field("heat"),
    ).with_config(configurable={"heat": 0.9})
    configured.invoke(PROMPTS[0])
    assert models.wire.sent[-1].data["temperature"] == 0.9
    assert promptlayer_patch.flush(20)
    assert [body["tags"] for body in promptlayer.bodies] == [["a"]]


def _field(name: str) -> Any:
    from langchain_core.runnables import ConfigurableField

    return ConfigurableField(id=name)


@pytest.mark.parametrize("cls", PARENTS, ids=lambda cls: cls.__name__)
def test_pickling_does_what_it_does_for_the_class_it_extends(cls: type[Any]) -> None:
    def outcome(model: Any) -> Any:
        try:
            return pickle.loads(pickle.dumps(model)).model_name
        except Exception as error:
            return type(error)

    options: Any = {"api_key": "sk-test"}
    assert outcome(cls(**options)) == outcome(PARENTS[cls](**options))


def test_azure_models_record_too(promptlayer: Numbering, models: Models) -> None:
    options = {key: value for key, value in models.options.items() if key != "base_url"}
    options.update(azure_endpoint="http://azure.test", api_version="2024-06-01", azure_deployment="gpt-4o")
    chat: Any = PromptLayerAzureChatOpenAI(**options, return_pl_id=True, pl_tags=["z"])
    llm: Any = PromptLayerAzureOpenAI(**options, return_pl_id=True, pl_tags=["z"])

    assert promptlayer.asked(id_of(chat.invoke(PROMPTS[0]))) == [PROMPTS[0]]
    assert promptlayer.asked(ids_in(llm.generate(PROMPTS[:1]))[0][0]) == [PROMPTS[0]]
    assert [body["provider_type"] for body in promptlayer.bodies] == ["openai.azure"] * 2


@pytest.mark.parametrize("tags", ["checkout", [1]])
def test_tags_that_are_no_strings_are_refused_when_the_model_is_made(models: Models, tags: Any) -> None:
    with pytest.raises(ValueError, match="pl_tags"):
        models.chat(pl_tags=tags)


# Many at once


@either
def test_threads_get_their_own_ids(promptlayer: Numbering, models: Models, kind: str) -> None:
    model = make(models, kind, return_pl_id=True)
    barrier = threading.Barrier(8)
    prompts = [f"question {number}" for number in range(40)]

    def ask(prompt: str) -> Any:
        if prompt in prompts[:8]:
            barrier.wait(20)
        return ids_in(model.generate([as_input(kind, prompt)]))[0][0]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(ask, prompts))

    assert [promptlayer.asked(request_id) for request_id in ids] == [[prompt] for prompt in prompts]


@either
def test_gathered_calls_get_their_own_ids(promptlayer: Numbering, models: Models, kind: str) -> None:
    model = make(models, kind, return_pl_id=True)
    prompts = [f"question {number}" for number in range(40)]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(model.agenerate([as_input(kind, prompt)]) for prompt in prompts))

    ids = [ids_in(result)[0][0] for result in on_a_loop(all_of_them())]

    assert [promptlayer.asked(request_id) for request_id in ids] == [[prompt] for prompt in prompts]


def test_gathered_streams_get_their_own_ids(promptlayer: Numbering, models: Models) -> None:
    model = models.chat(return_pl_id=True)
    prompts = [f"question {number}" for number in range(20)]

    async def read(prompt: str) -> Any:
        return id_of(added([chunk async for chunk in model.astream(prompt)]))

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*map(read, prompts))

    ids = on_a_loop(all_of_them())

    assert [promptlayer.asked(request_id) for request_id in ids] == [[prompt] for prompt in prompts]


# Failures


def outcome(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(Exception) as raised:  # noqa: PT011  which one it is, is compared
        call()
    return f"{type(raised.value).__module__}.{type(raised.value).__qualname__}", str(raised.value)


def broken(sent: Sent) -> Any:
    """A stream that breaks."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": "It"},
        "finish_reason": None,
        "text": "It",
    }
    return answer_events({**chunk, "choices": [choice]}, done=False, breaks=lambda: http.ReadError("gone"))


@both_ways
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
@either
def test_what_openai_refuses_is_raised_as_by_the_class_it_extends(
    promptlayer: Numbering, kind: str, status: int, asynchronous: bool
) -> None:
    models = Models(lambda _: refusal(status))
    ours = make(models, kind, return_pl_id=True)
    theirs = make(models, kind, cls=PARENTS[KINDS[kind]])

    def ask(model: Any) -> Callable[[], Any]:
        if asynchronous:
            return lambda: on_a_loop(model.ainvoke(PROMPTS[0]))
        return lambda: model.invoke(PROMPTS[0])

    assert outcome(ask(ours)) == outcome(ask(theirs))
    assert promptlayer_patch.flush(20)
    assert [body["status"] for body in promptlayer.bodies] == ["ERROR"]


@both_ways
@either
def test_a_stream_that_breaks_raises_as_that_of_the_class_it_extends(
    promptlayer: Numbering, kind: str, asynchronous: bool
) -> None:
    models = Models(broken)
    ours = make(models, kind, return_pl_id=True)
    theirs = make(models, kind, cls=PARENTS[KINDS[kind]])

    assert outcome(lambda: chunks_of(ours, asynchronous)) == outcome(lambda: chunks_of(theirs, asynchronous))
    assert promptlayer_patch.flush(20)
    assert [body["status"] for body in promptlayer.bodies] == ["ERROR"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for without end is waited for a moment."""
    monkeypatch.setattr(_requests, "ID_TIMEOUT_S", 0.05)
    assert call_options.ID_TIMEOUT_S == 5.0


@pytest.mark.usefixtures("impatient")
@both_ways
@either
def test_without_promptlayer_the_id_is_none(
    models: Models, kind: str, asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nobody_listening() as url:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_0")
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", url)
        monkeypatch.setenv("PROMPTLAYER_SHUTDOWN_TIMEOUT_S", "0")
        model = make(models, kind, return_pl_id=True)
        inputs = [as_input(kind, prompt) for prompt in PROMPTS]

        result = on_a_loop(model.agenerate(inputs)) if asynchronous else model.generate(inputs)
        chunks = chunks_of(make(models, kind, return_pl_id=True), asynchronous)

        assert ids_in(result) == [[None]] * 3
        assert kind == "llm" or id_of(added(chunks)) is None


@pytest.mark.usefixtures("impatient")
def test_while_an_id_is_awaited_the_loop_goes_on(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakePromptLayer() as endpoint:
        endpoint.answer = _silence()
        monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_0")
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("PROMPTLAYER_SHUTDOWN_TIMEOUT_S", "0")
        model = models.chat(return_pl_id=True)

        async def both() -> tuple[Any, int]:
            turns, asked = 0, asyncio.ensure_future(model.ainvoke(PROMPTS[0]))
            while not asked.done():
                await asyncio.sleep(0)
                turns += 1
            return id_of(await asked), turns

        request_id, turns = on_a_loop(both())

        assert request_id is None
        assert turns > 100
        promptlayer_patch.uninstall()


def _silence() -> Any:
    from tests.support.fake_promptlayer import SILENCE

    return SILENCE


@either
def test_a_fault_of_ours_reaches_no_call(
    promptlayer: Numbering, models: Models, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Fields are checked when a model is made, not when it is changed."""
    model = make(models, kind, pl_tags=["a"], return_pl_id=True)
    model.pl_tags.append(object())

    assert ids_in(model.generate([as_input(kind, PROMPTS[0])])) == [[next(iter(promptlayer.by_id))]]
    assert "opening a scope failed" in caplog.text


def test_settings_that_cannot_be_read_reach_no_call(
    models: Models, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMPTLAYER_TO", "nowhere:")

    assert id_of(models.chat(return_pl_id=True).invoke(PROMPTS[0])) is None
    assert "nothing is recorded: PROMPTLAYER_TO" in caplog.text


def test_requests_of_the_openai_library_beside_a_model_stay_alone(models: Models) -> None:
    """The library is patched for the models; it behaves as ever for everybody else."""
    models.chat().invoke(PROMPTS[0])
    client = models.wire.client()

    with pytest.raises(TypeError, match="pl_tags"):
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "x"}], pl_tags=["a"]
        )
    assert isinstance(client, openai.OpenAI)
