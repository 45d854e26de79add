"""Taking what was deleted out of the file, behind the answers: of a large store that takes minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from promptlayer_patch.store import Store, StoreError

__all__ = ["Cleaner"]

_PAUSE_S = 0.01
"""Between two steps, for others to write."""


class Cleaner:
    """Cleans one store on a thread of its own, while there is something to clean.

    What is left when it is closed is noted in the store, for the next one. `on_trouble` is told, on the
    thread, why it cannot go on.
    """

    def __init__(self, path: Path, on_trouble: Callable[[StoreError], None]) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._again = False

    def begin(self) -> None:
        """There may be something to clean."""
        with self._lock:
            self._again = True
            if self._thread is None and not self._closing.is_set():
                name = "promptlayer_patch-cleaner"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End after the step that is under way."""
        self._closing.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while self._goes_on():
            try:
                with closing(Store.open(self._path)) as store:
                    store.clean(lambda: not self._closing.wait(_PAUSE_S))
            except StoreError as trouble:
                self._on_trouble(trouble)

    def _goes_on(self) -> bool:
        with self._lock:
            goes_on, self._again = self._again and not self._closing.is_set(), False
            if not goes_on:
                self._thread = None
        return goes_on
