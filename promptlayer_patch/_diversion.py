"""What is opened in tests in the place of the destinations that `install()` names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptlayer_patch._cassettes import Sender, cassettes, vcrpy_is_there
from promptlayer_patch._delivery.pipeline import Pipeline
from promptlayer_patch._guard import quietly
from promptlayer_patch._options import read_options
from promptlayer_patch._settings import Settings
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.exporters import remote, split
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Delivered, Delivery, Record

if TYPE_CHECKING:
    from promptlayer_patch._capture.call import Call
    from promptlayer_patch._delivery.parcels import FinishedCall
    from promptlayer_patch._options import Destination, Options
    from promptlayer_patch.annotations import Annotation, Content
    from promptlayer_patch.records import Receipt

_STAYS = frozenset({"memory", "console"})
KEPT = 10_000
"""Requests of one test or block; of more, the latest."""
_PATIENCE_S = 5.0
_LONGEST_DELIVERY_S = 60.0
"""More than one request to PromptLayer can take."""


class Recorder(MemoryExporter):
    """Keeps the last `limit` records and numbers all of them from 1."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.count = 0

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        first = self.count + 1
        self.count += len(batch)
        self.records.extend(batch)
        del self.records[: max(0, len(self.records) - self.limit)]
        return [Delivered(first + at) for at in range(len(batch))]

    def annotate(self, annotation: Annotation) -> Delivery:
        delivery = super().annotate(annotation)
        del self.annotations[: max(0, len(self.annotations) - self.limit)]
        return delivery

    def forget(self) -> None:
        """Begin anew: no records, the next number is 1."""
        self.count = 0
        self.records.clear()
        self.annotations.clear()


class Diverted(Pipeline):
    """Hands each call to a recorder and to what may be had beside it."""

    def __init__(
        self, settings: Settings, recorder: Recorder, beside: Sequence[Destination], *, instead: bool
    ) -> None:
        """`instead` says that the recorder stands for something which was left out; else it only listens."""
        plain = Settings()
        super().__init__(
            replace(
                settings,
                to=(*beside, recorder),
                # A test sees all of its calls, however small the queue that the application wants.
                queue_max_records=max(settings.queue_max_records, plain.queue_max_records),
                queue_max_bytes=max(settings.queue_max_bytes, plain.queue_max_bytes),
            )
        )
        if not instead:
            self._counting -= 1

    def collect(self, timeout_s: float) -> bool:
        """Have the recorder take what has ended so far."""
        return self._ways[-1].flush(timeout_s)


class Sending(Diverted):
    """Delivers for real, what goes to PromptLayer once and without an outbox.

    Where there may be cassettes it is delivered before the call returns: so it is part of the cassette that
    is in use around the call, in the order of the calls.
    """

    def __init__(
        self, settings: Settings, recorder: Recorder, beside: Sequence[Destination], *, instead: bool
    ) -> None:
        super().__init__(settings, recorder, beside, instead=instead)
        self.begins = self._note

    def put(self, call: Call | FinishedCall) -> None:
        self._note(call)
        super().put(call)
        if not call.in_finalizer:
            self._deliver()

    def annotate(self, target: Receipt | int, content: Content, *, may_start: bool = True) -> None:
        super().annotate(target, content, may_start=may_start)
        if may_start:
            self._deliver()

    def _deliver(self) -> None:
        # A thread of ours, on which an exporter of the user's asks OpenAI, would wait for itself.
        ours = threading.current_thread().name.startswith("promptlayer-")
        if vcrpy_is_there() and not ours:
            quietly("delivering", self.flush, _LONGEST_DELIVERY_S)

    def _note(self, call: Call | FinishedCall) -> None:
        if vcrpy_is_there():
            cassettes.note(call.receipt.record_id)


class Opener:
    """Opens ways into one recorder, one after another, and knows the latest."""

    def __init__(self, opens: Callable[[Settings, Recorder], Diverted], recorder: Recorder) -> None:
        self.opens = opens
        self.recorder = recorder
        self._latest: Diverted | None = None

    def __call__(self, settings: Settings) -> Diverted:
        self._latest = latest = self.opens(settings, self.recorder)
        return latest

    def look(self) -> list[Record]:
        """What has ended so far."""
        if self._latest is not None:
            self._latest.collect(_PATIENCE_S)
        return list(self.recorder.records)

    def close(self) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            quietly("closing", latest.close)


def recorded(settings: Settings, recorder: Recorder) -> Diverted:
    """Nothing but the recorder."""
    return Diverted(settings, recorder, (), instead=True)


def kept_here(settings: Settings, recorder: Recorder) -> Diverted:
    """The recorder instead of what leaves the process: files, the local store, PromptLayer."""
    beside = [destination for destination in settings.to if stays(destination)]
    return Diverted(settings, recorder, beside, instead=not beside or len(beside) < len(settings.to))


def sent(settings: Settings, recorder: Recorder) -> Diverted:
    """The recorder beside what `install()` names."""
    beside: list[Destination] = [
        Sender(destination, settings)
        if isinstance(destination, str) and remote(destination, settings) is not None
        else destination
        for destination in settings.to
    ]
    return Sending(settings, recorder, beside, instead=not beside)


def counted(settings: Settings) -> Diverted:
    """Numbers only: for a program that a test has started and that nobody looks into."""
    return kept_here(settings, Recorder(0))


def defaults() -> Options:
    """For what a test installs: nothing of the environment but what asking PromptLayer's registry takes."""
    try:
        found = read_options()
    except InvalidArgument:
        return {}
    return {name: found[name] for name in ("api_key", "base_url")}


def leaves(settings: Settings) -> bool:
    """Whether anything would leave the process."""
    return not all(map(stays, settings.to))


def stays(destination: Destination) -> bool:
    """Whether records that go there do not leave the process, or go to an object that somebody made."""
    return not isinstance(destination, str) or split(destination)[0] in _STAYS
