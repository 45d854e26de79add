"""Getting requests out of the store: lists of summaries, and single requests whole."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Ending, Record
from promptlayer_patch.store import annotating
from promptlayer_patch.store.encoding import decode
from promptlayer_patch.store.messages import body_of
from promptlayer_patch.store.text import writable
from promptlayer_patch.store.transaction import transaction

__all__ = ["StoredRequest", "Summary", "count", "get", "recent", "record", "summaries"]


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """One request with everything that was captured of it, and what was said about it since."""

    request_id: int
    record: Record
    """With the tags that it has by now."""
    input_tokens: int | None
    output_tokens: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The record's own, and what was added."""
    scores: Mapping[str, int] = field(default_factory=dict)
    """By name; the one without a name is called `default`."""
    groups: tuple[int, ...] = ()
    prompt: PromptLink | None = None
    cost: float | None = None
    """US dollars, as far as the price is known."""
    trace_id: str | None = None


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
    pl_status: str | None = None
    """`SUCCESS`, `WARNING` or `ERROR`; `None` in what an older version wrote, until it is indexed."""
    pl_error_type: str | None = None
    """PromptLayer's word, for example `PROVIDER_TIMEOUT`."""
    cost: float | None = None
    """US dollars, as far as the price is known."""
    cached_tokens: int | None = None
    thinking_tokens: int | None = None
    shape: str | None = None
    """Of the output: `json`, `tool_call` or `plain_text`."""
    api_type: str | None = None
    span_id: str | None = None
    trace_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, int] = field(default_factory=dict)
    groups: tuple[int, ...] = ()
    prompt_name: str | None = None
    prompt_version: int | None = None


_LABELS = ("tags", "metadata", "scores", "groups", "prompt_name", "prompt_version")
_COLUMNS = tuple(column.name for column in fields(Summary) if column.name not in _LABELS)
_RECENT = "SELECT request_id FROM requests WHERE request_id < ? ORDER BY request_id DESC LIMIT ?"
# By its ids, for a page of a search may be spread over the whole store.
_PAGE = "request_id IN (SELECT value FROM json_each(?))"


def recent(connection: sqlite3.Connection, limit: int, before: int | None) -> list[Summary]:
    page = (2**63 - 1 if before is None else before, max(0, limit))
    with transaction(connection, "DEFERRED"):
        return summaries(connection, [request_id for (request_id,) in connection.execute(_RECENT, page)])


def summaries(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Summary]:
    """The requests with these ids, in this order; to be called in the transaction that found them."""
    if not ids:
        return []
    page = json.dumps(ids)
    rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE {_PAGE}", (page,))
    by_id = {row[0]: row for row in rows}
    labels = _labels(connection, page)
    return [_summary(by_id[request_id], labels[request_id]) for request_id in ids if request_id in by_id]


def get(connection: sqlite3.Connection, request_id: int) -> StoredRequest | None:
    with transaction(connection, "DEFERRED"):
        return _get(connection, request_id)


def _get(connection: sqlite3.Connection, request_id: int) -> StoredRequest | None:
    row = connection.execute(
        "SELECT input_tokens, output_tokens, cost, trace_id FROM requests WHERE request_id = ?", (request_id,)
    ).fetchone()
    body = body_of(connection, request_id)
    if row is None or body is None:
        return None
    labels = _labels(connection, json.dumps([request_id]))[request_id]
    return StoredRequest(
        request_id,
        _as_it_is_now(decode(connection, body), labels),
        row[0],
        row[1],
        labels.metadata,
        annotating.scores(connection, request_id),
        annotating.groups(connection, request_id),
        annotating.prompt(connection, request_id),
        cost=row[2],
        trace_id=row[3],
    )


def _as_it_is_now(record: Record, labels: _Labels) -> Record:
    """The record with today's tags, and without the metadata that was taken away since it was captured."""
    tags = tuple(labels.tags)
    if tuple(dict.fromkeys(map(writable, record.tags))) != tags:  # it may say one of them twice
        record = replace(record, tags=tags)
    left = {key: value for key, value in record.metadata.items() if writable(key) in labels.metadata}
    return record if len(left) == len(record.metadata) else replace(record, metadata=left)


def record(connection: sqlite3.Connection, request_id: int) -> Record | None:
    """What was captured of the request, alone."""
    body = body_of(connection, request_id)
    return None if body is None else decode(connection, body)


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM requests").fetchone()[0])


def _summary(row: tuple[object, ...], labels: _Labels) -> Summary:
    values: dict[str, object] = dict(zip(_COLUMNS, row, strict=True))
    values["ending"] = Ending(values["ending"])
    values["streamed"] = bool(values["streamed"])
    return Summary(
        **values,  # type: ignore[arg-type]
        tags=tuple(labels.tags),
        metadata=labels.metadata,
        scores=labels.scores,
        groups=tuple(labels.groups),
        prompt_name=labels.prompt_name,
        prompt_version=labels.prompt_version,
    )


@dataclass(slots=True)
class _Labels:
    """What stands in tables of its own about one request."""

    tags: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    prompt_name: str | None = None
    prompt_version: int | None = None


def _labels(connection: sqlite3.Connection, page: str) -> defaultdict[int, _Labels]:
    found: defaultdict[int, _Labels] = defaultdict(_Labels)

    def rows(columns: str, table: str, order: str = "") -> Iterator[tuple[Any, ...]]:
        return connection.execute(f"SELECT request_id, {columns} FROM {table} WHERE {_PAGE} {order}", (page,))

    tags = "request_tags JOIN tags ON tags.id = tag_id"
    for request_id, name in rows("name", tags, "ORDER BY request_id, position"):
        found[request_id].tags.append(name)
    for request_id, key, value in rows("key, value", "request_metadata"):
        found[request_id].metadata[key] = value
    for request_id, name, score in rows("name, value", "scores"):
        found[request_id].scores[name] = score
    for request_id, group_id in rows("group_id", "request_groups", "ORDER BY request_id, group_id"):
        found[request_id].groups.append(group_id)
    for request_id, name, version in rows("name, version", "request_prompts"):
        found[request_id].prompt_name, found[request_id].prompt_version = name, version
    return found
