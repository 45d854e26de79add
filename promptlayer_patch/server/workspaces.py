"""The workspaces of one server: each is a store of its own, opened when it is first asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue

from promptlayer_patch.server.cleaning import Cleaner
from promptlayer_patch.server.committing import Committer
from promptlayer_patch.server.walks import Walks
from promptlayer_patch.store import Store, StoreError
from promptlayer_patch.store.keys import HOME_WORKSPACE, path_of

__all__ = ["Workspace", "Workspaces"]

log = logging.getLogger("promptlayer_patch.server")


class Workspace:
    """One store: a writer, a thread that commits and indexes, another that cleans, and readers as needed."""

    def __init__(self, number: int, path: Path) -> None:
        self.id = number
        self.path = path
        self.store = Store.open(path)
        """For writing; calls wait for one another."""
        self.committer = Committer(Store.open(path, only_adds=True), _cannot_index)
        self._cleaner = Cleaner(path, _cannot_clean)
        self._cleaner.begin()  # a server before may have been stopped amid it
        self.walks = Walks()
        self._idle: LifoQueue[Store] = LifoQueue()

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """A store to read from, alone until the block ends."""
        try:
            store = self._idle.get_nowait()
        except Empty:
            store = Store.open(self.path, read_only=True)
        try:
            yield store
        finally:
            self._idle.put(store)

    def delete(self, request_ids: Iterable[int]) -> None:
        """Delete these requests; their last traces in the file go while others are answered."""
        self.store.delete(request_ids, cleans=False)
        self._cleaner.begin()

    def close(self) -> None:
        """Commit what was accepted, and let go of the file."""
        self._cleaner.close()
        self.committer.close()
        self.store.close()
        while not self._idle.empty():
            self._idle.get_nowait().close()


class Workspaces:
    """All of them, by number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """Of the home workspace's file, the one that `local:` writes."""
        self._lock = threading.Lock()
        self._open: dict[int, Workspace] = {}
        self.home = self.get(HOME_WORKSPACE)

    def get(self, number: int) -> Workspace:
        with self._lock:
            if number not in self._open:
                self._open[number] = Workspace(number, path_of(self.path, number))
            return self._open[number]

    def close(self) -> None:
        with self._lock:
            for workspace in self._open.values():
                workspace.close()
            self._open.clear()


def _cannot_index(trouble: StoreError) -> None:
    log.warning("requests are stored, but cannot be searched: %s", trouble)


def _cannot_clean(trouble: StoreError) -> None:
    log.warning("deleted requests have left traces in the file, which the next start removes: %s", trouble)
