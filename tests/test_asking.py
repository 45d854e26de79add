"""Recording what asks for it by itself: in programs that never call `install()`, and only that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import promptlayer_patch
from promptlayer_patch import _process
from promptlayer_patch._asking import asking
from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Receipt, Record, Rejected
from tests.support.fake_promptlayer import PATIENCE_S, FakePromptLayer
from tests.support.faults import failing, places
from tests.support.programs import printed
from tests.support.wire import MODEL, Wire

HELLO = [{"role": "user", "content": "Hello"}]


def ask(**options: Any) -> Any:
    return Wire().client().chat.completions.create(model=MODEL, messages=HELLO, **options)


@pytest.fixture
def promptlayer(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePromptLayer]:
    """A PromptLayer that the environment names."""
    with FakePromptLayer() as fake:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_0000")
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", fake.base_url)
        yield fake


def test_without_install_only_what_asks_is_recorded(promptlayer: FakePromptLayer) -> None:
    ask()
    with asking(tags=["mine"], metadata={"k": "v"}) as calls:
        first = ask()
        list(ask(stream=True))
    ask()
    list(ask(stream=True))
    Wire().client().post("/chat/completions", body={"model": MODEL, "messages": HELLO}, cast_to=object)
    assert sorted(calls.request_ids(PATIENCE_S)) == [501, 502]
    assert promptlayer_patch.flush(PATIENCE_S)
    assert [body["tags"] for body in promptlayer.bodies] == [["mine"], ["mine"]]
    assert promptlayer_patch.receipt_of(first) is calls.receipts[0]


def test_what_asks_within_a_scope_has_its_tags_too(promptlayer: FakePromptLayer) -> None:
    with promptlayer_patch.scope(tags=["outer"]) as outer, asking(tags=["mine"]):
        ask()
    assert outer.request_id(PATIENCE_S) == 501
    assert promptlayer.bodies[0]["tags"] == ["outer", "mine"]


def test_where_install_was_called_it_is_a_scope_like_any_other(sink: MemoryExporter) -> None:
    with asking(tags=["mine"]):
        ask()
    ask()
    promptlayer_patch.flush()
    assert [record.tags for record in sink.records] == [("mine",), ()]


def test_an_install_that_comes_later_records_everything(promptlayer: FakePromptLayer) -> None:
    with asking():
        ask()
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink)
    ask()
    promptlayer_patch.flush()
    assert len(sink.records) == 1
    promptlayer.wait_for(1)


def test_suppression_is_stronger(promptlayer: FakePromptLayer) -> None:
    with asking() as calls, promptlayer_patch.suppress():
        ask()
    assert calls.receipts == []


def test_a_wrong_environment_costs_the_record_and_not_the_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMPTLAYER_TO", "nowhere:")
    with asking() as calls:
        assert ask().choices
    assert calls.receipts == []
    assert "PROMPTLAYER_TO" in caplog.text


OPENAI_LATER = """
import sys
from promptlayer_patch._asking import asking
assert "openai" not in sys.modules
with asking(tags=["mine"]) as calls:
    from tests.support.wire import MODEL, Wire
    Wire().client().chat.completions.create(model=MODEL, messages=[])
print(calls.request_id())
"""


def test_openai_may_be_imported_later(promptlayer: FakePromptLayer) -> None:
    assert printed(OPENAI_LATER) == ["501"]


ALL_AT_ONCE = """
import threading
from promptlayer_patch._asking import asking
from tests.support.wire import MODEL, Wire

client, together, calls = Wire().client(), threading.Barrier(8), []

def ask():
    together.wait()
    with asking() as own:
        client.chat.completions.create(model=MODEL, messages=[])
    calls.append(own)

threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*sorted(own.request_id() for own in calls), sep="\\n")
"""


def test_the_first_calls_may_come_from_many_threads_at_once(promptlayer: FakePromptLayer) -> None:
    assert printed(ALL_AT_ONCE) == [str(number) for number in range(501, 509)]


# Records that others have made


def handed_in(**fields: Any) -> Receipt:
    receipt = Receipt()
    _process.submit(Record(id=receipt.record_id, function_name="langchain.FakeChat", **fields), receipt)
    return receipt


def test_a_record_of_others_goes_the_same_way() -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, tags=["process"], metadata={"a": "1", "b": "2"}, redact=["ssn"])
    with promptlayer_patch.scope(tags=["block"], group=3, prompt="greeting") as calls:
        receipt = handed_in(tags=("own",), metadata={"b": "3"}, request={"ssn": "078-05-1120"})
    assert receipt.request_id(PATIENCE_S) == 1
    assert calls.receipts == [receipt]
    promptlayer_patch.flush()
    (record,) = sink.records
    assert record.tags == ("process", "block", "own")
    assert record.metadata == {"a": "1", "b": "3"}
    assert "078-05-1120" not in repr(record)
    assert (record.group_id, record.prompt) == (3, PromptLink("greeting"))
    assert [one.content for one in sink.annotations] == [PromptLink("greeting")]


def test_a_record_of_others_needs_no_install(promptlayer: FakePromptLayer) -> None:
    assert handed_in(request={"prompt": "?"}).request_id(PATIENCE_S) == 501
    assert promptlayer.bodies[0]["function_name"] == "langchain.FakeChat"


def test_a_record_of_others_may_be_suppressed_or_not_sampled(sink: MemoryExporter) -> None:
    with promptlayer_patch.suppress():
        suppressed = handed_in()
    promptlayer_patch.install(to=sink, sample_rate=0)
    unsampled = handed_in()
    for receipt in (suppressed, unsampled):
        assert isinstance(receipt.outcome_at(0), Rejected)
    promptlayer_patch.flush()
    assert sink.records == []


@pytest.mark.parametrize(
    "name", ["_asking._prepare", "_process.prepare", "_process.Process.prepare", "_scope.asked"]
)
def test_a_fault_in_looking_for_what_asks_is_not_noticed(
    promptlayer: FakePromptLayer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    def fail() -> None:
        raise RuntimeError("of ours")

    place = places(["_asking", "_process", "_scope"])[name]
    with asking():
        ask()
    if name != "_scope.asked":
        promptlayer_patch.uninstall()
    with failing(place, fail), asking():
        assert ask().choices
        assert len(list(ask(stream=True))) > 1


@pytest.mark.parametrize("name", ["_process.Process.submit", "_delivery.parcels.FinishedCall.prompt"])
def test_a_fault_in_taking_a_record_is_not_noticed(
    sink: MemoryExporter, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    def fail() -> None:
        raise RuntimeError("of ours")

    with failing(places(["_process", "_delivery.parcels"])[name], fail):
        receipt = handed_in()
    assert receipt.done or name != "_process.Process.submit"
