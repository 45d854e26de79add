"""Running a user's program and writing down everything that could show that somebody is in between."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Literal

import promptlayer_patch
from promptlayer_patch._delivery.worker import Worker
from tests.replay.playing import drive
from tests.support.faults_programs import ASYNC_ONLY, PROGRAMS, User
from tests.support.wire import Sent, Wire

Filter = Literal["always", "error"]
Run = tuple[str, bool]
"""A program by name, and whether it uses an async client."""

RUNS: list[Run] = [
    (name, is_async) for name in PROGRAMS for is_async in (False, True) if is_async or name not in ASYNC_ONLY
]
"""Every program, on every kind of client it is for."""


@dataclass
class Outcome:
    """What the user has of a program: bare and installed, and whatever of ours fails, it is the same."""

    value: Any = None
    error: Any = None
    sent: list[Sent] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    warnings: list[tuple[type, str]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    """What nobody should see: on stderr, from threads, from finalizers, from the event loop."""

    def differences(self, bare: Outcome) -> list[str]:
        """What is not as it is without us, in few words."""
        return [
            f"{name}: {_short(ours)}, bare {_short(theirs)}"
            for name, theirs in vars(bare).items()
            if (ours := getattr(self, name)) != theirs
        ]


def _short(thing: Any) -> str:
    if isinstance(thing, dict):
        return f"{thing['type'].__name__}({thing['text']})"
    text = repr(thing)
    return text if len(text) < 200 else f"{text[:80]} ... {text[-110:]}"


def observe(
    run: Run, *, installed: bool, leaving: bool = False, filtering: Filter = "always", debug: bool = False
) -> Outcome:
    """Run a program, bare or with us `installed`; `leaving`, also take us out again at its end.

    `filtering` is what becomes of warnings, and `debug` that of asyncio.
    """
    name, is_async = run
    wire = Wire()
    outcome = Outcome(sent=wire.sent, log=wire.log)
    with watched(outcome, filtering):
        user = User(wire, is_async, installed)
        try:
            main = _main(name, user, outcome)
            outcome.value = asyncio.run(main, debug=debug) if is_async else drive(main)
        except BaseException as error:
            outcome.error = told(error)
        del user
        if leaving:
            leave()
        gc.collect()
    if name == "gathered_calls":
        outcome.log.sort()  # which of them goes first is nobody's business
    return outcome


def play(run: Run) -> Outcome:
    """Run a program without looking at what belongs to the whole process, so on any thread."""
    name, is_async = run
    outcome = Outcome()
    main: Any = PROGRAMS[name](User(Wire(), is_async, installed=False))
    try:
        outcome.value = asyncio.run(main) if is_async else drive(main)
    except Exception as error:
        outcome.error = told(error)
    return outcome


async def _main(name: str, user: User, outcome: Outcome) -> Any:
    before = contents(copy_context())
    if not user.is_async:
        return await _checked(name, user, outcome, before)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, about: outcome.noise.append(f"event loop: {about['message']}"))
    try:
        return await _checked(name, user, outcome, before)
    finally:
        if asyncio.get_running_loop() is not loop or loop.is_closed():
            outcome.noise.append("another event loop")
        if asyncio.all_tasks() != {asyncio.current_task()}:
            outcome.noise.append("tasks left over")


async def _checked(name: str, user: User, outcome: Outcome, before: Mapping[str, Any]) -> Any:
    try:
        return await PROGRAMS[name](user)
    finally:
        after = contents(copy_context())
        if after != before:
            outcome.noise.append(f"context variables: {after}, before {before}")


def contents(context: Context) -> dict[str, Any]:
    """The context variables that are set to something; ours say nothing when they are empty."""
    empty = (None, ())
    ours = "promptlayer_patch"
    return {
        variable.name: value
        for variable, value in context.items()
        if not (variable.name.startswith(ours) and value in empty)
    }


def leave() -> None:
    """Uninstall, so that what there is gets delivered; whether that goes well is another question."""
    try:
        promptlayer_patch.uninstall()
    except Exception:
        return
    for thread in our_threads():
        thread.join(0.1)


def put_right() -> None:
    """Uninstall for good, now that nothing fails any more."""
    promptlayer_patch.uninstall()
    for thread in our_threads():
        worker = getattr(getattr(thread, "_target", None), "__self__", None)
        if isinstance(worker, Worker):
            worker.close(5.0)
        thread.join(5.0)
        assert not thread.is_alive(), thread


def our_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("promptlayer")]


_OURS = ("promptlayer_patch", "wrapt")
_BETWEEN = ("typing_extensions.py", "warnings.py")
"""Marks of deprecation, which we step over after having warned in their stead."""


def told(error: BaseException) -> dict[str, Any]:
    """An exception as its catcher sees it."""
    frames = [
        (frame.filename, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.endswith(_BETWEEN) and not any(part in frame.filename for part in _OURS)
    ]
    return {
        "type": type(error),
        "text": str(error),
        "args": repr(error.args),
        "cause": type(error.__cause__),
        "context": type(error.__context__),
        "notes": getattr(error, "__notes__", None),
        "frames": frames,
    }


@contextmanager
def watched(outcome: Outcome, filtering: Filter = "always") -> Iterator[None]:
    """Write down warnings and noise made in the block."""
    noise = outcome.noise
    hooks = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = lambda about: noise.append(
        f"unraisable in {named(about.object)}: {about.exc_value!r}"
    )
    threading.excepthook = lambda about: noise.append(f"thread {about.thread}: {about.exc_value!r}")
    stderr = io.StringIO()
    try:
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(stderr):
            warnings.simplefilter(filtering)
            yield
    finally:
        sys.unraisablehook, threading.excepthook = hooks
    # In debug mode the interpreter goes on for many lines about where a coroutine was made.
    outcome.warnings = [(warning.category, str(warning.message).partition("\n")[0]) for warning in caught]
    if stderr.getvalue():
        noise.append(f"stderr: {stderr.getvalue()}")


def named(thing: Any) -> str:
    """A thing by its name, which is the same in every run."""
    return getattr(thing, "__qualname__", type(thing).__name__)


@contextmanager
def our_log() -> Iterator[list[logging.LogRecord]]:
    """What we log in the block, and nothing of it anywhere else."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("promptlayer_patch")
    before = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        logger.removeHandler(handler)
        logger.propagate = before[0]
        logger.setLevel(before[1])  # not by attribute: loggers remember which levels are on
