"""What a destination has rejected for good: kept with its words, until a person decides."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from promptlayer_patch._outbox import database
from promptlayer_patch._outbox.items import Item, Unusable
from promptlayer_patch._symlinks import resolved

_BUSY_S = 2.0
_MOST = 10_000
"""Beyond so many the oldest go: what was rejected years ago must not fill the disk."""

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS rejected (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        url TEXT NOT NULL,
        account TEXT NOT NULL,
        reason TEXT NOT NULL,
        rejected_at REAL NOT NULL,
        body BLOB NOT NULL
    )
"""


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """One of them."""

    number: int
    key: str
    url: str
    account: str
    reason: str
    rejected_at: float
    body: bytes


class RejectedItems:
    """A file that all processes share; opened for each use, since it is hardly ever used.

    Its methods raise `Unusable`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, items: Sequence[Item], *, url: str, account: str, reason: str) -> None:
        """Keep the items; one that is there already stays as it is."""
        now = time.time()
        rows = [(item.key, url, account, reason, now, item.body) for item in items]
        with self._opened(make=True) as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO rejected (key, url, account, reason, rejected_at, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.execute(
                "DELETE FROM rejected WHERE number <= (SELECT max(number) FROM rejected) - ?", (_MOST,)
            )

    def all(self) -> list[RejectedItem]:
        """Oldest first."""
        if not self.path.exists():
            return []
        columns = "number, key, url, account, reason, rejected_at, body"
        with self._opened() as connection:
            rows = connection.execute(f"SELECT {columns} FROM rejected ORDER BY number").fetchall()
        return [RejectedItem(*row) for row in rows]

    def count(self) -> int:
        if not self.path.exists():
            return 0
        with self._opened() as connection:
            return int(connection.execute("SELECT count(*) FROM rejected").fetchone()[0])

    def drop(self, keys: Sequence[str]) -> None:
        """Forget these."""
        with self._opened() as connection:
            connection.executemany("DELETE FROM rejected WHERE key = ?", [(key,) for key in keys])

    def clear(self) -> int:
        """Forget all, and free their room on the disk; how many there were."""
        if not self.path.exists():
            return 0
        with self._opened() as connection:
            count = connection.execute("DELETE FROM rejected").rowcount
            connection.execute("COMMIT")
            connection.execute("VACUUM")
            connection.execute("BEGIN")
        return count

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            if make and not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
                os.close(os.open(resolved(self.path), flags, 0o600))
            resolved(self.path)
            uri = f"{self.path.absolute().as_uri()}?mode=rw"
            with (
                database.inside,
                closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)) as connection,
            ):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_SCHEMA)
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unusable(f"{self.path}: {error}") from error
        except OSError as error:
            raise Unusable(f"{self.path}: {error.strerror}") from error
