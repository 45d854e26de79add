"""Keeping the index up to date while a server runs, on the thread that stores what comes in.

Two threads would wait for each other: for the interpreter, for the file's lock; and each would read again
what the other has written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from time import monotonic
from typing import Any

from promptlayer_patch._guard import report
from promptlayer_patch.store.connection import StoreError, StoreUnavailable
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.indexing.indexer import Indexer
from promptlayer_patch.store.repeats import Repeats
from promptlayer_patch.store.sqlite import Store

__all__ = ["Turns"]

_LOOK_S = 0.25
"""How long what another process has stored may go unnoticed."""
_GATHER_S = 0.35
"""Requests that come one after the other are indexed together: ten at once cost little more than one."""
_MANY = 224
"""So many are indexed without waiting for more: whoever wants to store something waits meanwhile."""
_MOST = 256
"""After a turn of so many there is a backlog, which is worked off without a pause. A power of two, as the
statements of `multirow` are made for, and more than come with the last batch of `_MANY`."""
_AFTER_TROUBLE_S = 5.0


class Turns:
    """Says when it is time to index what was stored, by this process or another, and does it.

    What is stored is indexed within a second if `take` is called when `wait_s` says so. What is in `fresh`
    need not be read for it, and `repeats` knows what this process has met. `on_trouble` is told why the index
    cannot be kept up to date; later turns try again.
    """

    def __init__(
        self,
        store: Store,
        on_trouble: Callable[[StoreError], None],
        fresh: Fresh | None = None,
        repeats: Repeats | None = None,
    ) -> None:
        self._store = store
        self._fresh = fresh
        self._repeats = repeats
        self._on_trouble = on_trouble
        self._indexer = Indexer(store, fresh, repeats)
        self._stored = 0
        self._version: int | None = None
        """Of the file, when it was indexed last."""
        self._next = 0.0
        """When there may be a turn for what was stored by this process."""
        self._look = 0.0
        """When there must be one for what was stored by others."""
        self._in_trouble = False

    def begin(self) -> None:
        """Have an empty store indexed at once, so that who asks in the first moment need not ask again."""
        try:
            self._indexer.begin()
        except StoreError:
            pass  # the first turn tries again, and says why it cannot

    def stored(self, count: int) -> None:
        """Say that so many requests were stored through the same store."""
        self._stored += count

    def wait_s(self) -> float:
        """How long there is nothing to do."""
        if self._stored >= _MANY and not self._in_trouble:
            return 0.0
        return max(0.0, (self._next if self._stored else self._look) - monotonic())

    def take(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Index one batch of what waits.

        `meanwhile` is called once that is half done, so that nobody has to wait for all of it; it may store.
        """
        self._in_trouble = False
        try:
            self._turn(meanwhile)
        except StoreUnavailable:
            self._rest(_LOOK_S)  # another process writes, and will be done
        except StoreError as error:
            self._on_trouble(error)
            self._rest(_AFTER_TROUBLE_S)
        except Exception as fault:
            report("indexing stored requests", fault)
            self._rest(_AFTER_TROUBLE_S)

    def _turn(self, meanwhile: Callable[[], None] | None) -> None:
        # Asked before indexing: what others store meanwhile changes it once more.
        version = int(self._store.run(_version))
        if not self._stored and version == self._version:
            self._look = monotonic() + _LOOK_S
            return
        self._stored, self._version = 0, None
        has_more = self._indexer.step(_MOST, meanwhile) >= _MOST
        if not has_more:
            self._version = version
        self._look = self._next = monotonic() + (0.0 if has_more else _GATHER_S)

    def _rest(self, seconds: float) -> None:
        self._in_trouble = True
        self._look = self._next = monotonic() + seconds
        # What it knows of the store may be what was wrong.
        self._version, self._indexer = None, Indexer(self._store, self._fresh, self._repeats)


def _version(connection: sqlite3.Connection) -> Any:
    """Another number whenever another connection has written to the file."""
    return connection.execute("PRAGMA data_version").fetchone()[0]
