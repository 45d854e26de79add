"""One thread that writes and indexes what many requests bring: who waits together is committed together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from promptlayer_patch.server.writing import record_json
from promptlayer_patch.store import Entry, Store, StoreError, Unstorable
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.indexing.turns import Turns
from promptlayer_patch.store.repeats import Repeats

__all__ = ["Committer"]

_BATCH = 500
_BUSY = 3
"""After a batch of so many, as many more are on their way."""
_GATHER_S = 0.002
"""So long they are waited for: when they come one by one while a batch is written, the threads hand the
interpreter to and fro, and the batches are smaller."""


class _Waiting(NamedTuple):
    """An entry, and who waits for its id."""

    entry: Entry
    future: asyncio.Future[int]
    loop: asyncio.AbstractEventLoop


class Committer:
    """Puts entries into a store, tells their request ids, and keeps the store's index up to date.

    A batch is what has come while the batch before it was written, so a lone request never waits for company;
    where many come at once, they are given a moment to come together.
    `on_trouble` is told, on the thread, why the index cannot be kept up to date.
    """

    def __init__(self, store: Store, on_trouble: Callable[[StoreError], None]) -> None:
        self._store = store
        self.fresh = Fresh()
        """What this process has stored and the index has not seen; others that store may put theirs here."""
        self.repeats = Repeats()
        """What this process has met; others that store may ask it, too."""
        self._turns = Turns(store, on_trouble, self.fresh, self.repeats)
        self._turns.begin()
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._closing = threading.Event()
        self._last = 0
        """How many were in the last batch."""
        self._going_on = True
        self._thread = threading.Thread(target=self._run, name="promptlayer_patch-committer", daemon=True)
        self._thread.start()

    async def put(self, entry: Entry) -> int:
        """Store it and give its request id. Raises `Unstorable` for a bad entry, else `StoreError`."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(entry, loop.create_future(), loop)
        self._queue.put(waiting)
        return await waiting.future

    def close(self) -> None:
        """Write what has been put, then end."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()
        self._store.close()

    def _run(self) -> None:
        while self._going_on:
            self._store_waiting(self._batch())
            if self._going_on and not self._turns.wait_s():
                self._turns.take(lambda: self._store_waiting(self._arrived(_BATCH)))

    def _batch(self) -> list[_Waiting | None]:
        """Those who wait; none when it is time for the index and nobody does."""
        try:
            first = self._queue.get(timeout=self._turns.wait_s())
        except Empty:
            self._last = 0
            return []
        if self._last >= _BUSY and self._queue.qsize() < self._last - 1:
            self._closing.wait(_GATHER_S)
        batch = [first, *self._arrived(_BATCH - 1)]
        self._last = len(batch)
        return batch

    def _arrived(self, most: int) -> list[_Waiting | None]:
        """Those who wait already."""
        found: list[_Waiting | None] = []
        try:
            while len(found) < most:
                found.append(self._queue.get_nowait())
        except Empty:
            pass
        return found

    def _store_waiting(self, batch: Sequence[_Waiting | None]) -> None:
        self._going_on = self._going_on and None not in batch
        waiting = [one for one in batch if one is not None]
        if waiting:
            _tell(waiting, self._commit([one.entry for one in waiting]))
            self._turns.stored(len(waiting))

    def _commit(self, entries: Sequence[Entry]) -> Sequence[int | Exception]:
        """What became of each entry. Nobody's fails because of a neighbour's."""
        try:
            return self._store.add(entries, fresh=self.fresh, repeats=self.repeats, to_json=record_json)
        except Unstorable as error:
            if len(entries) == 1:
                return [error]
            return [outcome for entry in entries for outcome in self._commit([entry])]
        except Exception as error:  # whoever waits is told, whatever it was
            return [error] * len(entries)


def _tell(waiting: Sequence[_Waiting], outcomes: Sequence[int | Exception]) -> None:
    """Wake each event loop once, not once for each request: waking is dearer than all the rest."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[int], int | Exception]]] = {}
    for one, outcome in zip(waiting, outcomes, strict=True):
        loops.setdefault(one.loop, []).append((one.future, outcome))
    for loop, told in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, told)
        except RuntimeError:
            pass  # the loop has ended, and with it whoever waited


def _settle(told: Sequence[tuple[asyncio.Future[int], int | Exception]]) -> None:
    for future, outcome in told:
        if future.done():
            continue  # the client has gone away
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
