"""Keeping the index up to date while a server runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

from promptlayer_patch._guard import report
from promptlayer_patch.store.connection import StoreError, StoreUnavailable
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.indexing.indexer import Indexer
from promptlayer_patch.store.sqlite import Store

__all__ = ["IndexingThread"]

_LOOK_S = 0.25
"""How long what another process has stored may go unnoticed."""
_GATHER_S = 0.35
"""Requests that come one after the other are indexed together: ten at once cost little more than one."""
_MANY = 50
"""After a batch of so many there may be a backlog, which is worked off without a pause."""
_AFTER_TROUBLE_S = 5.0


class IndexingThread:
    """Indexes what is stored, by this process or another, within a second.

    What is in `fresh` need not be read for it. `on_trouble` is told, on the thread, why the index cannot be
    kept up to date; it goes on trying.
    """

    def __init__(
        self, store: Store, on_trouble: Callable[[StoreError], None], fresh: Fresh | None = None
    ) -> None:
        self._path = store.path
        self._fresh = fresh
        self._on_trouble = on_trouble
        self._news = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="promptlayer-patch-index", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def notify(self) -> None:
        """Say that something was stored: it is indexed at once, unless others have just been."""
        self._news.set()

    def stop(self) -> None:
        """End the thread and wait for it; the batch that it is at is finished first."""
        self._stop.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                # A connection of its own: whoever reads the store does not wait for the indexer.
                with closing(Store.open(self._path)) as store:
                    self._index(store)
            except StoreUnavailable:
                self._stop.wait(_LOOK_S)  # another process writes, and will be done
            except StoreError as error:
                self._on_trouble(error)
                self._stop.wait(_AFTER_TROUBLE_S)
            except Exception as fault:
                report("indexing stored requests", fault)
                self._stop.wait(_AFTER_TROUBLE_S)

    def _index(self, store: Store) -> None:
        indexer = Indexer(store, self._fresh)
        while not self._stop.is_set():
            self._news.clear()
            # Asked before indexing: what is stored meanwhile changes it once more.
            version = _version(store)
            while indexer.step() >= _MANY and not self._stop.is_set():
                pass
            self._stop.wait(_GATHER_S)
            while not self._news.wait(_LOOK_S) and version == _version(store):
                pass


def _version(store: Store) -> int:
    """Another number whenever somebody else has written to the file."""
    return int(store.run(lambda connection: connection.execute("PRAGMA data_version").fetchone()[0]))
