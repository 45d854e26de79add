"""What is claimed of every framework; a test file lists the ways to make one call, and the claims follow."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import re
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

import promptlayer_patch
from promptlayer_patch.demo.standin import FAULTY_MODEL, UNKNOWN_MODEL, StandIn
from promptlayer_patch.records import Ending, Record
from promptlayer_patch.store import Store
from tests.frameworks.ledger import Ledger
from tests.support.fake_promptlayer import FIRST_ID, FakePromptLayer
from tests.support.programs import ROOT, run_program

MODEL = "gpt-4o-mini"
INVOICE = "Where is my invoice?"
WEATHER = "Will the weather in Oslo delay my parcel?"
QUESTIONS = (INVOICE, "I want a refund", "I lost my password", "How do I export?", "How do I cancel?")
TURNS = 200
"""How often the collector is asked for a stream that was left; only a failing test needs so many."""


@dataclass(frozen=True)
class Way:
    """One way in which users of a framework make one call."""

    ask: Callable[[str, str], Any]
    """Question and model to the answer's text, or to its pieces; a coroutine or async generator likewise."""
    name: str = "openai.chat.completions.create"
    """The method of openai that the framework calls."""
    retries: bool = True
    """Whether a failure of the provider is tried again by openai's client, as part of the same call."""
    reads_ahead: bool = False
    """Whether the framework reads a stream in a task or thread of its own, whoever takes the pieces."""

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.ask) or inspect.isasyncgenfunction(self.ask)

    @property
    def streams(self) -> bool:
        return inspect.isgeneratorfunction(self.ask) or inspect.isasyncgenfunction(self.ask)

    async def answer(self, question: str, model: str) -> str:
        """The whole answer, to code on an event loop."""
        if self.streams:
            return "".join([piece async for piece in self.ask(question, model)])
        text: str = await self.ask(question, model)
        return text

    def answer_now(self, question: str, model: str = MODEL) -> str:
        """The whole answer, to code that is on none."""
        if self.is_async:
            return run(self.answer(question, model))
        answered = self.ask(question, model)
        return "".join(answered) if self.streams else str(answered)


class Claims:
    """One call is one record, with the tags and the id of its block. A framework's tests are a subclass."""

    WAYS: ClassVar[Mapping[str, Way]] = {}
    EXAMPLE: ClassVar[str]
    """The script under `examples/`."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        streams = {name: way for name, way in self.WAYS.items() if way.streams}
        in_tasks = {name: way for name, way in streams.items() if way.is_async}
        for fixture, ways in (("way", self.WAYS), ("stream", streams), ("stream_in_task", in_tasks)):
            if fixture in metafunc.fixturenames:
                metafunc.parametrize(fixture, ways.values(), ids=ways)

    def answer_in(self, record: Record) -> str:
        """What the framework made of a recorded response."""
        return said(record)

    def test_one_call_is_one_record_with_tags_metadata_and_id(self, ledger: Ledger, way: Way) -> None:
        with promptlayer_patch.scope(tags=["desk"], metadata={"ticket": "7"}) as calls:
            text = way.answer_now(INVOICE)
        [record] = ledger.records
        assert len(ledger.server.requests) == 1
        assert record.function_name == way.name
        assert (record.tags, record.metadata) == (("suite", "desk"), {"ticket": "7"})
        assert (record.ending, record.streamed, record.attempts) == (Ending.COMPLETE, way.streams, 1)
        assert calls.request_ids() == [1]
        assert [receipt.record_id for receipt in calls.receipts] == [record.id]
        assert "Billing > Invoices" in text
        assert self.answer_in(record) == text

    def test_the_id_is_promptlayers_own(self, server: StandIn) -> None:
        """By way of the real delivery, to an endpoint on this machine."""
        way = next(iter(self.WAYS.values()))
        with FakePromptLayer() as promptlayer:
            promptlayer_patch.install(to=f"promptlayer:{promptlayer.base_url}", api_key="pl_key")
            with promptlayer_patch.scope(tags=["desk"]) as calls:
                way.answer_now(INVOICE)
            assert calls.request_ids(20.0) == [FIRST_ID]
            [body] = promptlayer.bodies
        assert body["function_name"].endswith(way.name.removeprefix("openai"))
        assert body["tags"] == ["desk"]
        assert len(server.requests) == 1

    def test_calls_at_the_same_time_keep_their_tags_apart(self, ledger: Ledger, way: Way) -> None:
        """In tasks of one loop, or in threads: as many as there are questions are under way at once."""
        scopes = {
            question: promptlayer_patch.scope(tags=[f"about {question}"], metadata={"question": question})
            for question in QUESTIONS
        }
        if way.is_async:
            run(_ask_in_tasks(way, scopes))
        else:
            _ask_in_threads(way, scopes)
        assert len(ledger.records) == len(QUESTIONS)
        for record in ledger.records:
            question = record.metadata["question"]
            assert record.tags == ("suite", f"about {question}")
            assert question in json.dumps(record.request)
            assert [receipt.record_id for receipt in scopes[question].receipts] == [record.id]
        assert sorted(calls.request_id() for calls in scopes.values()) == [1, 2, 3, 4, 5]

    def test_a_retry_of_the_client_is_an_attempt(self, ledger: Ledger, way: Way) -> None:
        if not way.retries:
            pytest.skip("this framework lets its client try once, its own retries are calls")
        text = way.answer_now(INVOICE, FAULTY_MODEL)
        [record] = ledger.records
        assert (record.attempts, record.ending) == (2, Ending.COMPLETE)
        assert len(ledger.server.requests) == 2
        assert self.answer_in(record) == text

    def test_a_failed_call_is_a_record_too(self, ledger: Ledger, way: Way) -> None:
        with promptlayer_patch.scope(tags=["desk"]) as calls, pytest.raises(Exception, match=UNKNOWN_MODEL):
            way.answer_now(INVOICE, UNKNOWN_MODEL)
        [record] = ledger.records
        assert (record.ending, record.status) == (Ending.PROVIDER_ERROR, 404)
        assert record.error is not None
        assert record.error.type == "NotFoundError"
        assert (record.tags, record.function_name) == (("suite", "desk"), way.name)
        assert calls.request_id() == 1

    def test_a_stream_left_early_says_so(self, ledger: Ledger, stream: Way) -> None:
        """What had arrived until then is kept; where the framework reads ahead, that may be everything."""
        first = run(_first_piece(stream)) if stream.is_async else _first_piece_now(stream)
        [record] = ledger.records
        text = self.answer_in(record)
        assert text.startswith(first)
        if stream.reads_ahead and record.ending is Ending.COMPLETE:
            assert text.endswith("first of every month.")
        else:
            assert record.ending in (Ending.CLOSED_EARLY, Ending.ABANDONED, Ending.CANCELLED)

    def test_a_cancelled_task_is_no_complete_answer(
        self, ledger: Ledger, stream_in_task: Way, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with StandIn(chunk_delay_s=0.05) as slow:
            for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
                monkeypatch.setenv(name, slow.base_url)
            run(_cancelled_after_the_first_piece(stream_in_task))
            [record] = ledger.records
            ledger.elsewhere = len(slow.requests)
        assert record.ending in (Ending.CANCELLED, Ending.CLOSED_EARLY, Ending.ABANDONED)
        assert not self.answer_in(record).endswith("first of every month.")

    def test_nothing_is_recorded_where_it_is_suppressed(self, ledger: Ledger, way: Way) -> None:
        with promptlayer_patch.suppress():
            way.answer_now(INVOICE)
        ledger.suppressed = 1
        assert len(ledger.server.requests) == 1
        assert ledger.records == []

    def test_the_example_prints_the_tags_and_ids_of_its_calls(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """With neither account nor network."""
        database = tmp_path / "requests.db"
        monkeypatch.setenv("PROMPTLAYER_LOCAL_DB", str(database))
        ended = run_program(ROOT / "examples" / self.EXAMPLE)
        assert ended.code == 0, ended.err
        printed = re.findall(r"^([\w, ]+): .*\n    request ids ([\d, ]+)$", ended.out, flags=re.MULTILINE)
        assert len(printed) >= 3, ended.out
        store = Store.open(str(database), read_only=True)
        try:
            kept = {summary.request_id: summary for summary in store.recent(100)}
        finally:
            store.close()
        for tags, ids in printed:
            for request_id in ids.split(", "):
                summary = kept.pop(int(request_id))
                assert (summary.ending, summary.tags[1:]) == (Ending.COMPLETE, tuple(tags.split(", ")))
        assert kept == {}


def said(record: Record) -> str:
    """The text that a recorded response holds."""
    response: Any = record.response
    if "choices" in response:
        [choice] = response["choices"]
        return str(choice["message"]["content"] or "") if "message" in choice else str(choice["text"])
    parts = [part for item in response["output"] for part in item.get("content", ())]
    return "".join(part["text"] for part in parts)


def called(record: Record) -> list[str]:
    """The names of the tools that a recorded response calls."""
    response: Any = record.response
    if "choices" in response:
        return [
            call["function"]["name"] for call in response["choices"][0]["message"].get("tool_calls") or ()
        ]
    return [item["name"] for item in response["output"] if item["type"] == "function_call"]


_loop = asyncio.new_event_loop()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run on the one loop that all tests share: frameworks keep connections for the life of a process."""
    return _loop.run_until_complete(coroutine)


async def _ask_in_tasks(way: Way, scopes: Mapping[str, promptlayer_patch.scope]) -> None:
    async def ask(question: str) -> str:
        with scopes[question]:
            return await way.answer(question, MODEL)

    await asyncio.gather(*map(ask, scopes))


def _ask_in_threads(way: Way, scopes: Mapping[str, promptlayer_patch.scope]) -> None:
    together = threading.Barrier(len(scopes))

    def ask(question: str) -> str:
        with scopes[question]:
            together.wait(20)
            return way.answer_now(question)

    with ThreadPoolExecutor(len(scopes)) as pool:
        assert all(pool.map(ask, scopes))


def _first_piece_now(way: Way) -> str:
    pieces: Generator[str] = way.ask(INVOICE, MODEL)
    first = next(piece for piece in pieces if piece)
    pieces.close()
    del pieces
    # Some frameworks leave a stream to the collector, once threads of theirs have done with it.
    for _ in range(TURNS):
        gc.collect()
        if promptlayer_patch.stats().recorded:
            break
    return first


async def _cancelled_after_the_first_piece(way: Way) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for piece in way.ask(INVOICE, MODEL):
            if piece:
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _recorded()


async def _first_piece(way: Way) -> str:
    pieces: AsyncGenerator[str] = way.ask(INVOICE, MODEL)
    first = await anext(pieces)
    while not first:
        first = await anext(pieces)
    await pieces.aclose()
    del pieces
    await _recorded()
    return first


async def _recorded() -> None:
    """Let the loop close what the framework has dropped, in tasks of its own, until there is a record."""
    for turn in range(100 * TURNS):
        if promptlayer_patch.stats().recorded:
            break
        if turn % 100 == 99:
            gc.collect()
        await asyncio.sleep(0)
