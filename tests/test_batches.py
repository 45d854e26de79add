"""Many records in one request: each becomes the request that it would have become alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch import Record
from promptlayer_patch._bulk import Packed, body_of, packed
from promptlayer_patch._wire import encoded, track_request
from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.demo.history import entries
from promptlayer_patch.exporters import Batch
from promptlayer_patch.exporters.promptlayer import PromptLayerExporter
from promptlayer_patch.records import (
    Delivered,
    Delivery,
    Ending,
    Failure,
    Rejected,
    TryLater,
    new_record_id,
)
from tests.faults.children import MODEL, client
from tests.support.fake_promptlayer import PATIENCE_S, Answer, FakePromptLayer, Post, refused
from tests.support.serving import Client, serving
from tests.test_courier import Office, balances, names, wait_until

BATCH = Batch(records=64, size=1 << 20)
KEY = "pl_secret_0123456789"


def record(name: str = "call", **fields: Any) -> Record:
    answer = {"role": "assistant", "content": "seven"}
    given: dict[str, Any] = {
        "id": new_record_id(),
        "function_name": "openai.chat.completions.create",
        "client": "OpenAI",
        "request": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": name}]},
        "response": {
            "id": "chatcmpl-1",
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "finish_reason": "stop", "message": answer}],
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 3,
                "total_tokens": 103,
                "prompt_tokens_details": {"cached_tokens": 64},
            },
        },
        "started_at": 1_790_000_000.25,
        "ended_at": 1_790_000_001.5,
        "metadata": {"user": "42"},
        "tags": ("a", "b"),
        "sdk_version": "2.0.0",
        "provider_request_id": "req_1",
        **fields,
    }
    return Record(**given)


def text_in(request: dict[str, Any]) -> str:
    if "kwargs" in request:
        return str(request["kwargs"]["messages"][0]["content"])
    return str(request["input"]["messages"][0]["content"][0]["text"])


class Bulk(FakePromptLayer):
    """Takes batches as well. `refuses` gives the answer to a batch it does not want, by the texts in it."""

    def __init__(self, refuses: Callable[[list[str]], Answer | None] = lambda _: None) -> None:
        super().__init__()
        self.refuses = refuses
        self.left_out: set[str] = set()
        """Texts of requests that are not made, as where a prompt template is not known."""
        self.batches: list[list[str]] = []
        self.alone: list[str] = []
        self.stored: dict[str, int] = {}

    def take(self, post: Post) -> Answer:
        if post.path == "/track-request":
            with self.changed:
                self.alone.append(text_in(post.body))
            answer = self.refuses([text_in(post.body)])
            return answer or super().take(post)
        if post.path != "/spans-bulk":
            return super().take(post)
        with self.changed:
            self.posts.append(post)
            asked = {span["context"]["span_id"]: text_in(span["log_request"]) for span in post.body["spans"]}
            self.batches.append(list(asked.values()))
            answer = self.refuses(list(asked.values()))
            if answer is not None:
                return answer
            logs = []
            for span_id, text in asked.items():
                if text not in self.left_out:
                    logs.append({"id": self.stored.setdefault(span_id, next(self.ids)), "span_id": span_id})
            return Answer(201, {"success": True, "spans": [], "request_logs": logs})


@pytest.fixture
def bulk() -> Iterator[Bulk]:
    with Bulk() as made:
        yield made


@pytest.fixture
def exporter(bulk: Bulk) -> Iterator[PromptLayerExporter]:
    made = PromptLayerExporter(bulk.base_url, KEY, BATCH)
    yield made
    made.close()


def records(count: int) -> list[Record]:
    return [record(name) for name in names(count)]


# What a request is made of


def posted(api: Client, path: str, body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = api.send(
        "POST", path, data=body, headers={"Content-Type": "application/json"}
    ).json()
    return answer


def alone_as(api: Client, one: Record) -> int:
    return int(posted(api, "/track-request", encoded(track_request(one)))["request_id"])


def in_a_batch(api: Client, span: Packed) -> int:
    return int(posted(api, "/spans-bulk", body_of([span]))["request_logs"][0]["id"])


def searched(api: Client) -> dict[int, dict[str, Any]]:
    found = api.post("/api/public/v2/requests/search", {"per_page": 100}).json()
    return {item["id"]: item for item in found["items"]}


def read(api: Client, request_id: int) -> dict[str, Any]:
    """A request, when its price is known."""
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while True:
        found: dict[str, Any] = api.get(f"/api/public/v2/requests/{request_id}").json()
        if found["price"] is not None or time.monotonic() > deadline:
            return found
        pause.wait(0.02)


SHAPES = {
    "whole": record(),
    "a failure": record(
        response=None,
        ending=Ending.PROVIDER_ERROR,
        error=Failure("RateLimitError", "slow down", 429),
    ),
    "a stream that was left": record(
        request={"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "?"}]},
        streamed=True,
        first_token_at=1_790_000_000.5,
        ending=Ending.CLOSED_EARLY,
    ),
    "an error of the reader's": record(ending=Ending.CONSUMER_ERROR, error=Failure("KeyError", "x")),
    "tools": record(
        request={
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "?"}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "tool_choice": "auto",
            "temperature": 0.25,
        }
    ),
    "a response": record(
        function_name="openai.responses.create",
        request={"model": "gpt-4o-mini", "input": "hello", "instructions": "be brief"},
        response={
            "id": "resp_1",
            "model": "gpt-4o-mini-2024-07-18",
            "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
            ],
            "usage": {"input_tokens": 8, "output_tokens": 2},
        },
    ),
    "a completion": record(
        function_name="openai.completions.create",
        request={"model": "gpt-3.5-turbo-instruct", "prompt": "one, two,"},
        response={"choices": [{"text": " three"}], "usage": {"prompt_tokens": 4, "completion_tokens": 1}},
    ),
    "an embedding": record(
        function_name="openai.embeddings.create",
        request={"model": "text-embedding-3-small", "input": ["one", "two"]},
        response={"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 2, "total_tokens": 2}},
    ),
    "odd texts": record("\ud800 \u4f60\u597d \U0001f600", metadata={"k\u00e9y": "\ud83d"}),
}
UNLIKE = ("request_id", "id", "trace_id", "price")
"""A span stands in a trace of its own; prices are compared below."""


def told(api: Client, request_id: int, found: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """All that can be read of a request, but for what is unlike in any two."""
    both = api.get(f"/api/public/v2/requests/{request_id}").json(), found[request_id]
    return [{key: value for key, value in one.items() if key not in UNLIKE} for one in both]


def sent_both_ways(api: Client, shapes: Sequence[Record]) -> Iterator[tuple[int, int]]:
    """The ids of each record when it goes alone, and of the same as another record in a batch."""
    spans = [packed(replace(shape, id=new_record_id())) for shape in shapes]
    answer = posted(api, "/spans-bulk", body_of([span for span in spans if span]))
    made = {one["span_id"]: one["id"] for one in answer["request_logs"]}
    for shape, span in zip(shapes, spans, strict=True):
        assert span is not None
        yield alone_as(api, shape), made[span.span_id]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_becomes_the_same_request_either_way(tmp_path: Path, shape: str) -> None:
    with serving(tmp_path) as (_, api):
        ((alone, together),) = sent_both_ways(api, [SHAPES[shape]])
        found = searched(api)
        assert told(api, together, found) == told(api, alone, found)


def test_so_do_the_records_of_a_month(tmp_path: Path) -> None:
    """Conversations with tools, streams, failures, responses, embeddings."""
    some = [replace(entry.record, prompt=None, group_id=None) for entry in islice(entries(1.79e9), 40)]
    some = [one for one in some if packed(one) is not None]
    assert len(some) > 20
    with serving(tmp_path) as (_, api):
        ids = list(sent_both_ways(api, some))
        found = searched(api)
        for alone, together in ids:
            assert told(api, together, found) == told(api, alone, found)


def test_it_costs_the_same_either_way(tmp_path: Path) -> None:
    """Tokens from a cache are cheaper: what the answer says beside its content goes along."""
    with serving(tmp_path) as (_, api):
        one, other = record(), record()
        span = packed(other)
        assert span is not None
        alone = alone_as(api, one)
        together = in_a_batch(api, span)
        prices = [read(api, request_id)["price"] for request_id in (alone, together)]
        assert prices[0] == prices[1]
        assert prices[0] > 0


def test_a_record_is_one_request_whichever_way_and_however_often_it_comes(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, api):
        one = record()
        span = packed(one)
        assert span is not None
        ids = [in_a_batch(api, span) for _ in range(2)]
        ids.append(alone_as(api, one))
        assert len({*ids}) == 1
        other = record()
        span = packed(other)
        assert span is not None
        ids = [alone_as(api, other)]
        ids.append(in_a_batch(api, span))
        assert len({*ids}) == 1
        assert len(searched(api)) == 2


@pytest.mark.parametrize(
    "alone",
    [
        record(group_id=7),
        record(function_name="openai.moderations.create", request={"model": "m", "input": "x"}),
        record(function_name="openai.images.generate", request={"model": "dall-e-3", "prompt": "a cat"}),
        record(request={"messages": [{"role": "user", "content": "no model"}]}, response=None),
    ],
    ids=["of a group", "a moderation", "an image", "without a model"],
)
def test_what_the_form_would_not_say_goes_alone(alone: Record) -> None:
    assert packed(alone) is None


def test_the_key_is_in_the_header_alone(bulk: Bulk, exporter: PromptLayerExporter) -> None:
    exporter.export(records(3))
    (post,) = bulk.posts
    assert post.headers["x-api-key"] == KEY
    assert KEY not in json.dumps(post.body)


# What becomes of each record


def test_each_record_gets_its_own_id(bulk: Bulk, exporter: PromptLayerExporter) -> None:
    batch = records(10)
    deliveries = exporter.export(batch)
    ids = [delivery.request_id for delivery in deliveries if isinstance(delivery, Delivered)]
    assert ids == list(range(501, 511))
    assert bulk.batches == [names(10)]
    assert exporter.export(batch) == deliveries  # sent again, it is still the same spans


def test_a_lone_record_goes_as_always(bulk: Bulk, exporter: PromptLayerExporter) -> None:
    assert exporter.export(records(1)) == [Delivered(501)]
    assert (bulk.batches, bulk.alone) == ([], names(1))


@given(st.integers(2, 40), st.data())
def test_a_record_that_is_refused_takes_no_other_with_it(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.sampled_from(names(count)), max_size=3))
    status = data.draw(st.sampled_from([400, 409, 413, 422]))
    with Bulk(lambda texts: refused(status, "odd") if bad.intersection(texts) else None) as bulk:
        exporter = PromptLayerExporter(bulk.base_url, KEY, BATCH)
        deliveries = exporter.export(records(count))
        exporter.close()
    outcomes = dict(zip(names(count), deliveries, strict=True))
    assert {name for name, found in outcomes.items() if isinstance(found, Rejected)} == bad
    assert all(isinstance(found, Delivered) for name, found in outcomes.items() if name not in bad)
    assert len(bulk.alone) == len({*bulk.alone})  # nobody is sent alone twice
    assert exporter.batch is not None


def test_what_is_too_large_together_is_halved_and_stays_so(bulk: Bulk, exporter: PromptLayerExporter) -> None:
    bulk.refuses = lambda texts: refused(413, "too large") if len(texts) > 3 else None
    assert all(isinstance(found, Delivered) for found in exporter.export(records(12)))
    assert [len(batch) for batch in bulk.batches] == [12, 6, 3, 3, 6, 3, 3]
    assert exporter.batch is not None
    assert exporter.batch.size < BATCH.size


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_the_endpoint_gets_one_by_one(
    bulk: Bulk, exporter: PromptLayerExporter, status: int
) -> None:
    bulk.refuses = lambda texts: refused(status, "what?") if len(texts) > 1 else None
    for _ in range(2):
        assert all(isinstance(found, Delivered) for found in exporter.export(records(5)))
        assert exporter.batch is None
    assert (len(bulk.batches), len(bulk.alone)) == (1, 10)


def test_a_server_that_refuses_every_batch_is_not_asked_again(
    bulk: Bulk, exporter: PromptLayerExporter
) -> None:
    bulk.refuses = lambda texts: refused(422, "no such field") if len(texts) > 1 else None
    assert all(isinstance(found, Delivered) for found in exporter.export(records(8)))
    asked = len(bulk.batches)
    assert all(isinstance(found, Delivered) for found in exporter.export(records(8)))
    assert len(bulk.batches) == asked


def test_a_request_that_was_left_out_goes_alone(bulk: Bulk, exporter: PromptLayerExporter) -> None:
    """PromptLayer keeps the span and makes no request where the prompt template is not known."""
    bulk.left_out = {"call 1"}
    deliveries = exporter.export([record("call 0"), record("call 1", prompt=PromptLink("", 1, None, {}, 9))])
    assert all(isinstance(found, Delivered) for found in deliveries)
    assert bulk.alone == ["call 1"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_batch_that_is_put_off_is_put_off_whole_for_as_long_as_the_server_says(
    bulk: Bulk, exporter: PromptLayerExporter, status: int
) -> None:
    bulk.refuses = lambda texts: refused(status, "later", Retry_After="7")
    found = exporter.export(records(6))
    assert found == [TryLater(7.0, reason=f"HTTP {status}: later")] * 6
    assert (len(bulk.batches), bulk.alone) == (1, [])


def test_who_fails_over_half_of_a_batch_is_not_asked_for_the_other(
    bulk: Bulk, exporter: PromptLayerExporter
) -> None:
    def refuses(texts: list[str]) -> Answer | None:
        if len(texts) == 8:
            return refused(400, "odd")
        return refused(503, "later") if "call 0" in texts else None

    bulk.refuses = refuses
    assert all(isinstance(found, TryLater) for found in exporter.export(records(8)))
    assert [len(batch) for batch in bulk.batches] == [8, 4]


def test_another_success_is_none(bulk: Bulk, exporter: PromptLayerExporter) -> None:
    bulk.refuses = lambda texts: Answer(200, b"<html>Please accept our terms.</html>")
    assert all(isinstance(found, TryLater) for found in exporter.export(records(3)))


class Unwritable:
    def __str__(self) -> str:
        raise LookupError


def test_a_record_that_cannot_be_written_holds_back_no_other(
    bulk: Bulk, exporter: PromptLayerExporter
) -> None:
    bad = record(request={"model": "m", "messages": [{"role": "user", "content": "x"}], "odd": Unwritable()})
    first, second, third = exporter.export([record("one"), bad, record("three")])
    assert (type(first), type(second), type(third)) == (Delivered, Rejected, Delivered)


# On the way there


class Batching:
    """An exporter that takes many at once, notes each request, and answers as it is told."""

    def __init__(self, answer: Callable[[Sequence[Record]], list[Delivery]], batch: Batch = BATCH) -> None:
        self.batch = batch
        self.requests: list[list[str]] = []
        self._answer = answer

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        self.requests.append([one.function_name for one in batch])
        return self._answer(batch)

    def close(self) -> None: ...


def taken(batch: Sequence[Record]) -> list[Delivery]:
    return [Delivered(1) for _ in batch]


@pytest.fixture(params=["on disk", "in memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "outbox" if request.param == "on disk" else None


@pytest.fixture
def offices() -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def office(path: Path | None, exporter: Any, **options: Any) -> Office:
        made.append(Office(path, exporter, **options))
        return made[-1]

    yield office
    for one in made:
        one.dispatch.close(1.0)


Offices = Callable[..., Office]


def stuck_at_first(let_go: threading.Event, reached: threading.Event) -> Callable[..., list[Delivery]]:
    def answer(batch: Sequence[Record]) -> list[Delivery]:
        if not reached.is_set():
            reached.set()
            assert let_go.wait(PATIENCE_S)
        return taken(batch)

    return answer


def test_what_waits_goes_together_and_in_order(offices: Offices, place: Path | None) -> None:
    let_go, reached = threading.Event(), threading.Event()
    exporter = Batching(stuck_at_first(let_go, reached), Batch(10, 1 << 20))
    office = offices(place, exporter, connections=1)
    office.put()
    assert reached.wait(PATIENCE_S)
    office.put(25)
    office.kept()
    let_go.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert [name for request in exporter.requests for name in request] == names(26)
    assert [len(request) for request in exporter.requests] == [1, 10, 10, 5]


def test_a_batch_is_bounded_in_bytes(offices: Offices, place: Path | None) -> None:
    let_go, reached = threading.Event(), threading.Event()
    exporter = Batching(stuck_at_first(let_go, reached), Batch(64, 10_000))
    office = offices(place, exporter, connections=1)
    office.put()
    assert reached.wait(PATIENCE_S)
    office.put(9, text="x" * 3000)
    office.put(1, text="x" * 30_000)
    office.put(1)
    office.kept()
    let_go.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert [len(request) for request in exporter.requests] == [1, 2, 2, 2, 2, 1, 1, 1]


def test_a_backlog_on_the_disk_goes_together_as_well(offices: Offices, tmp_path: Path) -> None:
    """More than what is kept in memory beside it."""
    let_go, reached = threading.Event(), threading.Event()
    exporter = Batching(stuck_at_first(let_go, reached))
    office = offices(tmp_path / "outbox", exporter, connections=1)
    office.put()
    assert reached.wait(PATIENCE_S)
    office.put(1000)
    office.kept()
    let_go.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert [name for request in exporter.requests for name in request] == names(1001)
    assert len(exporter.requests) == 1 + -(-1000 // BATCH.records)


def test_a_record_over_which_the_server_fails_is_parted_from_the_others(
    offices: Offices, place: Path | None
) -> None:
    def answer(batch: Sequence[Record]) -> list[Delivery]:
        if any(one.function_name == "poison" for one in batch):
            return [TryLater(0.0)] * len(batch)
        return taken(batch)

    exporter = Batching(answer)
    office = offices(place, exporter)
    office.put(20)
    office.put(name="poison")
    office.put(20)
    office.kept()
    others = [receipt for at, receipt in enumerate(office.receipts) if at != 20]
    wait_until(lambda: office.dispatch.flush(0.01) or all(receipt.done for receipt in others))
    assert balances(office.stats)
    assert (office.stats.delivered, office.stats.rejected) == (40, 0)


def test_the_first_after_an_outage_goes_alone(offices: Offices, place: Path | None) -> None:
    well = threading.Event()
    exporter = Batching(lambda batch: taken(batch) if well.is_set() else [TryLater()] * len(batch))
    office = offices(place, exporter, connections=1)
    office.put(200)
    office.kept()
    wait_until(lambda: office.dispatch.flush(0.001) or office.dispatch._courier._state.circuit.is_open)
    wait_until(lambda: not office.dispatch._courier._state.under_way)
    begin = len(exporter.requests)
    well.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert len(exporter.requests[begin]) == 1
    assert max(map(len, exporter.requests[begin:])) > 1
    assert balances(office.stats)


@given(st.data())
def test_whatever_each_answer_is_every_record_is_settled_once(data: st.DataObject) -> None:
    fates: dict[str, list[str]] = {}
    settled: list[str] = []

    def answer(batch: Sequence[Record]) -> list[Delivery]:
        return [_delivery(one.function_name) for one in batch]

    def _delivery(name: str) -> Delivery:
        fate = fates[name].pop() if fates[name] else "delivered"
        if fate != "later":
            settled.append(name)
        return {"delivered": Delivered(1), "rejected": Rejected("odd"), "later": TryLater(0.0)}[fate]

    count = data.draw(st.integers(1, 30))
    for name in names(count):
        fates[name] = data.draw(st.lists(st.sampled_from(["delivered", "rejected", "later"]), max_size=3))
    exporter = Batching(answer, Batch(data.draw(st.integers(1, 12)), 1 << 20))
    office = Office(None, exporter, connections=2)
    office.put(count)
    office.kept()
    wait_until(lambda: office.dispatch.flush(0.05))
    stats = office.stats
    office.dispatch.close(1.0)
    assert sorted(settled) == sorted(names(count))
    assert balances(stats)
    assert (stats.recorded, stats.delivered + stats.rejected) == (count, count)
    assert all(receipt.done for receipt in office.receipts)


# With openai, and our server


def test_calls_arrive_with_their_ids_and_what_is_said_about_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path) as (server, api):
        monkeypatch.setenv("PROMPTLAYER_OUTBOX_DIR", str(tmp_path / "outbox"))
        promptlayer_patch.install(
            to="promptlayer:", api_key=server.api_key, base_url=server.url, batch=True, tags=["ours"]
        )
        create = client().chat.completions.create
        with promptlayer_patch.scope(metadata={"user_id": "42"}) as calls:
            for at in range(80):
                create(model=MODEL, messages=[{"role": "user", "content": f"call {at}"}])
        promptlayer_patch.track.score(calls.receipts[40], 77, name="accuracy")
        assert promptlayer_patch.flush(PATIENCE_S)
        ids = calls.request_ids()
        assert promptlayer_patch.stats().delivered == 81
        found = searched(api)
        assert {*ids} == {*found}
        shown = [api.get(f"/api/public/v2/requests/{one}").json() for one in ids]
        messages = [one["prompt_blueprint"]["prompt_template"]["messages"][0] for one in shown]
        assert [one["content"][0]["text"] for one in messages] == [f"call {at}" for at in range(80)]
        assert any(one["trace_id"] for one in shown), "none of them went in a batch"
        assert found[ids[40]]["scores"] == [{"name": "accuracy", "score": 77}]
        assert all(one["tags_array"] == ["ours"] for one in found.values())
        assert all(one["metadata"] == [{"user_id": "42"}] for one in found.values())
        promptlayer_patch.uninstall()
