"""Promise 4: one record per call, whatever the ending; the ending is named, and what had come is kept."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch import Ending, Record
from promptlayer_patch.exporters.memory import MemoryExporter
from tests.support.endings import Loopback, Mock, Script, Talk, http, script
from tests.support.endings_consumers import (
    Oops,
    abe_cancelled,
    abreak_off,
    aforget,
    aignore,
    aread_it_all,
    astumble,
    break_off,
    collected,
    either,
    forget,
    ignore,
    read_it_all,
    stumble,
    turns,
)
from tests.support.endings_kinds import CHAT, ERROR, KINDS, MESSAGES, PIECES, RESPONSES, SPEECH, Kind

WHOLE = "".join(PIECES)
FINE = {Ending.COMPLETE, Ending.CLOSED_EARLY, Ending.ABANDONED, Ending.NEVER_READ}


@pytest.fixture(scope="module", autouse=True)
def _all_imported(_quick_collections: None) -> None:
    """The many collections of these tests do not look at what openai imports late, either."""
    for kind in KINDS:
        mock = Mock()
        mock.play(kind)
        read_it_all(Talk(mock.client(), script(kind)))
    gc.collect()
    gc.freeze()


@pytest.fixture(params=[Loopback, Mock], ids=["loopback", "one-chunk"])
def provider(request: pytest.FixtureRequest) -> Iterator[Any]:
    running = request.param()
    yield running
    running.close()


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    running = Loopback()
    yield running
    running.close()


Consumer = Callable[[Talk], None]
AsyncConsumer = Callable[[Talk], Awaitable[None]]
WAYS: dict[str, tuple[Ending, str, Consumer, AsyncConsumer]] = {
    "complete": (Ending.COMPLETE, "end", read_it_all, aread_it_all),
    "closed_early": (Ending.CLOSED_EARLY, "end", break_off, abreak_off),
    "abandoned": (Ending.ABANDONED, "end", forget, aforget),
    "never_read": (Ending.NEVER_READ, "end", ignore, aignore),
    "error_event": (Ending.PROVIDER_ERROR, "error", read_it_all, aread_it_all),
    "broken_line": (Ending.PROVIDER_ERROR, "break", read_it_all, aread_it_all),
    "consumer_error": (Ending.CONSUMER_ERROR, "end", stumble, astumble),
    "cancelled": (Ending.CANCELLED, "", read_it_all, abe_cancelled),
}


def run(provider: Any, script: Script, consumer: Consumer) -> tuple[Talk, BaseException | None]:
    with provider.client() as client:
        talk = Talk(client, script)
        try:
            consumer(talk)
        except (Exception, KeyboardInterrupt) as error:
            return talk, error.with_traceback(None)
    return talk, None


def arun(provider: Any, script: Script, consumer: AsyncConsumer) -> tuple[Talk, BaseException | None]:
    async def main() -> tuple[Talk, BaseException | None]:
        async with provider.async_client() as client:
            talk = Talk(client, script)
            try:
                await consumer(talk)
            except (Exception, asyncio.CancelledError) as error:
                return talk, error.with_traceback(None)
        return talk, None

    return asyncio.run(main())


def the_record(sink: MemoryExporter) -> Record:
    assert promptlayer_patch.flush()
    assert len(sink.records) == promptlayer_patch.stats().recorded == 1
    return sink.records[0]


def text_of(kind: Kind, record: Record) -> str:
    return kind.recorded(record.response) if record.response is not None else ""


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_way_to_end_a_stream_leaves_one_record_that_names_it(
    sink: MemoryExporter, provider: Any, kind: Kind, way: str, mode: str
) -> None:
    """The seven endings, for each kind of stream, on both clients, however the network cuts the body."""
    ending, then, consumer, aconsumer = WAYS[way]
    if then == "error" and kind.raw:
        pytest.skip("audio has no events to report an error in")
    if way == "cancelled":
        then = "hang" if mode == "async" else "interrupt"
    played = provider.play(kind, then)
    with promptlayer_patch.scope() as calls:
        if mode == "sync":
            talk, raised = run(provider, played, consumer)
        else:
            talk, raised = arun(provider, played, aconsumer)

    record = the_record(sink)
    assert record.ending is ending
    assert (raised is None) is (ending in FINE)
    if ending in FINE:
        assert record.error is None
    else:
        assert raised is not None
        assert record.error is not None
        assert (record.error.type, record.error.message) in accounts_of(raised)
    text = text_of(kind, record)
    whole = "." * len(kind_whole(kind)) if kind.raw else WHOLE
    assert whole.startswith(text)
    assert text.startswith(talk.seen)
    if not provider.one_chunk:
        assert text == talk.seen
    if ending is Ending.COMPLETE:
        assert text == whole
    assert record.streamed is not kind.raw
    assert [receipt.record_id for receipt in calls.receipts] == [record.id]
    assert calls.request_id(timeout_s=5.0) == 1


def accounts_of(raised: BaseException) -> set[tuple[str, str]]:
    """What a record may say of an exception: itself, what caused it, or the provider's report in its body."""
    told = {(type(error).__name__, str(error)) for error in (raised, raised.__cause__) if error is not None}
    body = getattr(raised, "body", None)
    return told | ({(body["type"], body["message"])} if isinstance(body, dict) else set())


def kind_whole(kind: Kind) -> bytes:
    return b"".join(kind.events(PIECES))


# --- one ending at a time -----------------------------------------------------------------------------


@pytest.fixture
def mock() -> Mock:
    return Mock()


def stream_of(client: Any) -> Any:
    return CHAT.open(client)


def first_text(stream: Any) -> str:
    return next(text for text in map(CHAT.seen, stream) if text)


async def afirst_text(stream: Any) -> str:
    async for chunk in stream:
        if CHAT.seen(chunk):
            return CHAT.seen(chunk)
    raise AssertionError("the stream has no text")


def ending_of(sink: MemoryExporter) -> Ending:
    return the_record(sink).ending


class TestTheApplicationStops:
    def test_by_closing_twice(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        stream = stream_of(mock.client())
        first_text(stream)
        stream.close()
        stream.close()
        assert ending_of(sink) is Ending.CLOSED_EARLY

    def test_by_closing_after_the_end(self, sink: MemoryExporter, mock: Mock) -> None:
        """Nothing is left to be cut short."""
        mock.put(script(CHAT))
        stream = stream_of(mock.client())
        assert "".join(map(CHAT.seen, stream)) == WHOLE
        stream.close()
        assert ending_of(sink) is Ending.COMPLETE

    def test_by_closing_before_reading(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        stream_of(mock.client()).close()
        assert ending_of(sink) is Ending.NEVER_READ

    def test_by_closing_in_another_thread(self, sink: MemoryExporter, loopback: Loopback) -> None:
        played = loopback.play(CHAT)
        played.allow(2)
        with loopback.client() as client:
            stream = stream_of(client)
            assert first_text(stream) == PIECES[0]
            in_thread(stream.close)
            with suppress(Exception):
                next(stream)
        record = the_record(sink)
        assert record.ending is Ending.CLOSED_EARLY
        assert text_of(CHAT, record) == PIECES[0]

    def test_by_raising_without_a_with_block(self, sink: MemoryExporter, mock: Mock) -> None:
        """Nobody closes the stream; that it was dropped is all there is to know."""
        mock.put(script(CHAT))

        def consume() -> None:
            for _ in stream_of(mock.client()):
                raise Oops

        with pytest.raises(Oops):
            consume()
        gc.collect()
        assert ending_of(sink) is Ending.ABANDONED

    def test_by_raising_and_closing_in_finally(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        stream = stream_of(mock.client())

        def consume() -> None:
            try:
                first_text(stream)
                raise Oops("no more")
            finally:
                stream.close()

        with pytest.raises(Oops):
            consume()
        record = the_record(sink)
        assert record.ending is Ending.CONSUMER_ERROR
        assert record.error is not None
        assert (record.error.type, record.error.message) == ("Oops", "no more")

    def test_by_sys_exit(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        with suppress(SystemExit), stream_of(mock.client()) as stream:
            first_text(stream)
            raise SystemExit(3)
        assert ending_of(sink) is Ending.CANCELLED

    def test_in_the_with_block_of_a_generator_of_its_own(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))

        def texts() -> Iterator[str]:
            with stream_of(mock.client()) as stream:
                yield from map(CHAT.seen, stream)

        generator = texts()
        next(generator)
        generator.close()
        assert ending_of(sink) is Ending.CLOSED_EARLY

    def test_by_dropping_a_generator_of_its_own(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))

        def texts() -> Iterator[str]:
            yield from map(CHAT.seen, stream_of(mock.client()))

        generator = texts()
        next(generator)
        del generator
        gc.collect()
        assert ending_of(sink) is Ending.ABANDONED

    def test_by_throwing_into_a_generator_of_its_own(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))

        def texts() -> Iterator[str]:
            with stream_of(mock.client()) as stream:
                yield from map(CHAT.seen, stream)

        generator = texts()
        next(generator)
        with pytest.raises(Oops):
            generator.throw(Oops("enough"))
        assert ending_of(sink) is Ending.CONSUMER_ERROR

    def test_in_an_async_generator_of_its_own(self, sink: MemoryExporter, mock: Mock) -> None:
        async def texts() -> AsyncIterator[str]:
            async with await stream_of(mock.async_client()) as stream:
                async for chunk in stream:
                    yield CHAT.seen(chunk)

        async def main() -> None:
            generator: Any = texts()
            await generator.__anext__()
            await generator.aclose()

        mock.put(script(CHAT))
        asyncio.run(main())
        assert ending_of(sink) is Ending.CLOSED_EARLY

    def test_by_closing_in_another_task_while_one_waits_for_a_chunk(
        self, sink: MemoryExporter, loopback: Loopback
    ) -> None:
        """What the reading task gets to see is an error, but it was the application that hung up."""
        played = loopback.play(CHAT, "hang")
        played.go()

        async def read(stream: Any, started: asyncio.Event) -> None:
            async for chunk in stream:
                if CHAT.seen(chunk) == PIECES[1]:
                    started.set()

        async def main() -> None:
            async with loopback.async_client() as client:
                stream, started = await stream_of(client), asyncio.Event()
                reading = asyncio.create_task(read(stream, started))
                await either(reading, started.wait())
                await turns()
                await stream.close()
                reading.cancel()
                await asyncio.wait([reading])

        asyncio.run(main())
        assert ending_of(sink) is Ending.CLOSED_EARLY

    def test_through_contextlib(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        with suppress(Oops), closing(stream_of(mock.client())) as stream:
            first_text(stream)
            raise Oops
        assert ending_of(sink) is Ending.CONSUMER_ERROR

    def test_by_closing_the_http_response(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        stream = stream_of(mock.client())
        first_text(stream)
        stream.response.close()
        assert ending_of(sink) is Ending.CLOSED_EARLY

    def test_while_it_reads_the_http_response_itself(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        with stream_of(mock.client()) as stream:
            next(line for line in stream.response.iter_lines() if PIECES[0] in line)
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.CLOSED_EARLY, PIECES[0])

    def test_when_its_event_loop_ends(self, sink: MemoryExporter, mock: Mock) -> None:
        """The loop closes the generators, but not the stream."""
        kept = []

        async def main() -> None:
            kept.append(await stream_of(mock.async_client()))
            await afirst_text(kept[0])

        mock.put(script(CHAT))
        asyncio.run(main())
        kept.clear()
        gc.collect()
        assert ending_of(sink) is Ending.ABANDONED

    def test_by_exiting(self, tmp_path: Path) -> None:
        """Streams that are open at the end of the process are recorded with what had come."""
        file = tmp_path / "calls.jsonl"
        subprocess.run(
            [sys.executable, "-c", OPEN_AT_EXIT, str(file)],
            check=False,  # Python 3.13.0 crashes in its last collection, also without us
            timeout=60,
            cwd=Path(__file__).parents[1],
        )
        (line,) = file.read_text().splitlines()
        assert json.loads(line)["metadata"]["promptlayer_patch.ending"] == "abandoned"
        assert PIECES[0] in line


class TestTheApplicationGoesOn:
    def test_with_a_second_loop(self, sink: MemoryExporter, mock: Mock) -> None:
        """Leaving the first one closed a generator of openai's, not the stream."""
        mock.put(script(CHAT))
        stream = stream_of(mock.client())
        assert first_text(stream) + "".join(map(CHAT.seen, stream)) == WHOLE
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)

    def test_with_a_second_async_loop(self, sink: MemoryExporter, mock: Mock) -> None:
        async def main() -> None:
            stream = await stream_of(mock.async_client())
            text = await afirst_text(stream)
            await collected()
            assert text + "".join([CHAT.seen(chunk) async for chunk in stream]) == WHOLE

        mock.put(script(CHAT))
        asyncio.run(main())
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)

    def test_after_the_end(self, sink: MemoryExporter, mock: Mock) -> None:
        """There is nothing more to read, which changes nothing."""
        mock.put(script(CHAT))
        stream = stream_of(mock.client())
        assert "".join(map(CHAT.seen, stream)) == WHOLE
        assert list(stream) == []
        with pytest.raises(http.StreamError):
            stream.response.read()
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)


class TestTheProviderFails:
    def test_by_falling_silent(self, sink: MemoryExporter, loopback: Loopback) -> None:
        loopback.play(CHAT, "hang").go()
        with loopback.client().with_options(timeout=http.Timeout(5.0, read=0.1)) as client:
            stream = stream_of(client)
            with pytest.raises((http.ReadTimeout, openai.APITimeoutError)) as raised:
                list(stream)
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.PROVIDER_ERROR, PIECES[0] + PIECES[1])
        assert record.error is not None
        assert (record.error.type, record.error.message) in accounts_of(raised.value)

    def test_before_the_first_event(self, sink: MemoryExporter, mock: Mock) -> None:
        played = mock.put(script(CHAT, "break"))
        played.chunks = []
        with pytest.raises((http.ReadError, openai.APIConnectionError)):
            list(stream_of(mock.client()))
        record = the_record(sink)
        assert (record.ending, record.response, record.streamed) == (Ending.PROVIDER_ERROR, None, True)

    def test_in_the_middle_of_a_character(self, sink: MemoryExporter, mock: Mock) -> None:
        """What had come is kept up to the last whole event."""
        played = mock.put(script(CHAT, "break"))
        played.chunks = [
            *script(CHAT).chunks[:3],
            script(CHAT).chunks[3].partition("é".encode())[0] + b"\xc3",
        ]
        with pytest.raises((http.ReadError, openai.APIConnectionError)):
            list(stream_of(mock.client()))
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.PROVIDER_ERROR, PIECES[0] + PIECES[1])

    def test_to_send_json(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT)).chunks[2] = b"data: {not json\n\n"
        with pytest.raises(json.JSONDecodeError):
            list(stream_of(mock.client()))
        gc.collect()
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.PROVIDER_ERROR, PIECES[0])
        assert record.error is not None


class TestAnExceptionAlreadyBeingHandled:
    """`sys.exc_info()` shows it all the while; it says nothing about the stream."""

    def test_when_the_call_is_made_and_broken_off(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        try:
            raise Oops("the first provider failed")
        except Oops:
            with stream_of(mock.client()) as stream:
                first_text(stream)
        record = the_record(sink)
        assert (record.ending, record.error) == (Ending.CLOSED_EARLY, None)

    def test_when_the_call_is_made_and_read_to_its_end(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        try:
            raise Oops("the first provider failed")
        except Oops:
            assert "".join(map(CHAT.seen, stream_of(mock.client()))) == WHOLE
        record = the_record(sink)
        assert (record.ending, record.error) == (Ending.COMPLETE, None)

    def test_when_the_stream_is_read_to_its_end(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        stream = stream_of(mock.client())
        try:
            raise Oops("of the application, and of no account")
        except Oops:
            assert "".join(map(CHAT.seen, stream)) == WHOLE
        record = the_record(sink)
        assert (record.ending, record.error) == (Ending.COMPLETE, None)

    def test_when_the_stream_is_read_to_its_end_async(self, sink: MemoryExporter, mock: Mock) -> None:
        async def main() -> None:
            async with mock.async_client() as client:
                stream = await stream_of(client)
                try:
                    raise Oops("of the application, and of no account")
                except Oops:
                    assert "".join([CHAT.seen(chunk) async for chunk in stream]) == WHOLE

        mock.put(script(CHAT))
        asyncio.run(main())
        record = the_record(sink)
        assert (record.ending, record.error) == (Ending.COMPLETE, None)

    def test_when_a_with_block_is_broken_off(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        stream = stream_of(mock.client())
        try:
            raise Oops("of the application, and of no account")
        except Oops:
            with stream:
                first_text(stream)
        record = the_record(sink)
        assert (record.ending, record.error) == (Ending.CLOSED_EARLY, None)

    def test_and_gone_when_another_takes_its_address(self, sink: MemoryExporter, mock: Mock) -> None:
        """An exception of today may stand where one of yesterday stood."""
        mock.put(script(CHAT))
        outer = Oops("before")
        address = id(outer)
        try:
            raise outer
        except Oops:
            stream = stream_of(mock.client())
        first_text(stream)
        del outer
        others = []
        while id(error := Oops("of the consumer")) != address:
            others.append(error)
            if len(others) > 100_000:
                pytest.skip("the address was not given out again")
        with pytest.raises(Oops), stream:
            raise error
        assert ending_of(sink) is Ending.CONSUMER_ERROR


class TestCancelled:
    def test_before_the_first_byte(self, sink: MemoryExporter, loopback: Loopback) -> None:
        played = loopback.play(CHAT, "silence")

        async def main() -> None:
            async with loopback.async_client() as client:
                task = asyncio.create_task(stream_of(client))
                await asyncio.to_thread(played.asked.wait, 30.0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(main())
        record = the_record(sink)
        assert (record.ending, record.response) == (Ending.CANCELLED, None)
        assert record.request["messages"] == MESSAGES

    def test_before_it_was_sent(self, sink: MemoryExporter, loopback: Loopback) -> None:
        """No request, no record; but the receipt does not keep anybody waiting."""

        async def never_begin(client: Any) -> None:
            task = asyncio.create_task(stream_of(client))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        async def main() -> None:
            async with loopback.async_client() as client:
                with promptlayer_patch.scope() as calls:
                    await never_begin(client)
                await collected()
                assert [receipt.done for receipt in calls.receipts] == [True]

        asyncio.run(main())
        assert promptlayer_patch.flush()
        assert sink.records == []

    def test_between_two_chunks_in_a_with_block(self, sink: MemoryExporter, loopback: Loopback) -> None:
        played = loopback.play(CHAT)
        played.go()
        under_way = asyncio.Event()

        async def consume(client: Any) -> None:
            async with await stream_of(client) as stream:
                await afirst_text(stream)
                under_way.set()
                await asyncio.Event().wait()

        async def main() -> None:
            async with loopback.async_client() as client:
                task = asyncio.create_task(consume(client))
                await either(task, under_way.wait())
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(main())
        record = the_record(sink)
        assert record.ending is Ending.CANCELLED
        assert text_of(CHAT, record).startswith(PIECES[0])

    def test_by_a_timeout_for_one_chunk(self, sink: MemoryExporter, loopback: Loopback) -> None:
        played = loopback.play(CHAT, "hang")
        played.go()

        async def main() -> None:
            async with loopback.async_client() as client:
                stream = await stream_of(client)
                with suppress(asyncio.TimeoutError, TimeoutError):
                    while True:
                        await asyncio.wait_for(stream.__anext__(), 0.2)

        asyncio.run(main())
        record = the_record(sink)
        assert record.ending is Ending.CANCELLED
        assert text_of(CHAT, record) == PIECES[0] + PIECES[1]

    def test_while_a_whole_response_is_awaited(self, sink: MemoryExporter, loopback: Loopback) -> None:
        played = loopback.play(CHAT, "silence")

        async def main() -> None:
            async with loopback.async_client() as client:
                call = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
                task = asyncio.create_task(call)
                await asyncio.to_thread(played.asked.wait, 30.0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(main())
        assert ending_of(sink) is Ending.CANCELLED


class TestAnotherThread:
    def test_reads_the_stream_to_its_end(self, sink: MemoryExporter, loopback: Loopback) -> None:
        loopback.play(CHAT).go()
        with loopback.client() as client, promptlayer_patch.scope() as calls:
            stream = stream_of(client)
            assert in_thread(lambda: "".join(map(CHAT.seen, stream))) == WHOLE
        record = the_record(sink)
        assert record.ending is Ending.COMPLETE
        assert text_of(CHAT, record) == WHOLE
        assert calls.request_id() == 1

    def test_reads_one_half(self, sink: MemoryExporter, loopback: Loopback) -> None:
        loopback.play(CHAT).go()
        with loopback.client() as client:
            stream = stream_of(client)
            half = first_text(stream)
            assert half + in_thread(lambda: "".join(map(CHAT.seen, stream))) == WHOLE
        record = the_record(sink)
        assert record.ending is Ending.COMPLETE
        assert text_of(CHAT, record) == WHOLE


STREAM_OPTIONS: dict[str, dict[str, Any]] = {
    "chat": {"model": "gpt-4o", "messages": MESSAGES},
    "responses": {"model": "gpt-4o", "input": "Hello?"},
}


class Hours(pydantic.BaseModel):
    """What the answers of these tests do not tell."""

    hours: int


def helper_of(client: Any, kind: Kind, **options: Any) -> Any:
    """The manager that `.stream()` makes; where it hangs has changed over the years."""
    for resource in (getattr(client, "responses", None),) if kind is RESPONSES else chats(client):
        if hasattr(resource, "stream"):
            return resource.stream(**STREAM_OPTIONS[kind.name], **options)
    pytest.skip("this openai has no such helper")


def chats(client: Any) -> tuple[Any, ...]:
    return client.chat.completions, client.beta.chat.completions


def whole_of_helper(stream: Any, kind: Kind) -> str:
    if kind is RESPONSES:
        return stream.get_final_response().output_text
    return stream.get_final_completion().choices[0].message.content


def delta_of(event: Any) -> str:
    return event.delta if event.type in ("content.delta", "response.output_text.delta") else ""


@pytest.mark.parametrize("kind", [CHAT, RESPONSES], ids=str)
class TestAStreamHelper:
    """`.stream()`: a manager makes the request, and puts a stream of its own around openai's."""

    def test_read_to_its_end(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        mock.put(script(kind))
        with helper_of(mock.client(), kind) as stream:
            assert whole_of_helper(stream, kind) == WHOLE
        record = the_record(sink)
        assert (record.ending, text_of(kind, record)) == (Ending.COMPLETE, WHOLE)

    def test_broken_off(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        mock.put(script(kind))
        with helper_of(mock.client(), kind) as stream:
            assert next(filter(None, map(delta_of, stream))) == PIECES[0]
        record = the_record(sink)
        assert (record.ending, text_of(kind, record)) == (Ending.CLOSED_EARLY, PIECES[0])

    def test_entered_and_never_read(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        mock.put(script(kind))
        with helper_of(mock.client(), kind):
            pass
        assert ending_of(sink) is Ending.NEVER_READ

    def test_never_entered(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        """There was no request, so there is no record."""
        helper_of(mock.client(), kind)
        assert promptlayer_patch.flush()
        assert sink.records == []

    def test_stumbled_over(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        mock.put(script(kind))
        with suppress(Oops), helper_of(mock.client(), kind) as stream:
            next(filter(None, map(delta_of, stream)))
            raise Oops
        assert ending_of(sink) is Ending.CONSUMER_ERROR

    def test_whose_line_breaks(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        mock.put(script(kind, "break"))
        with pytest.raises((http.ReadError, openai.APIConnectionError)):  # noqa: SIM117
            with helper_of(mock.client(), kind) as stream:
                list(stream)
        record = the_record(sink)
        assert (record.ending, text_of(kind, record)) == (Ending.PROVIDER_ERROR, PIECES[0] + PIECES[1])

    def test_that_cannot_be_parsed(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        """The client raises; the application has made no mistake."""
        mock.put(script(kind))
        name = "text_format" if kind is RESPONSES else "response_format"
        with pytest.raises(ValueError, match=r"expected value|validation error"):  # noqa: SIM117
            with helper_of(mock.client(), kind, **{name: Hours}) as stream:
                list(stream)
        assert ending_of(sink) is Ending.PROVIDER_ERROR

    def test_async(self, sink: MemoryExporter, mock: Mock, kind: Kind) -> None:
        async def main() -> None:
            async with mock.async_client() as client, helper_of(client, kind) as stream:
                async for event in stream:
                    if delta_of(event):
                        break

        mock.put(script(kind))
        asyncio.run(main())
        record = the_record(sink)
        assert (record.ending, text_of(kind, record)) == (Ending.CLOSED_EARLY, PIECES[0])

    def test_cancelled(self, sink: MemoryExporter, loopback: Loopback, kind: Kind) -> None:
        loopback.play(kind, "hang").go()
        under_way = asyncio.Event()

        async def consume(client: Any) -> None:
            async with helper_of(client, kind) as stream:
                async for event in stream:
                    if delta_of(event) == PIECES[1]:
                        under_way.set()

        async def main() -> None:
            async with loopback.async_client() as client:
                task = asyncio.create_task(consume(client))
                await either(task, under_way.wait())
                await turns()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

        asyncio.run(main())
        record = the_record(sink)
        assert (record.ending, text_of(kind, record)) == (Ending.CANCELLED, PIECES[0] + PIECES[1])


class TestARawResponse:
    """`with_raw_response` hands over headers first, and the stream when it is asked to parse."""

    def raw(self, client: Any) -> Any:
        return client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=MESSAGES, stream=True
        )

    def test_parsed_and_broken_off(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        with self.raw(mock.client()).parse() as stream:
            first_text(stream)
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.CLOSED_EARLY, PIECES[0])

    def test_parsed_and_read(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        assert "".join(map(CHAT.seen, self.raw(mock.client()).parse())) == WHOLE
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)

    def test_never_parsed(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        assert self.raw(mock.client()).headers["content-type"] == CHAT.content_type
        gc.collect()
        assert ending_of(sink) is Ending.NEVER_READ

    def test_async(self, sink: MemoryExporter, mock: Mock) -> None:
        async def main() -> None:
            async with mock.async_client() as client, (await self.raw(client)).parse() as stream:
                await afirst_text(stream)

        mock.put(script(CHAT))
        asyncio.run(main())
        assert ending_of(sink) is Ending.CLOSED_EARLY


def test_a_stream_that_says_it_is_something_else(sink: MemoryExporter, mock: Mock) -> None:
    """The client reads events all the same; of a body that is no text the size is told."""
    played = mock.put(script(CHAT))
    played.headers = {"content-type": "audio/mpeg"}
    read_it_all(Talk(mock.client(), played))
    record = the_record(sink)
    told = {"content_type": "audio/mpeg", "bytes": sum(map(len, played.chunks))}
    assert (record.ending, record.response) == (Ending.COMPLETE, told)


READERS = ("iter_bytes", "iter_text", "iter_lines")


class TestAStreamingResponse:
    """`with_streaming_response`: nothing is read that the application does not read."""

    def opened(self, client: Any, **options: Any) -> Any:
        create = client.chat.completions.with_streaming_response.create
        return create(model="gpt-4o", messages=MESSAGES, stream=True, **options)

    @pytest.mark.parametrize("reader", READERS)
    def test_read_in_part(self, sink: MemoryExporter, mock: Mock, reader: str) -> None:
        mock.put(script(CHAT))
        with self.opened(mock.client()) as response:
            next(part for part in getattr(response, reader)() if PIECES[0] in as_text(part))
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.CLOSED_EARLY, PIECES[0])

    @pytest.mark.parametrize("reader", READERS)
    def test_read_in_full(self, sink: MemoryExporter, mock: Mock, reader: str) -> None:
        mock.put(script(CHAT))
        with self.opened(mock.client()) as response:
            assert PIECES[-1] in "".join(map(as_text, getattr(response, reader)()))
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)

    @pytest.mark.parametrize("reader", ["read", "text"])
    def test_read_at_once(self, sink: MemoryExporter, mock: Mock, reader: str) -> None:
        mock.put(script(CHAT))
        with self.opened(mock.client()) as response:
            assert PIECES[-1] in as_text(getattr(response, reader)())
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)

    def test_parsed_and_broken_off(self, sink: MemoryExporter, mock: Mock) -> None:
        mock.put(script(CHAT))
        with self.opened(mock.client()) as response:
            first_text(response.parse())
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.CLOSED_EARLY, PIECES[0])

    @pytest.mark.parametrize("in_full", [False, True])
    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    def test_read_undecoded(self, sink: MemoryExporter, mock: Mock, encoding: str, in_full: bool) -> None:
        played = mock.put(script(CHAT))
        if encoding == "gzip":
            played.compress()
        with self.opened(mock.client()) as response:
            raw = response.http_response.iter_raw()
            if in_full:
                list(raw)
            else:
                for _ in range(3):
                    next(raw)
        record = the_record(sink)
        if in_full:
            assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)
        else:
            assert (record.ending, text_of(CHAT, record)) == (Ending.CLOSED_EARLY, PIECES[0] + PIECES[1])

    def test_saved_to_a_file(self, sink: MemoryExporter, mock: Mock, tmp_path: Path) -> None:
        mock.put(script(SPEECH))
        with SPEECH.open(mock.client()) as response:
            response.stream_to_file(tmp_path / "hello.mp3")
        assert (tmp_path / "hello.mp3").read_bytes() == kind_whole(SPEECH)
        record = the_record(sink)
        assert (record.ending, record.response["bytes"]) == (Ending.COMPLETE, len(kind_whole(SPEECH)))

    @pytest.mark.parametrize("reader", READERS)
    def test_read_in_part_async(self, sink: MemoryExporter, mock: Mock, reader: str) -> None:
        async def main() -> None:
            async with mock.async_client() as client, self.opened(client) as response:
                async for part in getattr(response, reader)():
                    if PIECES[0] in as_text(part):
                        break

        mock.put(script(CHAT))
        asyncio.run(main())
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.CLOSED_EARLY, PIECES[0])

    @pytest.mark.parametrize("reader", ["read", "text"])
    def test_read_at_once_async(self, sink: MemoryExporter, mock: Mock, reader: str) -> None:
        async def main() -> None:
            async with mock.async_client() as client, self.opened(client) as response:
                assert PIECES[-1] in as_text(await getattr(response, reader)())

        mock.put(script(CHAT))
        asyncio.run(main())
        record = the_record(sink)
        assert (record.ending, text_of(CHAT, record)) == (Ending.COMPLETE, WHOLE)


def as_text(part: Any) -> str:
    return part.decode() if isinstance(part, bytes) else str(part)


class TestNoStream:
    """Calls whose response comes in one piece."""

    @pytest.mark.parametrize("mode", ["sync", "async"])
    def test_answered_with_an_error(self, sink: MemoryExporter, mock: Mock, mode: str) -> None:
        played = mock.put(script(CHAT))
        played.status, played.chunks = 400, [json.dumps({"error": ERROR}).encode()]
        played.headers = {"content-type": "application/json"}
        with pytest.raises(openai.BadRequestError):
            ask_plainly(mock, mode)
        record = the_record(sink)
        assert (record.ending, record.status) == (Ending.PROVIDER_ERROR, 400)
        assert record.error is not None
        assert (record.error.type, record.error.status) == ("BadRequestError", 400)
        assert record.response == {"error": ERROR}

    @pytest.mark.parametrize("mode", ["sync", "async"])
    def test_not_answered_at_all(self, sink: MemoryExporter, mock: Mock, mode: str) -> None:
        mock.put(script(CHAT)).status = 0
        with pytest.raises(openai.APIConnectionError):
            ask_plainly(mock, mode)
        record = the_record(sink)
        assert (record.ending, record.status, record.response) == (Ending.PROVIDER_ERROR, None, None)
        assert record.error is not None
        assert record.error.type == "APIConnectionError"


def ask_plainly(mock: Mock, mode: str) -> None:
    async def main() -> None:
        async with mock.async_client() as client:
            await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    if mode == "async":
        asyncio.run(main())
    else:
        mock.client().chat.completions.create(model="gpt-4o", messages=MESSAGES)


def in_thread(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


OPEN_AT_EXIT = """
import sys

import promptlayer_patch

promptlayer_patch.install(to=f"jsonl:{sys.argv[1]}")
from tests.support.endings import Mock, script
from tests.support.endings_kinds import CHAT

mock = Mock()
mock.put(script(CHAT))
stream = CHAT.open(mock.client())
while not CHAT.seen(next(stream)):
    pass
"""


# --- any split, any stop ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Course:
    """How one stream goes: its text, how the network cuts it, and where and how the consumer stops."""

    kind: Kind
    pieces: tuple[str, ...]
    cuts: frozenset[int]
    way: str
    stop: int
    """Chunks the consumer reads before it stops; bytes that come before the line breaks."""

    def script(self) -> Script:
        made = script(self.kind, pieces=self.pieces)
        body = b"".join(made.chunks)
        if self.way == "break":
            made.then, body = "break", body[: self.stop % len(body)]
        edges = [0, *sorted(cut for cut in self.cuts if 0 < cut < len(body)), len(body)]
        made.chunks = [body[start:end] for start, end in pairwise(edges)]
        return made

    @property
    def reads(self) -> int:
        visible = script(self.kind, pieces=self.pieces).visible
        return visible if self.way in ("exhaust", "break") else self.stop % visible

    @property
    def ending(self) -> Ending:
        """What the record has to say."""
        match self.way:
            case "exhaust":
                return Ending.COMPLETE
            case "break":
                return Ending.PROVIDER_ERROR
            case "raise":
                return Ending.CONSUMER_ERROR
        if not self.reads:
            return Ending.NEVER_READ
        return Ending.ABANDONED if self.way == "drop" else Ending.CLOSED_EARLY

    def consume(self, client: Any) -> str:
        seen: list[str] = []
        stream = self.kind.open(client)
        try:
            if self.way in ("leave", "raise"):
                with stream:
                    self.take(stream, seen)
                    if self.way == "raise":
                        raise Oops
            else:
                self.take(stream, seen)
            if self.way == "close":
                stream.close()
        except (Oops, http.ReadError, openai.APIConnectionError):
            pass
        return "".join(seen)

    def take(self, stream: Any, seen: list[str]) -> None:
        if self.way in ("exhaust", "break"):
            seen.extend(map(self.kind.seen, stream))
        else:
            seen.extend(self.kind.seen(next(stream)) for _ in range(self.reads))

    async def aconsume(self, client: Any) -> str:
        seen: list[str] = []
        stream = await self.kind.open(client)
        try:
            if self.way in ("leave", "raise"):
                async with stream:
                    await self.atake(stream, seen)
                    if self.way == "raise":
                        raise Oops
            else:
                await self.atake(stream, seen)
            if self.way == "close":
                await stream.close()
        except (Oops, http.ReadError, openai.APIConnectionError):
            pass
        return "".join(seen)

    async def atake(self, stream: Any, seen: list[str]) -> None:
        if self.way in ("exhaust", "break"):
            async for chunk in stream:
                seen.append(self.kind.seen(chunk))
        else:
            for _ in range(self.reads):
                seen.append(self.kind.seen(await stream.__anext__()))


COURSES = st.builds(
    Course,
    kind=st.sampled_from([kind for kind in KINDS if not kind.raw]),
    pieces=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6).map(tuple),
    cuts=st.frozensets(st.integers(1, 3000), max_size=12),
    way=st.sampled_from(["exhaust", "close", "leave", "drop", "raise", "break"]),
    stop=st.integers(0, 3000),
)


@pytest.mark.parametrize("mode", ["sync", "async"])
@settings(max_examples=80, deadline=None)
@given(course=COURSES)
def test_however_a_stream_is_cut_and_wherever_its_consumer_stops(mode: str, course: Course) -> None:
    """One record; the ending that the way of stopping has; and no less of the text than was seen."""
    sink, mock = MemoryExporter(), Mock()
    promptlayer_patch.install(to=sink)
    mock.put(course.script())

    async def main() -> str:
        async with mock.async_client() as client:
            seen = await course.aconsume(client)
            if course.way == "drop":
                await collected()
            return seen

    seen = asyncio.run(main()) if mode == "async" else course.consume(mock.client())
    if course.way == "drop":
        gc.collect()
    record = the_record(sink)
    text = text_of(course.kind, record)
    assert record.ending is course.ending
    assert (record.error is None) is (course.ending in FINE)
    assert text.startswith(seen)
    assert "".join(course.pieces).startswith(text)
    if course.ending is Ending.COMPLETE:
        assert text == seen == "".join(course.pieces)
