"""The callback handler records what other models ask, and adds to the records of those that ask by openai."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models import (
    BaseChatModel,
    FakeListChatModel,
    FakeListLLM,
    GenericFakeChatModel,
)
from langchain_core.language_models.fake_chat_models import ParrotFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import SecretStr

import promptlayer_patch
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.langchain import (
    PromptLayerCallbackHandler,
    PromptLayerChatOpenAI,
    PromptLayerOpenAI,
    _runs,
)
from promptlayer_patch.records import Ending, Record
from tests.support.fake_promptlayer import PATIENCE_S, refused
from tests.support.langchain import Models, Numbering, in_the_environment, on_a_loop, prompts_in
from tests.support.wire import refusal

# LangChain's own, about usage that leaves details out.
pytestmark = pytest.mark.filterwarnings("ignore:Unexpected type for token usage")

QUESTION = "Where is my order?"
both_ways = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def promptlayer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Numbering]:
    with in_the_environment(monkeypatch) as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    """What another test has left unfinished is not followed any more."""
    _runs._live.clear()


class Told:
    """Keeps the ids it is called with."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    def __call__(self, request_id: int) -> None:
        with self._changed:
            self.ids.append(request_id)
            self.threads.append(threading.current_thread())
            self._changed.notify_all()

    def all_of(self, promptlayer: Numbering) -> list[int]:
        """What it was told, once it was told as many ids as were given."""
        assert promptlayer_patch.flush(PATIENCE_S)
        with self._changed:
            self._changed.wait_for(lambda: len(self.ids) >= len(promptlayer.by_id), PATIENCE_S)
        return sorted(self.ids)


def ask(model: Any, asynchronous: bool, streamed: bool, question: Any = QUESTION, **config: Any) -> None:
    async def on_the_loop() -> None:
        if streamed:
            async for _ in model.astream(question, config):
                pass
        else:
            await model.ainvoke(question, config)

    if asynchronous:
        on_a_loop(on_the_loop())
    elif streamed:
        list(model.stream(question, config))
    else:
        model.invoke(question, config)


def recorded(sink: MemoryExporter) -> list[Record]:
    assert promptlayer_patch.flush(PATIENCE_S)
    return sink.records


# Models that do not ask by openai


@both_ways
@streamed_or_not
def test_a_chat_models_run_is_recorded(sink: MemoryExporter, streamed: bool, asynchronous: bool) -> None:
    handler = PromptLayerCallbackHandler(pl_tags=["a", "b"])
    model = FakeListChatModel(responses=["on its way"], callbacks=[handler])
    run_id = uuid4()

    ask(
        model,
        asynchronous,
        streamed,
        [SystemMessage("Be brief."), HumanMessage(QUESTION)],
        run_id=run_id,
        tags=["t"],
    )

    (record,) = recorded(sink)
    assert record.function_name == "langchain_core.language_models.fake_chat_models.FakeListChatModel"
    assert (record.provider, record.sdk, record.client) == ("langchain", "langchain-core", None)
    assert record.request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": QUESTION},
    ]
    assert record.request["_type"] == "fake-list-chat-model"
    (answer,) = record.response
    assert (answer["role"], answer["content"]) == ("assistant", "on its way")
    assert (record.ending, record.error, record.streamed) == (Ending.COMPLETE, None, streamed)
    assert record.started_at <= (record.first_token_at or record.started_at) <= record.ended_at
    assert record.tags == ("a", "b")
    assert record.metadata == {"_langchain_run_id": str(run_id), "_langchain_tags": "['t']"}


@pytest.mark.filterwarnings("ignore:.*in beta")
def test_a_stream_of_blocks_is_recorded_as_a_stream(sink: MemoryExporter) -> None:
    """The third version of LangChain's events, where this LangChain has it."""
    if not hasattr(BaseChatModel, "_chat_model_stream_v3"):
        pytest.skip("this LangChain has no such stream")
    model = FakeListChatModel(responses=["on its way"], callbacks=[PromptLayerCallbackHandler()])

    assert model.stream_events(QUESTION, version="v3").output.text == "on its way"

    (record,) = recorded(sink)
    assert record.streamed
    assert record.started_at <= (record.first_token_at or 0) <= record.ended_at
    assert "on its way" in str(record.response)


@both_ways
@streamed_or_not
def test_a_run_of_a_model_for_texts_is_recorded(
    sink: MemoryExporter, streamed: bool, asynchronous: bool
) -> None:
    model = FakeListLLM(responses=["on its way"], callbacks=[PromptLayerCallbackHandler(pl_tags=["a"])])

    ask(model, asynchronous, streamed)

    (record,) = recorded(sink)
    assert record.function_name == "langchain_core.language_models.fake.FakeListLLM"
    assert record.request["prompts"] == [QUESTION]
    assert record.response["text"] == "on its way"
    assert record.tags == ("a",)


def test_each_prompt_is_a_run(sink: MemoryExporter) -> None:
    model = FakeListLLM(responses=["one", "two"], callbacks=[PromptLayerCallbackHandler()])

    model.generate(["first", "second"])

    assert [(record.request["prompts"], record.response["text"]) for record in recorded(sink)] == [
        (["first"], "one"),
        (["second"], "two"),
    ]


class Anthropic(FakeListChatModel):
    """Names itself like LangChain's models for other vendors."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        return ["langchain", "chat_models", "anthropic"]


def test_the_name_is_langchains_own(sink: MemoryExporter) -> None:
    Anthropic(responses=["x"], callbacks=[PromptLayerCallbackHandler()]).invoke(QUESTION)

    assert recorded(sink)[0].function_name == "langchain.chat_models.anthropic.Anthropic"


def test_promptlayer_gets_it_under_langchains_names(promptlayer: Numbering) -> None:
    """Without `install()` too."""
    told = Told()
    handler = PromptLayerCallbackHandler(told, ["a"])

    with promptlayer.changed:  # no answer before the call is over: an id that is known is told at once
        Anthropic(responses=["on its way"], callbacks=[handler]).invoke(QUESTION)

    promptlayer.wait_for(1)
    assert promptlayer_patch.flush(PATIENCE_S)
    (body,) = promptlayer.bodies
    assert body["function_name"] == "langchain.chat_models.anthropic.Anthropic"
    assert body["provider_type"] == "langchain"
    assert body["tags"] == ["a"]
    assert body["request_response"][0]["content"] == "on its way"
    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)
    assert told.threads[0] is not threading.current_thread()


def test_tools_functions_and_pictures_are_recorded(sink: MemoryExporter) -> None:
    call = {"name": "look_up", "args": {"order": 7}, "id": "call_1", "type": "tool_call"}
    picture = [
        {"type": "text", "text": "this"},
        {"type": "image_url", "image_url": {"url": "http://a/b.png"}},
    ]
    messages: list[BaseMessage] = [
        HumanMessage(picture, name="ada"),
        AIMessage(
            "", tool_calls=[call], additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}
        ),
        ToolMessage("sent", tool_call_id="call_1"),
        FunctionMessage(name="f", content="1"),
        ChatMessage(role="critic", content="hm"),
        AIMessageChunk("so"),
    ]
    ParrotFakeChatModel(callbacks=[PromptLayerCallbackHandler()]).invoke(messages)

    human, calls, result, function, critic, assistant = recorded(sink)[0].request["messages"]
    assert human == {"role": "user", "content": picture, "name": "ada"}
    assert calls["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"order": 7}'}}
    ]
    assert calls["function_call"] == {"name": "f", "arguments": "{}"}
    assert result == {"role": "tool", "content": "sent", "tool_call_id": "call_1"}
    assert function == {"role": "function", "content": "1", "name": "f"}
    assert (critic["role"], assistant["role"]) == ("critic", "assistant")


class Odd(FakeListChatModel):
    """Has parameters of every kind."""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "temperature": 0.5,
            "api_key": "sk-thekey",
            "vendor_api_key": SecretStr("sk-thekey"),
            "default_headers": {"Authorization": "Bearer thekey"},
            "client": object(),
            "schema": AIMessage,
            "nested": {"secret_token": "thekey", "max_tokens": 5, "data": b"12345"},
        }


def test_parameters_are_recorded_without_secrets(sink: MemoryExporter) -> None:
    Odd(responses=["x"], callbacks=[PromptLayerCallbackHandler()]).invoke(QUESTION)

    request = recorded(sink)[0].request
    assert request["temperature"] == 0.5
    assert request["nested"] == {"max_tokens": 5, "data": {"bytes": 5}}
    assert (request["client"], request["schema"]) == ("<object>", "<AIMessage>")
    assert "thekey" not in json.dumps(dict(request))


def test_usage_and_several_choices_are_recorded(sink: MemoryExporter) -> None:
    class Two(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "two"

        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
            usage: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
            answers = [AIMessage(text, usage_metadata=usage) for text in ("one", "two")]
            return ChatResult(generations=[ChatGeneration(message=answer) for answer in answers])

    Two(callbacks=[PromptLayerCallbackHandler()]).invoke(QUESTION)

    (record,) = recorded(sink)
    assert [answer["content"] for answer in record.response] == ["one", "two"]
    assert record.response[0]["usage_metadata"]["total_tokens"] == 3


class Failing(BaseChatModel):
    """Fails after `pieces` of its answer."""

    pieces: int = 0
    error: Any = None

    @property
    def _llm_type(self) -> str:
        return "failing"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise self.error

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[Any]:
        for piece in ["on ", "its ", "way"][: self.pieces]:
            yield ChatGenerationChunk(message=AIMessageChunk(piece))
        raise self.error


@both_ways
@streamed_or_not
def test_a_failure_is_recorded_and_raised(sink: MemoryExporter, streamed: bool, asynchronous: bool) -> None:
    error = ValueError("the engine is tired")
    model = Failing(error=error, pieces=2, callbacks=[PromptLayerCallbackHandler(pl_tags=["a"])])

    with pytest.raises(ValueError, match="tired"):
        ask(model, asynchronous, streamed)

    (record,) = recorded(sink)
    assert (record.ending, record.tags) == (Ending.PROVIDER_ERROR, ("a",))
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("ValueError", "the engine is tired")
    assert (record.response and record.response[0]["content"]) == ("on its " if streamed else None)


def test_a_cancelled_stream_is_recorded_as_that(sink: MemoryExporter) -> None:
    """LangChain tells nobody when an `ainvoke` is cancelled."""

    class Waiting(FakeListChatModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            reached.set()
            await asyncio.Event().wait()
            yield

    async def read() -> None:
        async for _ in model.astream(QUESTION):
            pass

    async def cancel() -> None:
        task = asyncio.ensure_future(read())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    reached = asyncio.Event()
    model = Waiting(responses=["x"], callbacks=[PromptLayerCallbackHandler()])
    on_a_loop(cancel())

    assert [record.ending for record in recorded(sink)] == [Ending.CANCELLED]


def test_a_stream_that_is_left_is_recorded_with_what_had_arrived(sink: MemoryExporter) -> None:
    model = GenericFakeChatModel(
        messages=iter([AIMessage("one two three")]), callbacks=[PromptLayerCallbackHandler()]
    )
    stream = model.stream(QUESTION)
    next(stream)
    stream.close()

    (record,) = recorded(sink)
    assert record.ending is Ending.CLOSED_EARLY
    assert record.response[0]["content"] == "one"


def test_settings_hold_for_it_as_for_any_record(sink: MemoryExporter) -> None:
    """Content that must not be kept, tags and metadata of the process and of a block, and suppression."""
    promptlayer_patch.install(to=sink, capture_content=False, tags=["process"], redact=["ssn"])
    model = FakeListChatModel(responses=["on its way"], callbacks=[PromptLayerCallbackHandler(pl_tags=["a"])])

    with promptlayer_patch.scope(tags=["block"], metadata={"user": "7"}) as calls:
        model.invoke(QUESTION)
    with promptlayer_patch.suppress():
        model.invoke(QUESTION)

    (record,) = recorded(sink)
    assert record.tags == ("process", "block", "a")
    assert record.metadata["user"] == "7"
    assert "order" not in str(record)
    assert "way" not in str(record)
    assert len(calls.receipts) == 1


def test_what_is_not_sampled_is_not_recorded(sink: MemoryExporter) -> None:
    told = Told()
    promptlayer_patch.install(to=sink, sample_rate=0)

    FakeListChatModel(responses=["x"], callbacks=[PromptLayerCallbackHandler(told)]).invoke(QUESTION)

    assert recorded(sink) == []
    assert told.ids == []


# The id


@both_ways
@streamed_or_not
@pytest.mark.parametrize("count", [1, 3])
def test_the_callback_is_told_each_id(
    promptlayer: Numbering, streamed: bool, asynchronous: bool, count: int
) -> None:
    told = Told()
    model = FakeListChatModel(responses=["x"], callbacks=[PromptLayerCallbackHandler(told)])

    for number in range(count):
        ask(model, asynchronous, streamed, f"question {number}")

    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)
    assert len(told.ids) == count


def test_the_callback_is_not_told_where_there_is_no_id(
    promptlayer: Numbering, caplog: pytest.LogCaptureFixture
) -> None:
    promptlayer.answer = refused(422)
    told = Told()

    FakeListChatModel(responses=["x"], callbacks=[PromptLayerCallbackHandler(told)]).invoke(QUESTION)

    assert promptlayer_patch.flush(PATIENCE_S)
    assert len(promptlayer.posts) == 1
    assert told.ids == []


def test_a_callback_that_raises_harms_nobody(promptlayer: Numbering) -> None:
    logged: SimpleQueue[str] = SimpleQueue()

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.put(record.getMessage())

    def fails(request_id: int) -> None:
        raise ValueError("theirs")

    log, listening = logging.getLogger("promptlayer_patch"), Listening(logging.WARNING)
    log.addHandler(listening)
    model = FakeListChatModel(responses=["x", "y"], callbacks=[PromptLayerCallbackHandler(fails)])
    try:
        assert [model.invoke(QUESTION).content for _ in range(2)] == ["x", "y"]
        assert "telling of a request id failed: ValueError" in logged.get(timeout=PATIENCE_S)
    finally:
        log.removeHandler(listening)

    assert promptlayer_patch.flush(PATIENCE_S)
    assert len(promptlayer.posts) == 2


# Models that ask by openai


def openai_models(models: Models) -> dict[str, Callable[..., Any]]:
    return {
        "ChatOpenAI": lambda **options: models.chat(ChatOpenAI, **options),
        "OpenAI": lambda **options: models.llm(OpenAI, **options),
        "PromptLayerChatOpenAI": lambda **options: models.chat(PromptLayerChatOpenAI, **options),
        "PromptLayerOpenAI": lambda **options: models.llm(PromptLayerOpenAI, **options),
        "responses": lambda **options: models.chat(ChatOpenAI, use_responses_api=True, **options),
        "streaming": lambda **options: models.chat(ChatOpenAI, streaming=True, **options),
    }


@pytest.mark.parametrize("installed", [False, True], ids=["without install()", "beside install()"])
@both_ways
@streamed_or_not
@pytest.mark.parametrize("name", openai_models(Models()))
def test_a_request_by_openai_has_one_record_with_the_tags(
    promptlayer: Numbering, models: Models, name: str, streamed: bool, asynchronous: bool, installed: bool
) -> None:
    """The record of openai's request, which is the more exact one."""
    if installed:
        promptlayer_patch.install()
    told, run_id = Told(), uuid4()
    model = openai_models(models)[name](callbacks=[PromptLayerCallbackHandler(told, ["handler"])])

    ask(model, asynchronous, streamed, run_id=run_id, tags=["t"])

    assert promptlayer_patch.flush(PATIENCE_S)
    (body,) = promptlayer.bodies
    assert body["function_name"].startswith("openai.OpenAI." if not asynchronous else "openai.AsyncOpenAI.")
    assert body["tags"] == ["handler"]
    assert prompts_in(body["kwargs"]) == [QUESTION]
    assert body["metadata"]["_langchain_run_id"] == str(run_id)
    assert body["metadata"]["_langchain_tags"] == "['t']"
    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)
    assert len(models.wire.sent) == 1


def test_the_tags_of_the_model_and_of_the_handler_add_up(promptlayer: Numbering, models: Models) -> None:
    told = Told()
    handler = PromptLayerCallbackHandler(told, ["handler"])
    model = models.chat(pl_tags=["model"], return_pl_id=True, callbacks=[handler])

    message = model.invoke(QUESTION)

    assert promptlayer_patch.flush(PATIENCE_S)
    assert promptlayer.bodies[0]["tags"] == ["model", "handler"]
    assert told.all_of(promptlayer) == [message.response_metadata["pl_request_id"]]


@both_ways
def test_prompts_that_go_out_together_are_one_record(
    promptlayer: Numbering, models: Models, asynchronous: bool
) -> None:
    """Three runs for LangChain, one request for OpenAI."""
    told = Told()
    handler = PromptLayerCallbackHandler(told, ["a"])
    model = models.llm(OpenAI, callbacks=[handler])
    prompts = ["first", "second", "third"]

    if asynchronous:
        on_a_loop(model.agenerate(prompts))
    else:
        model.generate(prompts)

    assert promptlayer_patch.flush(PATIENCE_S)
    (body,) = promptlayer.bodies
    assert (prompts_in(body["kwargs"]), body["tags"]) == (prompts, ["a"])
    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)
    assert _runs._live == {}


@both_ways
def test_prompts_of_another_vendors_model_on_openais_library_are_one_record(
    promptlayer: Numbering, models: Models, asynchronous: bool
) -> None:
    """LangChain makes the request in the name of the first run only."""

    class Vendor(OpenAI):
        @property
        def _llm_type(self) -> str:
            return "vendor"

    told = Told()
    model = models.llm(Vendor, callbacks=[PromptLayerCallbackHandler(told, ["a"])])
    prompts = ["first", "second", "third"]

    if asynchronous:
        on_a_loop(model.agenerate(prompts))
    else:
        model.generate(prompts)

    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)
    (body,) = promptlayer.bodies
    assert (prompts_in(body["kwargs"]), body["tags"]) == (prompts, ["a"])


@both_ways
def test_many_runs_at_once_have_their_own_records(
    promptlayer: Numbering, models: Models, asynchronous: bool
) -> None:
    told = Told()
    model = models.chat(ChatOpenAI)
    questions = [f"question {number}" for number in range(20)]
    handlers = [PromptLayerCallbackHandler(told, [question]) for question in questions]
    configs: Any = [{"callbacks": [handler]} for handler in handlers]

    if asynchronous:
        on_a_loop(model.abatch(questions, configs))
    else:
        model.batch(questions, configs)

    assert promptlayer_patch.flush(PATIENCE_S)
    assert sorted(body["tags"] == prompts_in(body["kwargs"]) for body in promptlayer.bodies) == [True] * 20
    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)


@both_ways
def test_several_lists_of_messages_have_their_own_records(
    promptlayer: Numbering, models: Models, asynchronous: bool
) -> None:
    """LangChain announces all of them before it asks the first."""
    told = Told()
    handler = PromptLayerCallbackHandler(told, ["a"])
    model = models.chat(ChatOpenAI, callbacks=[handler], temperature=0)
    messages = [[HumanMessage(f"question {number}")] for number in range(3)]

    if asynchronous:
        on_a_loop(model.agenerate(messages))
    else:
        for one in messages:
            model.generate([one])

    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)
    runs = {body["metadata"]["_langchain_run_id"] for body in promptlayer.bodies}
    assert len(runs) == len(promptlayer.bodies) == 3


def test_what_the_cache_answers_is_no_second_record(promptlayer: Numbering, models: Models) -> None:
    told = Told()
    model = models.chat(ChatOpenAI, cache=InMemoryCache(), callbacks=[PromptLayerCallbackHandler(told)])

    for _ in range(2):
        model.invoke(QUESTION)

    assert promptlayer_patch.flush(PATIENCE_S)
    assert len(promptlayer.posts) == len(told.all_of(promptlayer)) == len(models.wire.sent) == 1


def test_a_refused_request_is_one_record(promptlayer: Numbering) -> None:
    told = Told()
    models = Models(lambda _: refusal(400))
    model = models.chat(ChatOpenAI, callbacks=[PromptLayerCallbackHandler(told, ["a"])])

    with pytest.raises(Exception, match="tired"):
        model.invoke(QUESTION)

    assert promptlayer_patch.flush(PATIENCE_S)
    (body,) = promptlayer.bodies
    assert (body["status"], body["tags"]) == ("ERROR", ["a"])
    assert told.all_of(promptlayer) == sorted(promptlayer.by_id)


def test_two_handlers_add_to_one_record(promptlayer: Numbering, models: Models) -> None:
    one, other = Told(), Told()
    handlers = [PromptLayerCallbackHandler(one, ["one"]), PromptLayerCallbackHandler(other, ["other"])]

    models.chat(ChatOpenAI).invoke(QUESTION, {"callbacks": handlers})
    FakeListChatModel(responses=["x"]).invoke(QUESTION, {"callbacks": handlers})

    assert promptlayer_patch.flush(PATIENCE_S)
    assert [body["tags"] for body in promptlayer.bodies] == [["one", "other"]] * 2
    assert one.all_of(promptlayer) == other.all_of(promptlayer) == sorted(promptlayer.by_id)


def test_without_install_only_the_followed_run_is_recorded(promptlayer: Numbering, models: Models) -> None:
    handler = PromptLayerCallbackHandler()
    followed, other = models.chat(ChatOpenAI, callbacks=[handler]), models.chat(ChatOpenAI)
    client = models.wire.client()

    class Asking(PromptLayerCallbackHandler):
        """Asks something itself whenever it is told of anything."""

        def on_llm_new_token(self, *args: Any, **kwargs: Any) -> None:
            super().on_llm_new_token(*args, **kwargs)
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "a callback's own"}]
            )

    other.invoke("before")
    for _ in followed.stream(QUESTION, {"callbacks": [Asking()]}):
        other.invoke("between")
    other.invoke("after")

    assert promptlayer_patch.flush(PATIENCE_S)
    assert [prompts_in(body["kwargs"]) for body in promptlayer.bodies] == [[QUESTION]]


class Routing(FakeListChatModel):
    """Asks another model for its answer."""

    inner: Any = None

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        handlers = run_manager.handlers if self.inherits else []
        manager = CallbackManager(handlers, parent_run_id=run_manager.run_id)
        message = self.inner.invoke(messages, {"callbacks": manager})
        return ChatResult(generations=[ChatGeneration(message=AIMessage(message.content))])

    inherits: bool = True


def test_a_model_within_a_model_has_a_record_of_its_own(sink: MemoryExporter) -> None:
    inner = FakeListChatModel(responses=["on its way"])
    model = Routing(responses=["never"], inner=inner, callbacks=None)

    model.invoke(QUESTION, {"callbacks": [PromptLayerCallbackHandler()]})

    first, second = recorded(sink)
    assert first.function_name.endswith(".FakeListChatModel")
    assert second.function_name.endswith(".Routing")
    assert first.metadata["_langchain_parent_run_id"] == second.metadata["_langchain_run_id"]


@pytest.mark.parametrize("inherits", [True, False], ids=["followed", "not followed"])
def test_a_request_within_a_model_belongs_to_the_innermost_run_that_is_followed(
    sink: MemoryExporter, models: Models, inherits: bool
) -> None:
    model = Routing(responses=["never"], inner=models.chat(ChatOpenAI), inherits=inherits)

    model.invoke(QUESTION, {"callbacks": [PromptLayerCallbackHandler(pl_tags=["a"])]})

    records = recorded(sink)
    assert records[0].function_name == "openai.chat.completions.create"
    assert len(records) == (2 if inherits else 1)  # its only request is the outer model's then
    assert {record.tags for record in records} == {("a",)}


def test_a_chains_request_knows_its_parent(sink: MemoryExporter, models: Models) -> None:
    chain = ChatPromptTemplate.from_template("{q}") | models.chat(ChatOpenAI) | StrOutputParser()

    chain.invoke(
        {"q": QUESTION}, {"callbacks": [PromptLayerCallbackHandler()], "run_id": (run_id := uuid4())}
    )

    (record,) = recorded(sink)
    assert record.metadata["_langchain_parent_run_id"] == str(run_id)


# What goes wrong


def test_tags_that_are_no_strings_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="pl_tags"):
        PromptLayerCallbackHandler(pl_tags=[1])  # type: ignore[list-item]


def test_no_fault_of_ours_reaches_a_chain(sink: MemoryExporter, caplog: pytest.LogCaptureFixture) -> None:
    class Strange(HumanMessage):
        @property
        def additional_kwargs(self) -> Any:  # type: ignore[override]
            raise RuntimeError("cannot be read")

    handler = PromptLayerCallbackHandler()
    handler.raise_error = True  # LangChain would raise what a handler raises

    handler.on_chat_model_start({}, [[Strange.model_construct(content="x")]], run_id=uuid4())
    handler.on_llm_end(LLMResult(generations=[]), run_id=uuid4())
    handler.on_llm_error(ValueError(), run_id=uuid4())
    handler.on_llm_new_token("x", run_id=uuid4())
    assert "following a LangChain run failed" in caplog.text

    handler.on_llm_start(None, ["x"], run_id=(run_id := uuid4()))  # type: ignore[arg-type]
    handler.on_llm_end(LLMResult(generations=[]), run_id=run_id)
    (record,) = recorded(sink)
    assert (record.function_name, record.response) == ("langchain.model", None)


def test_runs_that_never_end_are_forgotten(sink: MemoryExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runs, "_MOST_RUNS", 10)
    handler = PromptLayerCallbackHandler()
    ids = [uuid4() for _ in range(30)]

    for run_id in ids:
        handler.on_llm_start({"id": ["a"]}, ["x"], run_id=run_id)
    assert len(_runs._live) == 10
    for run_id in ids:
        handler.on_llm_end(LLMResult(generations=[]), run_id=run_id)

    assert len(recorded(sink)) == 10
    assert _runs._live == {}


def test_a_run_that_has_not_ended_for_an_hour_is_forgotten(
    sink: MemoryExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LangChain tells nobody that an `ainvoke` was cancelled."""
    handler = PromptLayerCallbackHandler()
    handler.on_llm_start({"id": ["a"]}, ["x"], run_id=uuid4())
    monkeypatch.setattr(_runs, "_LONGEST_RUN_S", -1.0)

    handler.on_llm_start({"id": ["a"]}, ["x"], run_id=uuid4())

    assert _runs._live == {}


def test_other_handlers_are_told_everything(models: Models, sink: MemoryExporter) -> None:
    """LangChain tells those that do not run inline nothing, where there is one that does."""

    class Other(BaseCallbackHandler):
        def __init__(self) -> None:
            self.told: list[str] = []

        def on_llm_start(self, *args: Any, **kwargs: Any) -> None:
            self.told.append("start")

        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            self.told.append("end")

    other = Other()
    on_a_loop(models.llm(OpenAI).ainvoke(QUESTION, {"callbacks": [PromptLayerCallbackHandler(), other]}))

    assert other.told == ["start", "end"]
