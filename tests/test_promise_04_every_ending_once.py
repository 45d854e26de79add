"""Promise 4: one record per call, whatever the ending; the ending is named, and what had come is kept."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import promptlayer_patch
from promptlayer_patch import Ending, Record
from promptlayer_patch.exporters.memory import MemoryExporter
from tests.support.endings import Loopback, Mock, Script, Talk
from tests.support.endings_kinds import ERROR, KINDS, PIECES, Kind

WHOLE = "".join(PIECES)
FINE = {Ending.COMPLETE, Ending.CLOSED_EARLY, Ending.ABANDONED, Ending.NEVER_READ}


class Oops(Exception):
    """A consumer's own mistake."""


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> Iterator[None]:
    """What was there before is not looked at again by the many collections of these tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


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


# --- what a consumer may do ---------------------------------------------------------------------------


def read_it_all(talk: Talk) -> None:
    with talk.open() as handle:
        for chunk in talk.chunks(handle):
            talk.saw(chunk)
            talk.more()


async def aread_it_all(talk: Talk) -> None:
    async with await talk.aopen() as handle:
        async for chunk in talk.chunks(handle):
            talk.saw(chunk)
            talk.more()


def break_off(talk: Talk) -> None:
    with talk.open() as handle:
        for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                break
            talk.more()


async def abreak_off(talk: Talk) -> None:
    async with await talk.aopen() as handle:
        async for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                break
            talk.more()


def forget(talk: Talk) -> None:
    handle = talk.open()
    if talk.kind.raw:
        handle = handle.__enter__()
    for chunk in talk.chunks(handle):
        if talk.saw(chunk):
            break
        talk.more()
    del handle
    gc.collect()


async def aforget(talk: Talk) -> None:
    handle = await talk.aopen()
    if talk.kind.raw:
        handle = await handle.__aenter__()
    async for chunk in talk.chunks(handle):
        if talk.saw(chunk):
            break
        talk.more()
    del handle
    await collected()


def ignore(talk: Talk) -> None:
    with talk.open():
        pass


async def aignore(talk: Talk) -> None:
    async with await talk.aopen():
        pass


def stumble(talk: Talk) -> None:
    with talk.open() as handle:
        for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                raise Oops("not like this")
            talk.more()


async def astumble(talk: Talk) -> None:
    async with await talk.aopen() as handle:
        async for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                raise Oops("not like this")
            talk.more()


async def abe_cancelled(talk: Talk) -> None:
    """Cancelled while it waits for a chunk that does not come."""
    under_way = asyncio.Event()

    async def consume() -> None:
        async with await talk.aopen() as handle:
            async for chunk in talk.chunks(handle):
                if talk.saw(chunk):
                    under_way.set()
                talk.more()

    task = asyncio.create_task(consume())
    await under_way.wait()
    await turns()
    task.cancel()
    await task


async def collected() -> None:
    """Collect garbage, and let the loop close the generators found in it."""
    gc.collect()
    await turns()
    gc.collect()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


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
    script = provider.play(kind, then)
    with promptlayer_patch.scope() as calls:
        if mode == "sync":
            talk, raised = run(provider, script, consumer)
        else:
            talk, raised = arun(provider, script, aconsumer)

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
