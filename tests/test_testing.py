"""`promptlayer_patch.testing` without pytest's plugin: the list of requests, `capture()` around a block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import vcr  # noqa: F401  what is sent is sent as where there are cassettes

import promptlayer_patch
from promptlayer_patch import receipt_of, scope, track
from promptlayer_patch._diversion import Opener, Recorder, sent
from promptlayer_patch._installation import Installation
from promptlayer_patch.annotations import MetadataUpdate, Score
from promptlayer_patch.errors import RequestIdUnavailable
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Delivered, Record
from promptlayer_patch.testing import Requests, capture
from tests.support.fake_promptlayer import FakePromptLayer
from tests.support.faults import failing, places
from tests.support.naming import shown
from tests.support.programs import printed
from tests.support.wire import MODEL, Wire, refusal

KEY = "pl_0123456789abcdef"


def ask(text: str = "?", wire: Wire | None = None, **options: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return (wire or Wire()).client().chat.completions.create(model=MODEL, messages=messages, **options)


def texts(requests: Requests | list[Record]) -> list[str]:
    return [record.request["messages"][0]["content"] for record in requests]


def create() -> Any:
    return vars(openai.resources.chat.completions.Completions)["create"]


def state() -> list[object]:
    """All there is to restore."""
    process = promptlayer_patch._process.process
    return [process.now, process.pipeline, process._settings, process.opens, create()]


# capture()


def test_a_block_has_its_requests_with_ids_and_leaves_nothing_behind() -> None:
    before = state()
    ask("before")
    with capture() as requests:
        with scope(tags=["x"]) as calls:
            ask("one")
            ask("two")
        assert calls.request_ids() == [1, 2]
        assert len(requests) == 2
        ask("three")
    ask("after")
    assert texts(requests) == ["one", "two", "three"]
    assert requests.tags == [("x",), ("x",), ()]
    assert state() == before


def test_what_was_installed_is_in_force_again_exactly(sink: MemoryExporter) -> None:
    promptlayer_patch.install(to=sink, tags=["app"], redact="ssn")
    before = state()
    ask("before")
    with capture() as requests:
        ask("inside", extra_body={"ssn": "123"})
        assert requests.one().tags == ("app",)
        assert requests.one().request["ssn"] != "123"
    assert state() == before
    ask("after")
    assert promptlayer_patch.flush()
    assert texts(sink.records) == ["before", "after"]
    assert promptlayer_patch.stats().recorded == 2


def test_it_is_in_force_again_after_an_exception_too(sink: MemoryExporter) -> None:
    before = state()
    with pytest.raises(openai.APIStatusError), capture():
        ask(wire=Wire(lambda _: refusal(500)))
    assert state() == before


def test_install_and_uninstall_in_a_block_hold_until_its_end(sink: MemoryExporter) -> None:
    before, inner = state(), MemoryExporter()
    with capture() as requests:
        promptlayer_patch.install(to=inner, tags=["inner"])
        ask("one")
        promptlayer_patch.uninstall()
        ask("two")
        promptlayer_patch.install(tags=["again"])
        ask("three")
    assert state() == before
    assert [(*record.tags, *texts([record])) for record in requests] == [("inner", "one"), ("again", "three")]
    assert inner.records == sink.records == []


def test_blocks_nest(sink: MemoryExporter) -> None:
    with capture() as outer:
        ask("outer")
        with capture() as inner:
            ask("inner")
        ask("outer again")
    assert texts(inner) == ["inner"]
    assert texts(outer) == ["outer", "outer again"]
    assert sink.records == []


def test_a_stream_belongs_to_where_it_began(sink: MemoryExporter) -> None:
    earlier = ask("earlier", stream=True)
    with capture() as requests:
        inside, left = ask("inside", stream=True), ask("left", stream=True)
        list(earlier)
        assert requests == []
        list(inside)
    list(left)
    receipt = receipt_of(left)
    assert receipt is not None
    with pytest.raises(RequestIdUnavailable, match="the block that it began in is over"):
        receipt.request_id(0)
    assert promptlayer_patch.flush()
    assert texts(sink.records) == ["earlier"]
    assert texts(requests) == ["inside"]


def test_nothing_leaves_a_block(tmp_path: Path) -> None:
    """Whatever is installed before or within, nothing of it is opened."""
    with FakePromptLayer() as server:
        options: dict[str, Any] = {"api_key": KEY, "base_url": server.base_url}
        promptlayer_patch.install(to="promptlayer:", **options)
        with capture() as requests:
            ask("one")
            promptlayer_patch.install(
                to=["promptlayer:", f"local:{tmp_path}/db", f"jsonl:{tmp_path}/x"], **options
            )
            ask("two")
        assert promptlayer_patch.flush()
        assert server.posts == []
    assert texts(requests) == ["one", "two"]
    assert list(tmp_path.iterdir()) == []
    assert "promptlayer-sender" not in {thread.name for thread in threading.enumerate()}


def test_threads_and_coroutines_of_the_process_are_seen() -> None:
    async def main() -> None:
        client = Wire().async_client()
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "async"}])

    with capture() as requests:
        thread = threading.Thread(target=ask, args=("thread",))
        thread.start()
        thread.join()
        asyncio.run(main())
    assert texts(requests) == ["thread", "async"]


def test_a_small_queue_of_the_application_loses_nothing() -> None:
    promptlayer_patch.install(to="memory:", queue_max_records=1)
    with capture() as requests:
        for number in range(50):
            ask(str(number))
    assert texts(requests) == [str(number) for number in range(50)]


def test_the_last_ones_are_kept_and_all_are_numbered() -> None:
    recorder = Recorder(3)
    records = [Record(id=str(number), function_name="f") for number in range(5)]
    deliveries = [*recorder.export(records[:2]), *recorder.export(records[2:])]
    assert deliveries == [Delivered(number) for number in (1, 2, 3, 4, 5)]
    assert recorder.records == records[2:]


def test_a_program_whose_records_may_not_leave_it_numbers_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As pytest's plugin tells the programs that tests start; a wrong argument is refused all the same."""
    with FakePromptLayer() as server:
        monkeypatch.setenv("PROMPTLAYER_SEND", "false")
        promptlayer_patch.install(to="promptlayer:", api_key=KEY, base_url=server.base_url)
        with scope() as calls:
            ask()
            ask()
        assert calls.request_ids() == [1, 2]
        assert promptlayer_patch.stats().delivered == 2
        assert server.posts == []
    with pytest.raises(promptlayer_patch.errors.InvalidArgument):
        promptlayer_patch.install(to="nowhere:")


def test_a_program_ends_well_within_a_block() -> None:
    program = """
    import openai, promptlayer_patch
    from promptlayer_patch.testing import capture
    capture().__enter__()
    promptlayer_patch.install(to="promptlayer:", api_key="pl_0", base_url="http://127.0.0.1:9")
    print("end")
    """
    assert printed(program) == ["end"]


FAULTY = {
    name: place
    for name, place in places(["_cassettes", "_diversion"]).items()
    if name
    in {
        "_cassettes.Cassettes.note",
        "_cassettes.Cassettes.refusal",
        "_cassettes.Sender._sent",
        "_cassettes.Sender.export",
        "_cassettes.in_use",
        "_cassettes.vcrpy_is_there",
        "_diversion.Recorder.export",
        "_diversion.Sending._note",
    }
}


@pytest.mark.parametrize("name", FAULTY)
def test_no_fault_of_ours_reaches_a_call_in_a_test(name: str) -> None:
    """Of those parts that are there in tests only; the others are made to fail for promise 1."""

    failures = []

    def fail() -> None:
        failures.append(name)
        raise RuntimeError("of ours")

    with FakePromptLayer() as server, failing(FAULTY[name], fail):
        opener = Opener(sent, Recorder(10))
        here = promptlayer_patch._process.process.exchange(Installation(), opener)
        try:
            promptlayer_patch.install(to="promptlayer:", api_key=KEY, base_url=server.base_url)
            assert ask().choices
            assert list(ask(stream=True))
        finally:
            promptlayer_patch.uninstall()
            promptlayer_patch._process.process.exchange(*here)
    assert failures


def test_what_is_said_about_requests_is_in_the_list(sink: MemoryExporter) -> None:
    """By receipt, also before the request has ended, and by id; nothing of it goes elsewhere."""
    with capture() as requests:
        with scope(tags=["scored"]) as calls:
            stream = ask("one", stream=True)
            track.score(calls, 90)
            list(stream)
        ask("two")
        track.metadata(2, {"user": "7"})
        assert [annotation.content for annotation in requests.annotations] == [
            Score(90),
            MetadataUpdate({"user": "7"}),
        ]
        (scored,) = requests.with_tag("scored").annotations
        assert (scored.record_id, scored.request_id) == (requests[0].id, 1)
    assert promptlayer_patch.flush()
    assert sink.annotations == []


# The list


@pytest.fixture
def requests() -> Iterator[Requests]:
    with capture() as found:
        with scope(tags=["support", "en"], metadata={"user": "7"}):
            ask("Where is my order?")
        with scope(tags=["support"]):
            Wire().client().embeddings.create(model="text-embedding-3-small", input="a sentence")
        with pytest.raises(openai.APIStatusError):
            ask("Anybody?", Wire(lambda _: refusal(500)))
        yield found


def test_it_is_a_sequence_of_records(requests: Requests) -> None:
    records = list(requests)
    assert len(requests) == 3
    assert requests[0] is records[0]
    assert requests[-1] is requests.last is records[2]
    assert requests[1:] == records[1:]
    assert records[1] in requests
    assert requests == records != []
    assert requests != "3"


def test_it_is_always_up_to_date(requests: Requests) -> None:
    later = requests.with_tag("later")
    assert later == []
    ask("now", pl_tags=["later"])
    assert texts(later) == ["now"]
    assert len(requests) == 4


def test_it_shows_what_was_asked(requests: Requests) -> None:
    assert requests.models == [MODEL, "text-embedding-3-small", MODEL]
    assert requests.tags == [("support", "en"), ("support",), ()]
    assert requests.messages == [
        [{"role": "user", "content": "Where is my order?"}],
        "a sentence",
        [{"role": "user", "content": "Anybody?"}],
    ]
    assert requests.annotations == []


def test_it_can_be_narrowed_down(requests: Requests) -> None:
    assert texts(requests.with_tag("support", "en")) == ["Where is my order?"]
    assert len(requests.with_tag("support")) == 2
    assert requests.for_model("text-embedding-3-small").with_tag("support").one() is requests[1]
    assert requests.for_model("gpt-9") == []


def test_its_repr_shows_no_content(requests: Requests) -> None:
    assert repr(requests).startswith("<3 requests: openai.chat.completions.create, model gpt-4o-mini, tags")
    assert "order" not in repr(requests)
    assert repr(requests.with_tag("none")) == "<0 requests>"


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"model": MODEL},
        {"tags": ["support"]},
        {"tags": ("en", "support"), "model": MODEL},
        {"tags": iter(["en"])},
        {"metadata": {"user": "7"}},
        {"text": "order"},
        {"messages": "a sentence"},
        {"messages": [{"role": "user", "content": "Where is my order?"}]},
        {"function_name": "openai.embeddings.create"},
        {"tags": ["support"], "times": 2},
        {"text": "nothing of the kind", "times": 0},
    ],
    ids=shown,
)
def test_an_assertion_that_holds(requests: Requests, wanted: dict[str, Any]) -> None:
    found = requests.assert_called(**wanted)
    assert len(found) == wanted.get("times", len(found))
    assert all(record in requests for record in found)


@pytest.mark.parametrize(
    ("wanted", "says", "differs"),
    [
        ({"model": "gpt-9"}, 'expected a request with model "gpt-9"; there are none', "model"),
        ({"tags": ["support", "de"]}, 'tags ["support", "de"]; there are none', "tags"),
        ({"metadata": {"user": "8"}}, 'metadata {"user": "8"}', "metadata"),
        ({"text": "parcel"}, 'text "parcel"', "text"),
        ({"messages": []}, "messages []", "messages"),
        ({"tags": ["en"], "text": "Anybody?"}, 'tags ["en"] and text "Anybody?"', "tags, text"),
        ({"tags": ["support"], "times": 1}, "expected 1 request with", "there are 2"),
        ({"times": 4}, "expected 4 requests; there are 3", "Where is my order?"),
        ({"function_name": "f"}, 'function_name "f"', "function_name"),
    ],
    ids=shown,
)
def test_an_assertion_that_fails_says_why(
    requests: Requests, wanted: dict[str, Any], says: str, differs: str
) -> None:
    """In words, with what was asked instead: it is the user's own test that fails."""
    with pytest.raises(AssertionError) as failed:
        requests.assert_called(**wanted)
    text = str(failed.value)
    assert says in text
    assert differs in text
    assert f"1: openai.chat.completions.create, model {MODEL}, tags support, en, complete" in text
    assert 'user: "Where is my order?"' in text
    assert "2: openai.embeddings.create" in text


def test_one_is_exactly_one(requests: Requests) -> None:
    with pytest.raises(AssertionError, match=r"^expected one request; there are 3\n  1: openai\.chat"):
        requests.one()
    with pytest.raises(AssertionError, match=r"^expected one request; there are none$"):
        requests.with_tag("none").one()
    assert requests.with_tag("en").one() is requests[0]


def test_nothing_asked_is_an_assertion_too(requests: Requests) -> None:
    requests.with_tag("none").assert_not_called()
    with pytest.raises(AssertionError, match=r'^expected no request; there are 3\n.*\n.*"Where is my order'):
        requests.assert_not_called()
    with pytest.raises(AssertionError, match="there are none"):
        requests.with_tag("none").last  # noqa: B018


def test_a_failure_about_many_long_requests_stays_readable() -> None:
    with capture() as requests:
        for number in range(30):
            ask(f"{number} " + "x" * 10_000)
        with pytest.raises(AssertionError) as failed:
            requests.assert_called(text="y")
    lines = str(failed.value).splitlines()
    assert max(map(len, lines)) < 300
    assert lines[1].startswith("  11: ")
    assert lines[-3].startswith("  30: ")
    assert lines[-1] == "       differs in text"
