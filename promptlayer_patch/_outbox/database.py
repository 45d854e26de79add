"""An outbox as a database: its tables, how it is opened, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from promptlayer_patch._outbox.items import Damaged, Unusable

APPLICATION_ID = 0x504C4F42
VERSION = 1
SCHEMA = f"""
    CREATE TABLE items (
        row INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        follows TEXT,
        request_id INTEGER,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at REAL NOT NULL DEFAULT 0,
        body BLOB NOT NULL
    );
    CREATE INDEX items_by_key ON items (key);
    CREATE INDEX items_by_follows ON items (follows) WHERE follows IS NOT NULL;
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {VERSION};
"""
_BUSY_S = 0.5

inside = threading.RLock()
"""Held by whoever is inside SQLite: a child that is forked meanwhile finds its mutexes locked for ever."""
_WRITE_AHEAD = b"\2\2"
"""Bytes 18 and 19 of a database whose changes go to a log first."""


def _empty_outbox() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        if not hasattr(connection, "serialize"):  # before Python 3.11
            return b""
        image: bytes = connection.serialize()
        return image[:18] + _WRITE_AHEAD + image[20:]


# Copied for each new outbox: every statement gives up the interpreter's lock, and beside a busy thread it
# takes up to 5 ms to get it back: the first calls would be uncommitted while the tables are made.
_EMPTY = _empty_outbox()


def delete(path: Path) -> None:
    """Remove an outbox and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        try:
            os.unlink(f"{path}{suffix}")
        except OSError:
            pass


def renamed_aside(path: Path) -> Path:
    """Give a file a name under which nobody takes it for an outbox."""
    aside = path.with_suffix(f".damaged-{time.time_ns() // 1_000_000}")
    for suffix in ("-wal", "-shm", "-journal"):
        try:
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        except OSError:
            pass
    os.replace(path, aside)
    return aside


def connected(path: Path, *, new: bool) -> sqlite3.Connection:
    """A connection to the outbox at `path`, which is made if it is `new`."""
    if new:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            os.write(descriptor, _EMPTY)
        finally:
            os.close(descriptor)
    # Never mode=rwc: SQLite would create the file readable by everyone whom the umask lets in.
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_S,
        # A statement that is kept for later keeps what it was last given: whole batches.
        cached_statements=0,
    )
    try:
        if not new or not _EMPTY:
            # Without it, every commit rewrites the pages in place and waits for the disk twice.
            connection.execute("PRAGMA journal_mode = WAL")
        # Without it, every commit waits for the disk (FULL), and the first one under NORMAL does too.
        connection.execute("PRAGMA synchronous = OFF")
        # Without it, the log of a long outage keeps its size for as long as the process lives.
        connection.execute("PRAGMA journal_size_limit = 4194304")
        if new and not _EMPTY:
            connection.executescript(SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def write_safely(connection: sqlite3.Connection) -> None:
    """To be called after the first commit.

    NORMAL loses nothing when a process dies; a power cut may take the last moments, and never harms the file.
    """
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def plainly() -> Iterator[None]:
    """Whatever uses SQLite: its and the system's errors as `Unusable`, and no fork meanwhile."""
    try:
        with inside:
            yield
    except sqlite3.OperationalError as error:
        raise Unusable(str(error)) from error
    except sqlite3.DatabaseError as error:  # malformed, or no database at all
        raise Damaged(str(error)) from error
    except sqlite3.Error as error:
        raise Unusable(str(error)) from error
    except OSError as error:
        raise Unusable(f"{type(error).__name__}: {error.strerror}") from error
