"""Publishing versions, and moving labels among them. Each of these is to be called in a transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from promptlayer_patch.store.registry import reading
from promptlayer_patch.store.registry.models import Draft, ExternalId, RegistryConflict
from promptlayer_patch.store.text import writable

__all__ = ["add_label", "create_prompt", "delete", "move_label", "publish", "rename"]


def create_prompt(connection: sqlite3.Connection, name: str) -> int:
    """A template without a version, by its id. Raises `RegistryConflict` if the name is taken."""
    _free_name(connection, name)
    now = time.time()
    added = connection.execute(
        "INSERT INTO prompts (name, folded_name, is_snippet, created_at, updated_at) VALUES (?, ?, 0, ?, ?)",
        (writable(name), writable(name).casefold(), now, now),
    )
    return int(added.lastrowid or 0)


def rename(connection: sqlite3.Connection, prompt_id: int, name: str) -> None:
    """Call the template so, if it is not called so yet. Raises `RegistryConflict` if the name is taken."""
    (known,) = connection.execute("SELECT name FROM prompts WHERE id = ?", (prompt_id,)).fetchone()
    if known != writable(name):
        _free_name(connection, name)
        connection.execute(
            "UPDATE prompts SET name = ?, folded_name = ? WHERE id = ?",
            (writable(name), writable(name).casefold(), prompt_id),
        )


def publish(connection: sqlite3.Connection, prompt_id: int, draft: Draft) -> int:
    """A new version, by its id."""
    now = time.time()
    added = connection.execute(
        "INSERT INTO prompt_versions (prompt_id, number, template, metadata, commit_message,"
        " provider_base_url_name, provider_id, inference_client_name, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            prompt_id,
            reading.newest_number(connection, prompt_id) + 1,
            _json(draft.template),
            None if draft.metadata is None else _json(draft.metadata),
            _text(draft.commit_message),
            _text(draft.provider_base_url_name),
            draft.provider_id,
            _text(draft.inference_client_name),
            now,
        ),
    )
    version_id = int(added.lastrowid or 0)
    connection.executemany(
        "INSERT OR IGNORE INTO prompt_snippets (snippet, version_id, number, label) VALUES (?, ?, ?, ?)",
        [
            (writable(one.name), version_id, one.number or 0, writable(one.label or ""))
            for one in draft.snippets
        ],
    )
    for label in dict.fromkeys(draft.labels):
        _put_label(connection, prompt_id, label, version_id, now)
    _keep_with_prompt(connection, prompt_id, draft, now)
    return version_id


def add_label(connection: sqlite3.Connection, prompt_id: int, name: str, version_id: int) -> int:
    """A release label, by its id. Raises `RegistryConflict` if the template has one of this name."""
    try:
        added = connection.execute(
            "INSERT INTO release_labels (prompt_id, name, version_id, created_at) VALUES (?, ?, ?, ?)",
            (prompt_id, writable(name), version_id, time.time()),
        )
    except sqlite3.IntegrityError:
        raise RegistryConflict("the prompt template has a release label of this name already") from None
    return int(added.lastrowid or 0)


def move_label(connection: sqlite3.Connection, label_id: int, version_id: int) -> None:
    connection.execute("UPDATE release_labels SET version_id = ? WHERE id = ?", (version_id, label_id))


def delete(connection: sqlite3.Connection, prompt_id: int) -> None:
    """The template gives its name and its external ids free; its versions stay, as requests name them."""
    connection.execute("UPDATE prompts SET deleted_at = ? WHERE id = ?", (time.time(), prompt_id))
    connection.execute("DELETE FROM prompt_external_ids WHERE prompt_id = ?", (prompt_id,))


def _put_label(
    connection: sqlite3.Connection, prompt_id: int, name: str, version_id: int, now: float
) -> None:
    connection.execute(
        "INSERT INTO release_labels (prompt_id, name, version_id, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (prompt_id, name) DO UPDATE SET version_id = excluded.version_id",
        (prompt_id, writable(name), version_id, now),
    )


def _keep_with_prompt(connection: sqlite3.Connection, prompt_id: int, draft: Draft, now: float) -> None:
    connection.execute(
        "UPDATE prompts SET updated_at = ?, folder_id = coalesce(?, folder_id),"
        " is_snippet = coalesce(?, is_snippet) WHERE id = ?",
        (now, draft.folder_id, draft.is_snippet, prompt_id),
    )
    if draft.tags is not None:
        tags = dict.fromkeys(writable(tag) for tag in draft.tags)
        connection.execute("DELETE FROM prompt_tags WHERE prompt_id = ?", (prompt_id,))
        connection.executemany(
            "INSERT INTO prompt_tags (prompt_id, position, name) VALUES (?, ?, ?)",
            [(prompt_id, position, tag) for position, tag in enumerate(tags)],
        )
    for known in draft.external_ids:
        _put_external_id(connection, prompt_id, known)


def _put_external_id(connection: sqlite3.Connection, prompt_id: int, known: ExternalId) -> None:
    owner = reading.prompt_with(connection, known.source, known.external_id)
    if owner not in (None, prompt_id):
        raise RegistryConflict("another prompt template has this external id")
    connection.execute(
        "INSERT OR IGNORE INTO prompt_external_ids (source, external_id, prompt_id) VALUES (?, ?, ?)",
        (writable(known.source), writable(known.external_id), prompt_id),
    )


def _free_name(connection: sqlite3.Connection, name: str) -> None:
    if reading.named(connection, name) is not None:
        raise RegistryConflict("another prompt template has this name")


def _json(value: Mapping[str, Any]) -> str:
    # In ASCII, so that half a surrogate pair is written, and read back, as it was given.
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _text(value: str | None) -> str | None:
    return None if value is None else writable(value)
