"""The values that there are of a field, and how many requests have each: for suggestions and a sidebar."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from promptlayer_patch._query import FIELDS, And, Filter, InvalidQuery, Kind
from promptlayer_patch.store.indexing.facets import token
from promptlayer_patch.store.results import FacetCounts, Suggestion, Total
from promptlayer_patch.store.searching import columns
from promptlayer_patch.store.searching.plans import EVERYTHING, Plan, all_of
from promptlayer_patch.store.searching.scanning import in_order_of_ids, selection
from promptlayer_patch.store.searching.searching import plan_of
from promptlayer_patch.store.text import writable

__all__ = ["facet_counts", "suggest"]

_COUNTED_MOST = 10_000
_CANDIDATES = 200
_KNOWN = """
    SELECT value, uses FROM (
        SELECT value, uses FROM terms WHERE field = ? AND key = ? AND value BETWEEN ? AND ? LIMIT ?
    ) ORDER BY uses DESC, value LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which values."""

    field: str
    key: str | None
    prefix: str
    limit: int

    @property
    def range(self) -> tuple[str, str]:
        return self.prefix, self.prefix + "\U0010ffff"


def suggest(
    connection: sqlite3.Connection,
    field: str,
    prefix: str,
    key: str | None,
    filter: Filter | None,
    limit: int,
) -> tuple[Suggestion, ...]:
    """The most frequent values of `field`, or under the key of a nested one, that begin with `prefix`.

    With a filter, of the newest 10,000 requests that it matches. Without one, of all requests; where more
    than 10,000 values begin so, of the first of them in the alphabet.
    """
    wanted = _Wanted(field, None if key is None else writable(key), writable(prefix), max(0, limit))
    _check(wanted)
    with plan_of(connection, filter or And(())) as plan:
        if plan == EVERYTHING:
            return _known(connection, wanted, _COUNTED_MOST)
        return _among(connection, plan, _newest(connection, plan)[:_COUNTED_MOST], wanted)


def facet_counts(
    connection: sqlite3.Connection, filter: Filter, fields: Sequence[str], limit: int
) -> FacetCounts:
    """The most frequent values of each of these fields among the newest 10,000 requests of the filter."""
    wanted = [_Wanted(field, None, "", max(0, limit)) for field in fields]
    for one in wanted:
        _check(one)
    with plan_of(connection, filter) as plan:
        found = _newest(connection, plan)
        ids = found[:_COUNTED_MOST]
        values = _in_rows(connection, ids, wanted)
        values |= {one.field: _among(connection, plan, ids, one) for one in wanted if one.field not in values}
    return FacetCounts(values, Total(len(ids), exact=len(found) <= _COUNTED_MOST))


def _check(wanted: _Wanted) -> None:
    kind = FIELDS[wanted.field].kind if wanted.field in FIELDS else None
    listed = kind in (Kind.WORD, Kind.WORDS, Kind.NESTED) and wanted.field not in columns.IDENTITIES
    if not listed or wanted.field == "pl_id":
        raise InvalidQuery(f"there is no list of values for {wanted.field[:80]!r}")
    if (kind is Kind.NESTED) != bool(wanted.key):
        needs = "needs a key" if kind is Kind.NESTED else "has no keys"
        raise InvalidQuery(f"{wanted.field} {needs}")


def _newest(connection: sqlite3.Connection, plan: Plan) -> list[int]:
    """Ids of the newest requests, and of one more than are counted."""
    return [] if plan.empty else in_order_of_ids(connection, plan, True, None, _COUNTED_MOST + 1, 0)


def _known(connection: sqlite3.Connection, wanted: _Wanted, most: int) -> tuple[Suggestion, ...]:
    """What the list of all values says."""
    rows = connection.execute(
        _KNOWN, (wanted.field, wanted.key or "", *wanted.range, most, min(wanted.limit, most))
    )
    return tuple(Suggestion(*row) for row in rows)


def _in_rows(
    connection: sqlite3.Connection, ids: list[int], wanted: Sequence[_Wanted]
) -> dict[str, tuple[Suggestion, ...]]:
    """What these requests have in fields that are columns of their rows: these are read once for all."""
    held = [(one, column) for one in wanted if (column := columns.column_of(one.field)) is not None]
    if not held:
        return {}
    rows = connection.execute(
        f"SELECT count(*), {', '.join(column for _, column in held)}"
        f" FROM {columns.LISTED} CROSS JOIN requests USING (request_id)"
        f" GROUP BY {', '.join(column for _, column in held)}",
        (json.dumps(ids),),
    )
    counts: list[Counter[str]] = [Counter() for _ in held]
    for number, *texts in rows:
        for counter, text in zip(counts, texts, strict=True):
            if text is not None:
                counter[text] += number
    return {one.field: _ranked(counter.items(), one) for (one, _), counter in zip(held, counts, strict=True)}


def _ranked(counted: Iterable[tuple[str, int]], wanted: _Wanted) -> tuple[Suggestion, ...]:
    ranked = sorted(counted, key=lambda one: (-one[1], one[0]))
    return tuple(Suggestion(value, count) for value, count in ranked[: wanted.limit])


def _among(
    connection: sqlite3.Connection, plan: Plan, ids: list[int], wanted: _Wanted
) -> tuple[Suggestion, ...]:
    """What these requests have, which are the newest ones of the plan."""
    if not ids:
        return ()
    grouped = columns.grouped(wanted.field, wanted.key)
    if grouped is None:
        return _by_index(connection, replace(plan, first=ids[-1]), wanted)
    rows = connection.execute(
        f"{grouped.text} HAVING shown BETWEEN ? AND ? ORDER BY 2 DESC, 1 LIMIT ?",
        (json.dumps(ids), *grouped.arguments, *wanted.range, wanted.limit),
    )
    return tuple(Suggestion(*row) for row in rows)


def _by_index(connection: sqlite3.Connection, plan: Plan, wanted: _Wanted) -> tuple[Suggestion, ...]:
    """Each of the most frequent values of all requests, counted where only the index knows who has it."""
    counted = []
    for candidate in _known(connection, replace(wanted, limit=_CANDIDATES), _COUNTED_MOST):
        path = (candidate.value,) if wanted.key is None else (wanted.key, candidate.value)
        found = selection(all_of([plan, Plan(f"(facets:{token(wanted.field, *path)})")]))
        (count,) = connection.execute(
            f"SELECT count(*) FROM {found.source} WHERE {found.condition.text}", found.condition.arguments
        ).fetchone()
        if count:
            counted.append((candidate.value, count))
    return _ranked(counted, wanted)
