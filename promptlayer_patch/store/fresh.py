"""Requests that were just stored: an indexer in the same process need not read and parse them again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from promptlayer_patch.store.encoding import Row

__all__ = ["Fresh", "Inserted"]

_MOST_BYTES = 4_000_000
"""Of text; parsed, it takes a few times as much memory."""


class Inserted(NamedTuple):
    """A request as it was stored."""

    columns: Mapping[str, Any]
    """Of its row of `requests`, those that are not null for every new request."""
    change: int
    """The mark by which the indexer tells whether anything was changed since."""
    row: Row

    @property
    def request_id(self) -> int:
        return int(self.columns["request_id"])


class Fresh:
    """Holds what one thread stores until another one indexes it; the oldest gives way when it gets too much.

    Nothing depends on it: what is not here is in the store.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, Inserted] = {}
        self._bytes = 0

    def put(self, inserted: Inserted) -> None:
        with self._lock:
            if inserted.request_id in self._held:  # of a transaction that was rolled back
                self._forget(inserted.request_id)
            self._held[inserted.request_id] = inserted
            self._bytes += len(inserted.row.text)
            while self._bytes > _MOST_BYTES:
                self._forget(next(iter(self._held)))

    def take(self, marks: Mapping[int, int]) -> dict[int, Inserted]:
        """Those of the requests that are here and are in the store as they are here, by their ids."""
        with self._lock:
            found = [self._forget(request_id) for request_id in marks if request_id in self._held]
        return {one.request_id: one for one in found if one.change == marks[one.request_id]}

    def _forget(self, request_id: int) -> Inserted:
        inserted = self._held.pop(request_id)
        self._bytes -= len(inserted.row.text)
        return inserted
