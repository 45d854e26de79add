"""Finding templates, versions and labels."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from promptlayer_patch.store.registry.models import (
    ExternalId,
    Label,
    Prompt,
    SnippetReference,
    SnippetUse,
    UnknownPrompt,
    Version,
)
from promptlayer_patch.store.text import writable

__all__ = [
    "find_prompt",
    "find_version",
    "label_by_id",
    "labels",
    "named",
    "newest_number",
    "prompt_with",
    "uses",
    "version_by_id",
    "version_id_of",
    "versions",
]

_LARGEST_ID_DIGITS = 18
_VERSION = """
    SELECT id, number, prompt_id, template, metadata, commit_message, provider_base_url_name, provider_id,
        inference_client_name, created_at
    FROM prompt_versions WHERE id = ?
"""
_LABELS = """
    SELECT l.id, l.name, l.prompt_id, l.version_id, v.number, l.created_at
    FROM release_labels l JOIN prompt_versions v ON v.id = l.version_id
"""
_USES = """
    SELECT s.snippet, s.number, s.label, v.id, v.number, p.id, p.name
    FROM prompt_snippets s JOIN prompt_versions v ON v.id = s.version_id JOIN prompts p ON p.id = v.prompt_id
    WHERE s.snippet = ? AND p.deleted_at IS NULL ORDER BY p.id, v.number, s.number, s.label
"""


def find_prompt(connection: sqlite3.Connection, identifier: str | int) -> int:
    """The id of the living template that is called so, or has this id, as a number or in digits.

    A name goes over an id: what a name stands for does not change because another template gets its number.
    """
    if isinstance(identifier, str):
        known = named(connection, identifier)
        if known is not None:
            return known
        if not (identifier.isascii() and identifier.isdigit()):
            raise UnknownPrompt("there is no prompt template of this name")
    digits = str(identifier).lstrip("0")
    if (
        len(digits) <= _LARGEST_ID_DIGITS
        and connection.execute(
            "SELECT 1 FROM prompts WHERE id = ? AND deleted_at IS NULL", (int(digits or 0),)
        ).fetchone()
    ):
        return int(digits)
    raise UnknownPrompt("there is no prompt template of this name or id")


def named(connection: sqlite3.Connection, name: str) -> int | None:
    """The id of the living template of this name."""
    found = connection.execute(
        "SELECT id FROM prompts WHERE name = ? AND deleted_at IS NULL", (writable(name),)
    ).fetchone()
    return None if found is None else int(found[0])


def prompt_with(connection: sqlite3.Connection, source: str, external_id: str) -> int | None:
    """The id of the template that another system knows by this id."""
    found = connection.execute(
        "SELECT prompt_id FROM prompt_external_ids WHERE source = ? AND external_id = ?",
        (writable(source), writable(external_id)),
    ).fetchone()
    return None if found is None else int(found[0])


def find_version(
    connection: sqlite3.Connection, prompt_id: int, number: int | None, label: str | None
) -> Version:
    """The version at the label, else the one of the number, else the newest."""
    return version_by_id(connection, version_id_of(connection, prompt_id, number, label))


def version_id_of(
    connection: sqlite3.Connection, prompt_id: int, number: int | None, label: str | None
) -> int:
    if label is not None:
        query = "SELECT version_id FROM release_labels WHERE prompt_id = ? AND name = ?"
        found = connection.execute(query, (prompt_id, writable(label))).fetchone()
        missing = "the prompt template has no such release label"
    elif number is not None:
        query = "SELECT id FROM prompt_versions WHERE prompt_id = ? AND number = ?"
        found = connection.execute(query, (prompt_id, number)).fetchone() if number < 2**63 else None
        missing = f"the prompt template has no version {number}"
    else:
        query = "SELECT id FROM prompt_versions WHERE prompt_id = ? ORDER BY number DESC LIMIT 1"
        found = connection.execute(query, (prompt_id,)).fetchone()
        missing = "the prompt template has no version"
    if found is None:
        raise UnknownPrompt(missing)
    return int(found[0])


def version_by_id(connection: sqlite3.Connection, version_id: int) -> Version:
    """A version that is known to be there."""
    row = connection.execute(_VERSION, (version_id,)).fetchone()
    identity, number, prompt_id, template, metadata, message, base_url_name, provider_id, client, at = row
    return Version(
        id=identity,
        number=number,
        prompt=_prompt(connection, prompt_id),
        template=json.loads(template),
        metadata=None if metadata is None else json.loads(metadata),
        commit_message=message,
        provider_base_url_name=base_url_name,
        provider_id=provider_id,
        inference_client_name=client,
        created_at=at,
    )


def versions(connection: sqlite3.Connection, prompt_id: int, before: int | None, limit: int) -> list[Version]:
    """The versions of a template, newest first; those before the number `before`."""
    rows = connection.execute(
        "SELECT id FROM prompt_versions WHERE prompt_id = ? AND number < ? ORDER BY number DESC LIMIT ?",
        (prompt_id, 2**63 - 1 if before is None else before, limit),
    ).fetchall()
    return [version_by_id(connection, version_id) for (version_id,) in rows]


def newest_number(connection: sqlite3.Connection, prompt_id: int) -> int:
    """The number of the newest version; 0 before there is one."""
    query = "SELECT coalesce(max(number), 0) FROM prompt_versions WHERE prompt_id = ?"
    return int(connection.execute(query, (prompt_id,)).fetchone()[0])


def labels(connection: sqlite3.Connection, prompt_id: int) -> list[Label]:
    """The release labels of a template, by name."""
    rows = connection.execute(f"{_LABELS} WHERE l.prompt_id = ? ORDER BY l.name", (prompt_id,))
    return [Label(*row) for row in rows]


def label_by_id(connection: sqlite3.Connection, label_id: int) -> Label:
    """A release label of a living template."""
    living = "JOIN prompts p ON p.id = l.prompt_id AND p.deleted_at IS NULL"
    row = connection.execute(f"{_LABELS} {living} WHERE l.id = ?", (label_id,)).fetchone()
    if row is None:
        raise UnknownPrompt("there is no such release label")
    return Label(*row)


def uses(connection: sqlite3.Connection, prompt_id: int, number: int | None) -> list[SnippetUse]:
    """The versions that have the template's text in theirs; if `number` is given, that version's text."""
    (name,) = connection.execute("SELECT name FROM prompts WHERE id = ?", (prompt_id,)).fetchone()
    found = [
        SnippetUse(
            using_id, using, version_id, version, SnippetReference(snippet, said or None, label or None)
        )
        for snippet, said, label, version_id, version, using_id, using in connection.execute(_USES, (name,))
    ]
    if number is None:
        return found
    version_id_of(connection, prompt_id, number, None)
    standing = {label.name: label.version_number for label in labels(connection, prompt_id)}
    newest = newest_number(connection, prompt_id)
    return [one for one in found if _meant(one.reference, standing, newest) == number]


def _meant(reference: SnippetReference, standing: dict[str, int], newest: int) -> int | None:
    """The number of the version that a reference stands for today."""
    if reference.label is not None:
        return standing.get(reference.label)
    return newest if reference.number is None else reference.number


def _prompt(connection: sqlite3.Connection, prompt_id: int) -> Prompt:
    query = """
        SELECT name, folder_id, created_at, updated_at, deleted_at,
            is_snippet OR EXISTS (SELECT 1 FROM prompt_snippets WHERE snippet = name)
        FROM prompts WHERE id = ?
    """
    name, folder_id, created_at, updated_at, deleted_at, is_snippet = connection.execute(
        query, (prompt_id,)
    ).fetchone()
    tags = connection.execute(
        "SELECT name FROM prompt_tags WHERE prompt_id = ? ORDER BY position", (prompt_id,)
    )
    known = connection.execute(
        "SELECT source, external_id FROM prompt_external_ids WHERE prompt_id = ? ORDER BY 1, 2",
        (prompt_id,),
    )
    return Prompt(
        id=prompt_id,
        name=name,
        tags=_first(tags),
        folder_id=folder_id,
        is_snippet=bool(is_snippet),
        external_ids=tuple(ExternalId(*row) for row in known),
        created_at=created_at,
        updated_at=updated_at,
        deleted_at=deleted_at,
    )


def _first(rows: Iterable[Any]) -> tuple[str, ...]:
    return tuple(first for (first,) in rows)
