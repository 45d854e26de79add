"""API keys and the workspaces they open. They are kept in the home workspace's file, as digests only."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from promptlayer_patch.store.connection import StoreError, located
from promptlayer_patch.store.sqlite import Store
from promptlayer_patch.store.text import writable
from promptlayer_patch.store.transaction import transaction

__all__ = ["HOME_WORKSPACE", "ApiKey", "Keys", "local_key", "path_of"]

HOME_WORKSPACE = 1
"""The workspace of `local:` and of the local key."""

_PREFIX = "pl_"
"""PromptLayer's own; some of its clients refuse a key without it."""
_NAME_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never the key itself."""

    id: int
    name: str
    workspace_id: int
    shown: str
    """Its first characters, by which its owner tells it from others."""
    created_at: float
    """Seconds since the epoch."""


class Keys:
    """The keys of one server, over its home store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str, workspace_id: int | None = None) -> tuple[str, ApiKey]:
        """A new key, which is told this once, of a workspace that there is or, by default, of a new one."""
        if not name.strip() or len(name) > _NAME_MAX_CHARS:
            raise StoreError(f"a key needs a name of 1 to {_NAME_MAX_CHARS} characters")
        key = _PREFIX + secrets.token_hex(24)
        return key, self._store.run(lambda connection: _create(connection, key, writable(name), workspace_id))

    def workspace_of(self, key: str) -> int | None:
        """The workspace that `key` opens; `None` if there is no such key."""
        # No constant-time comparison: what is looked up is a digest, of which a guess tells nothing.
        found = self._store.run(
            lambda connection: connection.execute(
                "SELECT workspace_id FROM api_keys WHERE digest = ?", (_digest(key),)
            ).fetchone()
        )
        return None if found is None else int(found[0])

    def all(self) -> list[ApiKey]:
        """Oldest first."""
        rows = self._store.run(
            lambda connection: connection.execute(
                "SELECT id, name, workspace_id, shown, created_at FROM api_keys ORDER BY id"
            ).fetchall()
        )
        return [ApiKey(*row) for row in rows]

    def revoke(self, key_id: int) -> bool:
        """Forget a key; its workspace stays. False if there is no such key."""

        def forget(connection: sqlite3.Connection) -> bool:
            return connection.execute("DELETE FROM api_keys WHERE id = ?", (key_id,)).rowcount > 0

        return self._store.run(forget)


def path_of(home: Path, workspace_id: int) -> Path:
    """The file of a workspace beside the home workspace's file."""
    if workspace_id == HOME_WORKSPACE:
        return home
    return home.parent / f"{home.name}.workspaces" / f"{workspace_id}.db"


def local_key(home: Path) -> str:
    """The key of this machine's user for the home workspace, made when it is first asked for.

    It is kept in a file for this user alone, so that it can be shown at every start of a server.
    """
    path = located(f"{home}.key")
    if not path.exists():
        try:
            _publish(path, f"{_PREFIX}local_{secrets.token_hex(24)}\n")
        except OSError as error:
            raise StoreError(f"{path} cannot be created: {error.strerror}") from error
    located(path)  # again: a key that another user has put there would open the store to him
    key = path.read_text(encoding="ascii", errors="replace").strip()
    if not key.startswith(_PREFIX):
        raise StoreError(f"{path} holds no key; remove it, and a new one is made")
    return key


def _publish(path: Path, text: str) -> None:
    """Create the file with all of `text` at once, unless another process was first."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _create(connection: sqlite3.Connection, key: str, name: str, workspace_id: int | None) -> ApiKey:
    with transaction(connection, "IMMEDIATE"):
        if workspace_id is None:
            (last,) = connection.execute("SELECT max(id) FROM workspaces").fetchone()
            workspace_id = 1 + max(HOME_WORKSPACE, last or 0)
        elif workspace_id != HOME_WORKSPACE and not _is_workspace(connection, workspace_id):
            raise StoreError(f"there is no workspace {workspace_id}")
        connection.execute("INSERT OR IGNORE INTO workspaces (id) VALUES (?)", (workspace_id,))
        shown, now = key[:8], time.time()
        added = connection.execute(
            "INSERT INTO api_keys (name, workspace_id, shown, digest, created_at) VALUES (?, ?, ?, ?, ?)",
            (name, workspace_id, shown, _digest(key), now),
        )
        return ApiKey(int(added.lastrowid or 0), name, workspace_id, shown, now)


def _is_workspace(connection: sqlite3.Connection, workspace_id: int) -> bool:
    found = connection.execute("SELECT 1 FROM workspaces WHERE id = ?", (workspace_id,)).fetchone()
    return found is not None


def _digest(key: str) -> bytes:
    # Keys are 192 random bits: there is nothing to stretch, and nothing to salt.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
