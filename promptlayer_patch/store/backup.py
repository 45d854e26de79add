"""A copy of the store while others write to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from promptlayer_patch.store.connection import StoreError, connect, plain_errors
from promptlayer_patch.store.transaction import transaction

__all__ = ["backup"]

_PAGES = 1024


def backup(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Copy the store at `source` as it is at this moment to `target`, a file that must not exist yet.

    `progress` is told how many pages are copied, and of how many.
    """
    with closing(connect(source, read_only=True)) as connection:
        _create(target)
        try:
            with plain_errors(target):
                _copy(connection, target, progress)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _create(path: Path) -> None:
    try:
        # For this user alone, as the store is. O_EXCL: nothing is overwritten.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError as error:
        raise StoreError(f"{path} exists already; a backup overwrites nothing") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be created: {error.strerror}") from error


def _copy(connection: sqlite3.Connection, path: Path, progress: Callable[[int, int], None] | None) -> None:
    def tell(status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    with closing(sqlite3.connect(path)) as copy, transaction(connection, "DEFERRED"):
        # One view of the file until the end: without it, every write of others starts the copy anew.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.backup(copy, pages=_PAGES, progress=tell, sleep=0)
