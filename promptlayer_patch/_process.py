"""What is installed in this process: the composition root, the only module that knows all the parts."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from promptlayer_patch import _scope
from promptlayer_patch._arrival import Arrival
from promptlayer_patch._call import LOST
from promptlayer_patch._exits import (
    at_the_end_of_a_forked_child,
    at_the_end_of_a_multiprocessing_child,
    keep_interrupted,
)
from promptlayer_patch._guard import forget_reports, quietly, report
from promptlayer_patch._parcels import FinishedCall
from promptlayer_patch._pipeline import Pipeline
from promptlayer_patch._sampling import takes
from promptlayer_patch._settings import Settings, read_settings
from promptlayer_patch._whereabouts import say_where
from promptlayer_patch.exporters import checked
from promptlayer_patch.records import Ending, Rejected

if TYPE_CHECKING:
    from promptlayer_patch._call import Call
    from promptlayer_patch._capture import Capture
    from promptlayer_patch._patching import Patcher
    from promptlayer_patch._signals import Terminations
    from promptlayer_patch.annotations import Content
    from promptlayer_patch.records import Receipt, Record

Opens: TypeAlias = Callable[[Settings], Pipeline]

_UNINSTALLED = "promptlayer_patch was uninstalled"
_SUPPRESSED = "recording was suppressed"
_NOT_SAMPLED = "the call was not sampled"


@dataclass(slots=True, eq=False)
class Installation:
    """From an `install()` to its `uninstall()`; a call belongs to the one it began in."""

    settings: Settings = field(default_factory=Settings)
    only_asked: bool = False
    pipeline: Pipeline | None = None
    over: str = _UNINSTALLED
    """Why nothing is taken any more, once there is no pipeline."""

    def end(self, reason: str) -> Pipeline | None:
        """Take no call any more that began in it; its pipeline, which is not closed."""
        pipeline, self.pipeline, self.over = self.pipeline, None, reason
        return pipeline


def opened(settings: Settings) -> Pipeline:
    """The way of the records to where they are to go."""
    if not settings.send:
        from promptlayer_patch._diversion import counted

        return counted(settings)
    return Pipeline(settings)


class Process:
    """What is installed in this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._arrival = Arrival("openai", self._openai_arrives)
        self.now = Installation()
        self.opens: Opens = opened
        """Opens what is installed: tests have it open something else (`testing`)."""
        self._was_uninstalled = False
        self._capture: Capture | None = None
        self._patcher: Patcher | None = None
        self._at_exit = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_forked_child)
        self._terminations: Terminations | None = None

    @property
    def pipeline(self) -> Pipeline | None:
        return self.now.pipeline

    @property
    def _settings(self) -> Settings:
        return self.now.settings

    def install(self, settings: Settings, *, only_asked: bool = False) -> None:
        with self._lock:
            before = self.pipeline
            if before is not None and only_asked:
                return  # another thread was faster
            quietly("forgetting reports", forget_reports)
            pipeline = self.opens(settings)
            self.now.settings, self.now.only_asked, self.now.pipeline = settings, only_asked, pipeline
            if not self._at_exit:
                # Registered before most handlers of the application, so run after them.
                atexit.register(self._at_exit_of_python)
                end = type(self)._end
                quietly("preparing the end", at_the_end_of_a_multiprocessing_child, self, end)
                self._at_exit = True
            self._start()
            if self.opens is opened and settings.send:
                quietly("saying where records go", say_where, settings)
        if before is not None:
            quietly("closing", before.close)
            quietly("looking around", pipeline.look_around)

    def exchange(self, now: Installation, opens: Opens) -> tuple[Installation, Opens]:
        """Put what `now` is in the place of what is installed, which is answered and goes on by itself."""
        with self._lock:
            before = self.now, self.opens
            self.now, self.opens = now, opens
            if now.pipeline is not None:
                self._start()
            else:
                self._stop()
        return before

    def submit(self, record: Record, receipt: Receipt) -> None:
        """Hand a record that others have made to what is installed."""
        from promptlayer_patch._shortening import content_size

        pipeline, settings = self.pipeline, self._settings
        if pipeline is None:
            receipt.settle(Rejected(_UNINSTALLED))
        elif _scope.suppressed():
            receipt.settle(Rejected(_SUPPRESSED))
        elif not takes(settings.sample_rate, record.function_name, record.request):
            receipt.settle(Rejected(_NOT_SAMPLED))
        else:
            tags, metadata = _scope.merged(settings.tags, settings.metadata, record.tags)
            _scope.hand_out(receipt)
            record = replace(record, tags=tags, metadata={**metadata, **record.metadata})
            group, prompt = _scope.linked()
            record = replace(record, group_id=record.group_id or group, prompt=record.prompt or prompt)
            self._hand_over(pipeline, FinishedCall(record, receipt, size=1024 + content_size(record)))

    def annotate(self, target: Receipt | int, content: Content) -> None:
        if self.pipeline is None:
            # The ids are those of where records went last.
            last = self._settings if self._settings.to else checked_settings(read_settings())
            self.install(last, only_asked=True)
        if self.pipeline is not None:
            self.pipeline.annotate(target, content)

    @property
    def settings(self) -> Settings | None:
        return self._settings if self.pipeline is not None else None

    def put(self, began_in: Installation, call: Call) -> None:
        """Hand a finished call to what was installed when it began, if there was no `uninstall()` since."""
        pipeline = began_in.pipeline
        if pipeline is None:
            call.receipt.settle(Rejected(began_in.over))
        elif not call.sampled and not _is_kept_error(call, began_in.settings.sample_errors):
            call.receipt.settle(Rejected(_NOT_SAMPLED))
        else:
            self._hand_over(pipeline, call)

    @staticmethod
    def _hand_over(pipeline: Pipeline, call: Call | FinishedCall) -> None:
        pipeline.put(call)
        if call.prompt is not None and not call.prompt.is_exact:
            # The call has been handed over: a fault here must not say of it that it is lost.
            link = partial(pipeline.annotate, may_start=not call.in_finalizer)
            quietly("sending an annotation", link, call.receipt, call.prompt)

    def urge(self, installation: Installation) -> None:
        pipeline = installation.pipeline
        if pipeline is not None:
            pipeline.urge()

    def uninstall(self) -> None:
        with self._lock:
            ended, self._was_uninstalled = self.now, True
            self.now = Installation(ended.settings)
            before, ended.pipeline = ended.pipeline, None
            quietly("uninstalling", self._stop)
            if self._capture is not None:
                streams = sys.modules["promptlayer_patch._streams"]
                quietly("settling receipts", streams.tell_all, _UNINSTALLED)
        if before is not None:
            quietly("closing", before.close)

    def is_undecided(self) -> bool:
        return (self.pipeline is None or self.now.only_asked) and not self._was_uninstalled

    def _start(self) -> None:
        if self._capture is None:
            self._arrival.wait()
        else:
            self._switch_on(self._capture)

    def _stop(self) -> None:
        quietly("uninstalling", self._arrival.forget)
        if self._terminations is not None:
            quietly("forgetting signals", self._terminations.forget)
        if self._capture is not None and self._patcher is not None:
            quietly("switching off", self._capture.switch_off)
            quietly("removing the wrappers", self._patcher.remove)

    def _openai_arrives(self) -> None:
        """Load what is needed to patch openai; not before somebody imports it."""
        from promptlayer_patch import _decoding, _refining  # noqa: F401  no thread of ours should have to
        from promptlayer_patch._capture import Capture
        from promptlayer_patch._patching import Patcher, Routes
        from promptlayer_patch._signals import Terminations
        from promptlayer_patch.instrumentation.openai import OPENAI

        with self._lock:
            if self._capture is None:
                self._capture = Capture(Routes(OPENAI))
                self._patcher = Patcher(OPENAI, self._capture)
                self._terminations = Terminations(self._end, self._is_entered)
            if self.pipeline is not None:
                self._switch_on(self._capture)

    def _switch_on(self, capture: Capture) -> None:
        pipeline, patcher = self.pipeline, self._patcher
        if pipeline is not None and patcher is not None:
            if self._terminations is not None:
                quietly("watching signals", self._terminations.watch)
            now = self.now
            capture.switch_on(
                now.settings,
                partial(self.put, now),
                partial(self.urge, now),
                only_asked=now.only_asked,
                begins=pipeline.begins,
            )
            patcher.apply()

    def _in_forked_child(self) -> None:
        util = sys.modules.get("multiprocessing.util")
        if util is not None and self._at_exit:
            quietly("forking", at_the_end_of_a_forked_child, util, self, type(self)._end)

    def _is_entered(self) -> bool:
        pipeline = self.pipeline
        return pipeline is not None and pipeline.is_entered()

    def _at_exit_of_python(self) -> None:
        """Deliver, and leave the exit code as it would have been."""
        self._end()
        quietly("keeping the exit code", keep_interrupted)

    def _end(self) -> None:
        """End the streams that are still open and deliver what can be."""
        streams = sys.modules.get("promptlayer_patch._streams")
        if streams is not None:
            quietly("ending streams", streams.abandon_all)
        pipeline = self.pipeline
        if pipeline is not None:
            quietly("delivering the rest", pipeline.end)


process = Process()


def is_undecided() -> bool:
    """Whether the program itself has called neither `install()` nor `uninstall()` so far."""
    return process.is_undecided()


def prepare() -> None:
    """Get ready to record what is asked for (`_asking`), by the environment, if nothing is installed."""
    if process.pipeline is None:
        process.install(checked_settings(read_settings()), only_asked=True)


def submit(record: Record, receipt: Receipt) -> None:
    """Take a request that was made by other means than the openai library, like a captured one.

    The tags and metadata that hold here are added to its own; `receipt` is told what becomes of it. Where
    nothing is installed, the environment says where it goes.
    """
    try:
        prepare()
        process.submit(record, receipt)
    except Exception as fault:
        report("taking a record", fault)
        receipt.settle(LOST)


def annotate(target: Receipt | int, content: Content) -> None:
    """Send what is said about a request after it; to where the environment says, if nothing is installed."""
    try:
        process.annotate(target, content)
    except Exception as fault:
        report("sending an annotation", fault)


def current_settings() -> Settings:
    """What is installed, else what the environment says."""
    return process.settings or read_settings()


def created_group() -> int | None:
    """A new group where requests get their ids; `None` if that is not on this machine."""
    pipeline = process.pipeline or process.opens(checked_settings(read_settings()))
    return pipeline.create_group()


def checked_settings(settings: Settings, argument: str = "PROMPTLAYER_TO") -> Settings:
    destinations = tuple(checked(destination, settings, argument) for destination in settings.to)
    return replace(settings, to=destinations)


def _is_kept_error(call: Call, part: float) -> bool:
    """Whether an unsampled call has failed, or reports a failure in its last words, and is kept for that."""
    failed = call.ending is Ending.PROVIDER_ERROR or any(b'"error"' in chunk for chunk in call.chunks[-2:])
    return failed and takes(part, call.name, {})
