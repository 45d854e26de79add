"""Ids in another order than that of time: what is found is sorted, or the index of the sort key is walked.

If too many are found to be sorted, the first rows of the index are enough where every other request is meant.
Otherwise the index is walked in parts, for the full-text index knows roughly how large a value is: of a part
that no request of the plan lies in, not a row is looked at. Each model has an index of its costs, whose first
rows are enough where all that is meant is of one model.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from promptlayer_patch._query import Cursor, Order, SortKey
from promptlayer_patch.store.searching.columns import LISTED
from promptlayer_patch.store.searching.plans import (
    EVERYTHING,
    Plan,
    Sql,
    all_of,
    asks_index,
    by_ids,
    with_all,
)
from promptlayer_patch.store.searching.scanning import in_order_of_ids
from promptlayer_patch.store.searching.slicing import SLICED, slices

__all__ = ["Found", "in_order_of_values"]

Found: TypeAlias = "list[tuple[int, float | str | None]]"
"""Ids, each with the value it was sorted by."""

_COLUMNS = {
    SortKey.INPUT_TOKENS: "input_tokens",
    SortKey.OUTPUT_TOKENS: "output_tokens",
    SortKey.COST: "cost",
    SortKey.LATENCY: "duration_s",
    SortKey.STATUS: "pl_status",
}
_WAYS = {True: "DESC", False: "ASC"}
_FEW = 5_000
"""So many requests are sorted faster than an index is walked in search of them."""
_AHEAD = 1_000
_LOOKS = 240
"""So many rows are looked up one by one in the full-text index, before all that it finds is read."""
_PACE = 20
"""After so many looks, and so many more, it shows whether they are worth it."""
_ANY = Sql("1")
# The indexes on sort keys leave out what is not indexed yet, so that whoever writes requests is spared them.
_INDEXED = "turn_count IS NOT NULL"


def in_order_of_values(
    connection: sqlite3.Connection, plan: Plan, order: Order, after: Cursor | None, limit: int, skip: int
) -> Found:
    """The plan's requests by their value and, where that is equal, by id; those without a value come last."""
    newest: Sequence[int] = ()
    if plan != EVERYTHING or _is_small(connection):
        newest = in_order_of_ids(connection, plan, True, None, _FEW + 1, 0)
        if len(newest) <= _FEW:
            return _sorted(connection, newest, order, after, limit, skip)
    found: Found = []
    if after is None or after.value is not None:
        found = _with_values(connection, plan, order, after, skip + limit, newest)
        after = None
    if len(found) < skip + limit:
        found += _walk(connection, plan, order, after, skip + limit - len(found), "IS NULL")
    return found[skip:]


def _is_small(connection: sqlite3.Connection) -> bool:
    some = f"SELECT 1 FROM requests WHERE request_id >= 0 LIMIT 1 OFFSET {_FEW}"
    return connection.execute(some).fetchone() is None


def _sorted(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    order: Order,
    after: Cursor | None,
    limit: int,
    skip: int = 0,
    within: Sql = _ANY,
) -> Found:
    column, way, later = _COLUMNS[order.key], _WAYS[order.descending], _later(order, after)
    if after is not None and after.value is not None:
        later = Sql(f"{later.text} OR {column} IS NULL", later.arguments)
    condition = with_all((later, within))
    rows = connection.execute(
        f"SELECT request_id, {column} FROM {LISTED} CROSS JOIN requests USING (request_id)"
        f" WHERE {condition.text}"
        f" ORDER BY {column} IS NULL, {column} {way}, request_id {way} LIMIT ? OFFSET ?",
        (json.dumps(ids), *condition.arguments, limit, skip),
    )
    return rows.fetchall()


def _with_values(
    connection: sqlite3.Connection,
    plan: Plan,
    order: Order,
    after: Cursor | None,
    limit: int,
    newest: Sequence[int],
) -> Found:
    """The plan's requests that have a value, of which the newest ones are known."""
    ahead = _ahead(connection, plan, order, after, limit)
    if len(ahead) == limit:
        return ahead
    found: Found = []
    for part in _parts(connection, plan, order, after, newest):
        wanted = limit - len(found)
        if part == EVERYTHING:
            found += _walk(connection, plan, order, after, wanted, "IS NOT NULL")
        else:
            found += _in_part(connection, plan, part, order, after, wanted)
        if len(found) == limit:
            break
    return found


def _parts(
    connection: sqlite3.Connection, plan: Plan, order: Order, after: Cursor | None, newest: Sequence[int]
) -> list[Plan]:
    """In which parts, one after the other, the index of the sort key is walked."""
    if plan.match is None or order.key not in SLICED:
        return [EVERYTHING]
    ends = _ends(connection, plan, order)
    if ends is None:
        return []
    if after is not None:
        return slices(order, after.value, ends, begun=True)
    first = _sorted(connection, newest[:_AHEAD], order, None, 1)
    return slices(order, first[0][1] if first else None, ends)


def _ends(connection: sqlite3.Connection, plan: Plan, order: Order) -> tuple[float, float] | None:
    """The smallest and the largest value of the sort key, among which are those of the plan."""
    column, index = _COLUMNS[order.key], _along(plan, order, None, "IS NOT NULL")
    known = f"SELECT {column} FROM requests WHERE {index.text} ORDER BY {column}"
    smallest, largest = (
        connection.execute(f"{known} {way} LIMIT 1", index.arguments).fetchone() for way in ("ASC", "DESC")
    )
    return None if smallest is None else (smallest[0], largest[0])


def _in_part(
    connection: sqlite3.Connection, plan: Plan, part: Plan, order: Order, after: Cursor | None, limit: int
) -> Found:
    """The plan's requests in one part of the values."""
    if part.rest is None or part.empty:
        return []
    # What lies beside the part is told by the values, which are read only if they are few.
    near = in_order_of_ids(connection, all_of([plan, replace(part, rest=None)]), False, None, _FEW + 1, 0)
    if len(near) > _FEW:
        return _walk(connection, all_of([plan, part]), order, after, limit, "IS NOT NULL")
    return _sorted(connection, near, order, after, limit, within=part.rest) if near else []


def _ahead(
    connection: sqlite3.Connection, plan: Plan, order: Order, after: Cursor | None, limit: int
) -> Found:
    """What is meant of the next rows of the sort key's index: all of a page where many requests are meant."""
    column, way = _COLUMNS[order.key], _WAYS[order.descending]
    index = _along(plan, order, after, "IS NOT NULL")
    direction = f"{column} {way}, request_id {way}"
    if asks_index(plan.whole):
        rows: Found = connection.execute(
            f"SELECT request_id, {column} FROM requests WHERE {index.text}"
            f" ORDER BY {direction} LIMIT {_LOOKS}",
            index.arguments,
        ).fetchall()
        return _looked_up(connection, plan, rows, limit)
    ahead: Found = connection.execute(
        f"SELECT request_id, value FROM (SELECT request_id, {column} AS value FROM requests"
        f" WHERE {index.text} ORDER BY {direction} LIMIT {_AHEAD}) CROSS JOIN requests USING (request_id)"
        f" WHERE {plan.whole.text} AND request_id BETWEEN ? AND ?"
        f" ORDER BY value {way}, request_id {way} LIMIT ?",
        (*index.arguments, *plan.whole.arguments, plan.first, plan.last, limit),
    ).fetchall()
    return ahead


def _looked_up(connection: sqlite3.Connection, plan: Plan, rows: Found, limit: int) -> Found:
    """The first rows that are meant, or some of them if it shows that there are too few for a page."""
    found: Found = []
    if plan.match is None or (plan.rest is not None and asks_index(plan.rest)):
        return found  # each look would read all that the index finds
    for number, row in enumerate(rows, 1):
        if plan.first <= row[0] <= plan.last:
            one = replace(plan, first=row[0], last=row[0])
            found += [row] if in_order_of_ids(connection, one, False, None, 1, 0) else []
        if len(found) == limit or (number % _PACE == 0 and len(found) * _LOOKS < limit * number):
            break
    return found


def _walk(
    connection: sqlite3.Connection, plan: Plan, order: Order, after: Cursor | None, limit: int, part: str
) -> Found:
    """Requests along the index of the sort key: those whose value is null, or those whose value is not."""
    column, way, index = _COLUMNS[order.key], _WAYS[order.descending], _along(plan, order, after, part)
    # The index that is walked holds ids, and so does the full-text index: no row is read on the way.
    condition = with_all((index, Sql("+request_id BETWEEN ? AND ?", (plan.first, plan.last)), by_ids(plan)))
    rows = connection.execute(
        f"SELECT request_id, {column} FROM requests WHERE {condition.text}"
        f" ORDER BY {column} {way}, request_id {way} LIMIT ?",
        (*condition.arguments, limit),
    )
    return rows.fetchall()


def _along(plan: Plan, order: Order, after: Cursor | None, part: str) -> Sql:
    """What the rows of the sort key's index behind the cursor meet, and the planner takes it for."""
    later = _later(order, after)
    rows = Sql(f"{_INDEXED} AND {_COLUMNS[order.key]} {part} AND {later.text}", later.arguments)
    if order.key is not SortKey.COST or plan.model is None:
        return rows
    return Sql(f"model = ? AND {rows.text}", (plan.model, *rows.arguments))


def _later(order: Order, after: Cursor | None) -> Sql:
    """That a row comes behind the cursor, among those that have a value if the cursor has one."""
    sign = "<" if order.descending else ">"
    if after is None:
        return Sql("1")
    if after.value is None:
        return Sql(f"{_COLUMNS[order.key]} IS NULL AND requests.request_id {sign} ?", (after.request_id,))
    row = f"({_COLUMNS[order.key]}, requests.request_id)"
    return Sql(f"{row} {sign} (?, ?)", (after.value, after.request_id))
