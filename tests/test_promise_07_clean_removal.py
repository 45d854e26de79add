"""Promise 7: we come at any time, leave at any time, in any order with others, and nothing of us stays."""

from __future__ import annotations

import gc
import itertools
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import dedent
from typing import Any
from unittest import mock

import openai
import openai._base_client
import pytest

import promptlayer_patch
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.instrumentation.openai import OPENAI
from tests.replay.comparing import first_difference
from tests.support.programs import printed
from tests.support.vendors import VENDORS, Vendor, chain, in_place
from tests.support.wire import (
    ROWS,
    Reply,
    Row,
    Sent,
    Wire,
    arguments,
    chat,
    each,
    entered,
    faults,
    http,
    installed,
    make,
    recorded,
    run,
    settled,
)

BY_NAME = {row.name: row for row in ROWS}
CHAT = BY_NAME["chat.completions.create"]
QUESTION = arguments(CHAT)
CREATE = "openai.chat.completions.create"
BASES = (openai._base_client.SyncAPIClient, openai._base_client.AsyncAPIClient)
CLIENTS = (*BASES, openai._base_client.BaseClient, openai.OpenAI, openai.AsyncOpenAI)
OURS = "promptlayer_patch"

modes = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def _own(is_async: bool) -> Any:
    return CHAT.async_class if is_async else CHAT.sync_class


def _client(wire: Wire, is_async: bool) -> Any:
    return wire.async_client() if is_async else wire.client()


async def ask(client: Any) -> Any:
    return await settled(client.chat.completions.create(**QUESTION))


def is_ours(step: Any) -> bool:
    return type(step).__module__.partition(".")[0] == OURS


# Identity


def _everything() -> dict[tuple[type, str], Any]:
    """What stands in every class that we touch, under every name."""
    classes = [*CLIENTS, openai.AzureOpenAI, openai.AsyncAzureOpenAI]
    classes += [cls for row in ROWS for cls in (row.sync_class, row.async_class)]
    return {(cls, name): value for cls in classes for name, value in vars(cls).items()}


def test_every_class_is_afterwards_what_it_was() -> None:
    """By identity, every name of every class; while we are there every row and the tap are wrapped."""
    before = _everything()
    for _ in range(3):
        with installed():
            now = _everything()
            changed = {place for place in before if now[place] is not before[place]}
            assert now.keys() == before.keys()
            assert all(is_ours(now[place]) for place in changed)
            rows = {(cls, row.method) for row in ROWS for cls in (row.sync_class, row.async_class)}
            taps = {(base, name) for base in BASES for name in ("request", "_process_response")}
            assert changed >= rows | taps
            assert {cls for cls, _ in changed - rows} <= set(CLIENTS)
        assert _differing(before) == []


def test_nothing_is_left_on_the_import_system() -> None:
    before = list(sys.meta_path)
    with installed():
        pass
    assert sys.meta_path == before


@modes
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_works_as_before_once_we_left(row: Row, is_async: bool) -> None:
    bare, _ = make(row, arguments(row), is_async=is_async)
    with installed() as sink:
        pass
    account, _ = make(row, arguments(row), is_async=is_async)
    assert first_difference(bare.facts, account.facts) is None
    assert sink.records == []


# Orders


class Orders:
    """One method, patched by us and by others; every step is checked."""

    def __init__(self, owner: type, name: str, *, is_async: bool) -> None:
        self.owner, self.name = owner, name
        self.original = vars(owner)[name]
        self.is_async = is_async
        self.sink = MemoryExporter()
        self.installed = False
        self.tools: dict[str, Vendor] = {}
        self.ever: list[Vendor] = []
        self.client = _client(Wire(), is_async)
        self.calls = 0

    def step(self, who: str) -> None:
        """Whoever it is comes if they are not there, and leaves if they are."""
        if who == "we":
            before = self._there()
            self._toggle_us()
            assert self._there() == before, "we took a wrapper of another tool along, or brought one back"
        elif who in self.tools:
            self.tools.pop(who).remove(self.owner, self.name)
        else:
            tool = self.tools[who] = VENDORS[who]()
            tool.install(self.owner, self.name)
            self.ever.append(tool)
        self._check_a_call()

    def _toggle_us(self) -> None:
        if self.installed:
            self.check_records()
            promptlayer_patch.uninstall()
            self._check_we_are_gone()
        else:
            promptlayer_patch.install(to=self.sink)
            self.calls = len(self.sink.records)
        self.installed = not self.installed

    def _check_we_are_gone(self) -> None:
        steps = list(chain(self.owner, self.name))
        held = next(
            (n for n, step in enumerate(steps) if step in [one.mark for one in self.ever]), len(steps)
        )
        assert not any(map(is_ours, steps[:held])), "we still stand on top"
        if not self._there():
            assert vars(self.owner)[self.name] is self.original

    def _there(self) -> list[Vendor]:
        return [tool for tool in self.ever if in_place(tool, self.owner, self.name)]

    def _check_a_call(self) -> None:
        """It works, passes everybody who is there once, and leaves one receipt if we are."""
        before = {tool: tool.calls for tool in self.ever}
        there = self._there()
        with promptlayer_patch.scope() as calls:
            assert run(ask(self.client), is_async=self.is_async).id == "chatcmpl-1"
        assert {tool: tool.calls - before[tool] for tool in self.ever} == {
            tool: int(tool in there) for tool in self.ever
        }
        assert len(calls.receipts) == int(self.installed)
        self.calls += int(self.installed)

    def check_records(self) -> None:
        assert recorded(self.sink) == [CREATE] * self.calls

    def restore(self) -> None:
        setattr(self.owner, self.name, self.original)


@contextmanager
def orders(owner: type, name: str, *, is_async: bool = False) -> Iterator[Orders]:
    with faults() as found:
        state = Orders(owner, name, is_async=is_async)
        try:
            yield state
            records = len(state.sink.records)
            run(ask(state.client), is_async=is_async)
            assert len(state.sink.records) == records, "we are gone and still record"
        finally:
            state.restore()
            promptlayer_patch.uninstall()
            state.restore()
    assert found == []


WITH_THREE = ("we", "wrapt", "closure", "opentelemetry")


@pytest.mark.parametrize("coming", list(itertools.permutations(WITH_THREE)), ids="-".join)
def test_all_orders_of_coming_and_leaving(coming: Sequence[str]) -> None:
    """Three others and us: come in this order, leave in every order, with a call after each step."""
    for leaving in itertools.permutations(WITH_THREE):
        with orders(CHAT.sync_class, "create") as state:
            for who in (*coming, *leaving):
                state.step(who)


def sequences(everybody: Sequence[str], count: int, seed: int) -> list[list[str]]:
    """Random orders in which everybody comes and leaves more than once, and all have left in the end."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        steps = [chance.choice(everybody) for _ in range(12)]
        found.append(steps + [who for who in dict.fromkeys(everybody) if steps.count(who) % 2])
    return found


OTHERS = [["wrapt", "closure", "opentelemetry"], ["getattr", "wrapt", "opentelemetry"], ["plain", "getattr"]]


@modes
@pytest.mark.parametrize("others", OTHERS, ids="-".join)
def test_orders_in_which_everybody_comes_back(others: list[str], is_async: bool) -> None:
    """Any number of times, each on top of what the last one left behind."""
    for steps in sequences(["we", "we", *others], 25, seed=len("".join(others))):
        with orders(_own(is_async), "create", is_async=is_async) as state:
            for who in steps:
                state.step(who)


@modes
@pytest.mark.parametrize("name", ["request", "_process_response"])
@pytest.mark.parametrize("other", VENDORS)
def test_orders_around_the_tap(other: str, name: str, is_async: bool) -> None:
    """Others patch the client as well, at the class where the method is."""
    owner = BASES[is_async]
    for coming, leaving in itertools.product(itertools.permutations(["we", other]), repeat=2):
        with orders(owner, name, is_async=is_async) as state:
            for who in (*coming, *leaving):
                state.step(who)


@modes
@pytest.mark.parametrize("leaves_by", ["deleting", "setting back"])
@pytest.mark.parametrize("first", [True, False], ids=["before us", "after us"])
def test_a_request_put_on_the_client_class(first: bool, leaves_by: str, is_async: bool) -> None:
    """As openinference does: the subclass gets an attribute that was only inherited before."""
    cls: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    seen = []

    def put() -> Any:
        found = cls.request

        def request(self: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(1)
            return found(self, *args, **kwargs)

        cls.request = request
        return found

    client = _client(Wire(), is_async)
    for we_leave_first in (True, False):
        before = _everything()
        try:
            found = put() if first else None
            sink = MemoryExporter()
            promptlayer_patch.install(to=sink)
            found = found or put()
            promptlayer_patch.install(to=sink)
            run(ask(client), is_async=is_async)
            assert recorded(sink) == [CREATE]
            if we_leave_first:
                promptlayer_patch.uninstall()
                run(ask(client), is_async=is_async)
            _leave(cls, found, leaves_by)
            run(ask(client), is_async=is_async)
            promptlayer_patch.uninstall()
            run(ask(client), is_async=is_async)
            assert len(sink.records) == (1 if we_leave_first else 2)
        finally:
            _leave(cls, None, "deleting")
            promptlayer_patch.uninstall()
        assert _differing(before) == []
    assert len(seen) == 3


def _leave(cls: Any, found: Any, how: str) -> None:
    if how == "setting back":
        cls.request = found
    elif "request" in vars(cls):
        del cls.request


@pytest.fixture
def restored() -> Iterator[None]:
    """The classes as they were, whatever a failing test leaves behind."""
    before = _everything()
    yield
    for cls, name in _differing(before):
        setattr(cls, name, before[cls, name])


@modes
@pytest.mark.usefixtures("restored")
def test_we_come_while_a_mock_is_in_place(is_async: bool) -> None:
    """The mock takes our wrapper of `create` along when it ends; the tap beneath sees the calls."""
    cls = _own(is_async)
    original = vars(cls)["create"]
    client = _client(Wire(), is_async)
    with installed() as sink:
        promptlayer_patch.uninstall()
        with mock.patch.object(cls, "create", autospec=True) as create:
            promptlayer_patch.install(to=sink)
            client.chat.completions.create(**QUESTION)
            assert create.call_count == 1
        run(ask(client), is_async=is_async)
        assert recorded(sink) == [CREATE]
        promptlayer_patch.uninstall()
        assert vars(cls)["create"] is original
        _one_receipt_and_record(sink, client, is_async=is_async)


@modes
@pytest.mark.usefixtures("restored")
def test_we_leave_while_a_mock_is_in_place(is_async: bool) -> None:
    """The mock puts our wrapper back when it ends; it stays silent, and is used again if we come back."""
    cls = _own(is_async)
    original = vars(cls)["create"]
    client = _client(Wire(), is_async)
    with installed() as sink:
        with mock.patch.object(cls, "create", autospec=True):
            promptlayer_patch.uninstall()
            client.chat.completions.create(**QUESTION)
        run(ask(client), is_async=is_async)
        assert sink.records == []
        _one_receipt_and_record(sink, client, is_async=is_async)
        promptlayer_patch.uninstall()
        assert vars(cls)["create"] is original


def _one_receipt_and_record(sink: MemoryExporter, client: Any, *, is_async: bool) -> None:
    before = len(sink.records)
    promptlayer_patch.install(to=sink)
    with promptlayer_patch.scope() as calls:
        run(ask(client), is_async=is_async)
    assert len(recorded(sink)) == before + 1
    assert len(calls.receipts) == 1


# Kept objects


@modes
def test_what_was_kept_goes_quiet(is_async: bool) -> None:
    """Bound methods and raw views of while we were there: no record after we left, one once we are back."""
    client = _client(Wire(), is_async)
    with installed():
        resource = client.chat.completions
        kept = [resource.create, resource.with_raw_response.create, client.post, type(resource).create]
        streaming = resource.with_streaming_response.create

    async def calls() -> None:
        await settled(kept[0](**QUESTION))
        await settled(kept[1](**QUESTION))
        await settled(kept[2]("/chat/completions", cast_to=object, body={}))
        await settled(kept[3](resource, **QUESTION))
        async with entered(streaming(**QUESTION)) as answer:
            await settled(answer.parse())

    with promptlayer_patch.scope() as scope:
        run(calls(), is_async=is_async)
    assert scope.receipts == []
    with installed() as sink:
        run(calls(), is_async=is_async)
        assert recorded(sink) == [CREATE] * 5
    run(calls(), is_async=is_async)
    assert len(sink.records) == 5


@modes
def test_a_stream_that_is_open_when_we_leave_goes_on(is_async: bool) -> None:
    """To its end; and its receipt says at once that no id will come, instead of making somebody wait."""
    client = _client(Wire(), is_async)
    sink = MemoryExporter()

    async def calls() -> Any:
        promptlayer_patch.install(to=sink)
        stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
        receipt = promptlayer_patch.receipt_of(stream)
        chunks = []
        async for chunk in each(stream):
            if not chunks:
                promptlayer_patch.uninstall()
                assert receipt is not None
                assert receipt.done
            chunks.append(chunk)
        with pytest.raises(promptlayer_patch.errors.RequestIdUnavailable, match="uninstalled"):
            await settled(receipt.arequest_id(60.0) if is_async else receipt.request_id(60.0))  # type: ignore[union-attr]
        return stream, chunks

    with faults() as found:
        stream, chunks = run(calls(), is_async=is_async)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ['{"hou', 'r": ', "7}", None]
    assert type(stream.response) is http.Response
    assert found == []
    assert sink.records == []


@modes
@pytest.mark.parametrize("how", ["read", "dropped"])
def test_a_stream_from_before_we_left_leaves_no_record_when_we_are_back(how: str, is_async: bool) -> None:
    """Its receipt has said so; and the records of one test must not turn up in the next."""
    client = _client(Wire(), is_async)
    first, second = MemoryExporter(), MemoryExporter()

    async def calls() -> None:
        promptlayer_patch.install(to=first)
        stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
        promptlayer_patch.uninstall()
        promptlayer_patch.install(to=second)
        if how == "read":
            async for _ in each(stream):
                pass
        else:
            del stream
            gc.collect()

    run(calls(), is_async=is_async)
    assert recorded(second) == []
    assert first.records == []


@modes
def test_a_stream_that_is_open_when_settings_change_is_not_lost(is_async: bool) -> None:
    """A second `install()` replaces the settings; what was asked for under the first is still delivered."""
    client = _client(Wire(), is_async)
    first, second = MemoryExporter(), MemoryExporter()

    async def calls() -> None:
        promptlayer_patch.install(to=first, tags=["first"])
        stream = await settled(client.chat.completions.create(**QUESTION, stream=True))
        promptlayer_patch.install(to=second, tags=["second"])
        async for _ in each(stream):
            pass

    run(calls(), is_async=is_async)
    assert promptlayer_patch.flush()
    [record] = [*first.records, *second.records]
    assert record.tags == ("first",)


def test_what_is_queued_is_delivered_when_we_leave() -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink)
    client = Wire().client()
    with promptlayer_patch.scope() as calls:
        for _ in range(100):
            run(ask(client), is_async=False)
    promptlayer_patch.uninstall()
    assert len(sink.records) == 100
    assert sorted(calls.request_ids(0.0)) == list(range(1, 101))


# Installing again


class Told(MemoryExporter):
    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_second_install_wraps_nothing_and_replaces_the_settings() -> None:
    client = Wire().client()
    first, second = Told(), Told()
    promptlayer_patch.install(to=first, tags=["first"], metadata={"a": "1"})
    wrapped = _everything()
    run(ask(client), is_async=False)
    promptlayer_patch.install(to=second, tags=["second"])
    assert _differing(wrapped) == []
    run(ask(client), is_async=False)
    assert len(recorded(second)) == len(first.records) == 1
    assert (first.records[0].tags, dict(first.records[0].metadata)) == (("first",), {"a": "1"})
    assert (second.records[0].tags, dict(second.records[0].metadata)) == (("second",), {})
    assert (first.closed, second.closed) == (True, False)


def test_a_refused_install_changes_nothing() -> None:
    client = Wire().client()
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, tags=["kept"])
    with pytest.raises(promptlayer_patch.errors.InvalidArgument, match="nowhere"):
        promptlayer_patch.install(to="nowhere:", tags=["not kept"])
    run(ask(client), is_async=False)
    assert recorded(sink) == [CREATE]
    assert sink.records[0].tags == ("kept",)


def test_leaving_without_having_come_does_nothing() -> None:
    before = _everything()
    promptlayer_patch.uninstall()
    promptlayer_patch.uninstall()
    assert _differing(before) == []


@modes
def test_we_come_and_leave_in_the_middle_of_a_call(is_async: bool) -> None:
    """From a transport, that is while our own wrappers are on the stack, or are not yet."""
    before = _everything()
    sink = MemoryExporter()

    def answer(sent: Sent) -> Reply:
        steps.pop(0)()
        return chat()

    steps: list[Callable[[], None]] = [
        lambda: promptlayer_patch.install(to=sink),
        promptlayer_patch.uninstall,
        lambda: promptlayer_patch.install(to=sink),
        lambda: promptlayer_patch.install(to=sink),
        promptlayer_patch.uninstall,
    ]
    with faults() as found:
        for _ in list(steps):
            account, _ = make(CHAT, QUESTION, is_async=is_async, answer=answer)
            assert account.value is not None
        assert promptlayer_patch.flush()
    assert found == []
    assert _differing(before) == []
    assert len(sink.records) <= 5


# Threads


def test_threads_that_call_while_others_install_and_uninstall() -> None:
    """No call ever fails, nobody waits for ever, and in the end all is as it was."""
    before = _everything()
    wire = Wire()
    client = wire.client()
    stop = threading.Event()
    problems: list[BaseException] = []
    counts = {"asked": 0, "toggled": 0}

    def asking() -> None:
        try:
            while not stop.is_set():
                assert run(ask(client), is_async=False).id == "chatcmpl-1"
                list(client.chat.completions.create(**QUESTION, stream=True))
                counts["asked"] += 1
        except BaseException as problem:
            problems.append(problem)

    def toggling() -> None:
        try:
            for _ in range(40):
                promptlayer_patch.install(to=MemoryExporter())
                promptlayer_patch.uninstall()
                counts["toggled"] += 1
        except BaseException as problem:
            problems.append(problem)

    with faults() as found:
        askers = [threading.Thread(target=asking) for _ in range(3)]
        togglers = [threading.Thread(target=toggling) for _ in range(2)]
        for thread in (*askers, *togglers):
            thread.start()
        for thread in togglers:
            thread.join(60)
        stop.set()
        for thread in askers:
            thread.join(60)
    assert problems == []
    assert found == []
    assert counts["toggled"] == 80
    assert counts["asked"] > 0
    promptlayer_patch.uninstall()
    assert _differing(before) == []


def test_threads_that_install_at_the_same_time() -> None:
    """Whoever was last wins, and nothing is wrapped twice."""
    before = _everything()
    sinks = [MemoryExporter() for _ in range(8)]
    together = threading.Barrier(len(sinks))

    def installing(sink: MemoryExporter) -> None:
        together.wait(10)
        promptlayer_patch.install(to=sink)

    threads = [threading.Thread(target=installing, args=(sink,)) for sink in sinks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with promptlayer_patch.scope() as calls:
        run(ask(Wire().client()), is_async=False)
    assert promptlayer_patch.flush()
    assert len(calls.receipts) == 1
    assert sum(len(sink.records) for sink in sinks) == 1
    assert sum(map(is_ours, chain(CHAT.sync_class, "create"))) == 1
    promptlayer_patch.uninstall()
    assert _differing(before) == []


# Import orders, each in a process of its own

PRELUDE = """
import promptlayer_patch
from promptlayer_patch.exporters.memory import MemoryExporter
sink = MemoryExporter()

def made():
    import openai, openai._base_client as base
    http = getattr(base, "httpx2", None) or base.httpx
    vector = {"object": "embedding", "index": 0, "embedding": [1.0]}
    body = {"id": "x", "choices": [], "data": [vector]}
    transport = http.MockTransport(lambda request: http.Response(200, json=body))
    return openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))

def ask(client):
    client.chat.completions.create(model="m", messages=[])

def show():
    promptlayer_patch.flush()
    print(*(record.function_name.removeprefix("openai.") for record in sink.records))
    sink.records.clear()
"""
ONE = ["chat.completions.create"]
PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "install before openai is imported": (
        """
        promptlayer_patch.install(to=sink)
        client = made()
        ask(client)
        show()
        promptlayer_patch.uninstall()
        ask(client)
        show()
        """,
        [*ONE, ""],
    ),
    "install after openai is imported": (
        """
        import openai
        promptlayer_patch.install(to=sink)
        ask(made())
        show()
        """,
        ONE,
    ),
    "install after a client was used": (
        """
        client = made()
        ask(client)
        completions = client.chat.completions
        promptlayer_patch.install(to=sink)
        ask(client)
        completions.create(model="m", messages=[])
        show()
        """,
        ["chat.completions.create chat.completions.create"],
    ),
    "uninstall before openai is imported": (
        """
        promptlayer_patch.install(to=sink)
        promptlayer_patch.uninstall()
        client = made()
        ask(client)
        show()
        promptlayer_patch.install(to=sink)
        ask(client)
        show()
        """,
        ["", *ONE],
    ),
    "modules imported while we are away": (
        """
        import sys
        promptlayer_patch.install(to=sink)
        client = made()
        ask(client)
        promptlayer_patch.uninstall()
        from openai.resources.embeddings import Embeddings
        original = vars(Embeddings)["create"]
        client.embeddings.create(model="m", input="a")
        show()
        promptlayer_patch.install(to=sink)
        client.embeddings.create(model="m", input="a", pl_tags=["a"])
        client.moderations.create(input="a", pl_tags=["a"])
        show()
        promptlayer_patch.uninstall()
        print(vars(Embeddings)["create"] is original)
        """,
        ["chat.completions.create", "embeddings.create moderations.create", "True"],
    ),
    "openai is looked for, not imported": (
        """
        import importlib.util, sys
        promptlayer_patch.install(to=sink)
        print(importlib.util.find_spec("openai").name, "openai" in sys.modules)
        print(importlib.util.find_spec("openai").name, "openai" in sys.modules)
        ask(made())
        show()
        """,
        ["openai False", "openai False", *ONE],
    ),
    "the first import of openai fails": (
        """
        import builtins, sys
        promptlayer_patch.install(to=sink)

        class Broken:
            def find_spec(self, name, path=None, target=None):
                if name == "openai._client":
                    sys.meta_path.remove(self)
                    raise ImportError("not today")

        sys.meta_path.insert(0, Broken())
        try:
            import openai
        except ImportError as error:
            print(error)
        for name in [name for name in sys.modules if name.partition(".")[0] == "openai"]:
            del sys.modules[name]
        ask(made())
        show()
        """,
        ["not today", *ONE],
    ),
}
LAZY = int(openai.__version__.partition(".")[0]) >= 2
WHILE_IMPORTING = """
import sys

class Curious:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            {action}

sys.meta_path.insert(0, Curious())
client = made()
ask(client)
client.post("/chat/completions", cast_to=object, body={{}})
show()
promptlayer_patch.install(to=sink)
ask(client)
show()
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(name: str) -> None:
    source, expected = PROGRAMS[name]
    assert printed(PRELUDE + dedent(source)) == expected


@pytest.mark.parametrize("module", ["openai._types", "openai._base_client", "openai._client"])
def test_install_while_openai_is_being_imported(module: str) -> None:
    """By something that openai imports itself, when some of its modules are there but unfinished."""
    if module == "openai._client" and not LAZY:
        pytest.skip("an openai that loads everything at once gives no occasion to look again")
    action = "promptlayer_patch.install(to=sink)"
    lines = printed(PRELUDE + WHILE_IMPORTING.format(module=module, action=action))
    assert lines == ["chat.completions.create chat.completions.create", "chat.completions.create"]


def test_uninstall_while_openai_is_being_imported() -> None:
    action = "promptlayer_patch.uninstall()"
    before = "promptlayer_patch.install(to=sink)\n"
    lines = printed(PRELUDE + before + WHILE_IMPORTING.format(module="openai._base_client", action=action))
    assert lines == ["", "chat.completions.create"]


def test_install_in_a_thread_while_another_imports_openai() -> None:
    """A server starts its parts side by side; neither waits for ever, and calls are recorded."""
    source = """
    import importlib.machinery, sys, threading

    class Waiting:
        def find_spec(self, name, path=None, target=None):
            if name != "openai._base_client":
                return None
            sys.meta_path.remove(self)
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            execute = spec.loader.exec_module

            def waiting(module):
                reached.set()
                print("installed meanwhile:", installed.wait(20))
                execute(module)

            spec.loader.exec_module = waiting
            return spec

    sys.meta_path.insert(0, Waiting())
    reached, installed = threading.Event(), threading.Event()

    def installing():
        reached.wait(20)
        promptlayer_patch.install(to=sink)
        installed.set()

    thread = threading.Thread(target=installing)
    thread.start()
    client = made()
    thread.join()
    ask(client)
    client.post("/chat/completions", cast_to=object, body={})
    show()
    """
    assert printed(PRELUDE + dedent(source)) == ["installed meanwhile: True", f"{ONE[0]} {ONE[0]}"]


def test_a_program_that_ends_with_us_in_place_says_nothing() -> None:
    """No warning at exit, with an open stream and a coroutine nobody awaited among the rest."""
    source = """
    promptlayer_patch.install(to=sink)
    client = made()
    ask(client)
    answer = client.chat.completions.with_raw_response.create(model="m", messages=[])
    print("done")
    """
    assert printed(PRELUDE + dedent(source)) == ["done"]


# Helpers


def _differing(before: dict[tuple[type, str], Any]) -> list[tuple[type, str]]:
    now = _everything()
    missing = object()
    places = {*before, *now}
    return [place for place in places if now.get(place, missing) is not before.get(place, missing)]


def test_the_table_is_what_is_tested() -> None:
    """Rows that this openai has; the others cannot be."""
    assert {row.name for row in ROWS} <= {point.name for point in OPENAI.points}
