"""The ways in which a process ends, as far as Python tells us of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType


def at_the_end_of_a_multiprocessing_child(end: Callable[[], None]) -> None:
    """A child of multiprocessing ends by `os._exit` and runs these finalizers, but nothing of atexit."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        finalize(util, end)


def finalize(util: ModuleType, end: Callable[[], None]) -> None:
    util.Finalize(None, end, exitpriority=100)


def keep_interrupted() -> None:
    """Let a program that Ctrl-C has ended be seen as ended by that signal.

    Python notes an interrupt that nobody handled, to end the process by the same signal once everything has
    run; any string of code that is executed meanwhile erases the note, as importing requests does. Executing
    one that is interrupted itself writes it anew.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1"):
        try:
            exec("raise KeyboardInterrupt")
        except KeyboardInterrupt:
            pass
