"""Reading ids along the index, newest or oldest first."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from promptlayer_patch._query import Cursor
from promptlayer_patch.store.searching.plans import EVERYTHING, Plan, Sql, with_all

__all__ = ["Selection", "in_order_of_ids", "selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The requests of a plan, as the end of a SELECT says it."""

    source: str
    """What stands behind FROM; `requests` is in it if a row is to be asked, or was asked for."""
    request_id: str
    condition: Sql


def selection(plan: Plan, *, rows: bool = False) -> Selection:
    """How the requests of a plan are selected; with `rows`, so that columns of `requests` can be named."""
    if plan.match is None:
        return Selection("requests", "requests.request_id", _within(plan, "requests.request_id", []))
    index = [Sql("documents MATCH ?", (plan.match,))]
    if plan.rest is None and not rows:
        return Selection("documents", "documents.rowid", _within(plan, "documents.rowid", index))
    # CROSS: the index leads, whatever the planner thinks of it.
    source = "documents CROSS JOIN requests ON requests.request_id = documents.rowid"
    return Selection(source, "documents.rowid", _within(plan, "documents.rowid", index))


def in_order_of_ids(
    connection: sqlite3.Connection, plan: Plan, descending: bool, after: Cursor | None, limit: int, skip: int
) -> list[int]:
    """Ids of the plan's requests in their order, from behind the cursor on."""
    if after is not None and descending:
        plan = replace(plan, last=min(plan.last, after.request_id - 1))
    elif after is not None:
        plan = replace(plan, first=max(plan.first, after.request_id + 1))
    found = selection(plan)
    rows = connection.execute(
        f"SELECT {found.request_id} FROM {found.source} WHERE {found.condition.text}"
        f" ORDER BY {found.request_id} {'DESC' if descending else 'ASC'} LIMIT ? OFFSET ?",
        (*found.condition.arguments, limit, skip),
    )
    return [request_id for (request_id,) in rows]


def _within(plan: Plan, request_id: str, conditions: list[Sql]) -> Sql:
    asked = list(conditions)
    if not conditions or (plan.first, plan.last) != (EVERYTHING.first, EVERYTHING.last):
        # Not where it says nothing: the full-text index would compare every id.
        asked.append(Sql(f"{request_id} BETWEEN ? AND ?", (plan.first, plan.last)))
    return with_all([*asked, *([] if plan.rest is None else [plan.rest])])
