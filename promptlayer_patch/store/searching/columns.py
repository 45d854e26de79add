"""Where the tables hold what a request is found by: conditions that tell of a row without an index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from promptlayer_patch.store.searching.plans import Sql

__all__ = [
    "IDENTITIES",
    "KEYS",
    "LISTED",
    "NUMBERS",
    "begins",
    "column_of",
    "flag",
    "grouped",
    "one_of",
    "present",
    "request_id_among",
    "request_id_begins",
    "score",
]

KEYS = {
    "metadata": "metadata_keys",
    "output": "output_keys",
    "input_variables": "input_variable_keys",
    "score": "score_names",
}
"""The field of a nested field's keys."""

IDENTITIES = frozenset({"record_id", "trace_id"})
"""Fields with another value for every request, or nearly."""

NUMBERS = {
    "prompt_version_number": (
        "(SELECT version FROM request_prompts AS p WHERE p.request_id = requests.request_id)"
    ),
    "cost": "cost",
    "latency_ms": "duration_s * 1000",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "coalesce(input_tokens + output_tokens, input_tokens, output_tokens)",
    "http_status": "status",
    "first_token_ms": "(first_token_at - started_at) * 1000",
    "cached_tokens": "cached_tokens",
    "thinking_tokens": "thinking_tokens",
    "attempts": "attempts",
    "request_start_time": "started_at",
    "request_end_time": "started_at + duration_s",
}
"""Expressions over a row of `requests`, by field."""

LISTED = "(SELECT value AS request_id FROM json_each(?)) AS listed"
"""A table of the ids in a list. With CROSS it leads: else the planner may take an index of all requests."""

_SHAPES = {"is_json": "json", "is_tool_call": "tool_call", "is_plain_text": "plain_text"}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a field's texts are: in a column of `requests`, or of a `table` with rows for a request."""

    column: str
    table: str | None = None
    key: str | None = None
    """The column of `table` that says the key of a nested field."""
    by: str = "1"
    """What equal texts have in common, to group by."""

    def meets(self, test: str, *arguments: object, key: str | None = None) -> Sql:
        """That a text passes the test, which is written as what follows it."""
        if self.table is None:
            return Sql(f"{self.column} {test}", arguments)
        where = f"{self.column} {test}"
        if key is not None:
            where, arguments = f"{self.key} = ? AND {where}", (key, *arguments)
        return Sql(
            f"EXISTS (SELECT 1 FROM {self.table} AS t WHERE t.request_id = requests.request_id AND {where})",
            arguments,
        )


_PLACES = {
    "engine": _Place("model"),
    "provider_type": _Place("provider"),
    "status": _Place("pl_status"),
    "function_name": _Place("function_name"),
    "ending": _Place("ending"),
    "error_type": _Place("pl_error_type"),
    "record_id": _Place("record_id"),
    "trace_id": _Place("trace_id"),
    "prompt": _Place("t.name", "request_prompts"),
    "prompt_id": _Place("CAST(t.prompt_id AS TEXT)", "request_prompts"),
    "prompt_label": _Place("t.label", "request_prompts"),
    "tags": _Place("(SELECT name FROM tags WHERE id = t.tag_id)", "request_tags", by="t.tag_id"),
    "metadata_keys": _Place("t.key", "request_metadata"),
    "metadata": _Place("t.value", "request_metadata", "t.key"),
    "group": _Place("CAST(t.group_id AS TEXT)", "request_groups"),
    "score_names": _Place("t.name", "scores"),
}
"""Of the other fields, only the index knows without a look at the body."""


def present(field: str, key: str | None = None) -> Sql | None:
    """That the field, or the key of a nested one, has a value."""
    place = _PLACES.get(field)
    return None if place is None else place.meets("IS NOT NULL", key=key)


def one_of(field: str, values: Sequence[str], key: str | None = None) -> Sql | None:
    """That the field, or one of its texts, is one of these."""
    place = _PLACES.get(field)
    if place is None:
        return None
    if len(values) == 1:
        return place.meets("= ?", values[0], key=key)
    return place.meets("IN (SELECT value FROM json_each(?))", json.dumps(values), key=key)


def begins(field: str, start: str) -> Sql | None:
    """That the field, or one of its texts, begins with `start`."""
    place = _PLACES.get(field)
    # Not LIKE or GLOB, which would take a part of `start` for a pattern.
    return None if place is None else place.meets("BETWEEN ? AND ?", start, start + "\U0010ffff")


def grouped(field: str, key: str | None) -> Sql | None:
    """A SELECT of the field's texts and their counts, for the ids in a list that is its first argument."""
    place = _PLACES.get(field)
    if place is None:
        return None
    keyed = "" if key is None else f" WHERE {place.key} = ?"
    return Sql(
        f"SELECT {place.column} AS shown, count(*) FROM {LISTED}"
        f" CROSS JOIN {place.table or 'requests'} AS t USING (request_id){keyed} GROUP BY {place.by}",
        () if key is None else (key,),
    )


def column_of(field: str) -> str | None:
    """The column of `requests` that holds the field, if one does."""
    place = _PLACES.get(field)
    return place.column if place is not None and place.table is None else None


def flag(field: str) -> Sql:
    return Sql("shape = ?", (_SHAPES[field],))


def score(name: str, test: str, *arguments: object) -> Sql:
    """That the score of this name passes the test."""
    return _Place("t.value", "scores", "t.name").meets(test, *arguments, key=name)


def request_id_begins(start: str) -> Sql:
    """That the request id, as text, begins with `start`."""
    return Sql("CAST(requests.request_id AS TEXT) BETWEEN ? AND ?", (start, start + "\U0010ffff"))


def request_id_among(ids: Sequence[int]) -> Sql:
    """That the request id is one of these."""
    return Sql("requests.request_id IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
