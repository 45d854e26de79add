"""Ids in another order than that of time: the index of the sort key is walked, or what is found is sorted."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

from promptlayer_patch._query import Cursor, Order, SortKey
from promptlayer_patch.store.searching.plans import Plan, Sql, asks_index, by_ids, with_all
from promptlayer_patch.store.searching.scanning import selection

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
# The indexes on sort keys leave out what is not indexed yet, so that whoever writes requests is spared them.
_INDEXED = "turn_count IS NOT NULL"


def in_order_of_values(
    connection: sqlite3.Connection, plan: Plan, order: Order, after: Cursor | None, limit: int, skip: int
) -> Found:
    """The plan's requests by their value and, where that is equal, by id; those without a value come last."""
    if _are_few(connection, plan):
        return _sorted(connection, plan, order, after, limit, skip)
    found: Found = []
    if after is None or after.value is not None:
        found = _walk(connection, plan, order, after, skip + limit, "IS NOT NULL")
        after = None
    if len(found) < skip + limit:
        found += _walk(connection, plan, order, after, skip + limit - len(found), "IS NULL")
    return found[skip:]


def _are_few(connection: sqlite3.Connection, plan: Plan) -> bool:
    found = selection(plan)
    some = f"SELECT 1 FROM {found.source} WHERE {found.condition.text} LIMIT 1 OFFSET {_FEW}"
    return connection.execute(some, found.condition.arguments).fetchone() is None


def _sorted(
    connection: sqlite3.Connection, plan: Plan, order: Order, after: Cursor | None, limit: int, skip: int
) -> Found:
    column, way = _COLUMNS[order.key], _WAYS[order.descending]
    found, later = selection(plan, rows=True), _later(order, after)
    if after is not None and after.value is not None:
        later = Sql(f"{later.text} OR {column} IS NULL", later.arguments)
    rows = connection.execute(
        f"SELECT requests.request_id, {column} FROM {found.source}"
        f" WHERE ({found.condition.text}) AND ({later.text})"
        f" ORDER BY {column} IS NULL, {column} {way}, requests.request_id {way} LIMIT ? OFFSET ?",
        (*found.condition.arguments, *later.arguments, limit, skip),
    )
    return rows.fetchall()


def _walk(
    connection: sqlite3.Connection, plan: Plan, order: Order, after: Cursor | None, limit: int, part: str
) -> Found:
    """Requests along the index of the sort key: those whose value is null, or those whose value is not."""
    column, way, later = _COLUMNS[order.key], _WAYS[order.descending], _later(order, after)
    index = Sql(f"{_INDEXED} AND {column} {part} AND {later.text}", later.arguments)
    direction = f"{column} {way}, request_id {way}"
    if not asks_index(plan.whole):
        # Where every other request is meant, the next rows have enough of them.
        ahead: Found = connection.execute(
            f"SELECT request_id, value FROM (SELECT request_id, {column} AS value FROM requests"
            f" WHERE {index.text} ORDER BY {direction} LIMIT {_AHEAD}) CROSS JOIN requests USING (request_id)"
            f" WHERE {plan.whole.text} AND request_id BETWEEN ? AND ?"
            f" ORDER BY value {way}, request_id {way} LIMIT ?",
            (*index.arguments, *plan.whole.arguments, plan.first, plan.last, limit),
        ).fetchall()
        if len(ahead) == limit:
            return ahead
    # The index that is walked holds ids, and so does the full-text index: no row is read on the way.
    condition = with_all((index, Sql("+request_id BETWEEN ? AND ?", (plan.first, plan.last)), by_ids(plan)))
    rows = connection.execute(
        f"SELECT request_id, {column} FROM requests WHERE {condition.text} ORDER BY {direction} LIMIT ?",
        (*condition.arguments, limit),
    )
    return rows.fetchall()


def _later(order: Order, after: Cursor | None) -> Sql:
    """That a row comes behind the cursor, among those that have a value if the cursor has one."""
    sign = "<" if order.descending else ">"
    if after is None:
        return Sql("1")
    if after.value is None:
        return Sql(f"{_COLUMNS[order.key]} IS NULL AND requests.request_id {sign} ?", (after.request_id,))
    row = f"({_COLUMNS[order.key]}, requests.request_id)"
    return Sql(f"{row} {sign} (?, ?)", (after.value, after.request_id))
