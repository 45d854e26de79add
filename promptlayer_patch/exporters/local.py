"""`local:[path]`: requests go into a SQLite file on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from promptlayer_patch._imports import importing
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch.store import Store

__all__ = ["LocalExporter", "open_exporter"]

ASSIGNS_IDS = True


class _Settings(Protocol):
    @property
    def local_db(self) -> str: ...


def open_exporter(target: str, settings: _Settings) -> LocalExporter:
    """An exporter into the file `target`, or into the user's own store if that is empty."""
    return LocalExporter(os.path.expanduser(target or settings.local_db))


def create_group(target: str, settings: _Settings) -> int:
    """A new group in that file."""
    with importing():
        from promptlayer_patch.store import Store

    store = Store.open(os.path.expanduser(target or settings.local_db))
    try:
        return store.create_group()
    finally:
        store.close()


class LocalExporter:
    """Stores records in one SQLite file; each gets its request id at once."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._store: Store | None = None

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        """Store the batch; a record that cannot be stored is rejected alone."""
        # Imported by the first record: sqlite3 is no part of the program's start-up time.
        with importing():
            from promptlayer_patch.store import Store, StoreError, StoreUnavailable, Unstorable

        try:
            if self._store is None:
                self._store = Store.open(self.path, only_adds=True)
            # Not compressed: in the program that is recorded it would take as long as all else, and the
            # interpreter from its threads.
            return [Delivered(request_id) for request_id in self._store.add(batch, compress=False)]
        except Unstorable as error:
            if len(batch) == 1:
                return [Rejected(str(error))]
            return [delivery for record in batch for delivery in self.export([record])]
        except StoreUnavailable as error:
            return [TryLater(reason=str(error)) for _ in batch]
        except StoreError as error:
            self.close()  # the next batch looks again: the file may have been replaced
            return [Rejected(str(error)) for _ in batch]

    def annotate(self, annotation: Annotation) -> Delivery:
        """Keep it with its request."""
        with importing():
            from promptlayer_patch.store import Store, StoreError, StoreUnavailable

        try:
            if self._store is None:
                self._store = Store.open(self.path, only_adds=True)
            if self._store.annotate(annotation.request_id or 0, annotation.content):
                return Delivered(annotation.request_id)
            return Rejected("the local store has no such request")
        except StoreUnavailable as error:
            return TryLater(reason=str(error))
        except StoreError as error:
            self.close()
            return Rejected(str(error))

    def close(self) -> None:
        """Let go of the file."""
        store, self._store = self._store, None
        if store is not None:
            store.close()
