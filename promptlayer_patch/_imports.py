"""What our own threads do, kept apart from forks: imports that are put off, and what is imported so.

A child that is forked while another thread imports a module finds that module locked by a thread that does
not exist there, and would wait for it for ever. It is the same with a library that has locks of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

_FORK_WAITS_S = 5.0
"""The longest a fork waits for an import of ours; there are two or three in the life of a process."""

_lock = threading.RLock()


class _Around(NamedTuple):
    before: Callable[[], None]
    in_parent: Callable[[], None]
    in_child: Callable[[], None]


_around: list[_Around] = []


@contextmanager
def importing() -> Iterator[None]:
    """Hold off forks while a module is imported; cheap when it has been before."""
    with _lock:
        yield


def around_forks(
    before: Callable[[], None], in_parent: Callable[[], None], in_child: Callable[[], None]
) -> None:
    """Have these called around forks, as `os.register_at_fork` does, for a module that is imported late.

    A fork that has begun, and waits for just that import, would not call what is registered there meanwhile;
    the thread that imports would go on to use the library in the midst of it.
    """
    _around.append(_Around(before, in_parent, in_child))


def _before_fork() -> None:
    _lock.acquire(timeout=_FORK_WAITS_S)
    for one in _around:
        one.before()


def _after_fork_in_parent() -> None:
    try:
        for one in _around:
            one.in_parent()
    finally:
        with suppress(RuntimeError):  # it took too long, and the fork went ahead
            _lock.release()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    for one in _around:
        one.in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
