"""Getting requests out of the store: lists of summaries, and single requests whole."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Ending, Record
from promptlayer_patch.store import annotating
from promptlayer_patch.store.encoding import decode
from promptlayer_patch.store.transaction import transaction

__all__ = ["StoredRequest", "Summary", "count", "get", "recent"]


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """One request with everything that was captured of it, and what was said about it since."""

    request_id: int
    record: Record
    input_tokens: int | None
    output_tokens: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The record's own, and what was added."""
    scores: Mapping[str, int] = field(default_factory=dict)
    """By name; the one without a name is called `default`."""
    groups: tuple[int, ...] = ()
    prompt: PromptLink | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One request as a list shows it, without its bodies."""

    request_id: int
    function_name: str
    client: str | None
    provider: str
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    started_at: float
    duration_s: float
    first_token_at: float | None
    ending: Ending
    error_type: str | None
    error_message: str | None
    """The beginning of the message."""
    status: int | None
    attempts: int
    streamed: bool
    preview: str
    """The beginning of the answer, on one line."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


_COLUMNS = tuple(column.name for column in fields(Summary) if column.name not in ("tags", "metadata"))
_PAGE = f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE request_id < ? ORDER BY request_id DESC LIMIT ?"


def recent(connection: sqlite3.Connection, limit: int, before: int | None) -> list[Summary]:
    page = (2**63 - 1 if before is None else before, max(0, limit))
    rows = connection.execute(_PAGE, page).fetchall()
    if not rows:
        return []
    # A page is a range of ids, so two range scans fetch the labels of all its rows.
    newest, oldest = rows[0][0], rows[-1][0]
    tags = _tags(connection, oldest, newest)
    metadata = _metadata(connection, oldest, newest)
    return [_summary(row, tuple(tags[row[0]]), metadata[row[0]]) for row in rows]


def get(connection: sqlite3.Connection, request_id: int) -> StoredRequest | None:
    with transaction(connection, "DEFERRED"):
        return _get(connection, request_id)


def _get(connection: sqlite3.Connection, request_id: int) -> StoredRequest | None:
    row = connection.execute(
        "SELECT request_id, body, input_tokens, output_tokens FROM requests JOIN bodies USING (request_id) "
        "WHERE request_id = ?",
        (request_id,),
    ).fetchone()
    if row is None:
        return None
    return StoredRequest(
        row[0],
        decode(row[1]),
        row[2],
        row[3],
        _metadata(connection, request_id, request_id)[request_id],
        annotating.scores(connection, request_id),
        annotating.groups(connection, request_id),
        annotating.prompt(connection, request_id),
    )


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM requests").fetchone()[0])


def _summary(row: tuple[object, ...], tags: tuple[str, ...], metadata: dict[str, str]) -> Summary:
    values: dict[str, object] = dict(zip(_COLUMNS, row, strict=True))
    values["ending"] = Ending(values["ending"])
    values["streamed"] = bool(values["streamed"])
    return Summary(**values, tags=tags, metadata=metadata)  # type: ignore[arg-type]


def _tags(connection: sqlite3.Connection, oldest: int, newest: int) -> defaultdict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for request_id, name in connection.execute(
        "SELECT request_id, name FROM request_tags JOIN tags ON tags.id = tag_id "
        "WHERE request_id BETWEEN ? AND ? ORDER BY request_id, position",
        (oldest, newest),
    ):
        found[request_id].append(name)
    return found


def _metadata(connection: sqlite3.Connection, oldest: int, newest: int) -> defaultdict[int, dict[str, str]]:
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for request_id, key, value in connection.execute(
        "SELECT request_id, key, value FROM request_metadata WHERE request_id BETWEEN ? AND ?",
        (oldest, newest),
    ):
        found[request_id][key] = value
    return found
