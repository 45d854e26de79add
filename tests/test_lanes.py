"""Several connections to one destination: shares, order, and lanes that fail alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch._lanes import Lanes
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater, new_record_id
from tests.support.fake_promptlayer import PATIENCE_S
from tests.support.wire import MODEL, Wire


def records(many: int) -> list[Record]:
    return [Record(id=new_record_id(), function_name=f"call {at}") for at in range(many)]


def number(record: Record) -> int:
    return int(record.function_name.split()[1])


class Sender:
    """One of several exporters; answers with the number of the record."""

    def __init__(self, destination: Destination) -> None:
        self.connections = destination.connections
        self.destination = destination
        self.opened_by = threading.current_thread()
        self.closed_by: threading.Thread | None = None
        self.used_by: list[threading.Thread] = []
        self.shares: list[list[int]] = []

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        self.used_by.append(threading.current_thread())
        self.shares.append([number(record) for record in batch if record.function_name.startswith("call")])
        deliveries: list[Delivery] = self.destination.answer(batch)
        return deliveries

    def close(self) -> None:
        self.closed_by = threading.current_thread()
        self.destination.closed.release()


class Destination:
    def __init__(self, connections: Any = 1, answer: Callable[[Any], Any] | None = None) -> None:
        self.connections = connections
        self.answer = answer or (lambda batch: [Delivered(number(record)) for record in batch])
        self.senders: list[Sender] = []
        self.closed = threading.Semaphore(0)
        self.lanes = Lanes(self.open)

    def open(self) -> Sender:
        self.senders.append(Sender(self))
        return self.senders[-1]

    def close(self) -> None:
        self.lanes.close()
        for _ in self.senders:
            assert self.closed.acquire(timeout=PATIENCE_S)


@pytest.fixture
def destinations() -> Any:
    made: list[Destination] = []

    def destination(connections: Any = 1, answer: Callable[[Any], Any] | None = None) -> Destination:
        made.append(Destination(connections, answer))
        return made[-1]

    yield destination
    for one in made:
        one.lanes.close()


Destinations = Callable[..., Destination]


def test_one_connection_takes_the_whole_batch_on_the_calling_thread(destinations: Destinations) -> None:
    one = destinations()
    assert one.lanes.export(records(10)) == [Delivered(at) for at in range(10)]
    (sender,) = one.senders
    assert sender.shares == [list(range(10))]
    assert sender.used_by == [threading.current_thread()]


def test_every_connection_has_an_exporter_and_a_thread_of_its_own(destinations: Destinations) -> None:
    four = destinations(4)
    for _ in range(3):
        four.lanes.export(records(10))
    assert len(four.senders) == 4
    threads = [{sender.opened_by, *sender.used_by} for sender in four.senders]
    assert [len(each) for each in threads] == [1, 1, 1, 1]
    assert len(set.union(*threads)) == 4
    four.close()
    assert [{sender.closed_by} for sender in four.senders] == threads


def test_the_shares_are_sent_at_the_same_time(destinations: Destinations) -> None:
    """Each waits for all the others to be under way, so one after the other would never end."""
    together = threading.Barrier(4)

    def answer(batch: Sequence[Record]) -> list[Delivery]:
        together.wait(PATIENCE_S)
        return [Delivered(number(record)) for record in batch]

    four = destinations(4, answer)
    assert four.lanes.export(records(8)) == [Delivered(at) for at in range(8)]


@given(st.integers(0, 80), st.integers(1, 6))
def test_deliveries_come_in_the_order_of_the_records(many: int, connections: int) -> None:
    destination = Destination(connections)
    assert destination.lanes.export(records(many)) == [Delivered(at) for at in range(many)]
    shares = sorted(share for sender in destination.senders for share in sender.shares)
    assert len(shares) == min(many, connections)
    assert sorted(at for share in shares for at in share) == list(range(many))
    assert all(share == sorted(share) for share in shares), "older records first on every connection"
    assert not shares or max(map(len, shares)) - min(map(len, shares)) <= 1
    destination.close()


def test_few_records_open_few_connections(destinations: Destinations) -> None:
    four = destinations(4)
    four.lanes.export(records(2))
    assert len(four.senders) == 2
    four.lanes.export(records(100))
    assert len(four.senders) == 4
    assert four.lanes.export([]) == []


@pytest.mark.parametrize("connections", [0, -1, None, "many", 1.5], ids=str)
def test_a_strange_number_of_connections_is_one(destinations: Destinations, connections: Any) -> None:
    odd = destinations(connections)
    assert odd.lanes.export(records(5)) == [Delivered(at) for at in range(5)]
    assert len(odd.senders) == 1


def test_a_lane_that_raises_rejects_its_own_share_only(
    destinations: Destinations, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(batch: Sequence[Record]) -> list[Delivery]:
        if number(batch[0]) == 1:
            raise SystemExit
        return [Delivered(number(record)) for record in batch]

    three = destinations(3, answer)
    deliveries = three.lanes.export(records(9))
    rejected = [at for at, delivery in enumerate(deliveries) if isinstance(delivery, Rejected)]
    assert rejected == [1, 4, 7]
    assert three.lanes.export(records(1)) == [Delivered(0)], "the lane lives on"


@pytest.mark.parametrize("answer", [lambda batch: [], lambda batch: [Delivered()] * 99, lambda batch: None])
def test_a_lane_that_answers_for_another_number_rejects_its_share(
    destinations: Destinations, caplog: pytest.LogCaptureFixture, answer: Callable[[Any], Any]
) -> None:
    two = destinations(2, answer)
    assert [type(delivery) for delivery in two.lanes.export(records(5))] == [Rejected] * 5


def test_each_delivery_is_looked_at_by_itself(destinations: Destinations) -> None:
    def answer(batch: Sequence[Record]) -> list[Any]:
        return [TryLater(1.0) if number(record) == 2 else number(record) or Delivered(0) for record in batch]

    found = destinations(2, answer).lanes.export(records(4))
    assert found[0] == Delivered(0)
    assert found[2] == TryLater(1.0)
    assert [type(delivery) for delivery in found] == [Delivered, Rejected, TryLater, Rejected]


def test_an_exporter_that_cannot_be_opened_rejects_its_share_only(
    destinations: Destinations, caplog: pytest.LogCaptureFixture
) -> None:
    two = destinations(2)
    opened, calls = two.open, count()

    def fail_the_second() -> Sender:
        if next(calls) == 1:
            raise OSError("no")
        return opened()

    two.lanes = Lanes(fail_the_second)
    found = two.lanes.export(records(4))
    assert [type(delivery) for delivery in found] == [Delivered, Rejected, Delivered, Rejected]
    assert two.lanes.export(records(4)) == [Delivered(at) for at in range(4)], "opened by the next batch"
    two.lanes.close()


def test_without_threads_to_be_had_one_lane_does_the_work(
    destinations: Destinations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    four = destinations(4)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert four.lanes.export(records(5)) == [Delivered(at) for at in range(5)]
    assert len(four.senders) == 1
    four.lanes.export(records(8))
    assert len(four.senders) == 4


def test_lanes_can_be_used_again_after_they_were_closed(destinations: Destinations) -> None:
    two = destinations(2)
    two.lanes.export(records(4))
    two.lanes.close()
    two.lanes.close()
    assert two.lanes.export(records(4)) == [Delivered(at) for at in range(4)]


def test_an_exporter_object_is_used_by_one_thread_whatever_connections_it_wants() -> None:
    """There is only one of it, and the protocol promises it one thread."""
    shared = Sender(Destination(4, lambda batch: [Delivered(7)] * len(batch)))
    promptlayer_patch.install(to=shared)
    create = Wire().client().chat.completions.create
    with promptlayer_patch.scope() as calls:
        for _ in range(40):
            create(model=MODEL, messages=[{"role": "user", "content": "?"}])
    assert calls.request_ids(PATIENCE_S) == [7] * 40
    assert len(set(shared.used_by)) == 1
