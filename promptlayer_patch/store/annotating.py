"""What is said about stored requests: writing it, and reading it with the request."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable

from promptlayer_patch._encoding import string
from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.store.text import writable
from promptlayer_patch.store.transaction import transaction

__all__ = [
    "annotate",
    "create_group",
    "groups",
    "has_group",
    "keep_group",
    "link",
    "prompt",
    "prompt_columns",
    "say",
    "score_name",
    "scores",
    "take_away",
]

_NAMELESS = "default"
"""What PromptLayer calls the score that was given without a name."""


def annotate(connection: sqlite3.Connection, request_id: int, content: Content) -> bool:
    """Keep `content` with the request; false if there is no such request."""
    with transaction(connection, "IMMEDIATE"):
        known = connection.execute("SELECT 1 FROM requests WHERE request_id = ?", (request_id,)).fetchone()
        if known is not None:
            say(connection, request_id, content)
            connection.execute("INSERT OR REPLACE INTO unindexed (request_id) VALUES (?)", (request_id,))
        return known is not None


def take_away(
    connection: sqlite3.Connection,
    request_id: int,
    *,
    metadata: Iterable[str] = (),
    scores: Iterable[str] = (),
    groups: Iterable[int] = (),
) -> bool:
    """Let go of these metadata keys, scores and groups; false if nothing of them was there."""
    gone = (
        ("DELETE FROM request_metadata WHERE request_id = ? AND key = ?", map(writable, metadata)),
        ("DELETE FROM scores WHERE request_id = ? AND name = ?", map(writable, scores)),
        ("DELETE FROM request_groups WHERE request_id = ? AND group_id = ?", groups),
    )
    with transaction(connection, "IMMEDIATE"):
        changed = [
            connection.execute(statement, (request_id, one)).rowcount
            for statement, many in gone
            for one in many
        ]
        if any(changed):
            connection.execute("INSERT OR REPLACE INTO unindexed (request_id) VALUES (?)", (request_id,))
        return any(changed)


def link(
    connection: sqlite3.Connection, request_id: int, group_id: int | None, prompt: PromptLink | None
) -> None:
    """Keep what a new request says about itself; to be called in its transaction."""
    if group_id is not None:
        say(connection, request_id, GroupLink(group_id))
    if prompt is not None:
        say(connection, request_id, prompt)


def create_group(connection: sqlite3.Connection) -> int:
    """A new group, by its id."""
    with transaction(connection, "IMMEDIATE"):
        added = connection.execute("INSERT INTO groups (created_at) VALUES (?)", (time.time(),))
        return int(added.lastrowid or 0)


def keep_group(connection: sqlite3.Connection, group_id: int) -> None:
    """Have a group of this id; `create_group` gives no id below it any more."""
    with transaction(connection, "IMMEDIATE"):
        row = (group_id, time.time())
        connection.execute("INSERT OR IGNORE INTO groups (id, created_at) VALUES (?, ?)", row)


def has_group(connection: sqlite3.Connection, group_id: int) -> bool:
    return connection.execute("SELECT 1 FROM groups WHERE id = ?", (group_id,)).fetchone() is not None


def scores(connection: sqlite3.Connection, request_id: int) -> dict[str, int]:
    found = connection.execute(
        "SELECT name, value FROM scores WHERE request_id = ? ORDER BY name", (request_id,)
    )
    return dict(found.fetchall())


def groups(connection: sqlite3.Connection, request_id: int) -> tuple[int, ...]:
    found = connection.execute(
        "SELECT group_id FROM request_groups WHERE request_id = ? ORDER BY group_id", (request_id,)
    )
    return tuple(group_id for (group_id,) in found)


def prompt(connection: sqlite3.Connection, request_id: int) -> PromptLink | None:
    found = connection.execute(
        "SELECT name, version, label, variables, prompt_id FROM request_prompts WHERE request_id = ?",
        (request_id,),
    ).fetchone()
    if found is None:
        return None
    name, version, label, variables, prompt_id = found
    return PromptLink(name, version, label, json.loads(variables), prompt_id)


def say(connection: sqlite3.Connection, request_id: int, content: Content) -> None:
    """Keep `content`; what is said again replaces what was said before. To be called in a transaction."""
    match content:
        case Score():
            connection.execute(
                "INSERT OR REPLACE INTO scores (request_id, name, value) VALUES (?, ?, ?)",
                (request_id, score_name(content), content.value),
            )
        case MetadataUpdate(metadata):
            connection.executemany(
                "INSERT OR REPLACE INTO request_metadata (request_id, key, value) VALUES (?, ?, ?)",
                [(request_id, writable(key), writable(value)) for key, value in metadata.items()],
            )
        case PromptLink():
            connection.execute(
                "INSERT OR REPLACE INTO request_prompts"
                " (request_id, name, version, label, variables, prompt_id) VALUES (?, ?, ?, ?, ?, ?)",
                (request_id, *prompt_columns(content)),
            )
        case GroupLink(group_id):
            connection.execute(
                "INSERT OR IGNORE INTO request_groups (group_id, request_id) VALUES (?, ?)",
                (group_id, request_id),
            )


def score_name(score: Score) -> str:
    """The name that a score is kept under."""
    return writable(_NAMELESS if score.name is None else score.name)


def prompt_columns(link: PromptLink) -> tuple[str, int | None, str | None, str, int | None]:
    """Name, version, label, variables as JSON and id, as they are kept."""
    label = None if link.label is None else writable(link.label)
    return writable(link.name), link.version, label, json.dumps(dict(link.variables), default=string), link.id
