"""Looking into outboxes without disturbing who uses them: read-only, and nothing is adopted."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlayer_patch._encoding import decoded_load, kind_of
from promptlayer_patch._outbox import OutboxDirectory, Unusable
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Record

__all__ = ["Outbox", "Waiting", "described", "load_of", "outboxes", "waiting"]


@dataclass(frozen=True, slots=True)
class Outbox:
    """One file, as it was at a moment."""

    directory: OutboxDirectory
    path: Path
    in_use: bool
    facts: dict[str, str] = field(default_factory=dict)
    records: int = 0
    size: int = 0
    oldest_at: float | None = None
    """When the oldest record's call began."""
    trouble: str = ""
    """Why it cannot be read."""

    @property
    def url(self) -> str:
        return self.facts.get("url", "")

    @property
    def key_refused(self) -> bool:
        return "key_refused" in self.facts

    @property
    def state(self) -> str:
        if self.trouble:
            return f"cannot be read: {self.trouble}"
        states = [self._user] if self.in_use else ["left behind"]
        return ", ".join(states + ["key refused"] * self.key_refused)

    @property
    def _user(self) -> str:
        # A later process may have adopted it, and its own number is not in the file.
        pid = self.facts.get("pid", "")
        return f"in use by pid {pid}" if _runs(pid) else "in use by another process"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One record in an outbox."""

    key: str
    attempts: int
    due_at: float
    body: bytes
    outbox: Outbox


def outboxes(directory: OutboxDirectory) -> list[Outbox]:
    """All there are, oldest first."""
    found = (_looked_at(path, directory) for path in directory.files())
    return [outbox for outbox in found if outbox is not None]


def waiting(outbox: Outbox, limit: int) -> list[Waiting]:
    """Its first records, oldest first; none if it cannot be read, or is gone meanwhile."""
    try:
        with outbox.directory.peek(outbox.path) as connection:
            rows = connection.execute(
                "SELECT key, attempts, due_at, body FROM items ORDER BY row LIMIT ?", (limit,)
            ).fetchall()
    except Unusable:
        return []
    return [Waiting(key, attempts, due_at, body, outbox) for key, attempts, due_at, body in rows]


def load_of(body: bytes) -> Record | Annotation | None:
    """The record or annotation in a body, if it can be read."""
    try:
        return decoded_load(body)
    except Exception:  # whatever a damaged body may cause
        return None


def described(key: str, body: bytes) -> dict[str, Any]:
    """What may be shown of a record: nothing that was asked or answered."""
    load = load_of(body)
    return {
        "id": key,
        "started_at": _began_at(load),
        "method": kind_of(load) if isinstance(load, Annotation) else load and load.function_name,
        "model": load.model if isinstance(load, Record) else None,
        "bytes": len(body),
    }


def _began_at(load: Record | Annotation | None) -> float | None:
    if isinstance(load, Annotation):
        return load.made_at
    return None if load is None else load.started_at


def _looked_at(path: Path, directory: OutboxDirectory) -> Outbox | None:
    in_use = directory.in_use(path)
    if not path.exists():
        return None
    try:
        with directory.peek(path) as connection:
            facts = dict(connection.execute("SELECT name, value FROM facts"))
            count, size = connection.execute(
                "SELECT count(*), coalesce(sum(length(body)), 0) FROM items"
            ).fetchone()
            first = connection.execute("SELECT body FROM items ORDER BY row LIMIT 1").fetchone()
    except Unusable as error:
        if not path.exists() or "no such table" in str(error):
            return None  # delivered in this moment, or not written yet
        return Outbox(directory, path, in_use, trouble=str(error))
    oldest = load_of(first[0]) if first else None
    return Outbox(directory, path, in_use, facts, count, size, _began_at(oldest))


def _runs(pid: str) -> bool:
    if not pid.isdigit():
        return False
    if sys.platform == "win32":
        return True  # there, signal 0 is no question but a Ctrl-C
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
