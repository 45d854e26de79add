"""Imports that are put off to our own threads, kept apart from forks.

A child that is forked while another thread imports a module finds that module locked by a thread that does
not exist there, and would wait for it for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_FORK_WAITS_S = 5.0
"""The longest a fork waits for an import of ours; there are two or three in the life of a process."""

_lock = threading.RLock()


@contextmanager
def importing() -> Iterator[None]:
    """Hold off forks while a module is imported; cheap when it has been before."""
    with _lock:
        yield


def _before_fork() -> None:
    _lock.acquire(timeout=_FORK_WAITS_S)


def _after_fork_in_parent() -> None:
    try:
        _lock.release()
    except RuntimeError:
        pass  # it took too long, and the fork went ahead


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
