"""Exporting a batch over several connections, each with an exporter and a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

from promptlayer_patch._guard import report
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch.exporters import Exporter


class Lanes:
    """Splits a batch over as many exporters as the destination wants (`connections`).

    With `alone` there is only one: an exporter that is an object of the user's cannot be opened again.
    """

    def __init__(self, open_exporter: Callable[[], Exporter], *, alone: bool = False) -> None:
        self._own = Lane(open_exporter)
        self._others: list[Lane] = []
        self._alone = alone

    def export(self, records: Sequence[Record]) -> list[Delivery]:
        """One delivery for each record, in order. The first share is exported on the calling thread."""
        if not records:
            return []
        shares = self._shares(records)
        answers = [lane.hand(share) for lane, share in zip(self._others, shares[1:], strict=False)]
        parts = [self._own.export(shares[0]), *(answer() for answer in answers)]
        deliveries: list[Delivery] = [TryLater()] * len(records)
        for at, part in enumerate(parts):
            deliveries[at :: len(shares)] = part
        return deliveries

    def close(self) -> None:
        """Close the exporters, each on its own thread."""
        for lane in self._others:
            lane.stop()
        self._others = []
        self._own.close()

    def forget(self) -> None:
        """In a forked child: the threads are gone, and the connections are the parent's."""
        self._others = []
        self._own.exporter = None

    def _shares(self, records: Sequence[Record]) -> list[Sequence[Record]]:
        wanted = 1 if self._alone else min(len(records), self._own.connections())
        while len(self._others) < wanted - 1:
            lane = Lane(self._own.open_exporter)
            if not lane.start():
                break
            self._others.append(lane)
        count = min(wanted, len(self._others) + 1)
        return [records[at::count] for at in range(count)]


class Lane:
    """One exporter and the thread that uses it."""

    def __init__(self, open_exporter: Callable[[], Exporter]) -> None:
        self.open_exporter = open_exporter
        self.exporter: Exporter | None = None
        self._jobs: SimpleQueue[tuple[Sequence[Record], SimpleQueue[list[Delivery]]] | None] = SimpleQueue()

    def start(self) -> bool:
        try:
            threading.Thread(target=self._run, name="promptlayer-sender", daemon=True).start()
        except RuntimeError:
            return False  # no more threads to be had; the other lanes do the work
        return True

    def stop(self) -> None:
        self._jobs.put(None)

    def hand(self, share: Sequence[Record]) -> Callable[[], list[Delivery]]:
        """Have `share` exported on this lane's thread; call what is returned to wait for the deliveries."""
        answer: SimpleQueue[list[Delivery]] = SimpleQueue()
        self._jobs.put((share, answer))
        return answer.get

    def connections(self) -> int:
        try:
            return max(1, int(getattr(self._opened(), "connections", 1)))
        except BaseException:
            return 1  # `export` opens it again and reports

    def export(self, share: Sequence[Record]) -> list[Delivery]:
        """Deliveries for `share`. An exporter that cannot be opened or breaks its contract rejects them."""
        try:
            deliveries = list(self._opened().export(share))
        except BaseException as fault:  # this thread is ours: a SystemExit has nobody to stop here
            report("exporting", fault)
            return [Rejected(f"the exporter failed: {type(fault).__name__}")] * len(share)
        if len(deliveries) != len(share):
            return [Rejected("the exporter answered for another number of records")] * len(share)
        return [_checked(delivery) for delivery in deliveries]

    def close(self) -> None:
        exporter, self.exporter = self.exporter, None
        if exporter is not None:
            try:
                exporter.close()
            except Exception as fault:
                report("closing an exporter", fault)

    def _opened(self) -> Exporter:
        if self.exporter is None:
            self.exporter = self.open_exporter()
        return self.exporter

    def _run(self) -> None:
        try:
            while self._export_next():
                pass
            self.close()
        except BaseException as fault:
            report("exporting", fault)

    def _export_next(self) -> bool:
        # A method of its own, so that no variable keeps a share alive while the next one is awaited.
        job = self._jobs.get()
        if job is None:
            return False
        share, answer = job
        answer.put(self.export(share))
        return True


def _checked(delivery: object) -> Delivery:
    if isinstance(delivery, (Delivered, Rejected, TryLater)):
        return delivery
    return Rejected(f"the exporter answered a {type(delivery).__name__} instead of a delivery")
