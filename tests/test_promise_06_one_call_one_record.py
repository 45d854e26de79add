"""Promise 6: one call is one record, whichever of the many ways of making it the application takes."""

from __future__ import annotations

import asyncio
import functools
import importlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai
import pydantic
import pytest
import wrapt

import promptlayer_patch
from tests.support.vendors import VENDORS, Vendor
from tests.support.wire import (
    MODEL,
    ROWS,
    Reply,
    Row,
    Sent,
    Wire,
    answer_json,
    arguments,
    chat,
    chat_events,
    each,
    entered,
    helper_of_chat,
    http,
    installed,
    make,
    plausible,
    recorded,
    refusal,
    replies,
    run,
    settled,
)

BY_NAME = {row.name: row for row in ROWS}
CHAT = BY_NAME["chat.completions.create"]
QUESTION = arguments(CHAT)
HAS_RESPONSES = hasattr(openai.OpenAI, "responses")
VOICE = {"model": "tts-1", "voice": "alloy", "input": "It is seven."}
CREATE = "openai.chat.completions.create"

modes = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the assistants are deprecated


class Hour(pydantic.BaseModel):
    hour: int


# Every row


@modes
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_leaves_one_record_with_its_name(row: Row, is_async: bool) -> None:
    """Streamed or not, raw or not."""
    if row.name == "beta.agents.sessions.stream":
        pytest.skip("a helper that makes two calls; they have a test of their own")
    variants: list[tuple[dict[str, Any], str | None]] = [({}, None)]
    variants += [({"stream": True}, None)] if row.streams else []
    variants += [({}, style) for style in ("with_raw_response", "with_streaming_response") if row.has(style)]
    for extra, style in variants:
        with installed() as sink:
            make(row, {**arguments(row), **extra}, is_async=is_async, style=style)
            assert recorded(sink) == [f"openai.{row.name}"]
            [record] = sink.records
            assert record.client == ("AsyncOpenAI" if is_async else "OpenAI")
            assert record.attempts == 1


@modes
def test_an_agents_turn_leaves_a_record_of_each_of_its_two_requests(is_async: bool) -> None:
    """It subscribes to the session's events, then posts the input."""
    row = BY_NAME.get("beta.agents.sessions.stream")
    if row is None:
        pytest.skip(f"openai {openai.__version__} has no agents")
    with installed() as sink:
        make(row, arguments(row), is_async=is_async)
        names = sorted(recorded(sink))
    assert names == [f"openai.beta.agents.sessions.events.{method}" for method in ("create", "stream")]


# Ways to make a call

Way = Callable[[Any], Coroutine[Any, Any, Any]]
WAYS: dict[str, tuple[Way, str]] = {}


def way(name: str) -> Callable[[Way], Way]:
    """A way of making one call, and the name of its record; `[beta.]` is there in some versions of openai."""

    def kept(function: Way) -> Way:
        WAYS[function.__name__] = function, name
        return function

    return kept


@way("openai.chat.completions.create")
async def create(client: Any) -> None:
    await settled(client.chat.completions.create(**QUESTION))


@way("openai.chat.completions.create")
async def create_a_stream(client: Any) -> None:
    async for _ in each(await settled(client.chat.completions.create(**QUESTION, stream=True))):
        pass


@way("openai.[beta.]chat.completions.parse")
async def parse(client: Any) -> None:
    answer = await settled(helper_of_chat(client).parse(**_question(), response_format=Hour))
    assert answer.choices[0].message.parsed == Hour(hour=7)


@way("openai.[beta.]chat.completions.parse")
async def beta_parse(client: Any) -> None:
    await settled(client.beta.chat.completions.parse(**_question(), response_format=Hour))


@way("openai.[beta.]chat.completions.stream")
async def stream_helper(client: Any) -> None:
    async with entered(helper_of_chat(client).stream(**_question())) as stream:
        async for _ in each(stream):
            pass


@way("openai.[beta.]chat.completions.stream")
async def beta_stream_helper(client: Any) -> None:
    async with entered(client.beta.chat.completions.stream(**_question(), response_format=Hour)) as stream:
        completion = await settled(stream.get_final_completion())
    assert completion.choices[0].message.parsed == Hour(hour=7)


@way("openai.chat.completions.create")
async def raw(client: Any) -> None:
    answer = await settled(client.chat.completions.with_raw_response.create(**QUESTION))
    assert answer.parse().id == "chatcmpl-1"
    assert answer.parse() is answer.parse()


@way("openai.chat.completions.create")
async def raw_never_parsed(client: Any) -> None:
    await settled(client.chat.completions.with_raw_response.create(**QUESTION))


@way("openai.chat.completions.create")
async def raw_stream(client: Any) -> None:
    answer = await settled(client.chat.completions.with_raw_response.create(**QUESTION, stream=True))
    async for _ in each(answer.parse()):
        pass


@way("openai.[beta.]chat.completions.parse")
async def raw_parse(client: Any) -> None:
    resource = getattr(helper_of_chat(client), "with_raw_response", None)
    if not hasattr(resource, "parse"):
        pytest.skip("this openai has no raw parse()")
    answer = await settled(resource.parse(**_question(), response_format=Hour))
    assert answer.parse().choices[0].message.parsed == Hour(hour=7)


@way("openai.chat.completions.create")
async def streaming_response(client: Any) -> None:
    async with entered(client.chat.completions.with_streaming_response.create(**QUESTION)) as answer:
        assert (await settled(answer.parse())).id == "chatcmpl-1"


@way("openai.chat.completions.create")
async def streaming_response_by_lines(client: Any) -> None:
    asked = client.chat.completions.with_streaming_response.create(**QUESTION, stream=True)
    async with entered(asked) as answer:
        async for _ in each(answer.iter_lines()):
            pass


@way("openai.responses.create")
async def responses_create(client: Any) -> None:
    await settled(client.responses.create(model=MODEL, input="?"))


@way("openai.responses.create")
async def responses_create_a_stream(client: Any) -> None:
    async for _ in each(await settled(client.responses.create(model=MODEL, input="?", stream=True))):
        pass


@way("openai.responses.parse")
async def responses_parse(client: Any) -> None:
    answer = await settled(client.responses.parse(model=MODEL, input="?", text_format=Hour))
    assert answer.output_parsed == Hour(hour=7)


@way("openai.responses.stream")
async def responses_stream_helper(client: Any) -> None:
    async with entered(client.responses.stream(model=MODEL, input="?")) as stream:
        await settled(stream.get_final_response())


@way("openai.responses.create")
async def responses_raw(client: Any) -> None:
    (await settled(client.responses.with_raw_response.create(model=MODEL, input="?"))).parse()


@way("openai.audio.speech.create")
async def speech_streaming_response(client: Any) -> None:
    async with entered(client.audio.speech.with_streaming_response.create(**VOICE)) as answer:
        async for _ in each(answer.iter_bytes()):
            pass


@way("openai.chat.completions.create")
async def with_options(client: Any) -> None:
    await settled(client.with_options(timeout=3).chat.completions.create(**QUESTION))


@way("openai.chat.completions.create")
async def copied(client: Any) -> None:
    await settled(client.copy(default_headers={"X-A": "1"}).chat.completions.create(**QUESTION))


@way("openai.chat.completions.create")
async def a_method_kept_in_a_variable(client: Any) -> None:
    ask = client.chat.completions.create
    await settled(ask(**QUESTION))


@way("openai.chat.completions.create")
async def a_partial(client: Any) -> None:
    await settled(
        functools.partial(client.chat.completions.create, model=MODEL)(messages=QUESTION["messages"])
    )


@way("openai.chat.completions.create")
async def through_the_class(client: Any) -> None:
    resource = client.chat.completions
    await settled(type(resource).create(resource, **QUESTION))


@way("openai.chat.completions.create")
async def a_resource_of_ones_own(client: Any) -> None:
    cls = type(client.chat.completions)
    await settled(cls(client).create(**QUESTION))


@way("openai.chat.completions.create")
async def a_post(client: Any) -> None:
    body = {"model": MODEL, "messages": QUESTION["messages"]}
    await settled(client.post("/chat/completions", cast_to=object, body=body))


@way("openai.chat.completions.create")
async def a_post_to_a_whole_url(client: Any) -> None:
    url = "http://elsewhere.test/api/v9/chat/completions?beta=true"
    await settled(client.post(url, cast_to=http.Response, body={"model": MODEL, "messages": []}))


@way("openai.chat.completions.create")
async def a_post_of_a_stream(client: Any) -> None:
    kind = openai.AsyncStream if isinstance(client, openai.AsyncOpenAI) else openai.Stream
    chunk = importlib.import_module("openai.types.chat").ChatCompletionChunk
    body = {"model": MODEL, "messages": QUESTION["messages"], "stream": True}
    asked = client.post("/chat/completions", cast_to=chunk, body=body, stream=True, stream_cls=kind[chunk])
    async for _ in each(await settled(asked)):
        pass


@way("openai.beta.threads.runs.create")
async def a_polled_run(client: Any) -> None:
    await settled(client.beta.threads.runs.create_and_poll(thread_id="t", assistant_id="a"))


@way("openai.beta.threads.create_and_run")
async def a_polled_thread(client: Any) -> None:
    await settled(client.beta.threads.create_and_run_poll(assistant_id="a", poll_interval_ms=1))


@way("openai.beta.threads.runs.submit_tool_outputs")
async def polled_tool_outputs(client: Any) -> None:
    runs = client.beta.threads.runs
    ids = {"thread_id": "t", "run_id": "r"}
    await settled(runs.submit_tool_outputs_and_poll(**ids, tool_outputs=[{"output": "7"}]))


@way("openai.beta.threads.runs.stream")
async def an_assistants_stream(client: Any) -> None:
    async with entered(client.beta.threads.runs.stream(thread_id="t", assistant_id="a")) as stream:
        await settled(stream.until_done())


@way("openai.beta.threads.create_and_run_stream")
async def an_assistants_stream_of_a_new_thread(client: Any) -> None:
    async with entered(client.beta.threads.create_and_run_stream(assistant_id="a")) as stream:
        async for _ in each(stream):
            pass


@way("openai.videos.create")
async def a_polled_video(client: Any) -> None:
    if not hasattr(client, "videos"):
        pytest.skip("this openai has no videos")
    await settled(client.videos.create_and_poll(prompt="a clock"))


@modes
@pytest.mark.parametrize("name", WAYS)
def test_a_way_to_make_a_call_leaves_one_record(name: str, is_async: bool) -> None:
    """One receipt as well; and the request in the record is the one that was sent."""
    _skip_without(name)
    function, expected = WAYS[name]
    wire = Wire(_completed)
    client = wire.async_client() if is_async else wire.client()
    with installed() as sink, promptlayer_patch.scope() as calls:
        run(function(client), is_async=is_async)
        names = recorded(sink)
    assert names in ([expected.replace("[beta.]", "")], [expected.replace("[beta.]", "beta.")])
    [record], [receipt] = sink.records, calls.receipts
    assert (record.id, receipt.request_id(0.0)) == (receipt.record_id, 1)
    assert record.ending is promptlayer_patch.Ending.COMPLETE
    posted = [sent for sent in wire.sent if sent.method == "POST"]
    if posted[0].data:
        assert record.request == posted[0].data


@modes
@pytest.mark.parametrize("name", WAYS)
def test_a_way_to_make_a_call_leaves_none_when_suppressed(name: str, is_async: bool) -> None:
    _skip_without(name)
    wire = Wire(_completed)
    client = wire.async_client() if is_async else wire.client()
    with installed() as sink:
        with promptlayer_patch.suppress():
            run(WAYS[name][0](client), is_async=is_async)
        assert recorded(sink) == []


# What leaves no record


async def files(client: Any) -> None:
    await settled(client.files.create(file=b"{}", purpose="batch"))
    await settled(client.files.retrieve("file_1"))
    await settled(client.files.delete("file_1"))


async def a_list_by_pages(client: Any) -> None:
    seen = [item async for item in each(client.fine_tuning.jobs.list(limit=1))]
    assert len(seen) == 3


async def models(client: Any) -> None:
    await settled(client.models.list())
    await settled(client.models.delete("m"))


async def threads(client: Any) -> None:
    await settled(client.beta.threads.create())
    await settled(client.beta.threads.messages.create("t", role="user", content="?"))
    await settled(client.beta.threads.runs.retrieve("r", thread_id="t"))
    await settled(client.beta.threads.runs.cancel("r", thread_id="t"))
    await settled(client.beta.assistants.create(model=MODEL))


async def batches(client: Any) -> None:
    await settled(client.batches.retrieve("b"))
    await settled(client.batches.cancel("b"))


async def stored_completions(client: Any) -> None:
    if not hasattr(client.chat.completions, "retrieve"):
        pytest.skip("this openai has no stored completions")
    await settled(client.chat.completions.retrieve("c"))
    await settled(client.chat.completions.update("c", metadata={"a": "b"}))
    await settled(client.chat.completions.delete("c"))


async def stored_responses(client: Any) -> None:
    if not hasattr(client, "responses") or not hasattr(client.responses, "cancel"):
        pytest.skip("this openai has no stored responses")
    await settled(client.responses.retrieve("r"))
    await settled(client.responses.cancel("r"))
    await settled(client.responses.delete("r"))
    async for _ in each(await settled(client.responses.retrieve("r", stream=True))):
        pass


async def gets_and_posts(client: Any) -> None:
    await settled(client.get("/chat/completions", cast_to=object))
    await settled(client.post("/something/else", cast_to=object, body={}))
    await settled(client.post("/chat/completions/c", cast_to=object, body={}))
    await settled(client.delete("/responses", cast_to=object))


@modes
@pytest.mark.parametrize(
    "function",
    [files, a_list_by_pages, models, threads, batches, stored_completions, stored_responses, gets_and_posts],
    ids=lambda function: function.__name__,
)
def test_what_asks_no_model_leaves_no_record(function: Way, is_async: bool) -> None:
    wire = Wire(_paged)
    client = wire.async_client() if is_async else wire.client()
    with installed() as sink, promptlayer_patch.scope() as calls:
        run(function(client), is_async=is_async)
        assert recorded(sink) == []
    assert calls.receipts == []
    assert wire.sent


# Clients


@contextmanager
def module_client(wire: Wire, monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> Iterator[Any]:
    """`openai` itself as the client, as small scripts use it."""
    settings = {"api_key": "sk-test", "http_client": wire.http_client(), "max_retries": 0, **attributes}
    with monkeypatch.context() as patched:
        for name, value in settings.items():
            patched.setattr(openai, name, value)
        openai._reset_client()  # type: ignore[attr-defined]
        try:
            yield openai
        finally:
            openai._reset_client()  # type: ignore[attr-defined]


def test_the_module_is_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    base_url = "http://module.test/v1/"
    with installed() as sink, module_client(wire, monkeypatch, base_url=base_url) as client:
        client.chat.completions.create(**QUESTION)
        client.embeddings.create(model=MODEL, input="a")
        for _ in client.chat.completions.create(**QUESTION, stream=True):
            pass
        assert recorded(sink) == [CREATE, "openai.embeddings.create", CREATE]
    assert {record.client for record in sink.records} == {None}
    assert {record.provider for record in sink.records} == {"openai"}
    assert sink.records[0].endpoint == "http://module.test/v1/chat/completions"


def test_the_module_is_a_client_that_existed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    with module_client(wire, monkeypatch, base_url="http://module.test/v1/") as client:
        client.chat.completions.create(**QUESTION)
        with installed() as sink:
            client.chat.completions.create(**QUESTION)
            assert recorded(sink) == [CREATE]
        client.chat.completions.create(**QUESTION)
    assert len(sink.records) == 1


def test_the_module_is_an_azure_client(monkeypatch: pytest.MonkeyPatch) -> None:
    azure = {"api_type": "azure", "azure_endpoint": "http://azure.test", "api_version": "2024-06-01"}
    with installed() as sink, module_client(Wire(), monkeypatch, **azure) as client:
        client.chat.completions.create(**QUESTION)
        assert recorded(sink) == [CREATE]
    assert (sink.records[0].client, sink.records[0].provider) == (None, "openai.azure")


AZURE: list[tuple[dict[str, Any], str]] = [
    ({}, f"http://azure.test/openai/deployments/{MODEL}/chat/completions"),
    ({"azure_deployment": "mine"}, "http://azure.test/openai/deployments/mine/chat/completions"),
]


@modes
@pytest.mark.parametrize(("options", "endpoint"), AZURE, ids=["model", "deployment"])
def test_azure(options: dict[str, Any], endpoint: str, is_async: bool) -> None:
    """Azure writes the deployment into the path; the route is known by how it ends."""
    cls = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    wire = Wire()
    client = wire.async_client(cls, **options) if is_async else wire.client(cls, **options)
    with installed() as sink:
        run(_one_after_the_other(client), is_async=is_async)
        assert len(recorded(sink)) == 6
    assert {record.client for record in sink.records} == {cls.__name__}
    assert {record.provider for record in sink.records} == {"openai.azure"}
    assert {record.endpoint for record in sink.records} == {endpoint}


async def _one_after_the_other(client: Any) -> None:
    for function in (create, create_a_stream, parse, stream_helper, raw, a_post):
        await function(client)


class Thrifty(openai.OpenAI):
    """A client of the application's own."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return super().request(*args, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Any:  # type: ignore[override]
        return super().post(path, **kwargs)


class AsyncThrifty(openai.AsyncOpenAI):
    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await super().request(*args, **kwargs)

    async def _prepare_options(self, options: Any) -> Any:
        return await super()._prepare_options(options)


@modes
@pytest.mark.parametrize("before", [True, False], ids=["made before", "made after"])
def test_a_subclassed_client(before: bool, is_async: bool) -> None:
    """It may override what we tap; it is named after the class openai knows."""
    wire = Wire()

    def made() -> Any:
        return wire.async_client(AsyncThrifty) if is_async else wire.client(Thrifty)

    client = made() if before else None
    with installed() as sink:
        client = client or made()
        run(create(client), is_async=is_async)
        run(create_a_stream(client), is_async=is_async)
        run(a_post(client), is_async=is_async)
        assert recorded(sink) == [CREATE] * 3
    assert {record.client for record in sink.records} == {"AsyncOpenAI" if is_async else "OpenAI"}


@modes
def test_a_class_derived_while_we_are_installed(is_async: bool) -> None:
    """Derived from classes whose methods are wrapped; after `uninstall()` nothing of us is in it."""
    base: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    wire = Wire()
    with installed() as sink:

        class Derived(base):  # type: ignore[misc]
            pass

        class Completions(CHAT.async_class if is_async else CHAT.sync_class):  # type: ignore[misc]
            def create(self, **kwargs: Any) -> Any:
                return super().create(**kwargs)

        client = wire.async_client(Derived) if is_async else wire.client(Derived)
        run(create(client), is_async=is_async)
        run(_ask(Completions(client)), is_async=is_async)
        assert recorded(sink) == [CREATE] * 2
    run(create(client), is_async=is_async)
    run(_ask(Completions(client)), is_async=is_async)
    assert len(sink.records) == 2


async def _ask(resource: Any) -> None:
    await settled(resource.create(**QUESTION))


@modes
def test_a_resource_that_makes_the_request_itself(is_async: bool) -> None:
    """An override that never calls ours still passes the tap."""
    path, body = "/chat/completions", {"model": MODEL, "messages": []}

    class Own(CHAT.async_class if is_async else CHAT.sync_class):  # type: ignore[misc]
        def create(self, **kwargs: Any) -> Any:
            return self._post(path, body=body, cast_to=object)

    wire = Wire()
    with installed() as sink:
        run(_ask(Own(wire.async_client() if is_async else wire.client())), is_async=is_async)
        assert recorded(sink) == [CREATE]


@pytest.mark.parametrize("name", ["BedrockOpenAI", "AsyncBedrockOpenAI"])
def test_a_bedrock_client(name: str) -> None:
    cls = getattr(openai, name, None)
    if cls is None:
        pytest.skip(f"openai {openai.__version__} has no {name}")
    wire = Wire()
    is_async = name.startswith("Async")
    options = {"base_url": "http://bedrock.test/openai/v1", "aws_region": "eu-west-1"}
    client = wire.async_client(cls, **options) if is_async else wire.client(cls, **options)
    with installed() as sink:
        run(create(client), is_async=is_async)
        assert recorded(sink) == [CREATE]


@modes
def test_a_client_of_the_older_http_library(is_async: bool) -> None:
    """openai 3 speaks httpx2 and still takes an `httpx.Client`."""
    if http.__name__ == "httpx":
        pytest.skip("this openai speaks httpx itself")
    httpx = pytest.importorskip("httpx")
    wire = Wire()
    http_client = wire.async_http_client(httpx) if is_async else wire.http_client(httpx)
    client = (wire.async_client if is_async else wire.client)(http_client=http_client)

    async def calls() -> Any:
        for function in (create, create_a_stream, parse, stream_helper, raw, streaming_response, a_post):
            await function(client)
        stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
        async for _ in each(stream):
            pass
        return stream.response

    with installed() as sink:
        response = run(calls(), is_async=is_async)
        assert len(recorded(sink)) == 8
    assert type(response) is httpx.Response
    assert {record.ending for record in sink.records} == {promptlayer_patch.Ending.COMPLETE}


@modes
def test_a_default_client_of_openai(is_async: bool) -> None:
    """Its own subclasses of the HTTP client."""
    wire = Wire()
    transport = (wire.async_http_client() if is_async else wire.http_client())._transport
    kind = openai.DefaultAsyncHttpxClient if is_async else openai.DefaultHttpxClient
    http_client = kind(transport=transport, trust_env=False)
    client = (wire.async_client if is_async else wire.client)(http_client=http_client)
    with installed() as sink:
        run(create(client), is_async=is_async)
        assert recorded(sink) == [CREATE]


# Kept from before


@modes
def test_what_was_kept_from_before_we_came(is_async: bool) -> None:
    """Bound methods and raw views hold the original functions; the tap beneath sees their requests."""
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()
    kept = client.chat.completions.create
    raw_view = client.chat.completions.with_raw_response
    streaming = client.chat.completions.with_streaming_response
    parse_kept = helper_of_chat(client).parse
    post = client.post

    async def calls() -> None:
        await settled(kept(**QUESTION))
        async for _ in each(await settled(kept(**QUESTION, stream=True))):
            pass
        await settled(raw_view.create(**QUESTION))
        async with entered(streaming.create(**QUESTION)) as answer:
            await settled(answer.parse())
        await settled(parse_kept(**_question()))
        await settled(post("/chat/completions", cast_to=object, body={}))

    with installed() as sink, promptlayer_patch.scope(tags=["kept"]) as scope:
        run(calls(), is_async=is_async)
        names = recorded(sink)
    assert [name.replace("beta.", "") for name in names] == [
        *[CREATE] * 4,
        "openai.chat.completions.parse",
        CREATE,
    ]
    assert len(scope.receipts) == 6
    assert {record.tags for record in sink.records} == {("kept",)}
    run(calls(), is_async=is_async)
    assert len(sink.records) == 6


@modes
def test_what_was_kept_while_we_were_there(is_async: bool) -> None:
    """Bound methods that hold our wrapper count once now, not at all later, and once again after that."""
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()
    with installed():
        kept = client.chat.completions.create
        view = client.chat.completions.with_raw_response

    async def calls() -> None:
        await settled(kept(**QUESTION))
        await settled(view.create(**QUESTION))

    run(calls(), is_async=is_async)
    with installed() as sink, promptlayer_patch.scope() as scope:
        run(calls(), is_async=is_async)
        assert recorded(sink) == [CREATE] * 2
    assert len(scope.receipts) == 2


# Retries


@modes
@pytest.mark.parametrize("stream", [False, True])
def test_a_retried_call_is_one_record(stream: bool, is_async: bool) -> None:
    """With the number of attempts and the request id of the last."""
    first = refusal(429, retry_after_ms="1")
    second = refusal(500, retry_after_ms="1")
    last = chat_events(headers=(("x-request-id", "req_last"),)) if stream else _with_id(chat(), "req_last")
    with installed() as sink:
        answer = replies(first, second, last)
        account, _ = make(
            CHAT, {**QUESTION, "stream": stream}, is_async=is_async, answer=answer, max_retries=2
        )
        assert recorded(sink) == [CREATE]
    [record] = sink.records
    assert len(account.sent) == 3
    assert (record.attempts, record.provider_request_id, record.status) == (3, "req_last", 200)
    assert record.ending is promptlayer_patch.Ending.COMPLETE


@modes
def test_a_call_that_failed_every_time_is_one_record(is_async: bool) -> None:
    last = _with_id(refusal(503), "req_last")
    answer = replies(refusal(500, retry_after_ms="1"), last)
    with installed() as sink:
        account, _ = make(CHAT, QUESTION, is_async=is_async, answer=answer, max_retries=1)
        assert recorded(sink) == [CREATE]
    assert isinstance(account.error, openai.InternalServerError)
    [record] = sink.records
    assert (record.attempts, record.provider_request_id, record.status) == (2, "req_last", 503)
    assert record.ending is promptlayer_patch.Ending.PROVIDER_ERROR
    assert record.error is not None
    assert record.error.type == "InternalServerError"


@modes
def test_a_call_that_never_connected_is_one_record(is_async: bool) -> None:
    answer = replies(http.ConnectError("refused"))
    with installed() as sink:
        account, _ = make(CHAT, QUESTION, is_async=is_async, answer=answer, max_retries=1)
        assert recorded(sink) == [CREATE]
    assert isinstance(account.error, openai.APIConnectionError)
    [record] = sink.records
    assert (record.attempts, record.status, len(account.sent)) == (2, None, 2)
    assert record.request["messages"] == QUESTION["messages"]


@modes
def test_a_call_retried_by_the_application_is_one_record_each_time(is_async: bool) -> None:
    """Its own loop around `create` makes calls of its own."""
    wire = Wire(replies(refusal(400), refusal(400), chat()))
    client = wire.async_client() if is_async else wire.client()

    async def calls() -> None:
        for _ in range(3):
            try:
                await settled(client.chat.completions.create(**QUESTION))
            except openai.BadRequestError:
                continue

    with installed() as sink:
        run(calls(), is_async=is_async)
        assert recorded(sink) == [CREATE] * 3
    assert [record.status for record in sink.records] == [400, 400, 200]
    assert [record.attempts for record in sink.records] == [1, 1, 1]


# Calls within calls


def _told(sink: Any) -> list[tuple[str, Any]]:
    """Name of each record and what it asked for; sorted, for it does not matter which ends first."""
    pairs = [(record.function_name, record.request.get("input") or "chat") for record in sink.records]
    return sorted(pairs)


@modes
@pytest.mark.parametrize("stream", [False, True])
def test_a_transport_that_makes_calls_itself(stream: bool, is_async: bool) -> None:
    """A guard that has a moderation or an embedding made before it lets a request through."""
    inner = Wire()
    guard = inner.client()

    def answer(sent: Sent) -> Reply:
        guard.moderations.create(input="guarded")
        guard.post("/embeddings", cast_to=object, body={"input": "searched"})
        guard.models.list()
        return plausible(sent)

    with installed() as sink, promptlayer_patch.scope() as scope:
        make(CHAT, {**QUESTION, "stream": stream}, is_async=is_async, answer=answer)
        assert len(recorded(sink)) == 3
    assert _told(sink) == [
        (CREATE, "chat"),
        ("openai.embeddings.create", "searched"),
        ("openai.moderations.create", "guarded"),
    ]
    assert len(scope.receipts) == 3


def test_an_async_transport_that_makes_calls_itself() -> None:
    inner = Wire()

    class Guard(http.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            guard = inner.async_client()
            many = (guard.moderations.create(input="guarded") for _ in range(3))
            await asyncio.gather(*many)
            return http.Response(200, content=b"".join(chat().chunks))

    async def calls() -> None:
        client = openai.AsyncOpenAI(api_key="k", http_client=http.AsyncClient(transport=Guard()))
        await client.chat.completions.create(**QUESTION)

    with installed() as sink:
        asyncio.run(calls())
        assert len(recorded(sink)) == 4
    assert _told(sink) == [(CREATE, "chat"), *[("openai.moderations.create", "guarded")] * 3]


INNER: dict[str, Callable[[Any, Any], Any]] = {
    "a method": lambda client, kept: client.embeddings.create(model=MODEL, input="inner"),
    "a raw response": lambda client, kept: client.embeddings.with_raw_response.create(
        model=MODEL, input="inner"
    ),
    "a method kept from before": lambda client, kept: kept(model=MODEL, input="inner"),
    "a post": lambda client, kept: client.post("/embeddings", cast_to=object, body={"input": "inner"}),
}


@modes
@pytest.mark.parametrize("inner", INNER)
def test_a_request_made_by_an_argument_is_a_call_of_its_own(inner: str, is_async: bool) -> None:
    """A generator in `messages` runs inside of the call, before its request; it may ask for embeddings."""
    other = Wire().client()
    kept = other.embeddings.create

    def messages() -> Iterator[Any]:
        INNER[inner](other, kept)
        yield from QUESTION["messages"]

    with installed() as sink, promptlayer_patch.scope() as scope:
        account, _ = make(CHAT, {**QUESTION, "messages": messages()}, is_async=is_async)
        assert len(recorded(sink)) == 2
        receipt = promptlayer_patch.receipt_of(account.value)
    assert _told(sink) == [(CREATE, "chat"), ("openai.embeddings.create", "inner")]
    assert len(scope.receipts) == 2
    [outer] = [record for record in sink.records if record.function_name == CREATE]
    assert receipt is not None
    assert receipt.record_id == outer.id


@modes
@pytest.mark.parametrize("inner", ["get", "post"])
def test_a_request_made_by_an_argument_that_asks_no_model_leaves_no_record(
    inner: str, is_async: bool
) -> None:
    other = Wire().client()

    def messages() -> Iterator[Any]:
        if inner == "get":
            other.models.list()
        else:
            other.files.create(file=b"{}", purpose="batch")
        yield from QUESTION["messages"]

    with installed() as sink:
        account, _ = make(CHAT, {**QUESTION, "messages": messages()}, is_async=is_async)
        assert recorded(sink) == [CREATE]
        receipt = promptlayer_patch.receipt_of(account.value)
    assert sink.records[0].request["messages"] == QUESTION["messages"]
    assert receipt is not None
    assert receipt.record_id == sink.records[0].id


@modes
def test_a_call_made_between_two_chunks_is_a_call_of_its_own(is_async: bool) -> None:
    """An agent calls the next model while it still reads the first."""
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()

    async def calls() -> None:
        async for _ in each(await settled(client.chat.completions.create(**QUESTION, stream=True))):
            await settled(client.embeddings.create(model=MODEL, input="between"))

    with installed() as sink:
        run(calls(), is_async=is_async)
        names = recorded(sink)
    assert sorted(names) == [CREATE, *["openai.embeddings.create"] * 4]


def test_a_task_started_within_a_call_makes_calls_of_its_own() -> None:
    """It inherits the context in which the outer call is open, and outlives it."""
    inner = Wire()
    tasks: list[asyncio.Task[Any]] = []

    class Prefetching(http.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            client = inner.async_client()
            tasks.append(asyncio.create_task(later(client)))
            return http.Response(200, content=b"".join(chat().chunks))

    async def later(client: Any) -> None:
        await done.wait()
        await client.embeddings.create(model=MODEL, input="later")
        await client.post("/embeddings", cast_to=object, body={"input": "later"})

    async def calls() -> None:
        client = openai.AsyncOpenAI(api_key="k", http_client=http.AsyncClient(transport=Prefetching()))
        await client.chat.completions.create(**QUESTION)
        done.set()
        await asyncio.gather(*tasks)

    with installed() as sink:
        done = asyncio.Event()
        asyncio.run(calls())
        assert len(recorded(sink)) == 3
    assert _told(sink) == [(CREATE, "chat"), *[("openai.embeddings.create", "later")] * 2]


def test_calls_in_many_threads_are_one_record_each() -> None:
    wire = Wire()
    client = wire.client()
    together = threading.Barrier(8)

    def asking(number: int) -> None:
        together.wait(10)
        for _ in range(5):
            client.chat.completions.create(model=MODEL, messages=[], user=str(number))

    with installed() as sink, ThreadPoolExecutor(8) as pool:
        list(pool.map(asking, range(8)))
        assert recorded(sink) == [CREATE] * 40
    assert sorted(record.request["user"] for record in sink.records) == sorted("01234567" * 5)


def test_calls_in_many_tasks_are_one_record_each() -> None:
    async def calls() -> None:
        client = Wire().async_client()
        each_once = (client.chat.completions.create(**QUESTION, user=str(n)) for n in range(40))
        await asyncio.gather(*each_once)

    with installed() as sink:
        asyncio.run(calls())
        assert recorded(sink) == [CREATE] * 40
    assert {record.request["user"] for record in sink.records} == {str(n) for n in range(40)}


# Other tools


@modes
@pytest.mark.parametrize("beneath", [True, False], ids=["beneath us", "on top of us"])
@pytest.mark.parametrize("kind", VENDORS)
def test_a_wrapper_of_another_tool_changes_nothing(kind: str, beneath: bool, is_async: bool) -> None:
    """It sees the call, we see the call: one record."""
    with foreign(VENDORS[kind](), beneath=beneath, is_async=is_async) as (vendor, wire, sink):
        client = wire.async_client() if is_async else wire.client()
        run(create(client), is_async=is_async)
        run(create_a_stream(client), is_async=is_async)
        run(raw(client), is_async=is_async)
        assert recorded(sink) == [CREATE] * 3
        assert vendor.calls == 3


class Twice(Vendor):
    """Asks two times and gives the second answer; as a plain function, without wrapt."""

    def install(self, owner: type, name: str) -> None:
        self._found = getattr(owner, name)
        setattr(owner, name, self._around(self._found))

    def remove(self, owner: type, name: str) -> None:
        setattr(owner, name, self._found)

    def _around(self, found: Any) -> Any:
        def twice(*args: Any, **kwargs: Any) -> Any:
            found(*args, **kwargs)
            return found(*args, **kwargs)

        async def twice_async(*args: Any, **kwargs: Any) -> Any:
            await found(*args, **kwargs)
            return await found(*args, **kwargs)

        is_async = found.__qualname__.startswith("Async")
        return functools.wraps(found)(twice_async if is_async else twice)


class Again(Twice):
    """Tries once more when the first try failed."""

    def _around(self, found: Any) -> Any:
        def again(*args: Any, **kwargs: Any) -> Any:
            try:
                return found(*args, **kwargs)
            except openai.APIError:
                return found(*args, **kwargs)

        async def again_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await found(*args, **kwargs)
            except openai.APIError:
                return await found(*args, **kwargs)

        is_async = found.__qualname__.startswith("Async")
        return functools.wraps(found)(again_async if is_async else again)


@modes
def test_a_tool_that_calls_our_tap_as_a_plain_function(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the client in front of the other arguments, as one found in the class is called."""
    name = "AsyncAPIClient" if is_async else "SyncAPIClient"
    owner: Any = getattr(importlib.import_module("openai._base_client"), name)
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()
    with installed() as sink:
        ours = vars(owner)["request"]
        monkeypatch.setattr(owner, "request", lambda *args, **kwargs: ours(*args, **kwargs))
        run(create(client), is_async=is_async)
        monkeypatch.undo()
        assert recorded(sink) == [CREATE]
    (record,) = sink.records
    assert (record.status, record.client) == (200, "AsyncOpenAI" if is_async else "OpenAI")


@modes
def test_a_client_that_has_addresses_of_its_own(is_async: bool) -> None:
    """A gateway's: what it asks for stands beneath another path, and the call is still one record."""
    base: Any = openai.AsyncOpenAI if is_async else openai.OpenAI

    class Gateway(base):  # type: ignore[misc]
        def post(self, path: str, **kwargs: Any) -> Any:
            return super().post("/gateway/ask", **kwargs)

    wire = Wire(answer=replies(chat("through the gateway")))
    client = wire.async_client(Gateway) if is_async else wire.client(Gateway)
    with installed() as sink:
        run(create(client), is_async=is_async)
        assert recorded(sink) == [CREATE]
    (record,) = sink.records
    assert record.endpoint.endswith("/gateway/ask")
    assert record.response["choices"][0]["message"]["content"] == "through the gateway"


@modes
@pytest.mark.parametrize("beneath", [True, False], ids=["beneath us", "on top of us"])
def test_a_tool_that_asks_twice(beneath: bool, is_async: bool) -> None:
    """Two calls were made, and each has its record with its own answer."""
    answer = replies(chat("first"), chat("second"))
    with foreign(Twice(), beneath=beneath, is_async=is_async, answer=answer) as (_, wire, sink):
        client = wire.async_client() if is_async else wire.client()
        run(create(client), is_async=is_async)
        assert recorded(sink) == [CREATE] * 2
    contents = [record.response["choices"][0]["message"]["content"] for record in sink.records]
    assert sorted(contents) == ["first", "second"]
    assert [record.status for record in sink.records] == [200, 200]


@modes
@pytest.mark.parametrize("beneath", [True, False], ids=["beneath us", "on top of us"])
def test_a_tool_that_tries_again(beneath: bool, is_async: bool) -> None:
    """The try that failed is in the records as failed, although the application never hears of it."""
    answer = replies(refusal(400), chat("second"))
    with foreign(Again(), beneath=beneath, is_async=is_async, answer=answer) as (_, wire, sink):
        client = wire.async_client() if is_async else wire.client()
        run(create(client), is_async=is_async)
        assert recorded(sink) == [CREATE] * 2
    endings = sorted((record.ending.value, record.status) for record in sink.records)
    assert endings == [("complete", 200), ("provider_error", 400)]


@modes
@pytest.mark.parametrize("before", [True, False], ids=["before us", "after us"])
def test_a_tool_that_wraps_one_client(before: bool, is_async: bool) -> None:
    """As `instructor` and `langsmith` do: it replaces the method on the object, not in the class."""
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()
    seen = []

    def wrap() -> None:
        found = client.chat.completions.create

        @functools.wraps(found)
        def wrapped(**kwargs: Any) -> Any:
            seen.append(1)
            return found(**kwargs)

        client.chat.completions.create = wrapped

    if before:
        wrap()
    with installed() as sink:
        if not before:
            wrap()
        run(create(client), is_async=is_async)
        run(create_a_stream(client), is_async=is_async)
        run(raw(client), is_async=is_async)
        assert recorded(sink) == [CREATE] * 3
    run(create(client), is_async=is_async)
    assert (len(seen), len(sink.records)) == (4, 3)


@modes
def test_a_tool_that_wraps_the_request_of_the_client_class(is_async: bool) -> None:
    """As openinference does: `openai.OpenAI.request` becomes an attribute of the subclass, before we come."""
    cls: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    seen = []

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(1)
        return wrapped(*args, **kwargs)

    assert "request" not in vars(cls)
    for before in (True, False):
        wire = Wire()
        client = wire.async_client() if is_async else wire.client()
        if before:
            wrapt.wrap_function_wrapper(cls, "request", wrapper)
        with installed() as sink:
            if not before:
                wrapt.wrap_function_wrapper(cls, "request", wrapper)
            try:
                run(create(client), is_async=is_async)
                run(a_post(client), is_async=is_async)
                run(parse(client), is_async=is_async)
                wire.answer = replies(refusal(400))
                with pytest.raises(openai.BadRequestError):
                    run(a_post(client), is_async=is_async)
            finally:
                del cls.request
            assert len(recorded(sink)) == 4
        assert sink.records[-1].status == 400
    assert len(seen) == 8


# Installing more than once


@modes
def test_a_second_install_does_not_count_twice(is_async: bool) -> None:
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()
    with installed():
        for _ in range(3):
            with installed() as sink, promptlayer_patch.scope() as scope:
                run(create(client), is_async=is_async)
                assert recorded(sink) == [CREATE]
                assert len(scope.receipts) == 1


# Helpers


def _question() -> dict[str, Any]:
    return {"model": MODEL, "messages": QUESTION["messages"]}


def _skip_without(name: str) -> None:
    if name.startswith("responses") and not HAS_RESPONSES:
        pytest.skip(f"openai {openai.__version__} has no responses")


def _completed(sent: Sent) -> Reply:
    """Whatever is polled is complete at once."""
    if "/videos" in sent.path or ("/runs" in sent.path and sent.method == "GET"):
        return answer_json({"id": "x_1", "object": "x", "thread_id": "t", "status": "completed"})
    return plausible(sent)


def _paged(sent: Sent) -> Reply:
    """Three pages with one item each; one event for a stream."""
    if "stream=true" in sent.url:
        return plausible(Sent("POST", sent.url.partition("/r?")[0], (), b'{"stream": true}'))
    if sent.path.endswith("/jobs"):
        page = 1 + int(
            dict(pair.split("=") for pair in sent.url.partition("?")[2].split("&")).get("after", 0)
        )
        data = [{"id": str(page)}] if page <= 3 else []  # openai 1.40 asks until a page is empty
        return answer_json({"object": "list", "data": data, "has_more": page < 3})
    return answer_json({"id": "x_1", "object": "x", "data": [], "status": "completed"})


def _with_id(reply: Reply, request_id: str) -> Reply:
    others = [(name, value) for name, value in reply.headers if name != "x-request-id"]
    return Reply(reply.chunks, reply.status, reply.content_type, (("x-request-id", request_id), *others))


@contextmanager
def foreign(vendor: Vendor, *, beneath: bool, is_async: bool, answer: Any = None) -> Iterator[Any]:
    """With us and another tool's wrapper around `create`."""
    cls = CHAT.async_class if is_async else CHAT.sync_class
    original = vars(cls)["create"]
    try:
        if beneath:
            vendor.install(cls, "create")
        with installed() as sink:
            if not beneath:
                vendor.install(cls, "create")
            yield vendor, Wire(answer), sink
    finally:
        setattr(cls, "create", original)  # noqa: B010
