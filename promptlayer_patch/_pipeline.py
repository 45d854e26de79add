"""The way of a finished call to all destinations of one `install()`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from promptlayer_patch._dispatch import Dispatch
from promptlayer_patch._lanes import Lanes
from promptlayer_patch._outbox import Address, OutboxDirectory
from promptlayer_patch._parcels import FinishedCall, Stats
from promptlayer_patch._room import Room
from promptlayer_patch._settings import Destination, Settings, shown_url
from promptlayer_patch._spooling import Spooling
from promptlayer_patch._worker import Worker
from promptlayer_patch.exporters import Remote, open_exporter, remote
from promptlayer_patch.records import Delivered, Receipt, Rejected

if TYPE_CHECKING:
    from promptlayer_patch._call import Call
    from promptlayer_patch.exporters import Exporter
    from promptlayer_patch.records import Record

_LOG_BYTES = 4 * 1024 * 1024 + 256 * 1024

Way: TypeAlias = Worker | Dispatch


class Pipeline:
    """Hands each call to the worker of each destination."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.shutdown_timeout_s
        self._ends_at: float | None = None
        self._decodes = [_Decode(settings) for _ in settings.to]
        self._ways = [
            _way(destination, settings, decode)
            for destination, decode in zip(settings.to, self._decodes, strict=True)
        ]

    def put(self, call: Call | FinishedCall) -> None:
        settle = call.receipt.settle
        if len(self._ways) > 1:
            call.shared = True
            settle = _Votes(call.receipt, len(self._ways)).settle
        for way in self._ways:
            way.put(call, settle, may_start=not call.in_finalizer)
        if self._ends_at is not None and not call.in_finalizer:
            self.end()

    def urge(self) -> None:
        for way in self._ways:
            way.urge()

    def look_around(self) -> None:
        """Another pipeline of this process has just given back what it could not deliver."""
        for way in self._ways:
            if isinstance(way, Dispatch):
                way.look_around()

    def is_entered(self) -> bool:
        """Whether the calling thread is in the midst of something here, so that it must not wait for us."""
        return any(way.is_entered() for way in self._ways)

    def flush(self, timeout_s: float) -> bool:
        return _all_in_time([way.flush for way in self._ways], timeout_s)

    def end(self) -> None:
        """The process ends: deliver what can be in the time that is left for it."""
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._timeout_s
        _all_in_time([way.end for way in self._ways], self._ends_at - time.monotonic())

    def close(self) -> bool:
        return _all_in_time([way.close for way in self._ways], self._timeout_s)

    def stats(self) -> Stats:
        shortened = sum(decode.shortened for decode in self._decodes)
        return sum((way.stats() for way in self._ways), Stats(shortened=shortened))


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


class _Decode:
    """Makes the record of a call, and of the record what may be kept of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.shortened = 0

    def __call__(self, call: Call | FinishedCall) -> Record:
        # Imported by now, together with what captures.
        from promptlayer_patch._decoding import record_of
        from promptlayer_patch._refining import refined

        record = call.record if isinstance(call, FinishedCall) else record_of(call)
        record = refined(record, self._settings)
        self.shortened += record.shortened_from is not None
        return record


def _way(
    destination: Destination, settings: Settings, decode: Callable[[Call | FinishedCall], Record]
) -> Way:
    found = remote(destination, settings)
    opener = _opener(destination, settings)
    if found is None:
        return Worker(
            Lanes(opener, alone=not isinstance(destination, str)),
            decode,
            max_records=settings.queue_max_records,
            max_bytes=settings.queue_max_bytes,
        )
    return Dispatch(
        _spooling(found, settings),
        opener,
        found.connections,
        decode,
        max_records=settings.queue_max_records,
        max_bytes=settings.queue_max_bytes,
        place=settings.outbox_dir if settings.outbox else "",
    )


def _spooling(found: Remote, settings: Settings) -> Spooling:
    return Spooling(
        OutboxDirectory(settings.outbox_dir) if settings.outbox else None,
        Address(shown_url(found.url), found.api_key),
        on_disk=Room(settings.outbox_max_records, _without_log(settings.outbox_max_bytes)),
        in_memory=Room(settings.queue_max_records, settings.queue_max_bytes),
    )


def _without_log(size: int) -> int:
    """What is left for records where SQLite's log and index of it need room as well."""
    return size - min(_LOG_BYTES, size // 4)


def _opener(destination: Destination, settings: Settings) -> Callable[[], Exporter]:
    if isinstance(destination, str):
        return lambda: open_exporter(destination, settings)
    return lambda: destination


def _all_in_time(steps: Sequence[Callable[[float], bool]], timeout_s: float) -> bool:
    """Call each step with what is left of the time; whether all succeeded."""
    deadline = time.monotonic() + timeout_s
    done = [step(max(0.0, deadline - time.monotonic())) for step in steps]
    return all(done)
