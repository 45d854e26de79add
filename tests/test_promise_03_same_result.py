"""Promise 3: what the application gets is the very object, exception and moment it gets without us."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import gc
import inspect
import json
import logging
import pickle
import pydoc
import re
import socket
import sys
import threading
import traceback
import types
import typing
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import openai
import pytest

import promptlayer_patch
from tests.replay.comparing import first_difference
from tests.support.wire import (
    MODEL,
    ROWS,
    Answer,
    Reply,
    Row,
    Wire,
    answer_events,
    arguments,
    chat,
    chat_events,
    each,
    entered,
    helper_of_chat,
    http,
    installed,
    make,
    recorded,
    refusal,
    replies,
    run,
    settled,
)

BY_NAME = {row.name: row for row in ROWS}
CHAT = BY_NAME["chat.completions.create"]
QUESTION = arguments(CHAT)
DEPRECATED = [row for row in ROWS if hasattr(vars(row.sync_class)[row.method], "__deprecated__")]

modes = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
needs_responses = pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="this openai has none")


# Every row


@modes
@each_row
def test_a_row_gives_back_what_it_gives_without_us(row: Row, is_async: bool) -> None:
    """Types, contents, attributes, warnings, and every piece of the body asked for at the same moment."""
    variants: list[tuple[dict[str, Any], str | None]] = [({}, None)]
    variants += [({"stream": True}, None)] if row.streams else []
    variants += [({}, style) for style in ("with_raw_response", "with_streaming_response") if row.has(style)]
    for extra, style in variants:
        bare, bare_wire = make(row, {**arguments(row), **extra}, is_async=is_async, style=style)
        with installed():
            ours, wire = make(row, {**arguments(row), **extra}, is_async=is_async, style=style)
        assert first_difference(_without_decorators(bare.facts), _without_decorators(ours.facts)) is None
        assert wire.log == bare_wire.log


@modes
@each_row
def test_a_result_can_be_pickled_and_copied_as_without_us(row: Row, is_async: bool) -> None:
    """A cache keeps results in files, and a process pool sends them around."""
    bare, _ = make(row, arguments(row), is_async=is_async)
    with installed():
        ours, _ = make(row, arguments(row), is_async=is_async)
    for one, other in [(bare.value, ours.value), (bare.final, ours.final), (bare.items, ours.items)]:
        assert first_difference(_duplicates(one), _duplicates(other)) is None


class Keeping(openai.OpenAI):
    """Keeps what the client makes of a response."""

    def _process_response(self, **kwargs: Any) -> Any:
        self.made = super()._process_response(**kwargs)
        return self.made


class AsyncKeeping(openai.AsyncOpenAI):
    async def _process_response(self, **kwargs: Any) -> Any:
        self.made = await super()._process_response(**kwargs)
        return self.made


@modes
@pytest.mark.parametrize("style", ["plain", "stream", "raw", "raw stream"])
def test_the_object_that_comes_back_is_the_one_the_client_made(style: str, is_async: bool) -> None:
    """Not a copy, not a stand-in: other code may hold it already."""
    wire = Wire()
    client = wire.async_client(AsyncKeeping) if is_async else wire.client(Keeping)
    resource = client.chat.completions
    create = resource.with_raw_response.create if "raw" in style else resource.create

    async def calls() -> bool:
        made = await settled(create(**QUESTION, stream="stream" in style))
        same = made is client.made
        if "stream" in style:
            await settled((made.parse() if "raw" in style else made).close())
        return same

    with installed():
        assert run(calls(), is_async=is_async)


def test_a_result_is_freed_as_soon_as_it_is_dropped() -> None:
    """Results can be large, and applications measure what they hold."""
    client = Wire().client()
    gc.disable()
    try:
        with installed():
            result = client.chat.completions.create(**QUESTION)
            freed = weakref.ref(result)
            del result
            assert freed() is None
    finally:
        gc.enable()


# Streams


@modes
def test_a_stream_is_a_stream(is_async: bool) -> None:
    """`type(stream) is openai.Stream`: some applications ask exactly that."""
    with installed():
        wire = Wire()
        client = wire.async_client() if is_async else wire.client()

        async def calls() -> Any:
            stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
            seen = type(stream), type(stream._iterator), sorted(vars(stream))
            await settled(stream.close())
            return seen

        kind, iterator, attributes = run(calls(), is_async=is_async)
    assert kind is (openai.AsyncStream if is_async else openai.Stream)
    assert iterator is (types.AsyncGeneratorType if is_async else types.GeneratorType)
    assert "_iterator" in attributes


@modes
def test_the_response_of_a_stream_passes_for_what_it_is(is_async: bool) -> None:
    """While the stream is open: the same names, the same picture, picklable and copyable as without us."""

    def picture() -> Any:
        wire = Wire()
        client = wire.async_client() if is_async else wire.client()

        async def calls() -> Any:
            stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
            response = stream.response
            assert isinstance(response, http.Response)
            cls = type(response)
            seen = [cls.__name__, cls.__qualname__, cls.__module__, cls.__doc__, repr(response)]
            seen += _duplicates(response)
            seen += [dict(response.headers), response.status_code, str(response.url), response.is_closed]
            await settled(stream.close())
            return seen

        return run(calls(), is_async=is_async)

    bare = picture()
    with installed():
        assert first_difference(bare, picture()) is None


Reading = Callable[[Any, list[str]], Coroutine[Any, Any, Any]]
READINGS: dict[str, Reading] = {}


def reading(function: Reading) -> Reading:
    """A way to make a call and read the answer; returns the HTTP response that was read."""
    READINGS[function.__name__] = function
    return function


@reading
async def a_stream(client: Any, log: list[str]) -> Any:
    stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
    log.append("application reads")
    async for _ in each(stream):
        log.append("application got one")
    return stream.response


@reading
async def a_stream_by_next(client: Any, log: list[str]) -> Any:
    stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
    log.append("application reads")
    with suppress(StopIteration, StopAsyncIteration):
        while True:
            await settled(anext(stream) if hasattr(stream, "__anext__") else next(stream))
            log.append("application got one")
    return stream.response


@reading
async def a_stream_in_a_with_block(client: Any, log: list[str]) -> Any:
    async with entered(await settled(client.chat.completions.create(**QUESTION, stream=True))) as stream:
        log.append("application reads")
        async for _ in each(stream):
            log.append("application got one")
    return stream.response


@reading
async def a_stream_left_early(client: Any, log: list[str]) -> Any:
    async with entered(await settled(client.chat.completions.create(**QUESTION, stream=True))) as stream:
        log.append("application reads")
        async for _ in each(stream):
            log.append("application got one")
            break
    return stream.response


@reading
async def a_stream_closed_unread(client: Any, log: list[str]) -> Any:
    stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
    log.append("application reads")
    await settled(stream.close())
    return stream.response


@reading
async def a_stream_helper(client: Any, log: list[str]) -> Any:
    async with entered(helper_of_chat(client).stream(model=MODEL, messages=QUESTION["messages"])) as stream:
        log.append("application reads")
        async for _ in each(stream):
            log.append("application got one")
        await settled(stream.get_final_completion())
    return stream._response


@reading
async def a_responses_stream(client: Any, log: list[str]) -> Any:
    stream = await settled(client.responses.create(model=MODEL, input="?", stream=True))
    log.append("application reads")
    async for _ in each(stream):
        log.append("application got one")
    return stream.response


@reading
async def a_responses_stream_helper(client: Any, log: list[str]) -> Any:
    async with entered(client.responses.stream(model=MODEL, input="?")) as stream:
        log.append("application reads")
        async for _ in each(stream):
            log.append("application got one")
        await settled(stream.get_final_response())
    return stream._response


@reading
async def a_raw_stream(client: Any, log: list[str]) -> Any:
    raw = await settled(client.chat.completions.with_raw_response.create(**QUESTION, stream=True))
    log.append("application reads")
    async for _ in each(raw.parse()):
        log.append("application got one")
    return raw.http_response


@reading
async def a_body_by_bytes(client: Any, log: list[str]) -> Any:
    async with entered(client.chat.completions.with_streaming_response.create(**QUESTION)) as response:
        log.append("application reads")
        async for _ in each(response.iter_bytes()):
            log.append("application got one")
    return response.http_response


@reading
async def a_body_by_lines(client: Any, log: list[str]) -> Any:
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(**QUESTION, stream=True)) as response:
        log.append("application reads")
        async for _ in each(response.iter_lines()):
            log.append("application got one")
    return response.http_response


@reading
async def a_body_by_text(client: Any, log: list[str]) -> Any:
    async with entered(client.chat.completions.with_streaming_response.create(**QUESTION)) as response:
        log.append("application reads")
        async for _ in each(response.iter_text(5)):
            log.append("application got one")
    return response.http_response


@reading
async def a_body_at_once(client: Any, log: list[str]) -> Any:
    async with entered(client.chat.completions.with_streaming_response.create(**QUESTION)) as response:
        log.append("application reads")
        assert b"hour" in await settled(response.read())
        assert b"hour" in await settled(response.read())
    return response.http_response


@reading
async def a_body_parsed(client: Any, log: list[str]) -> Any:
    async with entered(client.chat.completions.with_streaming_response.create(**QUESTION)) as response:
        log.append("application reads")
        log.append(repr(await settled(response.parse())))
    return response.http_response


@reading
async def a_streamed_body_parsed(client: Any, log: list[str]) -> Any:
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(**QUESTION, stream=True)) as response:
        log.append("application reads")
        async for _ in each(await settled(response.parse())):
            log.append("application got one")
    return response.http_response


@reading
async def a_body_undecoded(client: Any, log: list[str]) -> Any:
    async with entered(client.chat.completions.with_streaming_response.create(**QUESTION)) as response:
        log.append("application reads")
        body = response.http_response
        async for _ in each(body.aiter_raw() if hasattr(client, "__aenter__") else body.iter_raw()):
            log.append("application got one")
    return response.http_response


@reading
async def a_body_left_unread(client: Any, log: list[str]) -> Any:
    async with entered(client.chat.completions.with_streaming_response.create(**QUESTION)) as response:
        log.append("application reads")
    return response.http_response


@reading
async def speech(client: Any, log: list[str]) -> Any:
    voice = {"model": "tts-1", "voice": "alloy", "input": "It is seven."}
    async with entered(client.audio.speech.with_streaming_response.create(**voice)) as response:
        log.append("application reads")
        async for _ in each(response.iter_bytes(3)):
            log.append("application got one")
    return response.http_response


@reading
async def speech_already_read(client: Any, log: list[str]) -> Any:
    answer = await settled(client.audio.speech.create(model="tts-1", voice="alloy", input="It is seven."))
    log.append("application has it")
    async for _ in each(answer.iter_bytes()):
        log.append("application got one")
    return answer.response


def _read(way: str, *, is_async: bool) -> tuple[list[str], Any]:
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()
    response = run(READINGS[way](client, wire.log), is_async=is_async)
    return wire.log, response


@modes
@pytest.mark.parametrize("way", READINGS)
def test_every_piece_is_asked_for_when_the_application_asks(way: str, is_async: bool) -> None:
    """Nothing is read ahead: a slow model's first word shows at once; what is not wanted is not read."""
    if "responses" in way and not hasattr(openai.OpenAI, "responses"):
        pytest.skip(f"openai {openai.__version__} has no responses")
    bare, _ = _read(way, is_async=is_async)
    with installed() as sink:
        log, _ = _read(way, is_async=is_async)
        assert len(recorded(sink)) == 1
    assert log == bare
    if "application reads" in log:
        before = log[: log.index("application reads")]
        assert [line for line in before if line.startswith("chunk")] == []
    if way == "a_stream":
        first = log.index("application got one")
        assert log.index("chunk 0") < first < log.index("chunk 1")


@modes
@pytest.mark.parametrize("way", READINGS)
def test_the_response_has_its_own_class_back(way: str, is_async: bool) -> None:
    """As soon as the stream has ended nothing of ours is left on it."""
    if "responses" in way and not hasattr(openai.OpenAI, "responses"):
        pytest.skip(f"openai {openai.__version__} has no responses")
    _, bare = _read(way, is_async=is_async)
    with installed():
        _, response = _read(way, is_async=is_async)
    assert type(response) is type(bare) is http.Response
    assert sorted(vars(response)) == sorted(vars(bare))


@modes
def test_the_response_of_a_broken_stream_has_its_own_class_back(is_async: bool) -> None:
    def broken() -> Any:
        wire = Wire(lambda _: chat_events("one", done=False, breaks=lambda: http.ReadError("gone")))
        client = wire.async_client() if is_async else wire.client()

        async def calls() -> Any:
            stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
            with pytest.raises((openai.APIConnectionError, http.ReadError)):
                async for _ in each(stream):
                    pass
            return stream.response

        return run(calls(), is_async=is_async)

    bare = broken()
    with installed():
        ours = broken()
    assert type(ours) is type(bare) is http.Response
    assert sorted(vars(ours)) == sorted(vars(bare))


class Stingy:
    """A real server on loopback that sends the second event only when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.gave_up = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with closing(connection):
            request = b""
            while not request.endswith(b"}"):
                request += connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            first, *rest = chat_events("one", "two").chunks
            connection.sendall(head + first)
            self.gave_up = not self.go.wait(10)
            connection.sendall(b"".join(rest))

    def close(self) -> None:
        self._listening.close()
        self._thread.join(10)


@modes
def test_a_chunk_arrives_while_the_server_has_not_sent_the_next(is_async: bool) -> None:
    """Over a real socket: whoever waits for more than the first event waits until the server gives up."""
    with installed() as sink, closing(Stingy()) as server:
        cls = openai.AsyncOpenAI if is_async else openai.OpenAI
        default = openai.DefaultAsyncHttpxClient if is_async else openai.DefaultHttpxClient
        client = cls(api_key="sk", base_url=server.base_url, http_client=default(trust_env=False))

        async def calls() -> list[Any]:
            texts = []
            stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
            async for chunk in each(stream):
                texts.append(chunk.choices[0].delta.content)
                server.go.set()
            await settled(client.close())
            return texts

        assert run(calls(), is_async=is_async) == ["one", "two", None]
        assert not server.gave_up
        assert recorded(sink) == ["openai.chat.completions.create"]


# Exceptions


def _answer(reply: Callable[[], Reply | BaseException]) -> Answer:
    return lambda _: reply()


class Refusal(BaseException):
    """Not even an `Exception`."""


FAILURES: dict[str, Callable[[], Reply | BaseException]] = {
    **{
        str(status): lambda status=status: refusal(status)
        for status in (400, 401, 403, 404, 409, 422, 429, 500)
    },
    "no json": lambda: Reply((b"<html>",), 502, "text/html"),
    "empty": lambda: Reply((), 503),
    "broken json": lambda: Reply((b'{"id": ',)),
    "connection refused": lambda: http.ConnectError("refused"),
    "timeout": lambda: http.ReadTimeout("slow"),
    "unforeseen": lambda: ZeroDivisionError("in a transport"),
    "interrupt": lambda: KeyboardInterrupt(),
    "exit": lambda: SystemExit(3),
    "base exception": lambda: Refusal("by the transport"),
    "cut body": lambda: Reply((b'{"id": ',), breaks=lambda: http.ReadError("gone")),
    "redirect": lambda: Reply((), 307),
}
STREAM_FAILURES: dict[str, Callable[[], Reply | BaseException]] = {
    "400": lambda: refusal(400),
    "broken": lambda: chat_events("one", done=False, breaks=lambda: http.ReadError("gone")),
    "timeout": lambda: chat_events("one", done=False, breaks=lambda: http.ReadTimeout("slow")),
    "unforeseen": lambda: chat_events("one", done=False, breaks=lambda: ZeroDivisionError("here")),
    "error event": lambda: answer_events({"error": {"message": "tired", "type": "t", "code": "c"}}),
    "no json": lambda: Reply((b"data: {no\n\n",), content_type="text/event-stream"),
    "no utf-8": lambda: Reply((b"data: \xff\xfe\n\n",), content_type="text/event-stream"),
}


@modes
@pytest.mark.parametrize("kind", FAILURES)
def test_an_exception_is_the_one_without_us(kind: str, is_async: bool) -> None:
    """Class, text, attributes, what it names as its cause, and where it says it came from."""
    bare = _failing(FAILURES[kind], {}, is_async=is_async)
    with installed() as sink:
        ours = _failing(FAILURES[kind], {}, is_async=is_async)
        assert len(recorded(sink)) == 1
    assert first_difference(bare, ours) is None


@modes
@pytest.mark.parametrize("kind", STREAM_FAILURES)
def test_an_exception_from_a_stream_is_the_one_without_us(kind: str, is_async: bool) -> None:
    bare = _failing(STREAM_FAILURES[kind], {"stream": True}, is_async=is_async)
    with installed() as sink:
        ours = _failing(STREAM_FAILURES[kind], {"stream": True}, is_async=is_async)
        gc.collect()  # openai 1 leaves such a stream open, and it may still be closed
        assert len(recorded(sink)) == 1
    assert first_difference(bare, ours) is None


@modes
def test_an_exception_of_the_callers_own_iterable_is_theirs(is_async: bool) -> None:
    """A generator in `messages` runs inside of the call; what it raises is no error of OpenAI's."""

    def messages() -> Iterator[Any]:
        yield QUESTION["messages"][0]
        raise LookupError("out of messages")

    def failing() -> Any:
        return _failing(chat, {"messages": messages()}, is_async=is_async)

    bare = failing()
    with installed():
        assert first_difference(bare, failing()) is None


@modes
@pytest.mark.parametrize("kwargs", [{"max_tokens": 1}, {"model": MODEL}, {**QUESTION, "no_such_argument": 1}])
def test_wrong_arguments_are_refused_as_without_us(kwargs: dict[str, Any], is_async: bool) -> None:
    """By the client, with its own message, at the same moment, and without a record: nothing was asked."""

    def refused() -> Any:
        wire = Wire()
        client = wire.async_client() if is_async else wire.client()
        with pytest.raises(TypeError) as caught:
            client.chat.completions.create(**kwargs)
        assert wire.sent == []
        return str(caught.value), _frames(caught.value)

    bare = refused()
    with installed() as sink:
        assert refused() == bare
        assert recorded(sink) == []


@modes
@each_row
def test_every_row_refuses_at_the_same_moment(row: Row, is_async: bool) -> None:
    """Many async methods check their arguments when called, not when awaited; others do the reverse."""

    def refused() -> Any:
        wire = Wire()
        method = row.on(wire.async_client() if is_async else wire.client())
        outcomes = []
        for kwargs in ({}, {"no_such_argument": 1}):
            returned = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                try:
                    returned = method(**kwargs)
                    outcomes.append("returned")
                    if inspect.iscoroutine(returned):
                        asyncio.run(_exhausted(returned))
                except Exception as error:
                    outcomes.append((type(error), str(error)))
        return outcomes, len(wire.sent)

    bare = refused()
    with installed():
        assert refused() == bare


@modes
def test_an_exception_knows_what_was_being_handled(is_async: bool) -> None:
    """`__context__` is the application's exception, not one of ours."""

    def nested() -> BaseException:
        wire = Wire(_answer(lambda: refusal(400)))
        client = wire.async_client() if is_async else wire.client()

        async def calls() -> None:
            try:
                raise LookupError("first")
            except LookupError:
                await settled(client.chat.completions.create(**QUESTION))

        with pytest.raises(openai.BadRequestError) as caught:
            run(calls(), is_async=is_async)
        return caught.value

    def chain(error: BaseException | None) -> list[Any]:
        return [] if error is None else [type(error), str(error), *chain(error.__context__)]

    bare = chain(nested())
    with installed():
        assert chain(nested()) == bare
    assert bare[-2:] == [LookupError, "first"]


def test_an_exception_and_its_frames_are_freed_as_without_us() -> None:
    """Whatever the frames hold would otherwise live until the next garbage collection."""

    class Held:
        pass

    def freed() -> bool:
        client = Wire(_answer(lambda: refusal(400))).client()

        def failing() -> weakref.ref[Any]:
            held = Held()
            try:
                client.chat.completions.create(**QUESTION, user=str(held))
            except openai.BadRequestError:
                pass
            return weakref.ref(held)

        return failing()() is None

    gc.disable()
    try:
        bare = freed()
        with installed():
            assert freed() == bare
    finally:
        gc.enable()


# Coroutines


@each_row
def test_an_async_method_returns_what_it_returns_without_us(row: Row) -> None:
    """A coroutine, and one that says the same name; or else the manager of a helper."""

    def returned() -> Any:
        async def calls() -> Any:
            method = row.on(Wire().async_client())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                made = method(**arguments(row))
            seen: list[Any] = [type(made), inspect.iscoroutine(made), asyncio.iscoroutine(made)]
            seen += [inspect.isawaitable(made), getattr(made, "__name__", None)]
            seen += [getattr(made, "__qualname__", None)]
            if inspect.iscoroutine(made):
                seen.append(inspect.getcoroutinestate(made))
                made.close()
                seen.append(inspect.getcoroutinestate(made))
            else:
                _close_held(made)
            return seen

        return asyncio.run(calls())

    bare = returned()
    with installed() as sink:
        assert returned() == bare
        assert recorded(sink) == []


@pytest.mark.parametrize("name", ["chat.completions.create", "embeddings.create", "images.generate"])
@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_a_coroutine_nobody_awaited_gives_one_warning(name: str, debug: bool) -> None:
    """The interpreter's own, once, in its own words; not another one for a coroutine of ours."""
    row = BY_NAME[name]

    def warned() -> list[Any]:
        async def calls() -> None:
            row.on(wire.async_client())(**arguments(row))

        wire = Wire()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(calls(), debug=debug)
            gc.collect()
        assert wire.sent == []
        return [(each.category, str(each.message).splitlines()[0]) for each in caught]

    bare = warned()
    with installed() as sink:
        assert warned() == bare
        assert recorded(sink) == []
    assert len(bare) == 1
    assert "was never awaited" in bare[0][1]


@pytest.mark.parametrize("closed", [False, True], ids=["never awaited", "closed"])
@pytest.mark.parametrize("name", ["chat.completions.create", "embeddings.create", "images.generate"])
def test_a_coroutine_freed_by_the_collector_warns_as_without_us(name: str, closed: bool) -> None:
    """Held in a cycle, as by an object that keeps its task; the collector frees in an order of its own."""
    row = BY_NAME[name]

    class Holder:
        pass

    def warned() -> list[Any]:
        async def calls() -> None:
            holder: Any = Holder()
            holder.itself = holder
            holder.coroutine = row.on(Wire().async_client())(**arguments(row))
            if closed:
                holder.coroutine.close()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(calls())
            gc.collect()
        return [(each.category, str(each.message)) for each in caught]

    gc.collect()
    bare = warned()
    with installed() as sink:
        assert warned() == bare
        assert recorded(sink) == []
    assert len(bare) == int(not closed)


def test_a_coroutine_closed_before_it_starts_is_quiet() -> None:
    """No request, no record, no warning."""
    wire = Wire()
    with installed() as sink, warnings.catch_warnings():
        warnings.simplefilter("error")
        coroutine = wire.async_client().chat.completions.create(**QUESTION)
        coroutine.close()
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            asyncio.run(_exhausted(coroutine))
        del coroutine
        gc.collect()
        assert recorded(sink) == []
    assert wire.sent == []


def test_a_coroutine_can_be_awaited_once() -> None:
    async def calls() -> str:
        coroutine = Wire().async_client().chat.completions.create(**QUESTION)
        await coroutine
        with pytest.raises(RuntimeError) as caught:
            await coroutine
        return str(caught.value)

    bare = asyncio.run(calls())
    with installed() as sink:
        assert asyncio.run(calls()) == bare
        assert len(recorded(sink)) == 1


Waiting = Callable[[Any], Awaitable[Any]]


async def _with_timeout(ask: Any) -> Any:
    return await asyncio.wait_for(ask(), 10)


async def _shielded(ask: Any) -> Any:
    return await asyncio.shield(ask())


async def _as_task(ask: Any) -> Any:
    task = asyncio.create_task(ask(), name="ours")
    assert task.get_name() == "ours"
    assert inspect.iscoroutine(task.get_coro())
    return await task


async def _gathered(ask: Any) -> Any:
    return await asyncio.gather(ask(), ask(), ask())


async def _as_completed(ask: Any) -> Any:
    return [await one for one in asyncio.as_completed([ask(), ask()])]


async def _waited_for(ask: Any) -> Any:
    done, _ = await asyncio.wait([asyncio.ensure_future(ask())])
    return done.pop().result()


async def _from_a_thread(ask: Any) -> Any:
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(ask(), loop).result(10))


async def _eagerly(ask: Any) -> Any:
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        return await ask()
    asyncio.get_running_loop().set_task_factory(factory)
    return await asyncio.create_task(ask())


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize(
    "way",
    [_with_timeout, _shielded, _as_task, _gathered, _as_completed, _waited_for, _from_a_thread, _eagerly],
    ids=lambda way: way.__name__.lstrip("_"),
)
def test_a_coroutine_is_good_for_whatever_asyncio_does_with_one(
    way: Waiting, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def outcome() -> Any:
        wire = Wire()
        client = wire.async_client()

        async def calls() -> Any:
            return await way(lambda: client.chat.completions.create(**QUESTION))

        result = asyncio.run(calls(), debug=debug)
        return repr(result), len(wire.sent)

    bare = outcome()
    with installed() as sink:
        assert outcome() == bare
        assert len(recorded(sink)) == bare[1]
    slow = ("Executing", "poll")
    assert [one for one in caplog.messages if "asyncio" in one and not one.startswith(slow)] == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_cancelled_call_is_cancelled_as_without_us(stream: bool) -> None:
    """At once, with the canceller's message, and the task says so."""

    class Endless(http.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            self.reached.set()
            await asyncio.Event().wait()

    def cancelled() -> Any:
        async def calls() -> Any:
            transport = Endless()
            transport.reached = asyncio.Event()
            client = openai.AsyncOpenAI(api_key="k", http_client=http.AsyncClient(transport=transport))
            task = asyncio.create_task(client.chat.completions.create(**QUESTION, stream=stream))
            await transport.reached.wait()
            task.cancel("enough")
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return task.cancelled(), caught.value.args, _frames(caught.value)[-3:]

        return asyncio.run(calls())

    bare = cancelled()
    with installed() as sink:
        assert cancelled() == bare
        assert promptlayer_patch.flush()
        assert [record.ending.value for record in sink.records] == ["cancelled"]


def test_a_timed_out_call_is_timed_out_as_without_us() -> None:
    class Slow(http.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            await asyncio.Event().wait()

    async def calls() -> Any:
        client = openai.AsyncOpenAI(api_key="k", http_client=http.AsyncClient(transport=Slow()))
        with pytest.raises(asyncio.TimeoutError) as caught:
            await asyncio.wait_for(client.chat.completions.create(**QUESTION), 0.01)
        return type(caught.value), str(caught.value)

    bare = asyncio.run(calls())
    with installed() as sink:
        assert asyncio.run(calls()) == bare
        assert len(recorded(sink)) == 1


# What a method says of itself


@each_row
def test_a_patched_method_looks_like_the_original(row: Row) -> None:
    """To `inspect`, `help()`, type hints, frameworks that build forms or tools from a signature."""
    bare = [_portrait(cls, row.method) for cls in (row.sync_class, row.async_class)]
    with installed():
        ours = [_portrait(cls, row.method) for cls in (row.sync_class, row.async_class)]
    assert first_difference(bare, ours) is None


@pytest.mark.parametrize("cls", [openai.OpenAI, openai.AsyncOpenAI])
@pytest.mark.parametrize("method", ["request", "_process_response"])
def test_a_tapped_method_looks_like_the_original(cls: type, method: str) -> None:
    bare = _portrait(cls, method)
    with installed():
        assert first_difference(bare, _portrait(cls, method)) is None


@modes
def test_a_bound_method_behaves_like_one(is_async: bool) -> None:
    """Compared, hashed, asked for its object, put in a set."""

    def picture() -> Any:
        wire = Wire()
        completions = (wire.async_client() if is_async else wire.client()).chat.completions
        create = completions.create
        seen = [inspect.ismethod(create), create.__self__ is completions, inspect.isroutine(create)]
        seen += [create == completions.create, hash(create) == hash(completions.create)]
        seen += [len({create, completions.create}), create != completions.create, bool(create)]
        seen += [create == object(), create.__name__, create.__func__ == type(completions).create]
        return seen

    bare = picture()
    with installed():
        assert picture() == bare


@modes
def test_a_bound_method_can_be_held_weakly(is_async: bool) -> None:
    """As libraries of signals and callbacks do."""

    async def calls() -> Any:
        wire = Wire()
        completions = (wire.async_client() if is_async else wire.client()).chat.completions
        held = weakref.WeakMethod(completions.create)
        create = held()
        assert create is not None
        assert create == completions.create
        return await settled(create(**QUESTION))

    with installed() as sink:
        assert run(calls(), is_async=is_async).id == "chatcmpl-1"
        assert recorded(sink) == ["openai.chat.completions.create"]


@pytest.mark.parametrize("cls", [CHAT.sync_class, CHAT.async_class], ids=["sync", "async"])
def test_a_function_can_be_pickled_and_copied(cls: Any) -> None:
    """By name, as without us; and what was pickled with us can be loaded without us."""
    original = cls.create
    with installed():
        function = cls.create
        packed = [pickle.dumps(function, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
        assert all(pickle.loads(one) == function for one in packed)
        assert copy.copy(function) == copy.deepcopy(function) == function
        assert copy.deepcopy({"create": function})["create"] == function
    assert all(pickle.loads(one) is original for one in packed)
    assert not any(word in one for one in packed for word in (b"promptlayer", b"wrapt"))


def test_a_bound_method_is_copied_as_without_us() -> None:
    def copied() -> Any:
        completions = Wire().client().chat.completions
        create = copy.copy(completions.create)
        return create == completions.create, create.__self__ is completions

    bare = copied()
    with installed():
        assert copied() == bare


# Tests of the application's own


@modes
def test_an_application_can_mock_a_patched_method(is_async: bool) -> None:
    """With every kind of `mock.patch`; afterwards we are back in place."""
    cls = CHAT.async_class if is_async else CHAT.sync_class
    original = vars(cls)["create"]
    path = f"{cls.__module__}.{cls.__name__}.create"

    def faked(self: Any, **kwargs: Any) -> str:
        return "mocked"

    patches: list[Callable[[], Any]] = [
        lambda: mock.patch.object(cls, "create"),
        lambda: mock.patch.object(cls, "create", autospec=True),
        lambda: mock.patch.object(cls, "create", return_value="mocked"),
        lambda: mock.patch.object(cls, "create", new=faked),
        lambda: mock.patch(path),
        lambda: mock.patch(path, autospec=True),
        lambda: mock.patch.object(cls, "create", new_callable=mock.Mock),
    ]

    async def calls(client: Any) -> Any:
        return await settled(client.chat.completions.create(**QUESTION))

    with installed() as sink:
        wire = Wire()
        client = wire.async_client() if is_async else wire.client()
        ours = vars(cls)["create"]
        for patch in patches:
            with patch():
                client.chat.completions.create(**QUESTION)
            assert vars(cls)["create"] is ours
        assert (wire.sent, recorded(sink)) == ([], [])
        assert run(calls(client), is_async=is_async).id == "chatcmpl-1"
        assert recorded(sink) == ["openai.chat.completions.create"]
    assert vars(cls)["create"] is original


@modes
def test_a_mock_gets_the_arguments_and_an_autospec_checks_them(is_async: bool) -> None:
    cls = CHAT.async_class if is_async else CHAT.sync_class

    def kinds() -> Any:
        with mock.patch.object(cls, "create", autospec=True) as create:
            wire = Wire()
            client = wire.async_client() if is_async else wire.client()
            client.chat.completions.create(**QUESTION)
            create.assert_called_once_with(client.chat.completions, **QUESTION)
            with pytest.raises(TypeError):
                client.chat.completions.create(1, 2, 3)
        return type(create).__name__, type(mock.create_autospec(cls).create).__name__

    bare = kinds()
    with installed():
        assert kinds() == bare


@modes
def test_a_mock_set_on_one_object_hides_the_method_there(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire()
    client = wire.async_client() if is_async else wire.client()
    with installed() as sink:
        with monkeypatch.context() as patched:
            patched.setattr(client.chat.completions, "create", lambda **kwargs: "mocked")
            assert client.chat.completions.create() == "mocked"
        assert "create" not in vars(client.chat.completions)
        assert recorded(sink) == []


def test_a_mock_in_place_of_the_transport_is_recorded() -> None:
    """The usual way to fake OpenAI: `httpx.MockTransport`, whose responses are already read."""
    body = json.loads(chat().chunks[0])
    transport = http.MockTransport(lambda request: http.Response(200, json=body))
    with installed() as sink:
        client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
        result = client.chat.completions.create(**QUESTION)
        with client.chat.completions.with_streaming_response.create(**QUESTION) as response:
            assert response.json()["id"] == "chatcmpl-1"
        assert len(recorded(sink)) == 2
    assert sink.records[0].response["id"] == result.id
    assert type(response.http_response) is http.Response


# What happens beside a call


@modes
@pytest.mark.parametrize("stream", [False, True])
def test_log_lines_are_as_without_us(stream: bool, is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    """openai's and the HTTP library's, at DEBUG; and none of ours."""

    def lines() -> list[Any]:
        caplog.clear()
        make(CHAT, {**QUESTION, "stream": stream}, is_async=is_async)
        return [(one.name, one.levelno, one.getMessage()) for one in caplog.records if one.name != "asyncio"]

    with caplog.at_level(logging.DEBUG):
        bare = lines()
        with installed():
            assert first_difference(_without_ids(bare), _without_ids(lines())) is None
    assert bare


@modes
def test_event_hooks_are_called_as_without_us(is_async: bool) -> None:
    """The HTTP client's hooks see every attempt once, and may read the answer."""

    def hooked() -> list[Any]:
        seen: list[Any] = []
        wire = Wire(replies(refusal(500, retry_after_ms="1"), chat()))
        client = (wire.async_client if is_async else wire.client)(max_retries=1)

        def on_request(request: Any) -> None:
            request.headers["X-Hooked"] = "1"
            seen.append((type(request), request.method))

        def on_response(response: Any) -> None:
            seen.append((type(response), response.status_code, response.read()))

        async def on_request_async(request: Any) -> None:
            on_request(request)

        async def on_response_async(response: Any) -> None:
            seen.append((type(response), response.status_code, await response.aread()))

        hooks = (on_request_async, on_response_async) if is_async else (on_request, on_response)
        client._client.event_hooks = {"request": [hooks[0]], "response": [hooks[1]]}

        async def calls() -> Any:
            return await settled(client.chat.completions.create(**QUESTION))

        run(calls(), is_async=is_async)
        assert all(("x-hooked", "1") in sent.headers for sent in wire.sent)
        return seen

    bare = hooked()
    with installed() as sink:
        assert hooked() == bare
        assert len(recorded(sink)) == 1
    assert len(bare) == 4


@modes
@pytest.mark.parametrize("stream", [False, True])
def test_context_variables_are_left_as_without_us(stream: bool, is_async: bool) -> None:
    """What is set below a call is visible above it, and nothing of ours stays behind."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def answer(_: Any) -> Reply:
        variable.set("below")
        return chat_events() if stream else chat()

    async def calls(client: Any) -> Any:
        before = set(contextvars.copy_context())
        made = await settled(client.chat.completions.create(**QUESTION, stream=stream))
        if stream:
            async for _ in each(made):
                pass
        now = contextvars.copy_context()
        return {one.name: now[one] for one in set(now) - before if now[one] is not None}

    def contexts() -> Any:
        wire = Wire(answer)
        client = wire.async_client() if is_async else wire.client()
        return contextvars.Context().run(lambda: run(calls(client), is_async=is_async))

    bare = contexts()
    with installed():
        assert contexts() == bare
    assert bare["variable"] == "below"


@modes
@pytest.mark.parametrize("row", DEPRECATED or [None], ids=lambda row: row.name if row else "none")
def test_a_deprecation_warning_names_the_callers_line(row: Row | None, is_async: bool) -> None:
    """Python shows it only if it comes from the main program, and filters go by the caller's module."""
    if row is None:
        pytest.skip(f"openai {openai.__version__} deprecates no method of the table")

    def warned() -> Any:
        wire = Wire()
        method = row.on(wire.async_client() if is_async else wire.client())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = method(**arguments(row))
            line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
        _close_held(made)
        place = [(each.category, str(each.message), each.filename, each.lineno - line) for each in caught]
        return [one for one in place if one[0] is DeprecationWarning and one[2] == __file__]

    bare = warned()
    with installed():
        assert warned() == bare
    assert [one[3] for one in bare] == [0]


@modes
def test_a_deprecation_warning_can_be_an_error(is_async: bool) -> None:
    """A project that runs with `-W error` gets its exception, at the same moment, and no request is made."""
    if not DEPRECATED:
        pytest.skip(f"openai {openai.__version__} deprecates no method of the table")

    def raised() -> Any:
        wire = Wire()
        method = DEPRECATED[0].on(wire.async_client() if is_async else wire.client())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(DeprecationWarning) as caught:
                method(**arguments(DEPRECATED[0]))
        assert wire.sent == []
        return str(caught.value)

    bare = raised()
    with installed() as sink:
        assert raised() == bare
        assert recorded(sink) == []


def test_the_depth_of_the_stack_suffices_where_it_does_without_us() -> None:
    """Near the recursion limit our few frames must not be what turns a good call into a failing one."""
    client = Wire().client()

    def deep(levels: int) -> bool:
        if levels:
            return deep(levels - 1)
        return client.chat.completions.create(**QUESTION).id == "chatcmpl-1"

    depth = len(inspect.stack())
    client.chat.completions.create(**QUESTION)
    with installed():
        assert deep(sys.getrecursionlimit() - depth - 200)


# Helpers


def _without_decorators(facts: dict[str, Any]) -> dict[str, Any]:
    """Without the frame of `typing_extensions.deprecated`: we warn in its place, at the same line."""
    error = facts.get("error")
    if error is None:
        return facts
    frames = [frame for frame in error["traceback"] if Path(frame[0]).name != "typing_extensions.py"]
    return {**facts, "error": {**error, "traceback": frames}}


def _duplicates(value: Any) -> list[Any]:
    """What becomes of `value` when it is pickled and copied, so that two runs can be compared."""
    ways: list[Callable[[Any], Any]] = [_pickled, copy.copy, copy.deepcopy]
    return [_tried(functools.partial(way, value)) for way in ways]


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def _tried(way: Callable[[], Any]) -> Any:
    try:
        made = way()
    except Exception as error:
        return type(error), str(error)
    kept = {name for name in getattr(made, "__dict__", ()) if not name.startswith("__")}
    return type(made).__qualname__, type(made) is http.Response, repr(made), sorted(kept)


def _failing(
    reply: Callable[[], Reply | BaseException], extra: dict[str, Any], *, is_async: bool
) -> dict[str, Any]:
    wire = Wire(_answer(reply))
    client = wire.async_client() if is_async else wire.client()

    async def calls() -> dict[str, Any]:
        try:
            made = await settled(client.chat.completions.create(**{**QUESTION, **extra}))
            if extra.get("stream"):
                async for _ in each(made):
                    pass
        except BaseException as error:
            return {**_account_of(error), "log": wire.log}
        return {"returned": type(made), "value": repr(made), "log": wire.log}

    return run(calls(), is_async=is_async)


def _account_of(error: BaseException) -> dict[str, Any]:
    attributes = {
        name: repr(value) for name, value in vars(error).items() if name not in ("request", "response")
    }
    return {
        "class": type(error),
        "text": str(error),
        "args": [repr(one) for one in error.args],
        "attributes": attributes,
        "response": type(getattr(error, "response", None)),
        "cause": error.__cause__ and _account_of(error.__cause__),
        "context": error.__context__ and type(error.__context__),
        "suppressed": error.__suppress_context__,
        "notes": getattr(error, "__notes__", None),
        "traceback": _frames(error),
    }


def _frames(error: BaseException) -> list[tuple[str, str, int | None]]:
    """Where `error` came through, without the frames that only instrumentation has."""
    frames = [(one.filename, one.name, one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    return [one for one in frames if not {"promptlayer_patch", "wrapt"} & set(Path(one[0]).parts)]


async def _exhausted(coroutine: Any) -> Any:
    made = await coroutine
    if hasattr(made, "close"):
        await settled(made.close())
    return made


def _close_held(made: Any) -> None:
    """Close the coroutine, or those that the manager of a helper keeps for later."""
    for one in [made, *vars(made).values()] if hasattr(made, "__dict__") else [made]:
        if inspect.iscoroutine(one):
            one.close()


def _portrait(cls: type, name: str) -> dict[str, Any]:
    function: Any = getattr(cls, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "names": (function.__name__, function.__qualname__, function.__module__, function.__doc__),
            "signature": inspect.signature(function),
            "annotations": function.__annotations__,
            "hints": _tried(lambda: typing.get_type_hints(function)),
            "defaults": (function.__defaults__, function.__kwdefaults__),
            "code": function.__code__,
            "attributes": sorted(set(vars(function)) - {"__wrapped__"}),
            "source": (inspect.getsourcefile(function), inspect.getsourcelines(function)[1]),
            "kinds": [test(function) for test in _TESTS],
            "unwrapped": inspect.unwrap(function),
            "overloads": len(getattr(typing, "get_overloads", lambda _: [])(function)),
            "help": pydoc.render_doc(function),
            "listed": name in dir(cls) and dict(inspect.getmembers(cls))[name] == function,
        }


_TESTS: list[Callable[[Any], bool]] = [
    callable,
    inspect.isfunction,
    inspect.isroutine,
    inspect.ismethod,
    inspect.isclass,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.ismethoddescriptor,
    inspect.isdatadescriptor,
]


def _without_ids(lines: list[Any]) -> list[Any]:
    """Log lines without what differs between any two runs: addresses, durations, random keys."""
    random = r"0x[0-9a-f]+|\d+\.\d+ ?m?s|retry-[0-9a-f-]{36}"
    return [(name, level, re.sub(random, "*", text)) for name, level, text in lines]
