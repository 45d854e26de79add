"""The way of a finished call to a destination that may be out of reach: worker, outbox, courier."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from promptlayer_patch._delivery.courier import Courier
from promptlayer_patch._delivery.parcels import Cargo, Load, Parcel, Stats
from promptlayer_patch._delivery.rhythm import Lingers
from promptlayer_patch._delivery.spooling import Spooling
from promptlayer_patch._delivery.worker import Worker
from promptlayer_patch._guard import log, quietly
from promptlayer_patch.records import Delivered, Delivery, Outcome, Record

if TYPE_CHECKING:
    from promptlayer_patch.exporters import Exporter

_COMMITS_AFTER = Lingers(alone_s=0.004, in_a_crowd_s=0.025, kept_out_s=0.004)
"""How long a finished call waits to be committed: what a `kill -9` may cost, so nobody is spared."""
_COMMIT_TIMEOUT_S = 1.0
"""How long the end of the process may wait for the last commit, whatever else it may not wait for."""


class Dispatch:
    """Takes calls like a `Worker`, and keeps them until they are delivered."""

    def __init__(
        self,
        spooling: Spooling,
        open_exporter: Callable[[], Exporter],
        connections: int,
        decode: Callable[[Cargo], Load],
        *,
        max_records: int,
        max_bytes: int,
        place: str,
    ) -> None:
        """`place` is where what is left at the end remains, for the log; empty if nowhere."""
        self._spooling = spooling
        self._place = place
        self._courier = Courier(spooling, open_exporter, connections)
        self._urged = False
        self._worker = Worker(
            _IntoOutbox(spooling),
            decode,
            max_records=max_records,
            max_bytes=max_bytes,
            lingers=_COMMITS_AFTER,
            rests=self._rested,
            decoded=self._expect,
        )
        self.put = self._worker.put

    def is_entered(self) -> bool:
        return self._worker.is_entered() or self._spooling.is_entered()

    def look_around(self) -> None:
        """There may be an outbox to adopt."""
        if self._spooling.has_orphans():
            self._courier.nudge()

    def urge(self) -> None:
        self._urged = True
        self._worker.urge()

    def flush(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        committed = self._worker.flush(timeout_s)
        return self._courier.flush(max(0.0, deadline - time.monotonic())) and committed

    def end(self, timeout_s: float) -> bool:
        """The process ends: commit everything, deliver what can be; false if there is a rest."""
        deadline = time.monotonic() + timeout_s
        committed = self._commit(timeout_s)
        # Where the disk does not answer, nothing that asks it may be begun.
        left = self._courier.end(max(0.0, deadline - time.monotonic()) if committed else 0.0)
        if left and self._place:
            log.warning(
                "%d records were not delivered yet: they are in the outbox %s, for the next process",
                left,
                self._place,
            )
        elif left:
            log.warning("%d records were not delivered: the process ended before", left)
        return committed and not left

    def close(self, timeout_s: float) -> bool:
        """`end`, and take nothing more."""
        deadline = time.monotonic() + timeout_s
        try:
            return self.end(timeout_s)
        finally:
            for part in (self._worker, self._courier):
                quietly("closing", part.close, max(0.0, deadline - time.monotonic()))

    def stats(self) -> Stats:
        # In this order: what the courier has settled has left the queue before.
        counts, in_memory = self._courier.counts()
        queue = self._worker.stats()
        waiting = queue.delivered - counts.settled
        if not self._place:
            in_memory = waiting
        return replace(
            queue,
            delivered=counts.delivered,
            queued=queue.queued + in_memory,
            outbox=waiting - in_memory,
            rejected=queue.rejected + counts.rejected,
            dropped=queue.dropped + counts.dropped,
            retried=counts.retried,
            shortened=self._spooling.shortened,
            adopted=counts.adopted,
        )

    def _commit(self, timeout_s: float) -> bool:
        return self._worker.end(max(timeout_s, _COMMIT_TIMEOUT_S))

    def _expect(self, parcel: Parcel) -> None:
        """It will be committed: whoever is to be told what becomes of it then is told by the courier."""
        if isinstance(parcel.load, Record):
            key = parcel.load.id
            self._spooling.outcomes.expect(key, parcel.settle)
        else:
            key = ""  # of an annotation nobody waits for what becomes of it
        parcel.settle = partial(self._left_queue, key)

    def _left_queue(self, key: str, outcome: Outcome) -> None:
        if isinstance(outcome, Delivered):
            if self._spooling.publish():
                self._deliver_soon()
        else:
            self._spooling.outcomes.settle(key, outcome)

    def _deliver_soon(self) -> None:
        rhythm = self._worker.rhythm
        # Every sender needs the interpreter a dozen times for each record. A loop of calls that never wait
        # would pay for that, and leave the senders hardly any of it.
        if (rhythm.is_crowded or rhythm.is_kept_out) and not self._urged:
            self._courier.hold_back()
        else:
            self._courier.nudge()

    def _rested(self) -> None:
        urged, self._urged = self._urged, False
        if urged or not self._worker.rhythm.is_kept_out:
            self._courier.release()


class _IntoOutbox:
    """Where the worker puts everything: committed is delivered, as far as the queue is concerned."""

    def __init__(self, spooling: Spooling) -> None:
        self._spooling = spooling

    def export(self, loads: Sequence[Load]) -> list[Delivery]:
        return self._spooling.put(loads)

    def close(self) -> None:
        """The courier closes the outbox."""

    def forget(self) -> None:
        """So it does in a forked child."""
