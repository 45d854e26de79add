"""Pages of templates."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from promptlayer_patch.store.registry.models import Listing, TemplatePage
from promptlayer_patch.store.registry.reading import version_by_id
from promptlayer_patch.store.text import writable
from promptlayer_patch.store.transaction import transaction

__all__ = ["listed"]

_ORDERS = {"created_at": "p.created_at", "updated_at": "p.updated_at", "name": "p.folded_name", "id": "p.id"}
_NEWEST = "SELECT max(id) FROM prompt_versions WHERE prompt_id = p.id"
_LABELLED = "SELECT version_id FROM release_labels WHERE prompt_id = p.id AND name = ?"
_TAGGED = "EXISTS (SELECT 1 FROM prompt_tags t WHERE t.prompt_id = p.id AND t.name = ?)"
_SNIPPET = "(p.is_snippet OR EXISTS (SELECT 1 FROM prompt_snippets s WHERE s.snippet = p.name))"


def listed(connection: sqlite3.Connection, wanted: Listing) -> TemplatePage:
    """The page that is wanted, and how many templates there are on all pages."""
    conditions = list(_conditions(wanted))
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    values = [value for _, given in conditions for value in given]
    direction = "DESC" if wanted.descending else "ASC"
    picked = _NEWEST if wanted.label is None else _LABELLED
    label = () if wanted.label is None else (writable(wanted.label),)
    page = (wanted.per_page, min((wanted.page - 1) * wanted.per_page, 2**62))
    with transaction(connection, "DEFERRED"):
        (total,) = connection.execute(f"SELECT count(*) FROM prompts p WHERE {where}", values).fetchone()
        rows = connection.execute(
            f"SELECT ({picked}) FROM prompts p WHERE {where}"
            f" ORDER BY {_ORDERS[wanted.sort_by]} {direction}, p.id {direction} LIMIT ? OFFSET ?",
            (*label, *values, *page),
        ).fetchall()
        return TemplatePage(tuple(version_by_id(connection, one) for (one,) in rows), total)


def _conditions(wanted: Listing) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each with the values of its marks."""
    if wanted.deleted is not None:
        yield f"p.deleted_at IS {'NOT ' if wanted.deleted else ''}NULL", ()
    if wanted.name is not None:
        yield "instr(p.folded_name, ?)", (writable(wanted.name).casefold(),)
    if wanted.label is not None:
        yield f"EXISTS ({_LABELLED})", (writable(wanted.label),)
    for tag in wanted.tags:
        yield _TAGGED, (writable(tag),)
    if wanted.is_snippet is not None:
        yield _SNIPPET if wanted.is_snippet else f"NOT {_SNIPPET}", ()
    yield from _times(wanted)
    for column, value in (("source", wanted.external_source), ("external_id", wanted.external_id)):
        if value is not None:
            query = "SELECT 1 FROM prompt_external_ids e WHERE e.prompt_id = p.id"
            yield f"EXISTS ({query} AND e.{column} = ?)", (writable(value),)


def _times(wanted: Listing) -> Iterator[tuple[str, tuple[float]]]:
    for condition, value in (
        ("p.created_at >= ?", wanted.created_after),
        ("p.created_at <= ?", wanted.created_before),
        ("p.updated_at >= ?", wanted.updated_after),
        ("p.updated_at <= ?", wanted.updated_before),
    ):
        if value is not None:
            yield condition, (value,)
