"""The directory in which each process has its outboxes, and finds those of processes that are gone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from promptlayer_patch._guard import log, warn_once
from promptlayer_patch._imports import importing
from promptlayer_patch._outbox.items import Damaged, Unusable
from promptlayer_patch._symlinks import resolved
from promptlayer_patch.records import new_record_id

if TYPE_CHECKING:
    import sqlite3

    from promptlayer_patch._outbox.file import OutboxFile
    from promptlayer_patch._outbox.locking import FileLock
    from promptlayer_patch._outbox.rejected import RejectedItems

SUFFIX = ".outbox"
_BUSY_S = 1.0
_TRIES = 5
"""Another process that looks for orphans may be quicker to lock a file that was made this very moment."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the items of an outbox go, and whose they are."""

    url: str
    """Without user name and password."""
    api_key: str = field(repr=False)

    @property
    def account(self) -> str:
        """Tells accounts apart: a digest of the key, from which it cannot be had."""
        return _digest(f"promptlayer_patch outbox {self.api_key}")

    @property
    def place(self) -> str:
        """What the names of its outboxes begin with."""
        return _digest(self.url)[:8]


class OutboxDirectory:
    """Makes outboxes, adopts orphaned ones, and keeps what was rejected."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def rejected(self) -> RejectedItems:
        """What was rejected, by all processes."""
        with _importing_sqlite():
            from promptlayer_patch._outbox.rejected import RejectedItems

        return RejectedItems(self.path / "rejected.db")

    def create(self, address: Address, *, account: str | None = None) -> OutboxFile:
        """A new outbox of this process. Raises `Unusable` where none can be made.

        `account` is whose it is, where the address has no key: who puts something back need not know it.
        """
        # Imported by the first record: sqlite3 is no part of the program's start-up time.
        with _importing_sqlite():
            from promptlayer_patch._outbox.database import delete
            from promptlayer_patch._outbox.file import OutboxFile

        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            resolved(self.path)
            stem, lock = self._claimed(address)
        except OSError as error:
            raise Unusable(f"{self.path}: {error.strerror}") from error
        facts = {
            "url": address.url,
            "account": account or address.account,
            "program": _program(),
            "pid": str(os.getpid()),
            "created_at": f"{time.time():.3f}",
        }
        try:
            return OutboxFile(self.path / (stem + SUFFIX), lock, facts)
        except BaseException:
            delete(self.path / (stem + SUFFIX))
            lock.release(remove=True)
            raise

    def orphans(self, address: Address, *, any_account: bool = False) -> Iterator[OutboxFile]:
        """The outboxes for `address` whose process is gone, oldest first; each is ours from then on.

        Those of another account only where its key was refused and this is the same program, which has a new
        key now; or all of them with `any_account`.
        """
        for path in self.files():
            if not path.name.startswith(address.place):
                continue
            file = self.adopted(path)
            if file is None:
                continue
            if file.count and (any_account or _is_ours(file, address)):
                yield file
            else:
                file.close()

    def adopted(self, path: Path) -> OutboxFile | None:
        """The outbox at `path`, if its process is gone; a damaged one is set aside."""
        try:
            with _importing_sqlite():
                from promptlayer_patch._outbox.file import OutboxFile
                from promptlayer_patch._outbox.locking import FileLock
        except Unusable as trouble:
            warn_once("outbox", "outboxes cannot be opened: %s", trouble)
            return None
        try:
            resolved(path)
            lock = FileLock.taken(path.with_suffix(".lock"), new=False)
            if lock is None and not path.with_suffix(".lock").exists() and path.exists():
                lock = FileLock.taken(path.with_suffix(".lock"), new=True)
        except OSError:
            return None
        if lock is None:
            return None
        if not path.exists():
            lock.release(remove=True)
            return None
        try:
            return OutboxFile(path, lock)
        except Damaged as damage:
            self._set_aside(path, damage)
            lock.release(remove=True)
        except Unusable as trouble:
            warn_once("adopt", "an outbox cannot be opened: %s", trouble)
            lock.release(remove=False)
        return None

    def in_use(self, path: Path) -> bool:
        """Whether a process has the outbox at `path`, asked of its lock for a moment."""
        with importing():
            from promptlayer_patch._outbox.locking import FileLock

        try:
            lock = FileLock.taken(path.with_suffix(".lock"), new=False)
        except OSError:
            return True  # another user's
        if lock is None:
            return path.with_suffix(".lock").exists()
        lock.release(remove=False)
        return False

    @contextmanager
    def peek(self, path: Path) -> Iterator[sqlite3.Connection]:
        """The outbox at `path` to read from, whoever uses it; what fails in the block is an `Unusable`."""
        with importing():
            import sqlite3

        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise Unusable(str(error)) from error

    def discard(self, path: Path) -> int | None:
        """Delete the outbox at `path`; how many items were in it, or `None` if it is not ours to delete."""
        file = self.adopted(path)
        if file is None:
            return None
        count, file.count = file.count, 0
        file.close()
        return count

    def damaged(self) -> list[Path]:
        """The files that were set aside, without what SQLite keeps beside them."""
        found = self.path.glob("*.damaged-*")
        return sorted(path for path in found if path.suffix.removeprefix(".damaged-").isdigit())

    def files(self) -> list[Path]:
        """All outboxes, oldest first; none where there is no directory."""
        try:
            names = [entry.name for entry in os.scandir(self.path)]
        except OSError:
            return []
        found = [self.path / name for name in names if name.endswith(SUFFIX)]
        # A lock without an outbox was left by a process that was killed while it made or removed one.
        found += [
            self.path / f"{stem}{SUFFIX}"
            for stem in (name.removesuffix(".lock") for name in names if name.endswith(".lock"))
            if f"{stem}{SUFFIX}" not in names
        ]
        return sorted(found, key=lambda path: path.name.rpartition("-")[2])

    def size(self, *, besides: Path | None = None) -> int:
        """Bytes of all that is there, without those of one outbox."""
        total = 0
        try:
            for entry in os.scandir(self.path):
                if besides is not None and entry.name.startswith(besides.stem):
                    continue
                try:
                    total += entry.stat().st_size
                except OSError:
                    continue  # delivered and deleted in this moment
        except OSError:
            pass
        return total

    def _claimed(self, address: Address) -> tuple[str, FileLock]:
        """A new name and the lock on it."""
        with importing():
            from promptlayer_patch._outbox.locking import FileLock

        for _ in range(_TRIES):
            stem = f"{address.place}-{new_record_id()}"
            lock = FileLock.taken(self.path / f"{stem}.lock", new=True)
            if lock is not None:
                return stem, lock
        raise Unusable(f"{self.path}: files cannot be locked there")

    def _set_aside(self, path: Path, damage: Damaged) -> None:
        from promptlayer_patch._outbox.database import renamed_aside

        try:
            aside = renamed_aside(path)
        except OSError as error:
            warn_once("damaged", "a damaged outbox cannot be set aside: %s: %s", path, error.strerror)
            return
        log.warning("an outbox was damaged (%s) and is kept as %s", damage, aside)


def _is_ours(file: OutboxFile, address: Address) -> bool:
    try:
        facts = file.facts()
    except Unusable:
        return False
    if facts.get("url", address.url) != address.url:
        return False
    if facts.get("account", address.account) == address.account:
        return True
    return "key_refused" in facts and facts.get("program") == _program()


@contextmanager
def _importing_sqlite() -> Iterator[None]:
    """Some Pythons are built without sqlite3, and where no file can be opened nothing can be imported."""
    try:
        with importing():
            yield
    except (ImportError, OSError) as error:
        raise Unusable(f"sqlite3 cannot be imported: {type(error).__name__}") from error


def _program() -> str:
    """What tells the programs of one user apart: what runs, and where."""
    try:
        return f"{os.path.abspath(sys.argv[0])} in {os.getcwd()}"
    except (OSError, AttributeError, IndexError):
        return ""


def _digest(text: str) -> str:
    with importing():
        import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16]
