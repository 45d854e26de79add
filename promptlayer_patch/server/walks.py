"""Where the pages of a search end, for clients that ask for page after page by number."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from promptlayer_patch._query import Cursor, Query
from promptlayer_patch.store import Total

__all__ = ["Step", "Walks"]

_MOST = 1_000
_REMEMBERED_S = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one page tells the next."""

    after: Cursor
    total: Total


class Walks:
    """The steps that clients have taken, so that a far page is not counted off from the first one again.

    Who goes on at once reads on where the page before ended, whatever was added meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: OrderedDict[bytes, tuple[float, Step]] = OrderedDict()

    def before(self, query: Query, page: int, per_page: int) -> Step | None:
        """What the page before this one told, if that was a moment ago."""
        with self._lock:
            told, step = self._steps.get(_name(query, page, per_page), (0.0, None))
        return step if step is not None and time.monotonic() < told + _REMEMBERED_S else None

    def remember(self, query: Query, page: int, per_page: int, step: Step) -> None:
        """Tell `page`, which comes next."""
        name = _name(query, page, per_page)
        with self._lock:
            self._steps[name] = (time.monotonic(), step)
            self._steps.move_to_end(name)
            while len(self._steps) > _MOST:
                self._steps.popitem(last=False)


def _name(query: Query, page: int, per_page: int) -> bytes:
    """Short, however long the query is: a thousand of them are remembered."""
    whole = repr((query, page, per_page)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(whole, digest_size=16).digest()
