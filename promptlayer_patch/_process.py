"""What is installed in this process: the composition root, the only module that knows all the parts.

Most parts are loaded when openai is, or when somebody asks for what needs them: until then a program pays for
no more than what `install()` has to do at once.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from functools import partial

from promptlayer_patch._arrival import Arrival
from promptlayer_patch._destinations import all_checked
from promptlayer_patch._exits import (
    at_the_end_of_a_forked_child,
    at_the_end_of_a_multiprocessing_child,
    keep_interrupted,
)
from promptlayer_patch._guard import forget_reports, quietly, report
from promptlayer_patch._installation import UNINSTALLED, Installation
from promptlayer_patch._options import read_options
from promptlayer_patch._whereabouts import say_where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from promptlayer_patch._capture.capture import Capture
    from promptlayer_patch._delivery.pipeline import Pipeline
    from promptlayer_patch._options import Options
    from promptlayer_patch._patching import Patcher
    from promptlayer_patch._settings import Settings
    from promptlayer_patch._signals import Terminations
    from promptlayer_patch.annotations import Content
    from promptlayer_patch.records import Receipt, Record

    Opens: TypeAlias = Callable[[Settings], Pipeline]


def opened(settings: Settings) -> Pipeline:
    """The way of the records to where they are to go."""
    if not settings.send:
        from promptlayer_patch._diversion import counted

        return counted(settings)
    from promptlayer_patch._delivery.pipeline import Pipeline

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
        self._is_ending = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_forked_child)
        self._terminations: Terminations | None = None

    @property
    def pipeline(self) -> Pipeline | None:
        return self.now.pipeline

    @property
    def _settings(self) -> Settings:
        return self.now.settings

    def prepare(self) -> None:
        """Have something installed, and what it patches patched, whoever else is just about to see to it."""
        if self.now.is_ready:
            return
        from promptlayer_patch._imports import importing

        with self._lock, importing():
            if not self.now.is_on:
                self.install(checked_options(read_options()), only_asked=True)

    def install(self, options: Options, *, only_asked: bool = False) -> None:
        with self._lock:
            now, before = self.now, self.pipeline
            if now.is_on and only_asked:
                return  # another thread was faster
            quietly("forgetting reports", forget_reports)
            # Where calls may be under way, one way follows the other without a gap.
            pipeline = self._open(options) if before is not None or self._capture is not None else None
            now.options, now.only_asked, now.pipeline, now.is_on = options, only_asked, pipeline, True
            if not self._at_exit:
                # Registered before most handlers of the application, so run after them.
                atexit.register(self._at_exit_of_python)
                end = type(self)._end
                quietly("preparing the end", at_the_end_of_a_multiprocessing_child, self, end)
                self._at_exit = True
            self._start()
            if self.opens is opened and options.get("send", True):
                quietly("saying where records go", say_where, options)
        if before is not None:
            quietly("closing", before.close)
            if pipeline is not None:
                quietly("looking around", pipeline.look_around)

    def opened(self) -> Pipeline | None:
        """The way of the records, if something is installed; opened when it is first needed."""
        with self._lock:
            now = self.now
            if now.is_on and now.pipeline is None:
                now.pipeline = self._open(now.options)
            return now.pipeline

    def _open(self, options: Options) -> Pipeline:
        from promptlayer_patch._settings import Settings

        pipeline = self.opens(Settings(**options))
        if self._is_ending:
            pipeline.end()  # what comes now is delivered at once
        return pipeline

    def exchange(self, now: Installation, opens: Opens) -> tuple[Installation, Opens]:
        """Put what `now` is in the place of what is installed, which is answered and goes on by itself."""
        with self._lock:
            before = self.now, self.opens
            self.now, self.opens = now, opens
            if now.is_on:
                self._start()
            else:
                self._stop()
        return before

    def submit(self, record: Record, receipt: Receipt) -> None:
        """Hand a record that others have made to what is installed."""
        from promptlayer_patch import _intake

        self.opened()
        _intake.submit(self.now, record, receipt)

    def annotate(self, target: Receipt | int, content: Content) -> None:
        if not self.now.is_on:
            # The ids are those of where records went last.
            last = self.now.options if self.now.options.get("to") else checked_options(read_options())
            self.install(last, only_asked=True)
        pipeline = self.opened()
        if pipeline is not None:
            pipeline.annotate(target, content)

    @property
    def settings(self) -> Settings | None:
        return self._settings if self.now.is_on else None

    def uninstall(self) -> None:
        with self._lock:
            ended, self._was_uninstalled = self.now, True
            self.now = Installation(ended.options)
            before = ended.end(UNINSTALLED)
            quietly("uninstalling", self._stop)
            if self._capture is not None:
                streams = sys.modules["promptlayer_patch._capture.streams"]
                quietly("settling receipts", streams.tell_all, UNINSTALLED)
        if before is not None:
            quietly("closing", before.close)

    def is_undecided(self) -> bool:
        return (not self.now.is_on or self.now.only_asked) and not self._was_uninstalled

    def _start(self) -> None:
        if self._capture is None:
            self._arrival.wait()
        else:
            self._switch_on(self._capture)
        self.now.is_ready = True

    def _stop(self) -> None:
        quietly("uninstalling", self._arrival.forget)
        if self._terminations is not None:
            quietly("forgetting signals", self._terminations.forget)
        if self._capture is not None and self._patcher is not None:
            quietly("switching off", self._capture.switch_off)
            quietly("removing the wrappers", self._patcher.remove)

    def _openai_arrives(self) -> None:
        """Load what is needed to patch openai; not before somebody imports it."""
        from promptlayer_patch import _decoding  # noqa: F401  no thread of ours should have to
        from promptlayer_patch._capture.capture import Capture
        from promptlayer_patch._patching import Patcher, Routes
        from promptlayer_patch._refining import refining  # noqa: F401  nor this
        from promptlayer_patch._signals import Terminations
        from promptlayer_patch.instrumentation.openai import OPENAI

        with self._lock:
            if self._capture is None:
                self._capture = Capture(Routes(OPENAI))
                self._patcher = Patcher(OPENAI, self._capture)
                self._terminations = Terminations(self._end, self._is_entered)
            if self.now.is_on:
                self._switch_on(self._capture)

    def _switch_on(self, capture: Capture) -> None:
        from promptlayer_patch import _intake

        pipeline, patcher = self.opened(), self._patcher
        if pipeline is not None and patcher is not None:
            if self._terminations is not None:
                quietly("watching signals", self._terminations.watch)
            now = self.now
            capture.switch_on(
                now.settings,
                partial(_intake.put, now),
                partial(_intake.urge, now),
                only_asked=now.only_asked,
                begins=pipeline.begins,
            )
            patcher.apply()

    def _in_forked_child(self) -> None:
        self._lock = threading.RLock()  # a thread that is not here may have held it
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
        self._is_ending = True
        streams = sys.modules.get("promptlayer_patch._capture.streams")
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
    process.prepare()


def submit(record: Record, receipt: Receipt) -> None:
    """Take a request that was made by other means than the openai library, like a captured one.

    The tags and metadata that hold here are added to its own; `receipt` is told what becomes of it. Where
    nothing is installed, the environment says where it goes.
    """
    try:
        prepare()
        process.submit(record, receipt)
    except Exception as fault:
        from promptlayer_patch._capture.call import LOST

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
    from promptlayer_patch._settings import read_settings

    return process.settings or read_settings()


def created_group() -> int | None:
    """A new group where requests get their ids; `None` if that is not on this machine."""
    pipeline = process.opened()
    if pipeline is None:
        by_environment = Installation(checked_options(read_options()))
        pipeline = process.opens(by_environment.settings)
    return pipeline.create_group()


def checked_options(options: Options, argument: str = "PROMPTLAYER_TO") -> Options:
    """With the destinations checked as well; `argument` is who named them."""
    return {**options, "to": all_checked(options["to"], options["api_key"], argument)}
