"""One exporter: opened when it is needed, its answers checked, its faults turned into rejections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import promptlayer_patch
from promptlayer_patch._delivery.lane import Lane
from promptlayer_patch._delivery.parcels import NotYet, PendingAnnotation
from promptlayer_patch.annotations import Annotation, Score
from promptlayer_patch.records import Delivered, Delivery, Outcome, Record, Rejected, TryLater, new_record_id
from tests.support.fake_promptlayer import PATIENCE_S
from tests.support.wire import MODEL, Wire


def records(many: int) -> list[Record]:
    return [Record(id=new_record_id(), function_name=f"call {at}") for at in range(many)]


def number(record: Record) -> int:
    return int(record.function_name.split()[1])


def numbered(batch: Sequence[Record]) -> list[Delivery]:
    return [Delivered(number(record)) for record in batch]


def pending(known: Callable[[], Outcome | None] | None = None, **fields: Any) -> PendingAnnotation:
    return PendingAnnotation(Annotation(id=new_record_id(), content=Score(50), **fields), known)


class Sender:
    """An exporter that answers with `answer(batch)`, and keeps what it was given."""

    def __init__(self, answer: Callable[[Sequence[Record]], Any] = numbered) -> None:
        self.answer = answer
        self.seen: list[object] = []
        self.closed = 0

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        self.seen += [number(record) for record in batch if record.function_name.startswith("call ")]
        deliveries: list[Delivery] = self.answer(batch)
        return deliveries

    def close(self) -> None:
        self.closed += 1


class Annotating(Sender):
    def annotate(self, annotation: Annotation) -> Delivery:
        self.seen.append(annotation.request_id)
        return Delivered(annotation.request_id)


def test_an_exporter_is_opened_by_the_first_batch_and_after_it_was_closed() -> None:
    opened: list[Sender] = []

    def open_one() -> Sender:
        opened.append(Sender())
        return opened[-1]

    lane = Lane(open_one)
    assert not opened
    assert lane.export(records(3)) == [Delivered(at) for at in range(3)]
    assert lane.export([]) == []
    lane.close()
    lane.close()
    assert lane.export(records(1)) == [Delivered(0)]
    assert [one.closed for one in opened] == [1, 0]


def test_a_forked_child_opens_its_own_and_leaves_the_parents_alone() -> None:
    first, second = Sender(), Sender()
    senders = iter((first, second))
    lane = Lane(lambda: next(senders))
    lane.export(records(1))
    lane.forget()
    lane.export(records(1))
    assert (first.closed, first.seen, second.seen) == (0, [0], [0])


def test_one_that_cannot_be_opened_rejects_the_batch_and_is_opened_by_the_next() -> None:
    tries: list[int] = []

    def open_one() -> Sender:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no")
        return Sender()

    lane = Lane(open_one)
    assert lane.export(records(1)) == [Rejected("the exporter failed: OSError")]
    assert lane.export(records(1)) == [Delivered(0)]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_one_that_raises_rejects_the_batch(error: type[BaseException]) -> None:
    def fail(batch: Sequence[Record]) -> list[Delivery]:
        raise error

    assert (
        Lane(lambda: Sender(fail)).export(records(2))
        == [Rejected(f"the exporter failed: {error.__name__}")] * 2
    )


@pytest.mark.parametrize("answer", [lambda batch: [], lambda batch: [Delivered()] * 99, lambda batch: None])
def test_one_that_answers_for_another_number_rejects_the_batch(answer: Callable[[Any], Any]) -> None:
    found = Lane(lambda: Sender(answer)).export(records(5))
    assert [type(delivery) for delivery in found] == [Rejected] * 5


def test_each_delivery_is_looked_at_by_itself() -> None:
    def answer(batch: Sequence[Record]) -> list[Any]:
        return [TryLater(1.0) if number(record) == 2 else number(record) or Delivered(0) for record in batch]

    found = Lane(lambda: Sender(answer)).export(records(4))
    assert found[0] == Delivered(0)
    assert found[2] == TryLater(1.0)
    assert [type(delivery) for delivery in found] == [Delivered, Rejected, TryLater, Rejected]


def test_records_go_before_the_annotations_among_them_and_the_answers_keep_their_places() -> None:
    sender = Annotating()
    one, two = records(2)
    found = Lane(lambda: sender).export([pending(request_id=7), one, pending(request_id=8), two])
    assert found == [Delivered(7), Delivered(0), Delivered(8), Delivered(1)]
    assert sender.seen == [0, 1, 7, 8]


@pytest.mark.parametrize(
    ("outcome", "delivery", "sent"),
    [
        (Delivered(5), Delivered(5), [5]),
        (Delivered(None), Delivered(None), [None]),
        (Rejected("no"), Rejected("an annotation has no request: no"), []),
        (None, NotYet(), []),
    ],
)
def test_an_annotation_goes_by_what_became_of_its_request(
    outcome: Outcome | None, delivery: Delivery, sent: list[int]
) -> None:
    sender = Annotating()
    assert Lane(lambda: sender).export([pending(lambda: outcome)]) == [delivery]
    assert sender.seen == sent


def test_an_annotation_of_which_nobody_here_knows_the_request_is_rejected() -> None:
    (found,) = Lane(Annotating).export([pending()])
    assert isinstance(found, Rejected)


def test_an_exporter_that_takes_no_annotations_rejects_them() -> None:
    assert Lane(Sender).export([pending(request_id=1)]) == [Rejected("Sender takes no annotations")]


def test_an_exporter_that_fails_over_an_annotation_rejects_it() -> None:
    class Failing(Sender):
        def annotate(self, annotation: Annotation) -> Delivery:
            raise RuntimeError

    class Silent(Sender):
        def annotate(self, annotation: Annotation) -> None: ...

    for kind in (Failing, Silent):
        (found,) = Lane(kind).export([pending(request_id=1)])
        assert isinstance(found, Rejected)


def test_an_exporter_object_is_used_by_one_thread() -> None:
    """There is only one of it, and the protocol promises it one thread."""
    used_by: list[threading.Thread] = []

    def answer(batch: Sequence[Record]) -> list[Delivery]:
        used_by.append(threading.current_thread())
        return [Delivered(7)] * len(batch)

    promptlayer_patch.install(to=Sender(answer))
    create = Wire().client().chat.completions.create
    with promptlayer_patch.scope() as calls:
        for _ in range(40):
            create(model=MODEL, messages=[{"role": "user", "content": "?"}])
    assert calls.request_ids(PATIENCE_S) == [7] * 40
    assert len(set(used_by)) == 1
