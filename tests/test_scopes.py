"""Scopes: which tags and metadata a call gets, and who holds its receipt, wherever it is made."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch import scope, suppress
from promptlayer_patch.errors import InvalidArgument, RequestIdUnavailable
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Rejected
from tests.support.fake_promptlayer import Held, Numbering
from tests.support.wire import MODEL, Wire, refusal, replies

WIRE = Wire()
CLIENT = WIRE.client()
ASYNC_CLIENT = WIRE.async_client()


def asked(text: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def ask(text: str) -> Any:
    return CLIENT.chat.completions.create(**asked(text))


async def aask(text: str) -> Any:
    return await ASYNC_CLIENT.chat.completions.create(**asked(text))


def text_of(record: promptlayer_patch.Record) -> str:
    return str(record.request["messages"][0]["content"])


Seen = Callable[[], dict[str, Any]]


@pytest.fixture
def tags(sink: MemoryExporter) -> Seen:
    """The tags of every recorded call, by what was asked."""

    def seen() -> dict[str, Any]:
        assert promptlayer_patch.flush()
        return {text_of(record): record.tags for record in sink.records}

    return seen


@pytest.fixture
def metadata(sink: MemoryExporter) -> Seen:
    def seen() -> dict[str, Any]:
        assert promptlayer_patch.flush()
        return {text_of(record): dict(record.metadata) for record in sink.records}

    return seen


def test_a_with_block_tags_the_calls_made_in_it(tags: Seen) -> None:
    ask("before")
    with scope(tags=["a", "b"]):
        ask("inside")
    ask("after")
    assert tags() == {"before": (), "inside": ("a", "b"), "after": ()}


def test_an_async_with_block_does_too(tags: Seen) -> None:
    async def main() -> None:
        async with scope(tags=["a"]) as calls:
            await aask("inside")
            assert await calls.arequest_ids() == [1]
        await aask("after")

    asyncio.run(main())
    assert tags() == {"inside": ("a",), "after": ()}


def test_tags_add_up_in_order_without_repeats(tags: Seen) -> None:
    promptlayer_patch.install(tags=["process", "a"], to=(sink := MemoryExporter()))
    with scope(tags=["b", "a"]), scope(tags=["c", "b", "process", "d"]):
        ask("inside")
    assert promptlayer_patch.flush()
    assert [record.tags for record in sink.records] == [("process", "a", "b", "c", "d")]


def test_inner_metadata_wins_and_the_outer_comes_back(metadata: Seen) -> None:
    with scope(metadata={"user": "ada", "plan": "free"}):
        with scope(metadata={"plan": "pro"}):
            ask("inner")
        ask("outer")
    expected = {"inner": {"user": "ada", "plan": "pro"}, "outer": {"user": "ada", "plan": "free"}}
    assert metadata() == expected


def test_what_the_caller_changes_later_does_not_show(tags: Seen, metadata: Seen) -> None:
    """The scope and the record keep copies: a list that is reused must not tag calls of the past."""
    names, facts = ["a"], {"k": "v"}
    with scope(tags=names, metadata=facts):
        names.append("late")
        facts["k"] = "late"
        ask("inside")
    assert tags() == {"inside": ("a",)}
    assert metadata() == {"inside": {"k": "v"}}


def test_an_exception_leaves_the_scope_and_is_not_swallowed(tags: Seen) -> None:
    with pytest.raises(LookupError), scope(tags=["a"]):
        raise LookupError
    ask("after")
    assert tags() == {"after": ()}


def test_a_scope_without_anything_still_holds_receipts(sink: MemoryExporter) -> None:
    with scope() as calls:
        ask("inside")
    assert calls.request_id() == 1
    assert sink.records[0].tags == ()


# Decorators


def test_a_decorated_function_runs_in_a_scope(tags: Seen) -> None:
    @scope(tags=["job"])
    def work(text: str, *, twice: bool = False) -> str:
        """Do it."""
        ask(text)
        return text * (2 if twice else 1)

    assert work("x", twice=True) == "xx"
    ask("after")
    assert (work.__name__, work.__doc__) == ("work", "Do it.")
    assert tags() == {"x": ("job",), "after": ()}


def test_a_decorated_method_keeps_its_self(tags: Seen) -> None:
    class Desk:
        name = "desk"

        @scope(tags=["method"])
        def work(self) -> Any:
            return ask(self.name)

    Desk().work()
    assert tags() == {"desk": ("method",)}


@pytest.mark.parametrize("partial", [False, True])
def test_a_decorated_coroutine_function_stays_one_and_is_tagged_when_it_runs(
    tags: Seen, partial: bool
) -> None:
    async def work(text: str) -> str:
        await asyncio.sleep(0)
        await aask(text)
        return text

    decorated = scope(tags=["job"])(functools.partial(work, "x") if partial else work)
    assert asyncio.iscoroutinefunction(decorated) if sys.version_info < (3, 14) else True
    assert asyncio.run(decorated() if partial else decorated("x")) == "x"
    assert tags() == {"x": ("job",)}


def test_every_call_of_a_decorated_function_has_a_scope_of_its_own(tags: Seen) -> None:
    """Recursion and concurrency are usual for a decorated function; its scope object is only a pattern."""
    pattern = scope(tags=["job"])

    @pattern
    def work(depth: int) -> None:
        ask(f"depth {depth}")
        if depth:
            work(depth - 1)

    work(2)
    assert set(tags().values()) == {("job",)}
    assert pattern.receipts == []


def test_a_decorated_generator_is_tagged_while_it_runs_and_its_consumer_is_not(tags: Seen) -> None:
    @scope(tags=["inside"])
    def steps() -> Iterator[int]:
        for at in range(2):
            ask(f"step {at}")
            yield at
        ask("last")

    for at in steps():
        ask(f"consumer {at}")
    seen = tags()
    assert {text for text, found in seen.items() if found == ("inside",)} == {"step 0", "step 1", "last"}
    assert (seen["consumer 0"], seen["consumer 1"]) == ((), ())


def test_a_decorated_generator_passes_on_send_throw_close_and_return(tags: Seen) -> None:
    heard: list[Any] = []

    @scope(tags=["inside"])
    def steps() -> Any:
        try:
            while True:
                try:
                    heard.append((yield len(heard)))
                except KeyError:
                    ask("thrown")
                    return "result"
        finally:
            ask("cleanup")

    running = steps()
    assert next(running) == 0
    assert running.send("hello") == 1
    with pytest.raises(StopIteration) as stopped:
        running.throw(KeyError("x"))
    assert (stopped.value.value, heard) == ("result", ["hello"])
    assert tags() == {"thrown": ("inside",), "cleanup": ("inside",)}

    closed = steps()
    next(closed)
    closed.close()
    assert next(closed, "over") == "over"


def test_a_decorated_async_generator_is_tagged_while_it_runs_and_its_consumer_is_not(tags: Seen) -> None:
    @scope(tags=["inside"])
    async def steps() -> AsyncIterator[int]:
        try:
            for at in range(2):
                await aask(f"step {at}")
                yield at
        finally:
            await aask("cleanup")

    async def main() -> None:
        running = steps()
        async for at in running:
            await aask(f"consumer {at}")
            if at == 1:
                break
        await running.aclose()  # type: ignore[attr-defined]
        await aask("after")

    asyncio.run(main())
    seen = tags()
    assert {text for text, found in seen.items() if found == ("inside",)} == {"step 0", "step 1", "cleanup"}
    assert [seen[text] for text in ("consumer 0", "consumer 1", "after")] == [(), (), ()]


def test_a_decorated_async_generator_passes_on_asend_and_athrow(tags: Seen) -> None:
    @scope(tags=["inside"])
    async def steps() -> Any:
        try:
            got = yield "ready"
            await aask(got)
            yield "asked"
        except KeyError:
            await aask("thrown")
            yield "caught"

    async def main() -> None:
        running = steps()
        assert await running.asend(None) == "ready"
        assert await running.asend("sent") == "asked"
        assert await running.athrow(KeyError("x")) == "caught"
        with pytest.raises(StopAsyncIteration):
            await running.asend(None)

    asyncio.run(main())
    assert tags() == {"sent": ("inside",), "thrown": ("inside",)}


def test_two_consumers_of_decorated_generators_do_not_mix(tags: Seen) -> None:
    def steps(name: str) -> Iterator[None]:
        ask(f"{name} 0")
        yield
        ask(f"{name} 1")

    one, two = scope(tags=["one"])(steps)("one"), scope(tags=["two"])(steps)("two")
    for _ in zip(one, two, strict=True):
        pass
    assert tags() == {"one 0": ("one",), "two 0": ("two",), "one 1": ("one",), "two 1": ("two",)}


# Context managers made of generators


def test_a_scope_in_a_contextmanager_holds_for_the_block(tags: Seen) -> None:
    @contextmanager
    def tagged() -> Iterator[Any]:
        with scope(tags=["managed"]) as calls:
            yield calls

    with tagged() as calls:
        ask("inside")
    ask("after")
    assert tags() == {"inside": ("managed",), "after": ()}
    assert len(calls.receipts) == 1


def test_a_scope_in_an_asynccontextmanager_holds_for_the_block(tags: Seen) -> None:
    @asynccontextmanager
    async def tagged() -> AsyncIterator[None]:
        async with scope(tags=["managed"]):
            yield

    async def main() -> None:
        async with tagged(), AsyncExitStack() as stack:
            await stack.enter_async_context(scope(tags=["stacked"]))
            await aask("inside")
        await aask("after")

    asyncio.run(main())
    assert tags() == {"inside": ("managed", "stacked"), "after": ()}


# Tasks and threads


def test_tasks_carry_the_scopes_they_were_made_in(tags: Seen) -> None:
    async def main() -> None:
        with scope(tags=["parent"]) as calls:
            with scope(tags=["made in"]):
                task = asyncio.create_task(aask("task"))
            await aask("parent")
            await task
        assert len(calls.receipts) == 2

    asyncio.run(main())
    assert tags() == {"task": ("parent", "made in"), "parent": ("parent",)}


def test_gathered_coroutines_have_their_own_scopes(tags: Seen) -> None:
    async def work(name: str) -> None:
        async with scope(tags=[name]) as calls:
            for at in range(3):
                await aask(f"{name} {at}")
            assert len(await calls.arequest_ids()) == 3

    async def main() -> None:
        with scope(tags=["all"]) as calls:
            await asyncio.gather(*(work(name) for name in "abcd"))
            await aask("last")
        ids = await calls.arequest_ids()
        assert sorted(ids) == list(range(1, 14))

    asyncio.run(main())
    seen = tags()
    assert seen.pop("last") == ("all",)
    assert {text: ("all", text[0]) for text in seen} == seen


def test_to_thread_carries_the_scope(tags: Seen) -> None:
    async def main() -> None:
        async with scope(tags=["task"]) as calls:
            await asyncio.to_thread(ask, "thread")
            assert len(calls.receipts) == 1

    asyncio.run(main())
    assert tags() == {"thread": ("task",)}


def test_bind_takes_the_scopes_to_a_thread_pool(tags: Seen) -> None:
    with ThreadPoolExecutor(2) as pool:
        with scope(tags=["request"]) as calls:
            bound = scope.bind(ask)
            list(pool.map(bound, ["one", "two", "three"]))
            with scope(tags=["inner"]):
                ask("here")
        # The threads are used again, and nothing of the scope is left in them.
        list(pool.map(ask, ["four", "five"]))
        bound("later")
    ask("end")
    expected = dict.fromkeys(["one", "two", "three", "later"], ("request",))
    assert tags() == expected | {"here": ("request", "inner"), "four": (), "five": (), "end": ()}
    assert len(calls.receipts) == 5


def test_bind_keeps_the_name_and_result_of_what_it_binds() -> None:
    def work() -> str:
        """Do it."""
        return "result"

    bound = scope.bind(work)
    assert (bound(), bound.__name__, bound.__doc__) == ("result", "work", "Do it.")


def test_bind_gives_back_what_was_open_where_it_is_called(tags: Seen) -> None:
    with scope(tags=["bound"]):
        bound = scope.bind(ask)
    with scope(tags=["here"]):
        bound("bound")
        ask("here")
        with pytest.raises(TypeError):
            bound()  # type: ignore[call-arg]
        ask("still here")
    assert tags() == {"bound": ("bound",), "here": ("here",), "still here": ("here",)}


def test_bind_carries_suppression(tags: Seen) -> None:
    with suppress():
        bound = scope.bind(ask)
    thread = threading.Thread(target=bound, args=["silent"])
    thread.start()
    thread.join()
    assert tags() == {}


@pytest.mark.skipif(
    getattr(sys.flags, "thread_inherit_context", False), reason="this Python hands its context to threads"
)
def test_a_thread_of_its_own_is_not_tagged_without_bind(tags: Seen) -> None:
    """Python gives a new thread an empty context; the README says so and offers `bind`."""
    with scope(tags=["here"]) as calls:
        thread = threading.Thread(target=ask, args=["thread"])
        thread.start()
        thread.join()
    assert tags() == {"thread": ()}
    assert calls.receipts == []


# Strange ways in and out


def test_scopes_left_in_the_wrong_order_leave_the_right_ones(tags: Seen) -> None:
    first, second = scope(tags=["first"]), scope(tags=["second"])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    ask("second only")
    second.__exit__(None, None, None)
    ask("none")
    assert tags() == {"second only": ("second",), "none": ()}


def test_a_scope_may_be_left_in_another_context(tags: Seen) -> None:
    """Async fixtures and generators of web frameworks are set up and torn down in different tasks."""
    outer, lost = scope(tags=["outer"]), scope(tags=["lost"])
    with outer:
        contextvars.copy_context().run(lost.__enter__)
        lost.__exit__(None, None, None)
        lost.__exit__(None, None, None)
        ask("outer")
    ask("none")
    assert tags() == {"outer": ("outer",), "none": ()}


def test_an_async_generator_torn_down_in_another_task_is_quiet(tags: Seen) -> None:
    async def fixture() -> AsyncIterator[None]:
        with scope(tags=["fixture"]):
            yield

    async def main() -> None:
        running = fixture()
        await asyncio.create_task(anext_of(running))
        with scope(tags=["test"]):
            await aask("test")
            await asyncio.create_task(running.aclose())  # type: ignore[attr-defined]
            await aask("still")

    async def anext_of(running: Any) -> None:
        await running.__anext__()

    asyncio.run(main())
    assert tags() == {"test": ("test",), "still": ("test",)}


def test_an_exit_stack_may_hold_many(tags: Seen) -> None:
    with ExitStack() as stack:
        for at in range(50):
            stack.enter_context(scope(tags=[f"t{at}"]))
        ask("deep")
    ask("none")
    assert tags() == {"deep": tuple(f"t{at}" for at in range(50)), "none": ()}


def test_a_scope_object_can_be_used_again(tags: Seen) -> None:
    calls = scope(tags=["again"])
    for text in ("one", "two"):
        with calls:
            ask(text)
    ask("after")
    assert tags() == {"one": ("again",), "two": ("again",), "after": ()}
    assert calls.request_ids() == [1, 2]


def test_a_scope_entered_within_itself_holds_each_receipt_once(tags: Seen) -> None:
    calls = scope(tags=["self"])
    with calls:
        with calls:
            ask("inner")
        ask("outer")
    ask("after")
    assert tags() == {"inner": ("self",), "outer": ("self",), "after": ()}
    assert calls.request_ids() == [1, 2]


# Receipts


def test_receipts_stand_in_call_order_in_every_open_scope(sink: MemoryExporter) -> None:
    with scope() as outer:
        ask("one")
        with scope() as inner:
            ask("two")
            ask("three")
        ask("four")
    assert outer.request_ids() == [1, 2, 3, 4]
    assert inner.request_ids() == [2, 3]
    assert (outer.request_id(), inner.request_id()) == (4, 3)
    assert [receipt.record_id for receipt in outer.receipts] == [record.id for record in sink.records]


def test_a_scope_without_a_call_says_so_at_once() -> None:
    with scope() as calls:
        pass
    with pytest.raises(RequestIdUnavailable, match="no OpenAI call"):
        calls.request_id(timeout_s=1e6)
    assert calls.request_ids() == []


def test_scopes_work_where_nothing_is_installed() -> None:
    """A library may use them whether or not the application installs us."""
    with scope(tags=["a"]) as calls, suppress():
        ask("?")
    assert calls.receipts == []


# Suppression


def test_suppress_records_nothing_in_its_block(tags: Seen) -> None:
    with scope(tags=["a"]) as calls:
        with suppress():
            ask("silent")
            with scope(tags=["b"]) as inner:
                ask("silent as well")
        ask("heard")
    assert tags() == {"heard": ("a",)}
    assert (len(calls.receipts), inner.receipts) == (1, [])


def test_suppress_is_a_decorator_too(tags: Seen) -> None:
    @suppress()
    def quiet() -> None:
        ask("silent")

    @suppress()
    async def aquiet() -> None:
        await aask("silent")

    @suppress()
    def steps() -> Iterator[None]:
        ask("silent")
        yield

    quiet()
    asyncio.run(aquiet())
    for _ in steps():
        ask("consumer")
    assert tags() == {"consumer": ()}


def test_suppress_holds_in_tasks_and_async_with(tags: Seen) -> None:
    async def main() -> None:
        async with suppress():
            await asyncio.gather(aask("silent"), asyncio.create_task(aask("silent")))
        await aask("heard")

    asyncio.run(main())
    assert tags() == {"heard": ()}


# Wrong arguments


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("tags", "onboarding"),
        ("tags", b"onboarding"),
        ("tags", 7),
        ("tags", [7]),
        ("tags", [None]),
        ("tags", ["a", ["b"]]),
        ("tags", [{}]),
        ("metadata", "user"),
        ("metadata", ["user"]),
        ("metadata", {"user": 42}),
        ("metadata", {42: "user"}),
        ("metadata", {"user": None}),
    ],
)
def test_a_wrong_argument_is_named(argument: str, value: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"^{argument}: ") as raised:
        scope(**{argument: value})
    assert raised.value.argument == argument
    assert isinstance(raised.value, ValueError)


def test_positional_and_unknown_arguments_are_refused() -> None:
    with pytest.raises(TypeError):
        scope(["a"])  # type: ignore[misc]
    with pytest.raises(TypeError):
        scope(tag=["a"])  # type: ignore[call-arg]


@pytest.mark.parametrize("iterable", [("a", "b"), {"a": 1, "b": 2}.keys(), iter(["a", "b"])])
def test_tags_may_be_any_iterable_of_strings(tags: Seen, iterable: Any) -> None:
    with scope(tags=iterable):
        ask("one")
        ask("two")
    assert tags() == {"one": ("a", "b"), "two": ("a", "b")}


# Any tree of scopes, tasks and threads, against a model of it


@dataclass
class Ask:
    """A call."""


@dataclass
class Within:
    tags: list[str]
    metadata: dict[str, str]
    steps: list[Any]


@dataclass
class Quietly:
    steps: list[Any]


@dataclass
class InTask:
    steps: list[Any]


@dataclass
class InThread:
    bound: bool
    steps: list[Any]


def trees() -> st.SearchStrategy[list[Any]]:
    def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        steps = st.lists(inner, max_size=4)
        names = st.sampled_from(["a", "b", "c", "d"])
        return st.one_of(
            st.builds(
                Within,
                st.lists(names, max_size=3),
                st.dictionaries(names, st.sampled_from(["1", "2"]), max_size=2),
                steps,
            ),
            st.builds(Quietly, steps),
            st.builds(InTask, steps),
            st.builds(InThread, st.booleans(), steps),
        )

    return st.lists(st.recursive(st.builds(Ask), around, max_leaves=12), max_size=5)


@dataclass
class Here:
    """What the model says about the place where the program is."""

    tags: tuple[str, ...] = ("process",)
    metadata: dict[str, str] = field(default_factory=lambda: {"a": "process"})
    silent: bool = False
    holders: tuple[int, ...] = ()
    """Numbers of the open scopes."""


class Model:
    """Walks a tree with the real thing, and writes down what must come of it."""

    def __init__(self) -> None:
        self.expected: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {}
        self.scopes: list[scope] = []
        self.asked: list[set[str]] = []
        self.calls = 0

    async def walk(self, steps: list[Any], here: Here) -> None:
        tasks = []
        for step in steps:
            match step:
                case Ask():
                    await self.ask(here)
                case Within(tags, metadata, inner):
                    calls = self.opened(scope(tags=tags, metadata=metadata))
                    async with calls:
                        await self.walk(inner, _in_scope(here, tags, metadata, len(self.scopes) - 1))
                case Quietly(inner):
                    with suppress():
                        await self.walk(inner, replace(here, silent=True))
                case InTask(inner):
                    tasks.append(asyncio.create_task(self.walk(inner, here)))
                case InThread(bound, inner):
                    await self.in_thread(bound, inner, here)
        await asyncio.gather(*tasks)

    async def in_thread(self, bound: bool, steps: list[Any], here: Here) -> None:
        def run() -> None:
            asyncio.run(self.walk(steps, here if bound else Here()))

        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, scope.bind(run) if bound else run)

    async def ask(self, here: Here) -> None:
        self.calls += 1
        text = f"call {self.calls}"
        if not here.silent:
            self.expected[text] = (here.tags, here.metadata)
            for number in here.holders:
                self.asked[number].add(text)
        await aask(text)

    def opened(self, calls: scope) -> scope:
        self.scopes.append(calls)
        self.asked.append(set())
        return calls


def _in_scope(here: Here, tags: list[str], metadata: dict[str, str], number: int) -> Here:
    return replace(
        here,
        tags=tuple(dict.fromkeys((*here.tags, *tags))),
        metadata=here.metadata | metadata,
        holders=(*here.holders, number),
    )


@settings(max_examples=60, deadline=None)
@given(trees())
def test_any_tree_of_scopes_tasks_and_threads_is_tagged_like_its_model(tree: list[Any]) -> None:
    sink, model = MemoryExporter(), Model()
    promptlayer_patch.install(tags=["process"], metadata={"a": "process"}, to=sink)
    asyncio.run(model.walk(tree, Here()))
    promptlayer_patch.uninstall()
    found = {text_of(record): (record.tags, dict(record.metadata)) for record in sink.records}
    assert found == model.expected
    texts = {record.id: text_of(record) for record in sink.records}
    for calls, asked_in_it in zip(model.scopes, model.asked, strict=True):
        assert sorted(texts[receipt.record_id] for receipt in calls.receipts) == sorted(asked_in_it)


# Options of one call: pl_tags and return_pl_id


def parse_method(client: Any) -> Callable[..., Any]:
    """`.parse()`, which began its life under `beta`."""
    found: Any = getattr(client.chat.completions, "parse", None) or client.beta.chat.completions.parse
    return cast(Callable[..., Any], found)


def stream_method(client: Any) -> Callable[..., Any]:
    found: Any = getattr(client.chat.completions, "stream", None) or client.beta.chat.completions.stream
    return cast(Callable[..., Any], found)


def test_pl_tags_come_after_those_of_the_scopes(tags: Seen) -> None:
    with scope(tags=["a", "b"]):
        CLIENT.chat.completions.create(**asked("one"), pl_tags=["c", "a"])
        ask("two")
    assert tags() == {"one": ("a", "b", "c"), "two": ("a", "b")}


def test_our_options_never_reach_openai(sink: MemoryExporter) -> None:
    bare = WIRE.sent[-1] if ask("same") else None
    CLIENT.chat.completions.create(**asked("same"), pl_tags=["a"], return_pl_id=True)
    assert WIRE.sent[-1] == bare


@pytest.mark.parametrize("value", ["a", b"a", 7, [7], [["a"]], {"a": object()}.values()])
def test_wrong_pl_tags_are_named_before_anything_is_sent(sink: MemoryExporter, value: Any) -> None:
    sent = len(WIRE.sent)
    with pytest.raises(InvalidArgument, match=r"^pl_tags: "):
        CLIENT.chat.completions.create(**asked("?"), pl_tags=value)

    async def main() -> None:
        await ASYNC_CLIENT.chat.completions.create(**asked("?"), pl_tags=value)

    with pytest.raises(InvalidArgument, match=r"^pl_tags: "):
        asyncio.run(main())
    with pytest.raises(InvalidArgument, match=r"^pl_tags: "):
        stream_method(CLIENT)(**asked("?"), pl_tags=value)
    assert len(WIRE.sent) == sent
    assert promptlayer_patch.flush()
    assert sink.records == []


def test_return_pl_id_gives_a_pair(sink: MemoryExporter) -> None:
    response, request_id = CLIENT.chat.completions.create(**asked("?"), return_pl_id=True)
    assert (response.model, request_id) == (MODEL, 1)
    assert promptlayer_patch.receipt_of(response).request_id() == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [False, None, 0])
def test_return_pl_id_of_no_changes_nothing(sink: MemoryExporter, value: Any) -> None:
    assert CLIENT.chat.completions.create(**asked("?"), return_pl_id=value).model == MODEL


def test_return_pl_id_with_parse(sink: MemoryExporter) -> None:
    parsed, request_id = parse_method(CLIENT)(**asked("?"), return_pl_id=True, pl_tags=["a"])
    assert (parsed.model, request_id) == (MODEL, 1)
    assert [record.tags for record in sink.records] == [("a",)]


def test_return_pl_id_of_an_async_call_does_not_block_the_loop() -> None:
    """The id comes only after another task has run on the same loop, so a blocked loop would get `None`."""
    exporter = Held()
    promptlayer_patch.install(to=exporter)

    async def main() -> Any:
        call = asyncio.create_task(ASYNC_CLIENT.chat.completions.create(**asked("?"), return_pl_id=True))
        while not exporter.reached.is_set():
            await asyncio.sleep(0)
        assert not call.done()
        exporter.let_go.set()
        return await call

    response, request_id = asyncio.run(main())
    assert (response.model, request_id) == (MODEL, 1)


def test_return_pl_id_of_a_stream_gives_its_receipt(sink: MemoryExporter) -> None:
    stream, receipt = CLIENT.chat.completions.create(**asked("?"), stream=True, return_pl_id=True)
    assert isinstance(stream, openai.Stream)
    assert not receipt.done
    for _ in stream:
        pass
    assert receipt.request_id() == 1


def test_return_pl_id_of_an_async_stream_gives_its_receipt(sink: MemoryExporter) -> None:
    async def main() -> int:
        call = ASYNC_CLIENT.chat.completions.create(**asked("?"), stream=True, return_pl_id=True)
        stream, receipt = await call
        assert isinstance(stream, openai.AsyncStream)
        async for _ in stream:
            assert not receipt.done
        return int(await receipt.arequest_id())

    assert asyncio.run(main()) == 1


def test_return_pl_id_of_a_stream_helper_gives_the_manager_and_the_receipt(sink: MemoryExporter) -> None:
    manager, receipt = stream_method(CLIENT)(**asked("?"), return_pl_id=True, pl_tags=["helped"])
    with scope(tags=["scoped"]) as calls, manager as stream:
        assert stream.get_final_completion().model == MODEL
    assert receipt.request_id() == 1
    assert calls.receipts == [receipt]
    assert promptlayer_patch.receipt_of(stream) is receipt
    assert set(sink.records[0].tags) == {"helped", "scoped"}


def test_return_pl_id_of_an_async_stream_helper_gives_the_manager_and_the_receipt(
    sink: MemoryExporter,
) -> None:
    async def main() -> int:
        manager, receipt = stream_method(ASYNC_CLIENT)(**asked("?"), return_pl_id=True, pl_tags=["helped"])
        async with manager as stream:
            assert (await stream.get_final_completion()).model == MODEL
        return int(await receipt.arequest_id())

    assert asyncio.run(main()) == 1
    assert sink.records[0].tags == ("helped",)


def test_pl_tags_of_a_stream_helper_change_nothing_else(sink: MemoryExporter) -> None:
    bare = type(stream_method(CLIENT)(**asked("?")))
    manager = stream_method(CLIENT)(**asked("?"), pl_tags=["helped"])
    assert type(manager) is bare
    with manager as stream:
        ask("another")
        stream.get_final_completion()
    assert promptlayer_patch.flush()
    assert {text_of(record): record.tags for record in sink.records} == {"?": ("helped",), "another": ()}


def test_return_pl_id_with_raw_response(sink: MemoryExporter) -> None:
    raw, request_id = CLIENT.chat.completions.with_raw_response.create(**asked("?"), return_pl_id=True)
    assert (raw.parse().model, request_id) == (MODEL, 1)

    async def main() -> Any:
        create = ASYNC_CLIENT.chat.completions.with_raw_response.create
        return await create(**asked("?"), return_pl_id=True, pl_tags=["raw"])

    raw, request_id = asyncio.run(main())
    assert (raw.parse().model, request_id) == (MODEL, 2)
    assert sink.records[1].tags == ("raw",)


def test_return_pl_id_has_no_effect_with_streaming_response(
    sink: MemoryExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """What `with` binds is made by the client, which has no place for a second value; the log says so."""
    for _ in range(2):
        create = CLIENT.chat.completions.with_streaming_response.create
        with create(**asked("?"), return_pl_id=True, pl_tags=["a"]) as response:
            assert response.parse().model == MODEL

    async def main() -> None:
        create = ASYNC_CLIENT.chat.completions.with_streaming_response.create
        async with create(**asked("?"), return_pl_id=True, pl_tags=["b"]) as response:
            assert (await response.parse()).model == MODEL

    asyncio.run(main())
    assert promptlayer_patch.flush()
    assert [record.tags for record in sink.records] == [("a",), ("a",), ("b",)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "return_pl_id" in caplog.text


def test_return_pl_id_gives_none_where_no_id_can_come(caplog: pytest.LogCaptureFixture) -> None:
    promptlayer_patch.install(to=Numbering(lambda batch: [Rejected("no")] * len(batch)))
    assert CLIENT.chat.completions.create(**asked("?"), return_pl_id=True)[1] is None
    assert caplog.text.count("return_pl_id gives None") == 1
    with suppress():
        assert CLIENT.chat.completions.create(**asked("?"), return_pl_id=True)[1] is None


def test_a_call_that_raises_raises_with_return_pl_id_as_well(sink: MemoryExporter) -> None:
    wire = Wire(replies(refusal(400)))
    with pytest.raises(openai.BadRequestError):
        wire.client().chat.completions.create(**asked("?"), return_pl_id=True, pl_tags=["a"])
    assert promptlayer_patch.flush()
    assert [record.tags for record in sink.records] == [("a",)]
