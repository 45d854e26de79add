"""The ways in which a process ends, as far as Python tells us of them."""

from __future__ import annotations

import sys
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import TypeVar

    Owner = TypeVar("Owner")


def at_the_end_of_a_multiprocessing_child(owner: Owner, end: Callable[[Owner], None]) -> None:
    """A child of multiprocessing ends by `os._exit` and runs its finalizers, but nothing of atexit."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is None or util is None:
        return
    if process.parent_process() is not None:
        _finalize(util, partial(end, owner))
    elif getattr(process.current_process(), "_inheriting", False):
        # The child of a fork server that still imports what the parent's main module does.
        at_the_end_of_a_forked_child(util, owner, end)


def at_the_end_of_a_forked_child(util: ModuleType, owner: Owner, end: Callable[[Owner], None]) -> None:
    """A child that multiprocessing has forked forgets all finalizers first; these are called after that."""
    util.register_after_fork(owner, lambda one: _finalize(util, partial(end, one)))


def _finalize(util: ModuleType, end: Callable[[], None]) -> None:
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
