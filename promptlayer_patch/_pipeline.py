"""The way of a finished call to all destinations of one `install()`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from promptlayer_patch._lanes import Lanes
from promptlayer_patch._parcels import Stats
from promptlayer_patch._settings import Destination, Settings
from promptlayer_patch._worker import Worker
from promptlayer_patch.exporters import open_exporter
from promptlayer_patch.records import Delivered, Receipt, Rejected

if TYPE_CHECKING:
    from promptlayer_patch._call import Call
    from promptlayer_patch.exporters import Exporter
    from promptlayer_patch.records import Record


class Pipeline:
    """Hands each call to the worker of each destination."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.shutdown_timeout_s
        self._ends_at: float | None = None
        self._workers = [
            Worker(
                Lanes(_opener(destination, settings), alone=not isinstance(destination, str)),
                _decode,
                max_records=settings.queue_max_records,
                max_bytes=settings.queue_max_bytes,
            )
            for destination in settings.to
        ]

    def put(self, call: Call) -> None:
        settle = call.receipt.settle
        if len(self._workers) > 1:
            settle = _Votes(call.receipt, len(self._workers)).settle
        for worker in self._workers:
            worker.put(call, settle, may_start=not call.in_finalizer)
        if self._ends_at is not None and not call.in_finalizer:
            self.end()

    def urge(self) -> None:
        for worker in self._workers:
            worker.urge()

    def flush(self, timeout_s: float) -> bool:
        return _all_in_time([worker.flush for worker in self._workers], timeout_s)

    def end(self) -> None:
        """The process ends: deliver what can be in the time that is left for it."""
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._timeout_s
        _all_in_time([worker.end for worker in self._workers], self._ends_at - time.monotonic())

    def close(self) -> bool:
        return _all_in_time([worker.close for worker in self._workers], self._timeout_s)

    def stats(self) -> Stats:
        return sum((worker.stats() for worker in self._workers), Stats())


class _Votes:
    """Settles one receipt from several destinations: by the first id, or when the last has answered."""

    def __init__(self, receipt: Receipt, destinations: int) -> None:
        self._receipt = receipt
        # Popped instead of counted down under a lock, which a forked child could inherit locked.
        self._missing = [None] * destinations

    def settle(self, outcome: Delivered | Rejected) -> None:
        self._missing.pop()
        if not self._missing or (isinstance(outcome, Delivered) and outcome.request_id is not None):
            self._receipt.settle(outcome)


def _opener(destination: Destination, settings: Settings) -> Callable[[], Exporter]:
    if isinstance(destination, str):
        return lambda: open_exporter(destination, settings)
    return lambda: destination


def _decode(call: Call) -> Record:
    from promptlayer_patch._decoding import record_of  # imported by now, together with what captures

    return record_of(call)


def _all_in_time(steps: Sequence[Callable[[float], bool]], timeout_s: float) -> bool:
    """Call each step with what is left of the time; whether all succeeded."""
    deadline = time.monotonic() + timeout_s
    done = [step(max(0.0, deadline - time.monotonic())) for step in steps]
    return all(done)
