"""The way of a finished call to all destinations of one `install()`."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from promptlayer_patch._capture.call import FORKED
from promptlayer_patch._delivery.dispatch import Dispatch
from promptlayer_patch._delivery.lane import Lane
from promptlayer_patch._delivery.parcels import Cargo, FinishedCall, Load, PendingAnnotation, Stats
from promptlayer_patch._delivery.room import Room
from promptlayer_patch._delivery.spooling import Spooling
from promptlayer_patch._delivery.worker import Worker
from promptlayer_patch._guard import warn_once
from promptlayer_patch._options import shown_url
from promptlayer_patch._outbox import Address, OutboxDirectory
from promptlayer_patch._settings import Settings
from promptlayer_patch.annotations import Annotation, Content
from promptlayer_patch.exporters import Remote, assigns_ids, create_group, open_exporter, remote
from promptlayer_patch.records import Delivered, Outcome, Receipt, Rejected, new_record_id

if TYPE_CHECKING:
    from promptlayer_patch._capture.call import Call
    from promptlayer_patch._options import Destination
    from promptlayer_patch.exporters import Exporter

_LATEST = 1000
"""Of so many request ids more is known than the number."""
_LOG_BYTES = 4 * 1024 * 1024 + 256 * 1024

Way: TypeAlias = Worker | Dispatch
T = TypeVar("T")


class Pipeline:
    """Hands each call to the worker of each destination."""

    begins: Callable[[Call], object] | None = None
    """Told of each call that begins, where that matters."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ends_at: float | None = None
        self._decodes = [_Decode(settings) for _ in settings.to]
        self._ways = [
            _way(destination, settings, decode)
            for destination, decode in zip(settings.to, self._decodes, strict=True)
        ]
        self._only_way = self._ways[0] if len(self._ways) == 1 else None
        self._numbering = next((at for at, one in enumerate(settings.to) if assigns_ids(one)), 0)
        """The destination whose ids are meant where nobody knows better: the first that gives any."""
        self._issued: OrderedDict[int, int] = OrderedDict()
        """Which destination has given an id lately, where there are several."""
        self._latest: OrderedDict[int, str] = OrderedDict()
        """Which annotation was the last that a request got by its id."""
        self._counting = len(self._ways)
        """So many of them, from the first, settle receipts and are summed up."""

    def put(self, call: Call | FinishedCall) -> None:
        receipt, may_start = call.receipt, not call.in_finalizer
        if self._only_way is not None:
            self._only_way.put(call, receipt.settle, may_start=may_start)
        else:
            call.shared = True
            votes = _Votes(receipt, len(self._ways), self._issued, self._counting)
            for at, way in enumerate(self._ways):
                way.put(call, partial(votes.settle, at), may_start=may_start)
        receipt.file(may_start=may_start)
        if self._ends_at is not None and may_start:
            self.end()

    def annotate(self, target: Receipt | int, content: Content, *, may_start: bool = True) -> None:
        """Send `content` after the request of a receipt, or to the request that has this id.

        With `may_start` false no thread is started, as under a garbage collection.
        """
        number = new_record_id()
        if isinstance(target, int):
            annotation = Annotation(
                id=number, content=content, request_id=target, after=self._before(target, number)
            )
            numbering = self._ways[self._issued.get(target, self._numbering)]
            for way in (numbering, *self._ways[self._counting :]):
                way.put(_pending(annotation), _tell_nobody, may_start=may_start)
        else:
            annotation = Annotation(
                id=number, content=content, record_id=target.record_id, after=target.last_annotation
            )
            target.last_annotation = number
            target.when_filed(partial(self._send_after, target, annotation), may_start=may_start)
        if self._ends_at is not None and may_start:
            self.end()

    def create_group(self) -> int | None:
        """A new group where requests get their ids; `None` if that is not on this machine."""
        return create_group(self._settings.to[self._numbering], self._settings)

    def _before(self, request_id: int, number: str) -> str | None:
        """The annotation that this request got before, if that was lately."""
        before = self._latest.pop(request_id, None)
        _remember(self._latest, request_id, number)
        return before

    def _send_after(self, receipt: Receipt, annotation: Annotation, may_start: bool) -> None:
        for at, way in enumerate(self._ways):
            known = partial(receipt.outcome_at, at)
            outcome = known()
            if outcome == FORKED:
                pass  # the parent sends it
            elif isinstance(outcome, Rejected):
                warn_once(
                    f"annotation: {outcome.reason}",
                    "an annotation was dropped, its request was not recorded: %s",
                    outcome.reason,
                )
            else:
                way.put(_pending(annotation, known), _tell_nobody, may_start=may_start)

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
            self._ends_at = time.monotonic() + self._settings.shutdown_timeout_s
        _all_in_time([way.end for way in self._ways], self._ends_at - time.monotonic())

    def close(self) -> bool:
        return _all_in_time([way.close for way in self._ways], self._settings.shutdown_timeout_s)

    def stats(self) -> Stats:
        shortened = sum(decode.shortened for decode in self._decodes[: self._counting])
        return sum((way.stats() for way in self._ways[: self._counting]), Stats(shortened=shortened))


class _Votes:
    """Settles one receipt from several destinations: by the first id, or when the last has answered.

    Those after the first `counting` are heard only.
    """

    def __init__(self, receipt: Receipt, ways: int, issued: OrderedDict[int, int], counting: int) -> None:
        self._outcomes: list[Outcome | None] = [None] * ways
        receipt.outcomes = self._outcomes
        self._receipt = receipt
        self._issued = issued
        self._counting = counting

    def settle(self, destination: int, outcome: Outcome) -> None:
        outcomes = self._outcomes
        outcomes[destination] = outcome
        if destination >= self._counting:
            return
        if isinstance(outcome, Delivered) and outcome.request_id is not None:
            if not self._receipt.done:
                _remember(self._issued, outcome.request_id, destination)
            self._receipt.settle(outcome)
        elif None not in outcomes[: self._counting]:
            self._receipt.settle(outcome)


def _remember(latest: OrderedDict[int, T], key: int, value: T) -> None:
    latest[key] = value
    if len(latest) > _LATEST:
        latest.popitem(last=False)


def _pending(annotation: Annotation, known: Callable[[], Outcome | None] | None = None) -> PendingAnnotation:
    return PendingAnnotation(annotation, known, size=1024 + len(repr(annotation.content)))


def _tell_nobody(_: Outcome) -> None: ...


class _Decode:
    """Makes the record of a call, and of records and annotations what may be kept of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.shortened = 0

    def __call__(self, cargo: Cargo) -> Load:
        # Imported by now, together with what captures.
        from promptlayer_patch._decoding import record_of
        from promptlayer_patch._refining.refining import refined, refined_annotation

        if isinstance(cargo, PendingAnnotation):
            return replace(cargo, annotation=refined_annotation(cargo.annotation, self._settings))
        record = cargo.record if isinstance(cargo, FinishedCall) else record_of(cargo)
        record = refined(record, self._settings)
        self.shortened += record.shortened_from is not None
        return record


def _way(destination: Destination, settings: Settings, decode: Callable[[Cargo], Load]) -> Way:
    found = remote(destination, settings)
    opener = _opener(destination, settings)
    if found is None:
        return Worker(
            Lane(opener),
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
