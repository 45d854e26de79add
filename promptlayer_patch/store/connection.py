"""Opening the store's file, and saying in plain words why it cannot be used."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptlayer_patch._symlinks import resolved
from promptlayer_patch.errors import PromptLayerError
from promptlayer_patch.store.schema import APPLICATION_ID, MIGRATIONS, migrate
from promptlayer_patch.store.transaction import transaction

__all__ = ["StoreError", "StoreUnavailable", "connect", "located", "plain_errors"]

BUSY_TIMEOUT_S = 2.0
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM}


class StoreError(PromptLayerError):
    """The local store cannot be used; the message names the file and says why."""


class StoreUnavailable(StoreError):
    """The local store cannot be used at this moment (locked, disk full); the same call may work later."""


def located(path: str | os.PathLike[str]) -> Path:
    """What `path` leads to; refuses what another user may have put there to read or write in our name."""
    try:
        return Path(resolved(path))
    except OSError as error:
        raise StoreError(f"{os.fspath(path)} is not used: {error.strerror}") from error


def connect(path: Path, *, read_only: bool, only_adds: bool = False) -> sqlite3.Connection:
    """A connection to the store at `path`, which is created where it may be and does not exist.

    One that `only_adds` must not delete what other rows refer to.
    """
    if not read_only:
        _create(path)
    elif not path.exists():
        raise StoreError(f"there is no local store at {path}")
    located(path)  # again: what is there now and was not put there by another, no other can replace
    with plain_errors(path):
        # Never mode=rwc: SQLite would create the file readable by everyone whom the umask lets in.
        uri = f"{path.as_uri()}?mode={'ro' if read_only else 'rw'}"
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            # With 128, those of `multirow`, one for each power of two, would push each other out.
            cached_statements=256,
        )
        try:
            _prepare(connection, path, read_only, only_adds)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors inside the block into `StoreError` and `StoreUnavailable`."""
    try:
        yield
    except sqlite3.Error as error:
        # By message, as Python 3.10 shows no result codes; SQLite does not translate them.
        message = str(error)
        if "locked" in message or "is full" in message or "disk I/O" in message:
            raise StoreUnavailable(f"{path}: {message}") from error
        if "not a database" in message:
            raise StoreError(f"{path} is not a SQLite database") from error
        if "readonly" in message or "unable to open" in message:
            raise StoreError(f"{path} cannot be opened or written: {message}") from error
        raise StoreError(f"{path}: {message}") from error


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # O_EXCL, so that a file which exists is not even opened: closing a second descriptor of it would
        # drop the locks that SQLite holds on it elsewhere in this process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError as error:
        if not path.is_file():
            wanted = "regular file" if path.exists() else "directory"
            raise StoreError(f"{path} cannot be created: {error.filename} is not a {wanted}") from error
    except OSError as error:
        kind = StoreUnavailable if error.errno in _PASSING else StoreError
        raise kind(f"{path} cannot be created: {error.strerror}") from error


def _prepare(connection: sqlite3.Connection, path: Path, read_only: bool, only_adds: bool) -> None:
    # Without it, a statement that meets another process's write fails at once instead of waiting its turn.
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    version = _version(connection, path)
    if read_only:
        if version < len(MIGRATIONS):
            raise StoreError(f"{path} holds no requests yet, or was written by an older promptlayer_patch")
        return
    if version == 0:
        _shape(connection)
    _write_ahead(connection)
    # Without it, every commit waits for the disk (FULL). In WAL mode NORMAL loses nothing when a process
    # dies; a power cut may take the last moments, and never harms the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    # Without it, what is deleted stays readable in the file until something else is written over it. It costs
    # nothing that can be measured, for requests are rarely deleted.
    connection.execute("PRAGMA secure_delete = ON")
    # Without it (1000), the log is copied into the file so often that pages which nearly every commit changes
    # are written to the file again and again.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    # Without it, the write-ahead log stays as large as it ever was, after one long reader or one big import.
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # Without it, SQLite ignores REFERENCES: deleting a request would leave its body and tags behind. With
    # it, a statement of many rows looks up what each refers to, and keeps a copy of every page it changes.
    connection.execute(f"PRAGMA foreign_keys = {'OFF' if only_adds else 'ON'}")
    if version < len(MIGRATIONS):
        migrate(connection)
    # Without it, a statement of many rows writes what it would need to be undone, which is what the requests
    # say, into a file elsewhere, and fails where there is no directory for it.
    connection.execute("PRAGMA temp_store = MEMORY")


def _shape(connection: sqlite3.Connection) -> None:
    """What a file takes on only while it is empty; later, asking alone would wait for whoever writes."""
    # Without it (4096), every second compressed body spills into a chain of overflow pages.
    connection.execute("PRAGMA page_size = 8192")
    # Without it, a file that was pruned gets smaller by VACUUM alone, which stops every writer for as long
    # as it takes to copy the file.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def _write_ahead(connection: sqlite3.Connection) -> None:
    try:
        # Without it, whoever reads the store stops whoever writes to it, and the other way round.
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # Processes that open a new file together may collide here, where no busy timeout helps. The mode
        # is the file's, not the connection's: it is enough that one of them sets it.
        if "locked" not in str(error):
            raise


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The file's schema version; refuses files that are not ours or come from the future."""
    version: int
    # One view of all three, or a file that another process is just setting up looks foreign.
    with transaction(connection, "DEFERRED"):
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(f"{path} is the SQLite database of another application")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer promptlayer_patch (schema {version}, this one knows "
            f"{len(MIGRATIONS)}): upgrade promptlayer_patch or choose another file"
        )
    return version
