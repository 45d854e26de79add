"""The way to a destination that may be out of reach: nothing is lost, hammered, or held up by another."""

from __future__ import annotations

import gc
import logging
import random
import shutil
import tempfile
import threading
import time
import tracemalloc
import weakref
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from promptlayer_patch import Receipt, Record, Stats
from promptlayer_patch._delivery.circuit import Circuit
from promptlayer_patch._delivery.dispatch import Dispatch
from promptlayer_patch._delivery.pace import Pace
from promptlayer_patch._delivery.rhythm import Lingers
from promptlayer_patch._delivery.room import Room
from promptlayer_patch._delivery.spooling import Spooling
from promptlayer_patch._outbox import Address, OutboxDirectory
from promptlayer_patch.records import Delivered, Delivery, Rejected, TryLater
from tests.support.fake_promptlayer import PATIENCE_S, Held, Numbering

ADDRESS = Address("https://pl.test", "pl_secret")
AN_HOUR_S = 3600.0
PLENTY = Room(100_000, 1 << 30)
FOREVER = object()


class Finished:
    """What a dispatch needs to know of a call."""

    def __init__(self, name: str, receipt: Receipt, text: str) -> None:
        self.name = name
        self.receipt = receipt
        self.text = text
        self.size = len(text)

    def lighten(self) -> bool:
        return False


def decoded(call: Any) -> Record:
    if call.name == "broken":
        raise LookupError(call.name)
    return Record(id=call.receipt.record_id, function_name=call.name, request={"text": call.text})


class Office:
    """A dispatch, its exporter, and the receipts of what was put in."""

    def __init__(
        self,
        path: Path | None,
        exporter: Any = None,
        *,
        connections: int = 4,
        on_disk: Room = PLENTY,
        in_memory: Room = PLENTY,
        queue: Room = PLENTY,
    ) -> None:
        self.exporter = exporter or Numbering()
        directory = OutboxDirectory(path) if path else None
        self.spooling = Spooling(directory, ADDRESS, on_disk, in_memory)
        self.dispatch = Dispatch(
            self.spooling,
            lambda: self.exporter,
            connections,
            decoded,
            max_records=queue.records,
            max_bytes=queue.size,
            place=str(path or ""),
        )
        self.receipts: list[Receipt] = []

    def put(self, count: int = 1, *, name: str | None = None, text: str = "?") -> list[Receipt]:
        first = len(self.receipts)
        for at in range(first, first + count):
            receipt = Receipt(self.dispatch.urge)
            self.receipts.append(receipt)
            call: Any = Finished(name or f"call {at}", receipt, text)
            self.dispatch.put(call, receipt.settle, may_start=True)
        return self.receipts[first:]

    @property
    def stats(self) -> Stats:
        return self.dispatch.stats()

    @property
    def names(self) -> list[str]:
        return [record.function_name for record in self.exporter.records]

    def kept(self) -> None:
        """Wait until everything that was put is where it waits for the senders."""
        assert self.dispatch._worker.flush(PATIENCE_S)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        pause.wait(0.002)


def balances(stats: Stats) -> bool:
    parts = (stats.delivered, stats.queued, stats.outbox, stats.rejected, stats.dropped)
    return stats.recorded == sum(parts) and min(parts) >= 0


def names(count: int) -> list[str]:
    return [f"call {at}" for at in range(count)]


def answering(answer: Callable[[Record], Any]) -> Numbering:
    return Numbering(lambda batch: [answer(record) for record in batch])


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def offices() -> Any:
    """Makes offices, and closes them after the test."""
    made: list[Office] = []

    def office(path: Path | None, exporter: Any = None, **options: Any) -> Office:
        made.append(Office(path, exporter, **options))
        return made[-1]

    yield office
    for one in made:
        if isinstance(one.exporter, Held):
            one.exporter.let_go.set()
        one.dispatch.close(1.0)


Offices = Callable[..., Office]


@pytest.fixture(params=["on disk", "in memory"])
def place(request: pytest.FixtureRequest, outbox: Path) -> Path | None:
    """With an outbox, and without one."""
    return outbox if request.param == "on disk" else None


# Delivering


def test_everything_arrives_in_order_over_one_connection(offices: Offices, place: Path | None) -> None:
    office = offices(place, connections=1)
    receipts = office.put(200)
    assert office.dispatch.flush(PATIENCE_S)
    assert office.names == names(200)
    assert [receipt.request_id() for receipt in receipts] == list(range(1, 201))
    assert office.stats == Stats(recorded=200, delivered=200)


def test_several_connections_share_the_work_and_double_nothing(offices: Offices, place: Path | None) -> None:
    office = offices(place)
    receipts = office.put(500)
    assert office.dispatch.flush(PATIENCE_S)
    assert sorted(office.names) == sorted(names(500))
    assert sorted(receipt.request_id() for receipt in receipts) == list(range(1, 501))


def test_a_call_that_cannot_be_decoded_holds_back_no_other(offices: Offices, place: Path | None) -> None:
    office = offices(place)
    office.put(2)
    (broken,) = office.put(name="broken")
    office.put(2)
    assert office.dispatch.flush(PATIENCE_S)
    assert office.stats == Stats(recorded=5, delivered=4, rejected=1)
    assert "decoded" in repr(broken)


def test_a_slow_record_holds_up_no_neighbour(offices: Offices, place: Path | None) -> None:
    reached, let_go = threading.Event(), threading.Event()

    def answer(record: Record) -> Delivery:
        if record.function_name == "slow":
            reached.set()
            assert let_go.wait(PATIENCE_S)
        return Delivered(1)

    office = offices(place, answering(answer))
    (slow,) = office.put(name="slow")
    assert reached.wait(PATIENCE_S)
    others = office.put(50)
    wait_until(lambda: all(receipt.done for receipt in others))
    assert not slow.done
    let_go.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert slow.request_id() == 1


def test_a_slow_record_among_quick_ones_holds_up_none_of_them(offices: Offices, place: Path | None) -> None:
    """One sender is enough for quick ones, until it is stuck."""
    let_go = threading.Event()

    def answer(record: Record) -> Delivery:
        assert record.function_name != "slow" or let_go.wait(PATIENCE_S)
        return Delivered(1)

    office = offices(place, answering(answer))
    others = office.put(30)
    (slow,) = office.put(name="slow")
    others += office.put(1000)  # at the pace of those who only watch, these would take 50 s
    wait_until(lambda: all(receipt.done for receipt in others))
    assert not slow.done
    let_go.set()
    assert office.dispatch.flush(PATIENCE_S)


def test_where_answers_come_at_once_one_sender_does_the_work() -> None:
    pace = Pace()
    for _ in range(20):
        pace.begins(1)
        sum(range(10_000))
        pace.ends(1)
    assert pace.is_quick
    assert not pace.is_enough()
    pace.begins(2)
    assert pace.is_enough()
    began, worked = pace._begun[2]
    pace._begun[2] = began - 2 * pace.look_again_s, worked
    assert not pace.is_enough()
    assert pace.is_quick
    pace.ends(2)
    for _ in range(20):
        pace.begins(1)
        pace._begun[1] = pace._begun[1][0] - AN_HOUR_S, pace._begun[1][1]
        pace.ends(1)
    assert not pace.is_quick


@pytest.mark.parametrize("asked", [None, 0.01], ids=["with its own backoff", "asking for time"])
def test_a_record_that_always_fails_does_not_hold_back_the_others(
    offices: Offices, place: Path | None, asked: float | None
) -> None:
    office = offices(
        place, answering(lambda record: TryLater(asked) if record.function_name == "poison" else Delivered(1))
    )
    office.put(name="poison")
    wait_until(lambda: office.stats.retried > 0)
    others = office.put(40)
    wait_until(lambda: all(receipt.done for receipt in others))
    assert not office.dispatch.flush(0.01)
    stats = office.stats
    assert (stats.delivered, stats.queued + stats.outbox, stats.rejected) == (40, 1, 0)


def test_records_that_always_fail_do_not_stand_before_those_that_failed_with_them(
    offices: Offices, place: Path | None
) -> None:
    """Everything failed once, and now only some would; whoever is in a hurry must get to the others."""
    healed = threading.Event()

    def answer(record: Record) -> Delivery:
        return Delivered(1) if healed.is_set() and record.function_name != "poison" else TryLater()

    office = offices(place, answering(answer), connections=1)
    office.put(2, name="poison")
    others = office.put(3)
    office.kept()
    while office.stats.retried < 5:
        office.dispatch.flush(0.01)
    healed.set()
    for _ in range(10):
        office.dispatch.flush(0.02)
    assert all(receipt.done for receipt in others)


@pytest.fixture
def kept_out(offices: Offices, place: Path | None, monkeypatch: pytest.MonkeyPatch) -> Office:
    """An office whose worker had to wait for the interpreter, and wakes for nothing but a flush."""
    patient = Lingers(AN_HOUR_S, AN_HOUR_S, AN_HOUR_S)
    monkeypatch.setattr("promptlayer_patch._delivery.dispatch._COMMITS_AFTER", patient)
    office = offices(place)
    office.dispatch._worker.rhythm.is_kept_out = True
    return office


def test_what_is_held_back_goes_out_by_itself(kept_out: Office) -> None:
    """Whenever the worker finds no time, and nobody has to ask for it."""
    office = kept_out
    for wave in (1, 2, 3):
        (receipt,) = office.put()
        office.kept()
        assert office.dispatch._courier._state.held_until is not None
        wait_until(lambda waited=receipt: waited.done)
        assert office.stats.delivered == wave
        wait_until(lambda: office.dispatch._courier._state.held_until is None)


@pytest.mark.parametrize("hurry", ["flush", "request_id", "close"])
def test_what_is_held_back_does_not_wait_for_long_if_somebody_does(
    kept_out: Office, monkeypatch: pytest.MonkeyPatch, hurry: str
) -> None:
    monkeypatch.setattr("promptlayer_patch._delivery.courier._LONGEST_HOLD_S", AN_HOUR_S)
    office = kept_out
    (receipt,) = office.put()
    office.kept()
    assert not receipt.done
    match hurry:
        case "flush":
            assert office.dispatch.flush(PATIENCE_S)
        case "close":
            assert office.dispatch.close(PATIENCE_S)
    assert receipt.request_id(PATIENCE_S) == 1


def test_what_is_rejected_is_kept_for_a_person_to_look_at(offices: Offices, outbox: Path) -> None:
    office = offices(outbox, answering(lambda record: Rejected("too odd")))
    receipts = office.put(3)
    assert office.dispatch.flush(PATIENCE_S)
    assert office.stats == Stats(recorded=3, rejected=3)
    found = OutboxDirectory(outbox).rejected.all()
    assert {one.key for one in found} == {receipt.record_id for receipt in receipts}
    assert {one.reason for one in found} == {"too odd"}
    assert all("too odd" in repr(receipt) for receipt in receipts)


# Room


def test_content_is_shortened_before_a_record_is_dropped(offices: Offices, place: Path | None) -> None:
    small = Room(1000, 300_000)
    exporter = Held()
    office = offices(place, exporter, connections=1, on_disk=small, in_memory=small)
    office.put(28, text="long " * 2000)
    office.kept()
    stats = office.stats
    assert (stats.recorded, stats.dropped) == (28, 0)
    assert 0 < stats.shortened < 28
    exporter.let_go.set()
    assert office.dispatch.flush(PATIENCE_S)
    cut = [record for record in exporter.records if record.shortened_from]
    assert len(cut) == stats.shortened
    assert {record.shortened_from for record in cut} == {cut[0].shortened_from}
    assert len(exporter.records) == 28


@pytest.mark.parametrize("room", [Room(10, 1 << 20), Room(1000, 50_000)], ids=["records", "bytes"])
def test_beyond_the_room_there_is_records_are_dropped_and_said_once(
    offices: Offices, place: Path | None, caplog: pytest.LogCaptureFixture, room: Room
) -> None:
    exporter = Held()
    office = offices(place, exporter, on_disk=room, in_memory=room)
    receipts = office.put(100)
    office.kept()
    stats = office.stats
    assert balances(stats)
    assert 0 < stats.dropped < 100
    assert (
        sum("dropped" in entry.getMessage() for entry in caplog.records if entry.levelno >= logging.WARNING)
        == 1
    )
    assert sum(receipt.done for receipt in receipts) == stats.dropped
    exporter.let_go.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert office.stats.delivered == 100 - stats.dropped


def test_what_sqlite_keeps_beside_our_own_file_takes_no_room_from_it(offices: Offices, outbox: Path) -> None:
    """The log alone may be four times the size of this outbox."""
    room = Room(1000, 200_000)
    office = offices(outbox, on_disk=room)
    for _ in range(3):
        office.put(20, text="x" * 5000)
        assert office.dispatch.flush(PATIENCE_S)
        office.dispatch.look_around()
        office.kept()
    office.put(1)
    assert office.dispatch.flush(PATIENCE_S)
    assert (office.stats.dropped, office.stats.shortened) == (0, 0)


# The circuit


def test_a_dead_endpoint_is_not_hammered(offices: Offices, place: Path | None) -> None:
    exporter = answering(lambda record: TryLater())
    office = offices(place, exporter)
    office.put(300)
    office.kept()
    wait_until(lambda: len(exporter.batches) >= 4)
    assert not office.dispatch.flush(0.2)
    assert len(exporter.batches) < 20
    assert balances(office.stats)


def test_after_an_outage_everything_goes_at_once(offices: Offices, place: Path | None) -> None:
    back = threading.Event()
    office = offices(place, answering(lambda record: Delivered(1) if back.is_set() else TryLater()))
    receipts = office.put(100)
    office.kept()
    wait_until(lambda: office.stats.retried >= 3)
    back.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert all(receipt.done for receipt in receipts)


def test_a_destination_that_asks_for_time_gets_it_for_everything(
    offices: Offices, place: Path | None
) -> None:
    busy = [TryLater(AN_HOUR_S)]
    exporter = answering(lambda record: busy.pop() if busy else Delivered(1))
    office = offices(place, exporter, connections=1)
    office.put(1)
    wait_until(lambda: office.stats.retried == 1)
    office.put(30)
    office.kept()
    threading.Event().wait(0.1)
    assert len(exporter.batches) == 1
    assert office.dispatch.flush(PATIENCE_S), "somebody who is in a hurry is not told to wait for an hour"
    assert office.stats.delivered == 31


def test_a_key_that_is_refused_stops_everything(offices: Offices, place: Path | None) -> None:
    exporter = answering(lambda record: TryLater(reason="no such key", refuses_key=True))
    office = offices(place, exporter, connections=1)
    office.put(20)
    assert not office.dispatch.flush(PATIENCE_S), "at once, since it cannot get better"
    office.put(20)
    office.kept()
    assert not office.dispatch.flush(PATIENCE_S)
    assert len(exporter.batches) == 1
    if place is not None:
        (path,) = OutboxDirectory(place).files()
        assert office.spooling._own is not None
        assert office.spooling._own.path == path
        assert "key_refused" in office.spooling._own.facts()


def test_one_that_was_given_up_while_it_tried_an_open_circuit_does_not_keep_it_open(offices: Offices) -> None:
    """Nobody is told how it ended, and others would wait for that."""
    reached, let_go = threading.Event(), threading.Event()
    answers: list[Any] = [TryLater(0.0), FOREVER]

    def answer(record: Record) -> Any:
        answer = answers.pop(0) if answers else Delivered(1)
        if answer is not FOREVER:
            return answer
        reached.set()
        assert let_go.wait(PATIENCE_S)
        return TryLater()

    office = offices(None, answering(answer), connections=1)
    office.put(1)
    assert reached.wait(PATIENCE_S)
    assert not office.dispatch.end(0.0)
    let_go.set()
    (late,) = office.put(1)
    assert office.dispatch.flush(PATIENCE_S)
    assert late.request_id() == 1
    assert office.stats == Stats(recorded=2, delivered=1, dropped=1, retried=1)


def fails(circuit: Circuit, count: int) -> None:
    for at in range(count):
        circuit.sends(f"{at}")
        circuit.failed(f"{at}")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_one_record_that_fails_again_and_again_opens_no_circuit() -> None:
    circuit = Circuit()
    for _ in range(50):
        circuit.failed("poison")
    assert (circuit.is_open, circuit.pause_s()) == (False, 0.0)


def test_three_different_ones_open_it_and_a_success_between_them_does_not() -> None:
    circuit = Circuit()
    fails(circuit, 2)
    assert not circuit.succeeded(), "there was no outage"
    fails(circuit, 2)
    assert not circuit.is_open
    fails(circuit, 3)
    assert circuit.is_open


def test_an_open_circuit_lets_exactly_one_through_to_see() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    fails(circuit, 3)
    clock.now += AN_HOUR_S
    assert circuit.pause_s() == 0.0
    circuit.sends("one")
    assert circuit.pause_s() is None
    assert circuit.is_open
    circuit.failed("another that was under way")
    assert circuit.pause_s() is None, "what was under way before says nothing about the one that tries"
    circuit.failed("one")
    pause_s = circuit.pause_s()
    assert pause_s is not None
    clock.now += pause_s
    circuit.sends("two")
    assert circuit.succeeded(), "the outage is over"
    assert (circuit.is_open, circuit.pause_s()) == (False, 0.0)


def test_the_pause_is_random_up_to_a_bound_that_doubles_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that many processes that lost the same endpoint do not come back in step."""
    bounds: list[tuple[float, float]] = []

    def highest(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", highest)
    clock = Clock()
    circuit = Circuit(clock)
    fails(circuit, 3)
    for _ in range(10):
        clock.now += circuit.pause_s() or 0.0
        circuit.sends("again")
        circuit.failed("again")
    assert {low for low, _ in bounds} == {0.0}
    highs = [high for _, high in bounds]
    assert highs == sorted(highs)
    assert (highs[0], highs[-1]) == (2.0, 60.0)
    assert all(later in (2 * earlier, 60.0) for earlier, later in pairwise(highs))


@pytest.mark.parametrize(("asked", "given"), [(5.0, 5.0), (0.0, 0.0), (10 * AN_HOUR_S, AN_HOUR_S)])
def test_the_destinations_own_wish_opens_it_at_the_first_failure(asked: float, given: float) -> None:
    circuit = Circuit(Clock())
    circuit.failed("one", asked)
    assert (circuit.is_open, circuit.pause_s()) == (True, given)


def test_somebody_in_a_hurry_has_it_tried_at_once_unless_one_is_trying() -> None:
    circuit = Circuit(Clock())
    circuit.failed("one", AN_HOUR_S)
    circuit.try_now()
    assert circuit.pause_s() == 0.0
    circuit.sends("two")
    circuit.try_now()
    assert circuit.pause_s() is None


def test_after_a_refusal_nothing_helps() -> None:
    circuit = Circuit(Clock())
    circuit.refuse("no such key")
    circuit.try_now()
    circuit.succeeded()
    assert (circuit.is_open, circuit.pause_s(), circuit.refusal) == (True, None, "no such key")


# The end, and who comes after it


def test_at_the_end_nobody_waits_for_a_destination_that_does_not_answer(
    offices: Offices, outbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = answering(lambda record: TryLater(AN_HOUR_S))
    office = offices(outbox, exporter)
    office.put(20)
    office.kept()
    wait_until(lambda: office.spooling.own_count() == 20 and office.stats.retried > 0)
    wait_until(lambda: not office.dispatch._courier._state.under_way)
    tried = len(exporter.batches)
    began = time.monotonic()
    assert not office.dispatch.end(AN_HOUR_S)
    assert time.monotonic() - began < PATIENCE_S
    assert len(exporter.batches) == tried
    assert office.stats == Stats(recorded=20, outbox=20, retried=office.stats.retried)
    assert f"20 records were not delivered yet: they are in the outbox {outbox}" in caplog.text


def test_at_the_end_one_that_hangs_is_waited_for_as_long_as_was_said(
    offices: Offices, place: Path | None
) -> None:
    exporter = Held()
    office = offices(place, exporter)
    (receipt,) = office.put(1)
    assert exporter.reached.wait(PATIENCE_S)
    began = time.monotonic()
    assert not office.dispatch.end(0.2)
    assert 0.2 <= time.monotonic() - began < PATIENCE_S
    assert balances(office.stats)
    assert receipt.done == (place is None), "without an outbox it is lost"
    exporter.let_go.set()


def test_what_is_left_is_delivered_once_by_the_next(offices: Offices, outbox: Path) -> None:
    back = threading.Event()
    exporter = answering(lambda record: Delivered(1) if back.is_set() else TryLater())
    first = offices(outbox, exporter)
    receipts = first.put(50)
    first.kept()
    assert not first.dispatch.close(1.0)
    assert all("a later process" in repr(receipt) for receipt in receipts)
    back.set()
    exporter.batches.clear()
    seconds = [offices(outbox, exporter) for _ in range(3)]
    for second in seconds:
        second.dispatch.look_around()
    wait_until(lambda: sum(second.stats.adopted for second in seconds) == 50)
    for second in seconds:
        assert second.dispatch.close(PATIENCE_S)
        assert second.stats == Stats(adopted=second.stats.adopted)
    assert Counter(record.id for record in exporter.records) == Counter(
        receipt.record_id for receipt in receipts
    )
    assert OutboxDirectory(outbox).files() == []


# Receipts


def test_receipts_that_nobody_holds_leave_nothing_behind(offices: Offices, place: Path | None) -> None:
    exporter = Held()
    office = offices(place, exporter)
    office.put(50)
    office.kept()
    kept = office.put(2)
    office.kept()
    office.receipts.clear()
    gc.collect()
    assert set(office.spooling.outcomes._settles) == {receipt.record_id for receipt in kept}
    exporter.let_go.set()
    assert office.dispatch.flush(PATIENCE_S)
    assert all(receipt.done for receipt in kept)
    assert office.spooling.outcomes._settles == {}


def test_who_is_to_be_called_back_need_not_keep_the_receipt(offices: Offices, place: Path | None) -> None:
    exporter = Held()
    office = offices(place, exporter)
    (receipt,) = office.put(1)
    told, found = threading.Event(), weakref.ref(receipt)
    receipt.when_done(told.set)
    office.kept()
    office.receipts.clear()
    del receipt
    gc.collect()
    assert not told.is_set()
    exporter.let_go.set()
    assert told.wait(PATIENCE_S)
    wait_until(lambda: found() is None)


def test_who_has_stopped_waiting_keeps_no_receipt_alive(offices: Offices, place: Path | None) -> None:
    office = offices(place, Held())
    (receipt,) = office.put(1)
    with pytest.raises(Exception, match="no request id within"):
        receipt.request_id(0.01)
    office.kept()
    office.receipts.clear()
    del receipt
    gc.collect()
    assert office.spooling.outcomes._settles == {}


# Memory


def test_a_long_outage_costs_hardly_any_memory(offices: Offices, outbox: Path) -> None:
    office = offices(outbox, answering(lambda record: TryLater(AN_HOUR_S)))
    office.put(100)
    office.kept()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(100):
            office.put(200, text="of a prompt " * 40)
            office.receipts.clear()
            office.kept()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    stats = office.stats
    assert (stats.recorded, stats.outbox, stats.dropped) == (20_100, 20_100, 0)
    assert after - before < 5 * 1024 * 1024


# The account, whatever happens


class Account(RuleBasedStateMachine):
    """Every record is accounted for at every moment, for every thread that looks."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.answers: list[str] = []
        self.accepted: Counter[str] = Counter()
        self.wrong: list[Stats] = []
        self.closed = False
        self.over = threading.Event()
        self.folder = Path(tempfile.mkdtemp())

    @initialize(on_disk=st.booleans(), connections=st.integers(1, 3))
    def begin(self, on_disk: bool, connections: int) -> None:
        self.path = self.folder / "outbox" if on_disk else None
        room = Room(12, 60_000)
        self.office = Office(
            self.path,
            answering(self._answer),
            connections=connections,
            on_disk=room,
            in_memory=room,
            queue=Room(10, 60_000),
        )
        self.watcher = threading.Thread(target=self._watch)
        self.watcher.start()

    def _watch(self) -> None:
        while not self.over.wait(0.0005):
            stats = self.office.stats
            if not balances(stats):
                self.wrong.append(stats)

    def _answer(self, record: Record) -> Any:
        with self.lock:
            match self.answers.pop() if self.answers else "deliver":
                case "later":
                    return TryLater(0.0)
                case "much later":
                    return TryLater(AN_HOUR_S)
                case "later by itself":
                    return TryLater()
                case "reject":
                    return Rejected("no")
                case "refuse the key":
                    return TryLater(refuses_key=True)
                case "junk":
                    return 7
            self.accepted[record.id] += 1
            return Delivered(len(self.accepted))

    @rule(count=st.integers(1, 12), size=st.sampled_from([100, 5_000, 40_000]))
    def put(self, count: int, size: int) -> None:
        self.office.put(count, text="x" * size)

    @rule()
    def put_what_cannot_be_decoded(self) -> None:
        self.office.put(1, name="broken")

    @rule(
        answers=st.lists(
            st.sampled_from(["deliver", "later", "much later", "later by itself", "reject", "junk"])
            | st.sampled_from(["deliver", "refuse the key"]),
            min_size=1,
            max_size=6,
        )
    )
    def the_destination_will(self, answers: list[str]) -> None:
        with self.lock:
            self.answers = answers

    @rule()
    def flush(self) -> None:
        self.office.dispatch.flush(0.002)

    @rule()
    def urge(self) -> None:
        self.office.dispatch.urge()

    @rule()
    def end(self) -> None:
        self.office.dispatch.end(0.002)

    @precondition(lambda self: not self.closed)
    @rule()
    def close(self) -> None:
        self.office.dispatch.close(1.0)
        self.closed = True

    @invariant()
    def balanced(self) -> None:
        stats = self.office.stats
        assert balances(stats), stats
        assert stats.recorded == len(self.office.receipts)
        assert self.wrong == []

    def teardown(self) -> None:
        if not hasattr(self, "office"):
            return
        with self.lock:
            self.answers = []
        self.office.dispatch.close(1.0)
        self.over.set()
        self.watcher.join()
        stats = self.office.stats
        assert (balances(stats), stats.queued) == (True, 0), stats
        # Without an outbox, what is under way at the end is given up, whatever is answered then.
        given_up = stats.dropped if self.path is None else 0
        assert stats.delivered <= len(self.accepted) <= stats.delivered + given_up
        assert all(receipt.done for receipt in self.office.receipts)
        if self.path is not None:
            self._deliver_the_rest(self.path, stats)
        assert set(self.accepted.values()) <= {1}
        assert self.wrong == []
        shutil.rmtree(self.folder)

    def _deliver_the_rest(self, path: Path, stats: Stats) -> None:
        later = Office(path, self.office.exporter)
        later.dispatch.look_around()
        wait_until(lambda: later.stats.adopted == stats.outbox)
        assert later.dispatch.close(1.0)
        assert OutboxDirectory(path).files() == []
        assert len(self.accepted) == stats.delivered + stats.outbox
        assert OutboxDirectory(path).rejected.count() <= stats.rejected


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
