"""The queue and its one thread: batching, retrying, flushing, closing, and the account of every record."""

from __future__ import annotations

import gc
import json
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from promptlayer_patch import Receipt, Record, Stats
from promptlayer_patch._capture.call import Call
from promptlayer_patch._delivery.lane import Lane
from promptlayer_patch._delivery.parcels import Parcel, wait_before
from promptlayer_patch._delivery.rhythm import Lingers, Rhythm
from promptlayer_patch._delivery.turn import Turn
from promptlayer_patch._delivery.worker import Worker
from promptlayer_patch._guard import forget_reports
from promptlayer_patch.errors import RequestIdUnavailable
from promptlayer_patch.records import Delivered, Delivery, Outcome, Rejected, TryLater
from tests.support.fake_promptlayer import PATIENCE_S, Held, Numbering
from tests.support.programs import FORKS, ROOT, printed, run_program

AN_HOUR_S = 3600.0


@dataclass
class Finished:
    """What a worker needs to know of a call."""

    name: str
    record_id: str
    size: int

    def lighten(self) -> bool:
        return False


def decoded(call: Any) -> Record:
    if call.name == "broken":
        raise LookupError(call.name)
    return Record(id=call.record_id, function_name=call.name)


class Desk:
    """A worker, its exporter, and the receipts of what was put in."""

    def __init__(self, exporter: Any = None, **options: Any) -> None:
        self.exporter = exporter or Numbering()
        self.open: Callable[[], Any] = lambda: self.exporter
        limits = {"max_records": 10_000, "max_bytes": 1 << 30, **options}
        self.worker = Worker(Lane(lambda: self.open()), decoded, **limits)
        self.receipts: list[Receipt] = []

    def put(
        self, count: int = 1, *, size: int = 1000, name: str | None = None, may_start: bool = True
    ) -> list[Receipt]:
        first, made = len(self.receipts), []
        for at in range(first, first + count):
            receipt = Receipt(self.worker.urge)
            made.append(receipt)
            self.receipts.append(receipt)
            call: Any = Finished(name or f"call {at}", receipt.record_id, size)
            self.worker.put(call, receipt.settle, may_start=may_start)
        return made

    @property
    def names(self) -> list[str]:
        return [record.function_name for record in self.exporter.records]

    @property
    def stats(self) -> Stats:
        return self.worker.stats()

    def threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("promptlayer-")]


def names(count: int) -> list[str]:
    return [f"call {at}" for at in range(count)]


def balances(stats: Stats) -> bool:
    return stats.recorded == stats.delivered + stats.queued + stats.rejected + stats.dropped


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    """Log lines come once for each kind: let each test have its own first."""
    forget_reports()


@pytest.fixture
def desks() -> Any:
    """Makes desks, and closes their workers after the test."""
    made: list[Desk] = []

    def desk(exporter: Any = None, **options: Any) -> Desk:
        made.append(Desk(exporter, **options))
        return made[-1]

    yield desk
    for one in made:
        if isinstance(one.exporter, Held):
            one.exporter.let_go.set()
        one.worker.close(PATIENCE_S)


Desks = Callable[..., Desk]


# Starting and batching


def test_the_thread_starts_with_the_first_record_and_ends_with_close(desks: Desks) -> None:
    desk = desks()
    assert desk.threads() == []
    desk.put()
    assert [thread.name for thread in desk.threads()] == ["promptlayer-worker"]
    assert desk.threads()[0].daemon
    assert desk.worker.close(PATIENCE_S)
    assert desk.threads() == []


def test_a_worker_without_records_costs_no_thread(desks: Desks) -> None:
    desk = desks()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.worker.close(PATIENCE_S)
    assert desk.exporter.threads == []
    assert desk.stats == Stats()


def test_records_are_exported_in_order_on_one_thread_that_is_not_the_callers(desks: Desks) -> None:
    desk = desks()
    desk.put(300)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == names(300)
    assert len(set(desk.exporter.threads)) == 1
    assert desk.exporter.threads[0] is not threading.current_thread()


def test_what_waits_is_taken_in_batches(desks: Desks) -> None:
    desk = desks(Held())
    desk.put()
    desk.worker.urge()
    assert desk.exporter.reached.wait(PATIENCE_S)
    desk.put(300)
    desk.exporter.let_go.set()
    assert desk.worker.flush(PATIENCE_S)
    assert [len(batch) for batch in desk.exporter.batches] == [1, 256, 44]
    assert desk.names == names(301)


@pytest.mark.parametrize("hurry", ["flush", "close", "urge", "request_id"])
def test_a_record_waits_for_company_unless_somebody_is_in_a_hurry(desks: Desks, hurry: str) -> None:
    """With an hour of patience nothing goes out by itself, so what does was hurried."""
    desk = desks(lingers=Lingers(AN_HOUR_S, AN_HOUR_S, AN_HOUR_S))
    (receipt,) = desk.put()
    assert desk.stats.queued == 1
    match hurry:
        case "flush":
            assert desk.worker.flush(PATIENCE_S)
        case "close":
            assert desk.worker.close(PATIENCE_S)
        case "urge":
            desk.worker.urge()
    assert receipt.request_id(PATIENCE_S) == 1


def test_a_record_goes_out_by_itself(desks: Desks) -> None:
    desk = desks()
    done = threading.Event()
    desk.put()[0].when_done(done.set)
    assert done.wait(PATIENCE_S)


def test_nobody_stands_aside_for_a_worker_that_waits_for_its_destination(desks: Desks) -> None:
    desk = desks(Held())
    desk.put()
    desk.worker.urge()
    assert desk.exporter.reached.wait(PATIENCE_S)
    turn = desk.worker._turn
    turn.overdue_at = 0.0
    desk.put()  # this one finds out
    assert turn.overdue_at > time.monotonic()
    desk.exporter.let_go.set()
    assert desk.worker.flush(PATIENCE_S)


def test_who_stands_aside_goes_on_when_the_worker_has_had_its_turn() -> None:
    turn = Turn()
    assert turn.overdue_at == math.inf
    with ThreadPoolExecutor(2) as pool:
        aside = [pool.submit(turn.stand_aside, math.inf) for _ in range(2)]
        while not turn._bystanders:
            pass
        turn.begins()
        turn.ends()
        wait(aside, PATIENCE_S)
        turn.stand_aside(0.0)  # that turn is over
    assert not turn._bystanders


def test_a_crowd_waits_longer_than_a_record_alone() -> None:
    rhythm = Rhythm(Lingers(0.004, 1000.0, 2000.0))
    rhythm.begins(7.0)
    assert rhythm.next_at == 7.004
    for count, crowded in ((3, False), (4, True), (500_000, True), (499_999, False), (3, False)):
        rhythm.took(count, 0)
        rhythm.delivered()
        assert rhythm.is_crowded is crowded
        assert (rhythm.next_at > time.monotonic() + 500.0) is crowded


def test_records_wait_longer_where_the_worker_has_to_wait_for_the_interpreter() -> None:
    rhythm = Rhythm(Lingers(5.0, 10.0, 200.0))
    rhythm.begins(1000.0)
    rhythm.woke(1005.0005, due=1005.0)
    assert rhythm.next_at == 1005.0  # in time: it goes out now
    rhythm.woke(1005.1, due=1005.0)
    assert rhythm.next_at == 1200.0  # late: whoever was in its way is spared until then
    rhythm.woke(1200.1, due=1200.0)
    assert rhythm.next_at == 1200.0  # and not once more
    rhythm.begins(2000.0)
    assert rhythm.next_at == 2200.0
    rhythm.woke(2200.0, due=2200.0)
    rhythm.begins(3000.0)
    assert rhythm.next_at == 3005.0


def test_a_thread_that_leaves_the_worker_no_time_is_spared(desks: Desks) -> None:
    desk = desks(lingers=Lingers(0.001, 0.001, AN_HOUR_S))
    deadline = time.monotonic() + PATIENCE_S
    while not desk.worker.rhythm.is_kept_out and time.monotonic() < deadline:
        if not desk.stats.queued:
            desk.put()
    assert desk.worker.rhythm.is_kept_out
    (receipt,) = desk.put()
    assert desk.stats.queued
    assert receipt.request_id(PATIENCE_S) == len(desk.receipts)  # whoever asks for it does not wait


def test_a_heavy_batch_is_not_followed_by_a_longer_wait() -> None:
    """What is kept in memory the next calls have to get anew."""
    rhythm = Rhythm(Lingers(5.0, 10.0, 200.0))
    rhythm.woke(1.0, due=0.0)
    for size, longest_s in ((4_194_304, 6.0), (4_194_303, 201.0)):
        rhythm.took(1, size)
        rhythm.delivered()
        assert longest_s - 2.0 < rhythm.next_at - time.monotonic() < longest_s


def test_the_worker_waits_in_vain_but_once() -> None:
    """Where somebody had to stand aside for it, the next one does as soon as it wants to run."""
    turn = Turn()
    turn.wanted(1000.0)
    patient = turn.overdue_at
    turn.stand_aside(patient)
    turn.begins()
    turn.ends()
    turn.wanted(1000.0)
    assert turn.overdue_at == 1000.0 < patient
    turn.begins()
    turn.wanted(1000.0)
    assert turn.overdue_at == patient


def test_records_put_together_are_exported_together(desks: Desks) -> None:
    desk = desks()
    desk.put(60)
    assert desk.worker.flush(PATIENCE_S)
    assert len(desk.exporter.batches) < 30


def test_many_threads_may_put(desks: Desks) -> None:
    desk = desks()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(desk.put, [25] * 16))
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=400, delivered=400)
    assert sorted(receipt.request_id(0) for receipt in desk.receipts) == list(range(1, 401))


def test_a_finaliser_starts_no_thread_and_the_next_record_does(desks: Desks) -> None:
    desk = desks()
    desk.put(2, may_start=False)
    assert desk.threads() == []
    assert desk.stats.queued == 2
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == names(3)


def test_flush_delivers_what_a_finaliser_left(desks: Desks) -> None:
    desk = desks()
    desk.put(2, may_start=False)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == names(2)


def test_no_thread_to_be_had_is_no_harm(
    desks: Desks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process at its limit of threads: the record waits until somebody flushes, who then delivers it."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    desk = desks()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        desk.put()
        assert desk.stats == Stats(recorded=1, queued=1)
        assert desk.worker.flush(PATIENCE_S)
    assert desk.names == names(1)
    assert "starting the delivery thread failed: RuntimeError" in caplog.text
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == names(2)


# Later


class Later(Numbering):
    """Answers `TryLater(after_s)` for the records named, as often as told, and delivers the rest."""

    def __init__(self, after_s: Any, times: int = 1, only: Sequence[str] = ()) -> None:
        super().__init__(self._decide)
        self.after_s = after_s
        self.only = only
        self.left: dict[str, int] = {}
        self.times = times
        self.moments: list[float] = []
        self.refused = threading.Event()

    def _decide(self, batch: Sequence[Record]) -> list[Delivery]:
        self.moments.append(time.monotonic())
        return [self._one(record) for record in batch]

    def _one(self, record: Record) -> Delivery:
        name = record.function_name
        left = self.left.setdefault(name, self.times if not self.only or name in self.only else 0)
        if left:
            self.left[name] -= 1
            self.refused.set()
            return TryLater(self.after_s, reason="HTTP 503")
        return self.number([record])[0]


def wait_until_refused(desk: Desk) -> None:
    assert desk.exporter.refused.wait(PATIENCE_S)
    # `refused` is set inside of `export`; the account follows when the exporter has returned.
    assert any(desk.stats.retried for _ in range(1_000_000))


def test_flush_cuts_a_backoff_short(desks: Desks) -> None:
    desk = desks(Later(AN_HOUR_S))
    desk.put()
    wait_until_refused(desk)
    assert desk.stats == Stats(recorded=1, queued=1, retried=1)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=1, delivered=1, retried=1)


def test_close_cuts_a_backoff_short(desks: Desks) -> None:
    desk = desks(Later(AN_HOUR_S))
    (receipt,) = desk.put()
    wait_until_refused(desk)
    assert desk.worker.close(PATIENCE_S)
    assert receipt.request_id(0) == 1


def test_what_is_still_refused_at_close_is_given_up_at_once(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    """A dead endpoint must not hold up the end of the process for the whole of the time allowed."""
    desk = desks(Later(0.0, times=1_000_000))
    (receipt,) = desk.put()
    wait_until_refused(desk)
    began = time.monotonic()
    assert not desk.worker.close(AN_HOUR_S)
    assert time.monotonic() - began < PATIENCE_S
    assert (desk.stats.dropped, desk.stats.queued) == (1, 0)
    with pytest.raises(RequestIdUnavailable, match="ended before"):
        receipt.request_id(0)
    assert "1 records were not delivered" in caplog.text


def test_close_tries_once_more_what_was_refused_meanwhile(desks: Desks) -> None:
    """The answer that comes while the process ends is to a question from before."""
    desk = desks()
    asked, answer = threading.Event(), threading.Event()

    def refuse_the_first(batch: Sequence[Record]) -> list[Delivery]:
        if asked.is_set():
            return desk.exporter.number(batch)
        asked.set()
        assert answer.wait(PATIENCE_S)
        return [TryLater(AN_HOUR_S)] * len(batch)

    desk.exporter = Numbering(refuse_the_first)
    (receipt,) = desk.put()
    desk.worker.urge()
    assert asked.wait(PATIENCE_S)
    with ThreadPoolExecutor(1) as pool:
        close = pool.submit(desk.worker.close, PATIENCE_S)
        wait([close], timeout=0.1)
        answer.set()
        assert close.result()
    assert receipt.request_id(0) == 1


def test_an_asked_for_wait_is_waited(desks: Desks) -> None:
    desk = desks(Later(0.1))
    (receipt,) = desk.put()
    done = threading.Event()
    receipt.when_done(done.set)
    assert done.wait(PATIENCE_S)
    first, second = desk.exporter.moments
    assert second - first >= 0.1


def test_a_record_that_was_asked_for_and_refused_is_tried_again_by_itself(desks: Desks) -> None:
    """Before its next batch would have been due, and with nobody else who wakes the worker."""
    desk = desks(Later(0.01, times=3), lingers=Lingers(0.2, 0.2, 0.2))
    (receipt,) = desk.put()
    assert receipt.request_id(PATIENCE_S) == 1
    assert desk.stats == Stats(recorded=1, delivered=1, retried=3)


@pytest.mark.parametrize("place", ["rhythm.Rhythm.woke", "spent.Spent.give_back"])
def test_a_fault_where_no_program_comes_by_for_certain_costs_nothing(
    desks: Desks, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    reached = threading.Event()

    def fails(*_: object) -> None:
        reached.set()
        raise LookupError(place)

    monkeypatch.setattr(f"promptlayer_patch._delivery.{place}", fails)
    desk = desks(lingers=Lingers(0.001, 0.001, 0.001))
    desk.worker._spent.bodies.append(b"long")
    deadline = time.monotonic() + PATIENCE_S
    while not reached.wait(0.01) and time.monotonic() < deadline:
        desk.put(size=10_000)
    assert reached.is_set()
    receipts = desk.put(3)
    assert desk.worker.flush(PATIENCE_S)
    assert all(receipt.done for receipt in receipts)
    assert balances(desk.stats)
    assert desk.stats.dropped == 0


def test_a_record_that_must_wait_does_not_hold_back_its_neighbours(desks: Desks) -> None:
    desk = desks(Later(AN_HOUR_S, only=["call 1", "call 70"]))
    desk.put(100)
    wait_until_refused(desk)
    assert any(desk.stats.delivered == 98 for _ in range(1_000_000))
    assert desk.stats == Stats(recorded=100, delivered=98, queued=2, retried=2)
    desk.put(5)
    assert desk.worker.flush(PATIENCE_S)
    assert set(desk.names[-7:]) == {"call 1", "call 70", *(f"call {at}" for at in range(100, 105))}
    assert desk.stats.delivered == 105


def test_what_was_refused_goes_before_what_came_later(desks: Desks) -> None:
    patient = Lingers(AN_HOUR_S, AN_HOUR_S, AN_HOUR_S)
    desk = desks(Later(AN_HOUR_S, only=["call 0", "call 1"]), lingers=patient)
    desk.put(2)
    desk.worker.urge()
    wait_until_refused(desk)
    desk.put(2)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names[-4:] == names(4)


def test_a_record_is_decoded_once_however_often_it_is_tried(desks: Desks) -> None:
    desk = desks(Later(0.0, times=5))
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert len({id(record) for record in desk.exporter.records}) == 1
    assert desk.stats.retried == 5


@pytest.mark.parametrize(
    "after_s",
    [1e12, float("inf"), float("nan"), -5.0, "5", None, 10**400],
    ids=["1e12", "inf", "nan", "negative", "string", "none", "huge"],
)
def test_a_strange_wait_does_not_harm_the_worker(desks: Desks, after_s: Any) -> None:
    desk = desks(Later(after_s, only=["call 0"]))
    (first,) = desk.put()
    wait_until_refused(desk)
    (second,) = desk.put()
    assert second.request_id(PATIENCE_S)
    assert desk.worker.flush(PATIENCE_S)
    assert first.request_id(0)
    assert balances(desk.stats)


@given(st.integers(1, 1000), st.one_of(st.none(), st.floats(), st.integers(), st.text()))
def test_every_wait_is_bounded(attempt: int, after_s: Any) -> None:
    assert 0 <= wait_before(attempt, after_s) <= AN_HOUR_S


@given(st.floats(0, AN_HOUR_S))
def test_a_sane_wish_is_granted(after_s: float) -> None:
    assert wait_before(1, after_s) == after_s


def test_backoff_grows_and_is_scattered() -> None:
    early = [wait_before(1, None) for _ in range(200)]
    late = [wait_before(8, None) for _ in range(200)]
    assert max(early) <= 1.0
    assert max(late) > 10.0
    assert max(wait_before(1000, None) for _ in range(200)) <= 60.0
    assert len(set(early)) > 100


# Exporters that misbehave


def leave(batch: Any) -> Any:
    raise SystemExit


def interrupt(batch: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "answer",
    [
        lambda batch: 1 / 0,
        lambda batch: None,
        lambda batch: 7,
        lambda batch: [],
        lambda batch: [Delivered(1)] * (len(batch) + 1),
        lambda batch: [None] * len(batch),
        lambda batch: [True] * len(batch),
        lambda batch: [Delivered] * len(batch),
        lambda batch: (1 // 0 for _ in batch),
        leave,
        interrupt,
    ],
    ids=[
        "raises",
        "none",
        "number",
        "too few",
        "too many",
        "nones",
        "bools",
        "class",
        "lazy",
        "exit",
        "ctrl-c",
    ],
)
def test_an_exporter_that_breaks_its_contract_loses_its_batch_and_no_more(
    desks: Desks, caplog: pytest.LogCaptureFixture, answer: Callable[[Any], Any]
) -> None:
    broken = [answer]
    exporter = Numbering(lambda batch: broken.pop()(batch) if broken else exporter.number(batch))
    desk = desks(exporter)
    (lost,) = desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=1, rejected=1)
    with pytest.raises(RequestIdUnavailable, match="the exporter"):
        lost.request_id(0)
    (found,) = desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert found.request_id(0) == 1
    assert caplog.text


def test_any_iterable_of_deliveries_will_do(desks: Desks) -> None:
    desk = desks(Numbering(lambda batch: (Delivered(7) for _ in batch)))
    (receipt,) = desk.put()
    assert receipt.request_id() == 7


def test_rejected_records_do_not_hold_back_their_neighbours(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    def odd_ones_out(batch: Sequence[Record]) -> list[Delivery]:
        numbers = [int(record.function_name.split()[1]) for record in batch]
        return [Rejected("odd") if number % 2 else Delivered(number) for number in numbers]

    desk = desks(Numbering(odd_ones_out))
    desk.put(10)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=10, delivered=5, rejected=5)
    assert [receipt.request_id(0) for receipt in desk.receipts[::2]] == [0, 2, 4, 6, 8]
    assert caplog.text.count("odd") == 1, "once for each kind"


def test_a_call_that_cannot_be_decoded_does_not_hold_back_its_neighbours(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desks()
    desk.put()
    (broken,) = desk.put(name="broken")
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == ["call 0", "call 2"]
    assert desk.stats == Stats(recorded=3, delivered=2, rejected=1)
    with pytest.raises(RequestIdUnavailable, match="could not be decoded: LookupError"):
        broken.request_id(0)


def test_a_fault_in_what_is_told_of_a_record_costs_that_one_alone(desks: Desks) -> None:
    """The others get their own ids: what is given up is not exported any more."""

    def told(parcel: Parcel) -> None:
        if parcel.cargo.name == "call 1":  # type: ignore[union-attr]
            raise LookupError("told")

    desk = desks(
        Numbering(lambda batch: [Delivered(int(one.function_name[5:])) for one in batch]), decoded=told
    )
    receipts = desk.put(4)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == ["call 0", "call 2", "call 3"]
    assert [receipts[at].request_id(0) for at in (0, 2, 3)] == [0, 2, 3]
    with pytest.raises(RequestIdUnavailable):
        receipts[1].request_id(0)


def test_an_exporter_that_cannot_be_opened_is_tried_again(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desks()
    opened = desk.open

    def fail() -> Any:
        raise OSError("no such disk")

    desk.open = fail
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=1, rejected=1)
    desk.open = opened
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=2, delivered=1, rejected=1)


def test_a_worker_thread_that_dies_is_started_again_by_the_next_record(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that waits is lost, and nothing is delivered twice."""
    desk = desks()
    backlog, dying = desk.worker._backlog, SimpleQueue[threading.Thread]()

    def die() -> int:
        del backlog.queued  # from now on it is the method again
        dying.put(threading.current_thread())
        raise SystemExit

    backlog.queued = die
    desk.put(3)
    dying.get(timeout=PATIENCE_S).join(PATIENCE_S)
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert sorted(desk.names) == names(4)
    assert desk.stats == Stats(recorded=4, delivered=4)


def test_an_exporter_that_hangs_blocks_nobody(desks: Desks, caplog: pytest.LogCaptureFixture) -> None:
    desk = desks(Held())
    (stuck,) = desk.put()
    desk.worker.urge()
    assert desk.exporter.reached.wait(PATIENCE_S)
    desk.put(100)
    assert not desk.worker.flush(0.01)
    assert desk.stats == Stats(recorded=101, queued=101)
    assert not desk.worker.close(0.01)
    assert desk.stats == Stats(recorded=101, dropped=101)
    with pytest.raises(RequestIdUnavailable):
        stuck.request_id(0)
    (thread,) = desk.threads()
    desk.exporter.let_go.set()
    thread.join(PATIENCE_S)
    assert desk.stats == Stats(recorded=101, dropped=101), "the late answer is not counted on top"


def test_an_exporter_is_closed_by_the_thread_that_used_it(desks: Desks) -> None:
    closed_by: list[threading.Thread] = []
    desk = desks()
    desk.exporter.close = lambda: closed_by.append(threading.current_thread())
    desk.put()
    desk.worker.close(PATIENCE_S)
    assert closed_by == desk.exporter.threads


def test_an_exporter_that_cannot_be_closed_is_no_harm(desks: Desks, caplog: pytest.LogCaptureFixture) -> None:
    desk = desks()
    desk.exporter.close = lambda: 1 / 0
    desk.put()
    assert desk.worker.close(PATIENCE_S)
    assert "closing an exporter failed: ZeroDivisionError" in caplog.text


# Caps


def test_records_above_the_cap_are_dropped_and_counted(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desks(Held(), max_records=5)
    desk.put(20)
    assert desk.stats == Stats(recorded=20, queued=5, dropped=15)
    assert caplog.text.count("queue is full") == 1
    desk.exporter.let_go.set()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == names(5), "the oldest are kept"
    desk.put(5)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=25, delivered=10, dropped=15)


def test_bytes_above_the_cap_are_dropped_and_counted(desks: Desks, caplog: pytest.LogCaptureFixture) -> None:
    desk = desks(Held(), max_bytes=50_000)
    desk.put(3, size=20_000)
    assert desk.stats == Stats(recorded=3, queued=2, dropped=1)
    desk.put()
    assert desk.stats.queued == 3, "a small one still fits"
    desk.exporter.let_go.set()
    assert desk.worker.flush(PATIENCE_S)
    desk.put(2, size=20_000)
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=6, delivered=5, dropped=1)


def test_rejected_and_given_up_records_free_their_bytes(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desks(Numbering(lambda batch: [Rejected("no")] * len(batch)), max_bytes=50_000)
    for _ in range(10):
        desk.put(size=40_000)
        assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=10, rejected=10)


def test_a_record_too_large_for_the_queue_is_dropped_alone(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desks(max_bytes=50_000)
    desk.put(size=60_000)
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=2, delivered=1, dropped=1)


def test_waiting_records_count_against_the_caps(desks: Desks, caplog: pytest.LogCaptureFixture) -> None:
    """An outage fills the queue, not the memory."""
    desk = desks(Later(AN_HOUR_S, times=1_000_000), max_records=10)
    for _ in range(5):
        desk.put(5)
        wait_until_refused(desk)
    assert (desk.stats.queued, desk.stats.dropped) == (10, 15)


# Flush and close


def test_flush_answers_for_what_was_there(desks: Desks) -> None:
    desk = desks(Held())
    assert desk.worker.flush(0)
    desk.put(3)
    assert not desk.worker.flush(0)
    with ThreadPoolExecutor(4) as pool:
        flushes = [pool.submit(desk.worker.flush, PATIENCE_S) for _ in range(4)]
        desk.exporter.let_go.set()
        assert [flush.result() for flush in flushes] == [True] * 4
    assert desk.worker.flush(0)


@pytest.mark.parametrize("timeout_s", [float("inf"), 1e12])
def test_flush_and_close_take_any_timeout(desks: Desks, timeout_s: float) -> None:
    desk = desks()
    desk.put()
    assert desk.worker.flush(timeout_s)
    desk.put()
    assert desk.worker.close(timeout_s)


def test_receipts_are_settled_when_flush_returns(desks: Desks) -> None:
    desk = desks()
    for _ in range(50):
        (receipt,) = desk.put()
        assert desk.worker.flush(PATIENCE_S)
        assert receipt.done


def test_close_delivers_what_is_queued(desks: Desks) -> None:
    desk = desks()
    desk.put(200)
    assert desk.worker.close(PATIENCE_S)
    assert desk.names == names(200)
    assert desk.exporter.closed.is_set()
    assert desk.worker.close(PATIENCE_S), "twice is no harm"


def test_close_delivers_what_a_finaliser_left(desks: Desks) -> None:
    desk = desks()
    desk.put(2, may_start=False)
    assert desk.worker.close(PATIENCE_S)
    assert desk.names == names(2)


def test_a_record_after_close_is_dropped_and_says_so(desks: Desks, caplog: pytest.LogCaptureFixture) -> None:
    desk = desks()
    assert desk.worker.close(PATIENCE_S)
    (receipt,) = desk.put()
    assert desk.stats == Stats(recorded=1, dropped=1)
    with pytest.raises(RequestIdUnavailable, match="uninstalled"):
        receipt.request_id(0)


def test_close_while_others_put_leaves_no_record_without_an_outcome(
    desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desks()
    with ThreadPoolExecutor(4) as pool:
        puts = [pool.submit(desk.put, 50) for _ in range(8)]
        desk.worker.close(PATIENCE_S)
        for each in puts:
            each.result()
    assert all(receipt.done for receipt in desk.receipts)
    assert (desk.stats.queued, desk.stats.recorded) == (0, 400)
    assert balances(desk.stats)


def test_an_end_gives_up_nothing_that_others_put_meanwhile(desks: Desks) -> None:
    """Threads that call to the last each see their own call through, as `Pipeline.put` has them do."""
    desk = desks()

    def calls_and_ends(_: int) -> list[Outcome | None]:
        own: list[Receipt] = []
        for _ in range(300):
            own += desk.put()
            desk.worker.end(PATIENCE_S)
        return [receipt.outcome_at(0) for receipt in own]

    with ThreadPoolExecutor(4) as pool:
        outcomes = [one for own in pool.map(calls_and_ends, range(4)) for one in own]
    assert [one for one in outcomes if not isinstance(one, Delivered)] == []
    assert desk.stats.delivered == desk.stats.recorded == 1200


def test_close_while_the_thread_is_being_started(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call of a process is made in one thread while another one ends the process."""
    starting, gate, start = threading.Event(), threading.Event(), threading.Thread.start

    def start_slowly(thread: threading.Thread) -> None:
        if thread.name == "promptlayer-worker":
            starting.set()
            assert gate.wait(PATIENCE_S)
        start(thread)

    desk = desks()
    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(threading.Thread, "start", start_slowly)
        put = pool.submit(desk.put)
        assert starting.wait(PATIENCE_S)
        close = pool.submit(desk.worker.close, PATIENCE_S)
        wait([close], timeout=0.1)
        gate.set()
        (receipt,) = put.result()
        assert close.result()
    assert receipt.request_id(0) == 1


def test_a_worker_that_is_dropped_can_be_collected(desks: Desks) -> None:
    """`install()` in a loop, as tests do, must not pile up workers by way of the fork hooks."""

    def alive() -> int:
        gc.collect()
        return sum(type(found) is Worker for found in gc.get_objects())

    before = alive()
    for _ in range(5):
        desk = Desk()
        desk.put()
        desk.worker.close(PATIENCE_S)
        del desk
    assert any(alive() == before for _ in range(20))


# Code that Python runs of its own accord while the queue is being changed


def test_put_may_be_entered_while_the_same_thread_is_in_it(desks: Desks) -> None:
    """A signal handler or a finaliser runs between any two steps of `put`, with the lock held."""
    desk = desks()
    with desk.worker._lock:
        desk.put(may_start=False)
        desk.stats  # noqa: B018
    assert desk.worker.flush(PATIENCE_S)
    assert desk.names == names(1)


def test_collections_in_the_midst_of_put_put_as_well(desks: Desks) -> None:
    """Streams are finished by their finalisers, and a collection may start at any allocation."""
    desk = desks()

    class Stream:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            desk.put(may_start=False)

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(300):
            Stream()
            desk.put()
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert desk.worker.flush(PATIENCE_S)
    assert desk.stats == Stats(recorded=600, delivered=600)


def test_an_interruption_while_the_thread_starts_starts_no_second_one(
    desks: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Thread.start` waits, and while it waits signal handlers run on the same thread."""
    start, started = threading.Thread.start, []

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        if len(started) == 1:
            desk.put()
            desk.worker.urge()

    desk = desks()
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    desk.put()
    assert desk.worker.flush(PATIENCE_S)
    assert len(started) == 1
    assert desk.stats == Stats(recorded=2, delivered=2)


SIGNALS = """
import signal, sys, faulthandler
from tests.test_worker import Desk, PATIENCE_S

faulthandler.dump_traceback_later(40, exit=True)  # what a deadlock would come to
desk, handled = Desk(max_records=1_000_000), []
def handler(*_):
    handled.append(1)
    desk.put()
    desk.worker.urge()
    desk.stats
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
count = 0
while len(handled) < 200:
    count += 1
    desk.put()
signal.setitimer(signal.ITIMER_REAL, 0)
assert desk.worker.flush(PATIENCE_S)
stats = desk.stats
print(stats.recorded == stats.delivered == count + len(handled) == len(desk.receipts), stats.queued)
print(all(receipt.done for receipt in desk.receipts))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no interval timers")
def test_signal_handlers_in_the_midst_of_put_put_as_well() -> None:
    assert printed(SIGNALS) == ["True 0", "True"]


# Forks


FORK = """
import os, sys
import promptlayer_patch
from tests.support.fake_promptlayer import Held
from tests.support.wire import MODEL, Wire

client = Wire().client()
def ask(text):
    asked = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    return client.chat.completions.create(**asked)
def told(batches):
    return [record.request["messages"][0]["content"] for batch in batches for record in batch]
def stats():
    found = promptlayer_patch.stats()
    return [found.recorded, found.delivered, found.queued, found.rejected, found.dropped]

exporter = Held()
promptlayer_patch.install(to=exporter, queue_max_records=3)
ask("parent 0")
assert exporter.reached.wait(20)
ask("parent 1"), ask("parent 2"), ask("too many")
child = os.fork()
if child == 0:
    print("child", stats())
    inherited = len(exporter.batches)
    exporter.let_go.set()
    ask("child 0")
    print("child", promptlayer_patch.flush(20), told(exporter.batches[inherited:]), stats())
    sys.stdout.flush()
    os._exit(0)
print("ended", os.waitpid(child, 0)[1])
exporter.let_go.set()
promptlayer_patch.flush(20)
ask("parent 3")
print("parent", promptlayer_patch.flush(20), told(exporter.batches), stats())
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


@needs_fork
def test_a_forked_child_starts_empty_with_a_worker_of_its_own() -> None:
    """What is queued belongs to the parent, which delivers it once; else there would be two of each."""
    told = [f"parent {at}" for at in range(4)]
    ended = run_program(FORK, options=FORKS)
    assert ended.out.splitlines() == [
        "child [0, 0, 0, 0, 0]",
        "child True ['child 0'] [1, 1, 0, 0, 0]",
        "ended 0",
        f"parent True {told} [5, 4, 0, 0, 1]",
    ]
    assert (ended.code, ended.err) == (0, "a record was dropped: the queue is full\n")


MANY_FORKS = """
import os, threading
import promptlayer_patch
from promptlayer_patch.exporters.memory import MemoryExporter
from tests.support.wire import MODEL, Wire

client = Wire().client()
def ask():
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "?"}])

# Room for whatever the threads may do until the last child has ended.
room = {"queue_max_records": 10**7, "queue_max_bytes": 10**11}
promptlayer_patch.install(to=[MemoryExporter(), MemoryExporter()], **room)
ask()  # openai's own lazy attributes hold a lock while they are made
over = threading.Event()
def busy():
    while not over.is_set():
        ask()
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads: thread.start()
codes = []
for _ in range(12):
    child = os.fork()
    if child == 0:
        ask()
        done = promptlayer_patch.flush(20)
        stats = promptlayer_patch.stats()
        os._exit(0 if done and stats.recorded == stats.delivered == 2 else 1)
    codes.append(os.waitpid(child, 0)[1])
over.set()
for thread in threads: thread.join()
print(codes, promptlayer_patch.flush(20), promptlayer_patch.stats().queued)
"""


@needs_fork
def test_forking_while_other_threads_record_is_safe() -> None:
    """Whatever another thread holds at that moment, the child neither hangs nor inherits a record."""
    assert printed(MANY_FORKS, options=FORKS) == [f"{[0] * 12} True 0"]


POOL = """
import multiprocessing, sys
import promptlayer_patch
from tests.support.wire import MODEL, Wire

def work(path, text):
    promptlayer_patch.install(to=f"jsonl:{path}")
    Wire().client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])

if __name__ == "__main__":
    method, path = sys.argv[1:]
    promptlayer_patch.install(to=f"jsonl:{path}")
    context = multiprocessing.get_context(method)
    child = context.Process(target=work, args=(path, "child"))
    work(path, "parent")
    child.start()
    child.join()
    print(child.exitcode)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_the_processes_of_multiprocessing_deliver_what_they_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """They end without `atexit`, so that a record of their last moments is easily lost."""
    program = tmp_path / "pool.py"
    program.write_text(POOL)
    calls = tmp_path / "calls.jsonl"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert printed(program, method, calls, options=FORKS) == ["0"]
    texts = [json.loads(line)["kwargs"]["messages"][0]["content"] for line in calls.read_text().splitlines()]
    assert sorted(texts) == ["child", "parent"]


# The account, whatever happens


# Memory


class Body(bytes):
    """Says which thread frees it."""

    freed_by: ClassVar[SimpleQueue[int]] = SimpleQueue()

    def __del__(self) -> None:
        self.freed_by.put(threading.get_ident())


class Long:
    """Puts calls with long bodies, and tells by whom each of them is freed."""

    def __init__(self) -> None:
        Body.freed_by = SimpleQueue()
        self.worker = Worker(
            Lane(Numbering), lambda call: Record(id="", function_name=""), max_records=1000, max_bytes=1 << 30
        )

    def put(self, *sizes: int) -> None:
        for size in sizes:
            call = Call("", ("", ""), lambda _: None, Receipt(lambda: None))
            call.request_body = Body(size)
            self.worker.put(call, lambda _: None, may_start=True)

    def freed(self, count: int) -> list[int]:
        return [Body.freed_by.get(timeout=PATIENCE_S) for _ in range(count)]


@pytest.fixture
def long() -> Iterator[Long]:
    one = Long()
    yield one
    one.worker.close(PATIENCE_S)


def test_long_bodies_are_freed_by_who_puts_the_next(long: Long) -> None:
    """Freed by the worker they would go back to the system, and the next call would get others from there."""
    long.put(100_000, 100_000, 100_000)
    assert long.worker.flush(PATIENCE_S)
    long.put(100_000)
    assert long.freed(1) == [threading.get_ident()]
    long.put(150_000)
    assert long.freed(2) == [threading.get_ident()] * 2


def test_short_bodies_are_freed_by_the_worker(long: Long) -> None:
    long.put(1000, 1000)
    assert threading.get_ident() not in long.freed(2)


def test_no_more_than_some_megabytes_are_held(long: Long) -> None:
    long.put(*[1 << 20] * 10)
    assert long.worker.flush(PATIENCE_S)
    long.freed(2)
    assert Body.freed_by.empty()
    long.put(*[1 << 20] * 10)
    assert long.freed(8) == [threading.get_ident()] * 8


def test_what_no_call_takes_is_freed_by_the_worker_after_a_second(long: Long) -> None:
    long.put(100_000)
    began = time.monotonic()
    assert threading.get_ident() not in long.freed(1)
    assert time.monotonic() - began >= 1


class Account(RuleBasedStateMachine):
    """Every record is accounted for at every moment, whatever the destination and the callers do."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[str] = []
        self.wrong: list[Stats] = []
        self.accepted: dict[str, int] = {}
        self.closed = False
        self.exporter = Numbering(self._answer)
        self.desk = Desk(self.exporter, max_records=8, max_bytes=30_000)

    def _answer(self, batch: Sequence[Record]) -> Any:
        self._look()
        deliveries = [self._one(record) for record in batch]
        self._look()
        return deliveries

    def _one(self, record: Record) -> Any:
        match self.answers.pop() if self.answers else "deliver":
            case "later":
                return TryLater(0.0)
            case "much later":
                return TryLater(AN_HOUR_S)
            case "reject":
                return Rejected("no")
            case "junk":
                return 7
        self.accepted[record.id] = self.accepted.get(record.id, 0) + 1
        return Delivered(len(self.accepted))

    def _look(self) -> None:
        stats = self.desk.stats
        if not balances(stats):
            self.wrong.append(stats)

    @rule(count=st.integers(1, 12), size=st.sampled_from([100, 5_000, 40_000]), finaliser=st.booleans())
    def put(self, count: int, size: int, finaliser: bool) -> None:
        self.desk.put(count, size=size, may_start=not finaliser)

    @rule(
        answers=st.lists(
            st.sampled_from(["deliver", "later", "much later", "reject", "junk"]), min_size=1, max_size=6
        )
    )
    def the_destination_will(self, answers: list[str]) -> None:
        self.answers = answers

    @rule()
    def flush(self) -> None:
        self.desk.worker.flush(0.002)

    @rule()
    def urge(self) -> None:
        self.desk.worker.urge()

    @precondition(lambda self: not self.closed)
    @rule()
    def close(self) -> None:
        self.desk.worker.close(PATIENCE_S)
        self.closed = True

    @invariant()
    def balanced(self) -> None:
        stats = self.desk.stats
        assert balances(stats), stats
        assert stats.recorded == len(self.desk.receipts)
        assert self.wrong == []

    def teardown(self) -> None:
        self.answers = []
        if not self.closed:
            assert self.desk.worker.flush(PATIENCE_S)
            self.desk.worker.close(PATIENCE_S)
        stats = self.desk.stats
        assert (balances(stats), stats.queued) == (True, 0)
        assert all(receipt.done for receipt in self.desk.receipts)
        # With a destination that tells the truth nothing is delivered twice, nor counted without it.
        assert set(self.accepted.values()) <= {1}
        assert stats.delivered == len(self.accepted)


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
