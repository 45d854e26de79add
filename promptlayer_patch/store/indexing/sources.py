"""What the indexer reads: the requests that wait for it, with all that is known of them."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from promptlayer_patch._encoding import decoded
from promptlayer_patch._guard import report
from promptlayer_patch.records import Record
from promptlayer_patch.store.annotating import prompt_columns, score_name
from promptlayer_patch.store.frame import is_plain
from promptlayer_patch.store.fresh import Inserted
from promptlayer_patch.store.messages import is_whole, joined

__all__ = ["Said", "Source", "source_of", "sources", "waiting"]

_BATCH_BYTES = 1_000_000
"""Bodies of one batch as they are stored; a few requests that are huge are enough."""


class Said(NamedTuple):
    """What may change about a request after it was stored."""

    metadata: Mapping[str, str]
    scores: Mapping[str, int]
    groups: tuple[int, ...]
    prompt: tuple[str, int | None, str | None, str, int | None] | None
    """Name, version, label, variables as JSON, id."""
    trace_id: str | None

    def encoded(self) -> str:
        return json.dumps([self.metadata, self.scores, self.groups, self.prompt, self.trace_id])

    @classmethod
    def decoded(cls, text: str) -> Said:
        metadata, scores, groups, prompt, trace_id = json.loads(text)
        return cls(metadata, scores, tuple(groups), None if prompt is None else tuple(prompt), trace_id)


class Source(NamedTuple):
    """One request as the store has it."""

    columns: Mapping[str, Any]
    """Its row of `requests`."""
    is_whole: bool
    """Whether there may be something to be cut out of its body."""
    is_plain: bool
    """Whether its body has not been compressed yet."""
    text: bytes
    """The record as JSON; empty if it cannot be read."""
    record: Record | None
    tags: tuple[str, ...]
    said: Said
    indexed: bool
    """Whether the index has it, with what was said about it then."""
    said_then: str | None

    @property
    def request_id(self) -> int:
        return int(self.columns["request_id"])


def waiting(connection: sqlite3.Connection, limit: int) -> dict[int, int]:
    """The newest requests that the index has not seen as they are now, with the mark of their change."""
    rows = connection.execute(_WAITING, (limit,))
    found: dict[int, int] = {}
    size = 0
    for request_id, change, length in rows:
        size += length
        if found and size > _BATCH_BYTES:
            break
        found[request_id] = change
    return found


def sources(connection: sqlite3.Connection, request_ids: Sequence[int]) -> Iterator[Source]:
    """Those of the requests that there are, in the order of their ids.

    One at a time: a batch of parsed requests costs the garbage collector as much as parsing them does.
    """
    tags, metadata, scores = (
        _labels(connection, query, request_ids) for query in (_TAGS, _METADATA, _SCORES)
    )
    groups = _labels(connection, _GROUPS, request_ids)
    prompts = {row[0]: tuple(row[1:]) for row in _rows(connection, _PROMPTS, request_ids)}
    cursor = connection.execute(_REQUESTS.format(_marks(request_ids)), request_ids)
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        columns = dict(zip(names, row, strict=True))
        request_id, body = columns["request_id"], columns.pop("body")
        said = Said(
            metadata=dict(metadata[request_id]),
            scores=dict(scores[request_id]),
            groups=tuple(group_id for (group_id,) in groups[request_id]),
            prompt=prompts.get(request_id),
            trace_id=columns["trace_id"],
        )
        text, record = _read(connection, body)
        yield Source(
            columns=columns,
            is_whole=is_whole(body),
            is_plain=is_plain(body),
            text=text,
            record=record,
            tags=tuple(tag for (tag,) in tags[request_id]),
            said=said,
            indexed=bool(columns.pop("is_indexed")),
            said_then=columns.pop("said_then"),
        )


def source_of(inserted: Inserted) -> Source:
    """What `sources` would find of a request that was just stored."""
    row = inserted.row
    prompt, score = row.prompt, row.score
    said = Said(
        metadata=row.metadata,
        scores={} if score is None else {score_name(score): score.value},
        groups=() if row.group_id is None else (row.group_id,),
        prompt=None if prompt is None else prompt_columns(prompt),
        trace_id=inserted.columns["trace_id"],
    )
    return Source(
        columns={**_UNKNOWN, **inserted.columns},
        is_whole=row.split is None,
        is_plain=is_plain(row.body),
        text=row.text,
        record=row.record,
        tags=row.tags,
        said=said,
        indexed=False,
        said_then=None,
    )


_UNKNOWN = dict.fromkeys(
    ("cost", "cached_tokens", "thinking_tokens", "shape", "turn_count", "tool_call_count")
)
"""Columns that are null until the indexer has filled them."""
_WAITING = """
    SELECT request_id, change, coalesce(length(bodies.body), length(split_bodies.body), 0)
    FROM unindexed LEFT JOIN bodies USING (request_id) LEFT JOIN split_bodies USING (request_id)
    ORDER BY request_id DESC LIMIT ?
"""
_REQUESTS = """
    SELECT requests.*, coalesce(bodies.body, split_bodies.body, x'') AS body,
        indexed.request_id IS NOT NULL AS is_indexed, indexed.said AS said_then
    FROM requests LEFT JOIN bodies USING (request_id) LEFT JOIN split_bodies USING (request_id)
        LEFT JOIN indexed USING (request_id)
    WHERE requests.request_id IN ({}) ORDER BY requests.request_id
"""
_TAGS = """
    SELECT request_id, name FROM request_tags JOIN tags ON tags.id = tag_id
    WHERE request_id IN ({}) ORDER BY request_id, position
"""
_METADATA = "SELECT request_id, key, value FROM request_metadata WHERE request_id IN ({})"
_SCORES = "SELECT request_id, name, value FROM scores WHERE request_id IN ({})"
_GROUPS = "SELECT request_id, group_id FROM request_groups WHERE request_id IN ({}) ORDER BY group_id"
_PROMPTS = """
    SELECT request_id, name, version, label, variables, prompt_id FROM request_prompts
    WHERE request_id IN ({})
"""


def _labels(
    connection: sqlite3.Connection, query: str, request_ids: Sequence[int]
) -> defaultdict[int, list[tuple[Any, ...]]]:
    found: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in _rows(connection, query, request_ids):
        found[row[0]].append(row[1:])
    return found


def _rows(
    connection: sqlite3.Connection, query: str, request_ids: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    return iter(connection.execute(query.format(_marks(request_ids)), request_ids).fetchall())


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _read(connection: sqlite3.Connection, body: bytes) -> tuple[bytes, Record | None]:
    try:
        text = joined(connection, body)
        return text, decoded(text)
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error) as fault:
        # One that is damaged must not keep the others out of the index for ever.
        report("reading a stored request for the index", fault)
        return b"", None
