"""Promise 10: a receipt exists as soon as the call starts, the id arrives in it, and no return type changes.

A receipt whose id can never come says so at once: everywhere below, a wait of no seconds tells the two apart
(`RequestIdTimeout` for "not yet", `RequestIdUnavailable` for "never").
"""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

import promptlayer_patch
from promptlayer_patch import Receipt, receipt_of, scope, suppress
from promptlayer_patch.errors import RequestIdTimeout, RequestIdUnavailable
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Delivered, Delivery, Rejected
from tests.support.fake_promptlayer import PATIENCE_S, Held, Numbering
from tests.support.programs import FORKS, printed
from tests.support.wire import MODEL, Sent, Wire, chat, plausible, refusal, replies

ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "?"}]}
NEVER_S = 0.0
"""With this timeout only an outcome that is already known is told."""


def ask(wire: Wire | None = None, **options: Any) -> Any:
    return (wire or Wire()).client().chat.completions.create(**ASKED, **options)


def ask_in(calls: scope, wire: Wire) -> Any:
    with calls:
        return ask(wire)


async def aask(wire: Wire | None = None, **options: Any) -> Any:
    return await (wire or Wire()).async_client().chat.completions.create(**ASKED, **options)


def receipt(of: Any) -> Receipt:
    found = receipt_of(of)
    assert found is not None
    return found


def stream_method(client: Any) -> Callable[..., Any]:
    found: Any = getattr(client.chat.completions, "stream", None) or client.beta.chat.completions.stream
    return found  # type: ignore[no-any-return]


def instances(of: type) -> int:
    gc.collect()
    return sum(type(found) is of for found in gc.get_objects())


class Gate:
    """A provider that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.open = threading.Event()

    def __call__(self, sent: Sent) -> Any:
        self.asked.set()
        assert self.open.wait(PATIENCE_S)
        return plausible(sent)


# A receipt exists as soon as the call starts


def test_a_receipt_is_there_while_the_call_is_in_flight(sink: MemoryExporter) -> None:
    gate, calls = Gate(), scope()
    with ThreadPoolExecutor(1) as pool:
        with calls:
            response = pool.submit(scope.bind(ask), Wire(gate))
        assert gate.asked.wait(PATIENCE_S)
        (held,) = calls.receipts
        with pytest.raises(RequestIdTimeout):
            held.request_id(timeout_s=0)
        gate.open.set()
        assert held.request_id() == 1
        assert receipt_of(response.result()) is held


def test_a_receipt_is_there_while_an_async_call_is_in_flight(sink: MemoryExporter) -> None:
    async def main() -> None:
        with scope() as calls:
            call = asyncio.create_task(aask())
            while not calls.receipts:
                await asyncio.sleep(0)
            (held,) = calls.receipts
            assert not call.done()
            assert not held.done
            assert await held.arequest_id() == 1
            assert receipt_of(await call) is held

    asyncio.run(main())


def test_a_receipt_is_there_before_the_first_chunk(sink: MemoryExporter) -> None:
    wire = Wire()
    with scope() as calls:
        stream = ask(wire, stream=True)
    assert wire.delivered == 0
    assert calls.receipts == [receipt_of(stream)]
    assert not receipt(stream).done
    for _ in stream:
        pass
    assert receipt(stream).request_id() == 1


def test_a_receipt_is_there_before_the_first_chunk_of_an_async_stream(sink: MemoryExporter) -> None:
    async def main() -> int:
        stream = await aask(stream=True)
        held = receipt(stream)
        async for _ in stream:
            assert not held.done
        return await held.arequest_id()

    assert asyncio.run(main()) == 1


def test_the_receipt_names_the_record(sink: MemoryExporter) -> None:
    response = ask()
    assert receipt(response).request_id() == 1
    assert receipt(response).record_id == sink.records[0].id
    assert receipt(response).record_id in repr(receipt(response))


# What a receipt can be asked for by


def test_receipt_of_a_response(sink: MemoryExporter) -> None:
    with scope() as calls:
        response = ask()
        vector = Wire().client().embeddings.create(model="text-embedding-3-small", input="?")
    assert calls.receipts == [receipt_of(response), receipt_of(vector)]


def test_receipt_of_equal_responses_is_not_equal(sink: MemoryExporter) -> None:
    """Responses compare by value, so a table by value would mix two of them up."""
    one, two = ask(), ask()
    assert one == two
    assert [receipt(one).request_id(), receipt(two).request_id()] == [1, 2]


def test_receipt_of_raw_responses(sink: MemoryExporter) -> None:
    client = Wire().client()
    with scope() as calls:
        raw = client.chat.completions.with_raw_response.create(**ASKED)
        with client.chat.completions.with_streaming_response.create(**ASKED) as streamed:
            assert receipt_of(streamed) is calls.receipts[1]
            streamed.read()
    assert receipt_of(raw) is calls.receipts[0]
    assert calls.request_ids() == [1, 2]


def test_receipt_of_async_raw_responses(sink: MemoryExporter) -> None:
    async def main() -> None:
        client = Wire().async_client()
        async with scope() as calls:
            raw = await client.chat.completions.with_raw_response.create(**ASKED)
            async with client.chat.completions.with_streaming_response.create(**ASKED) as streamed:
                assert receipt_of(streamed) is calls.receipts[1]
                await streamed.read()
        assert receipt_of(raw) is calls.receipts[0]
        assert await calls.arequest_ids() == [1, 2]

    asyncio.run(main())


def test_receipt_of_a_helper_stream(sink: MemoryExporter) -> None:
    with scope() as calls, stream_method(Wire().client())(**ASKED) as stream:
        assert receipt_of(stream) is calls.receipts[0]
        for _ in stream:
            pass
    assert len(calls.receipts) == 1
    assert calls.request_id() == 1


def test_receipt_of_an_async_helper_stream(sink: MemoryExporter) -> None:
    async def main() -> None:
        async with scope() as calls, stream_method(Wire().async_client())(**ASKED) as stream:
            assert receipt_of(stream) is calls.receipts[0]
            async for _ in stream:
                pass
        assert await calls.arequest_id() == 1

    asyncio.run(main())


def test_receipt_of_what_no_recorded_call_returned(sink: MemoryExporter) -> None:
    response = ask()
    with suppress():
        silent = ask()
    strangers: list[Any] = [None, "text", 7, [], object(), silent, copy.copy(response), response.choices]
    assert [receipt_of(stranger) for stranger in strangers] == [None] * len(strangers)
    assert receipt_of(pickle.loads(pickle.dumps(response))) is None


def test_a_receipt_does_not_keep_the_response_alive(sink: MemoryExporter) -> None:
    response = ask()
    kept, alive = receipt(response), weakref.ref(response)
    del response
    gc.collect()
    assert alive() is None
    assert kept.request_id() == 1


def test_receipts_do_not_pile_up(sink: MemoryExporter) -> None:
    """A server runs for months: what is remembered about a response goes when the response goes."""
    before = instances(Receipt)
    for _ in range(5):
        ask()
    assert promptlayer_patch.flush()
    # Only the worker's own frame may still be on its way out.
    assert any(instances(Receipt) == before for _ in range(20))


def test_nothing_about_the_result_changes(sink: MemoryExporter) -> None:
    """Types, fields and attributes are those of a call without us."""
    with scope():
        ours = [ask(), ask(stream=True), Wire().client().chat.completions.with_raw_response.create(**ASKED)]
    promptlayer_patch.uninstall()
    bare = [ask(), ask(stream=True), Wire().client().chat.completions.with_raw_response.create(**ASKED)]
    for one, other in zip(ours, bare, strict=True):
        assert type(one) is type(other)
        assert vars(one).keys() == vars(other).keys()
    assert ours[0] == bare[0]
    for stream in (ours[1], bare[1]):
        stream.close()


# Waiting


def test_waiting_ends_when_the_id_arrives() -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter)
    held = receipt(ask())
    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(held.request_id, PATIENCE_S) for _ in range(8)]
        assert exporter.reached.wait(PATIENCE_S)
        assert not any(wait.done() for wait in waits)
        exporter.let_go.set()
        assert [wait.result() for wait in waits] == [1] * 8
    assert held.done


def test_waiting_on_a_loop_does_not_block_it() -> None:
    """The exporter is let go by another task of the same loop."""
    exporter = Held()
    promptlayer_patch.install(to=exporter)

    async def let_go() -> None:
        while not exporter.reached.is_set():
            await asyncio.sleep(0)
        exporter.let_go.set()

    async def main() -> list[Any]:
        async with scope() as calls:
            await aask()
        held = calls.receipts[0]
        waits = (held.arequest_id(), held.arequest_id(), calls.arequest_id(), calls.arequest_ids())
        return (await asyncio.gather(*waits, let_go()))[:4]

    assert asyncio.run(main()) == [1, 1, 1, [1]]


def test_a_cancelled_wait_leaves_the_others() -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter)

    async def main() -> int:
        held = receipt(await aask())
        cancelled, other = (asyncio.create_task(held.arequest_id()) for _ in range(2))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        exporter.let_go.set()
        return await other

    assert asyncio.run(main()) == 1


def test_a_wait_whose_loop_is_gone_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter)

    async def main() -> Receipt:
        held = receipt(await aask())
        with pytest.raises(RequestIdTimeout):
            await held.arequest_id(timeout_s=0.01)
        return held

    held = asyncio.run(main())
    exporter.let_go.set()
    assert held.request_id() == 1
    assert caplog.records == []


def test_a_timeout_is_told_and_the_id_may_still_come() -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter)
    with scope() as calls:
        held = receipt(ask())
    for wait in (held.request_id, calls.request_id, calls.request_ids):
        with pytest.raises(RequestIdTimeout, match="no request id within") as raised:
            wait(timeout_s=0.01)
        assert isinstance(raised.value, TimeoutError)
        assert isinstance(raised.value, promptlayer_patch.errors.PromptLayerError)

    async def main() -> None:
        with pytest.raises(RequestIdTimeout):
            await held.arequest_id(timeout_s=0.01)
        with pytest.raises(RequestIdTimeout):
            await calls.arequest_ids(timeout_s=0.01)

    asyncio.run(main())
    assert not held.done
    exporter.let_go.set()
    assert held.request_id() == 1


def test_the_timeout_of_request_ids_is_for_all_of_them() -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter)
    wire = Wire().client()
    with scope() as calls:
        for _ in range(200):
            wire.chat.completions.create(**ASKED)
    with pytest.raises(RequestIdTimeout):
        calls.request_ids(timeout_s=0.02)  # 200 timeouts of that length would be four seconds
    exporter.let_go.set()
    assert calls.request_ids() == list(range(1, 201))


@pytest.mark.parametrize("timeout_s", [float("inf"), 1e12])
def test_the_wait_may_be_endless(sink: MemoryExporter, timeout_s: float) -> None:
    held = receipt(ask())
    assert held.request_id(timeout_s) == 1

    async def main() -> int:
        return await receipt(await aask()).arequest_id(timeout_s)

    assert asyncio.run(main()) == 2


def test_a_wait_that_times_out_leaves_nothing_behind() -> None:
    """Polling for an id through an outage of hours must not fill the memory."""
    exporter = Held()
    promptlayer_patch.install(to=exporter)
    held = receipt(ask())
    assert exporter.reached.wait(PATIENCE_S)
    before = instances(threading.Event)
    for _ in range(50):
        with pytest.raises(RequestIdTimeout):
            held.request_id(timeout_s=0)
    after = instances(threading.Event)
    exporter.let_go.set()
    assert after <= before + 1


def test_many_receipts_settle_while_many_wait(sink: MemoryExporter) -> None:
    with scope() as calls, ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(receipt(ask()).request_id, PATIENCE_S) for _ in range(100)]
        assert [wait.result() for wait in waits] == calls.request_ids()


def test_when_done_is_called_once_now_or_later() -> None:
    told: list[str] = []
    early, late = Receipt(), Receipt()
    early.when_done(lambda: told.append("early"))
    early.settle(Delivered(1))
    early.settle(Rejected("too late"))
    late.settle(Delivered(2))
    late.when_done(lambda: told.append("late"))
    assert told == ["early", "late"]
    assert early.request_id(NEVER_S) == 1


def test_a_callback_that_raises_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter)
    one, two = receipt(ask()), receipt(ask())
    told = threading.Event()
    one.when_done(told.set)
    one.when_done(lambda: 1 / 0)
    exporter.let_go.set()
    assert (one.request_id(), two.request_id()) == (1, 2)
    assert told.wait(PATIENCE_S)


# An id that can never come


def unavailable(held: Receipt) -> str:
    """Why the id will never come; fails if that is not known yet."""
    assert held.done
    with pytest.raises(RequestIdUnavailable) as raised:
        held.request_id(NEVER_S)

    async def main() -> str:
        with pytest.raises(RequestIdUnavailable) as raised:
            await held.arequest_id(NEVER_S)
        return str(raised.value)

    assert asyncio.run(main()) == str(raised.value)
    assert held.record_id in str(raised.value)
    return str(raised.value)


def test_rejected() -> None:
    promptlayer_patch.install(to=Numbering(lambda batch: [Rejected("HTTP 400: no such model")] * len(batch)))
    held = receipt(ask())
    assert promptlayer_patch.flush()
    assert "HTTP 400: no such model" in unavailable(held)


def test_one_of_a_scope_rejected() -> None:
    def odd_ones_out(batch: Any) -> list[Delivery]:
        return [Rejected("odd") if "odd" in record.tags else Delivered(7) for record in batch]

    promptlayer_patch.install(to=Numbering(odd_ones_out))
    with scope() as calls:
        ask()
        ask(pl_tags=["odd"])
    with pytest.raises(RequestIdUnavailable, match="odd"):
        calls.request_ids()
    assert calls.receipts[0].request_id() == 7


def test_dropped_because_the_queue_is_full(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter, queue_max_records=1)
    first, second = receipt(ask()), receipt(ask())
    assert "queue is full" in unavailable(second)
    exporter.let_go.set()
    assert first.request_id() == 1


def test_uninstalled_before_it_was_delivered(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Held()
    promptlayer_patch.install(to=exporter, shutdown_timeout_s=0.01)
    held = receipt(ask())
    promptlayer_patch.uninstall()
    assert unavailable(held)
    exporter.let_go.set()


def test_uninstalled_while_the_call_was_in_flight(caplog: pytest.LogCaptureFixture) -> None:
    gate, calls = Gate(), scope()
    promptlayer_patch.install(to=MemoryExporter())
    with ThreadPoolExecutor(1) as pool:
        with calls:
            response = pool.submit(scope.bind(ask), Wire(gate))
        assert gate.asked.wait(PATIENCE_S)
        promptlayer_patch.uninstall()
        gate.open.set()
        assert response.result().model == MODEL
    assert "uninstalled" in unavailable(calls.receipts[0])


def test_never_awaited(sink: MemoryExporter) -> None:
    def forget() -> None:
        Wire().async_client().chat.completions.create(**ASKED)
        gc.collect()

    with scope() as calls, pytest.warns(RuntimeWarning, match="was never awaited"):
        forget()
    assert unavailable(calls.receipts[0])


def test_never_awaited_but_closed(sink: MemoryExporter) -> None:
    with scope() as calls:
        Wire().async_client().chat.completions.create(**ASKED, return_pl_id=True).close()
    assert unavailable(calls.receipts[0])


def test_raised_before_a_request_was_made(sink: MemoryExporter) -> None:
    with scope() as calls:
        with pytest.raises(TypeError):
            Wire().client().chat.completions.create(model=MODEL)

        async def main() -> None:
            with pytest.raises(TypeError):
                await Wire().async_client().chat.completions.create(model=MODEL)

        asyncio.run(main())
    assert [bool(unavailable(held)) for held in calls.receipts] == [True, True]
    assert promptlayer_patch.flush()
    assert sink.records == []


def test_a_failed_request_has_an_id(sink: MemoryExporter) -> None:
    """It was made, so PromptLayer gets a record of it."""
    with scope() as calls, pytest.raises(openai.BadRequestError):
        ask(Wire(replies(refusal(400))))
    assert calls.request_id() == 1


@pytest.mark.parametrize("destination", ["console:", "jsonl:{}/calls.jsonl"])
def test_a_destination_that_assigns_no_ids(destination: str, tmp_path: Path) -> None:
    promptlayer_patch.install(to=destination.format(tmp_path))
    held = receipt(ask())
    assert promptlayer_patch.flush()
    assert "no ids" in unavailable(held)


def test_an_exporter_that_breaks_its_contract(caplog: pytest.LogCaptureFixture) -> None:
    promptlayer_patch.install(to=Numbering(lambda batch: [None] * len(batch)))
    held = receipt(ask())
    assert promptlayer_patch.flush()
    assert unavailable(held)


def test_a_stream_helper_that_is_never_entered(sink: MemoryExporter) -> None:
    """Its receipt is handed out before there is a request, and then there never is one."""
    manager, held = stream_method(Wire().client())(**ASKED, return_pl_id=True)
    assert not held.done
    del manager
    gc.collect()
    assert unavailable(held)


def test_a_stream_helper_that_is_entered_where_nothing_is_recorded(sink: MemoryExporter) -> None:
    manager, held = stream_method(Wire().client())(**ASKED, return_pl_id=True)
    with suppress(), manager as stream:
        stream.get_final_completion()
    del manager, stream
    gc.collect()
    assert unavailable(held)


def test_a_stream_helper_that_is_entered_after_uninstall(sink: MemoryExporter) -> None:
    manager, held = stream_method(Wire().client())(**ASKED, return_pl_id=True)
    promptlayer_patch.uninstall()
    with manager as stream:
        stream.get_final_completion()
    del manager, stream
    gc.collect()
    assert unavailable(held)


FORK = """
import os, sys, threading
import promptlayer_patch
from tests.support.fake_promptlayer import Held
from tests.support.wire import MODEL, Wire

ASKED = {"model": MODEL, "messages": [{"role": "user", "content": "?"}]}
exporter, other = Held(), Held()
promptlayer_patch.install(to=TO)
client = Wire().client()
with promptlayer_patch.scope() as calls:
    client.chat.completions.create(**ASKED)
    assert exporter.reached.wait(20)
    client.chat.completions.create(**ASKED)
    stream = client.chat.completions.create(**ASKED, stream=True)
child = os.fork()
if child == 0:
    for receipt in calls.receipts:
        try:
            print(receipt.request_id(timeout_s=0))
        except promptlayer_patch.errors.PromptLayerError as error:
            print(type(error).__name__, "forked" in str(error))
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
exporter.let_go.set()
other.let_go.set()
for _ in stream:
    pass
print(calls.request_ids())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("to", ["exporter", "[exporter, other]"])
def test_a_forked_child_is_told_about_the_calls_of_its_parent(to: str) -> None:
    lines = printed(FORK.replace("TO)", f"{to})"), options=FORKS)
    assert lines == ["RequestIdUnavailable True"] * 3 + ["[1, 2, 3]"]


def test_a_chat_stays_a_chat() -> None:
    """The provider's answer used throughout is one that the client parses."""
    assert ask(Wire(replies(chat("hello")))).choices[0].message.content == "hello"
