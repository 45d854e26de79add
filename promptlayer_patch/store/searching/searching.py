"""Pages of the requests that a query asks for, and how many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from promptlayer_patch._query import Cursor, Filter, Query, SortKey
from promptlayer_patch.store.connection import StoreUnavailable
from promptlayer_patch.store.indexing import derived
from promptlayer_patch.store.reading import summaries
from promptlayer_patch.store.results import Page, Total
from promptlayer_patch.store.searching import sorting
from promptlayer_patch.store.searching.compiling import Compiler
from promptlayer_patch.store.searching.glancing import glance_of
from promptlayer_patch.store.searching.limits import TIME_LIMIT_S, time_limit
from promptlayer_patch.store.searching.plans import Plan
from promptlayer_patch.store.searching.scanning import in_order_of_ids, selection
from promptlayer_patch.store.searching.sorting import Found
from promptlayer_patch.store.transaction import transaction

__all__ = ["plan_of", "search", "total"]


def search(
    connection: sqlite3.Connection,
    query: Query,
    limit: int,
    after: Cursor | None,
    skip: int = 0,
    seconds: float = TIME_LIMIT_S,
) -> Page:
    with _compiler(connection, seconds) as compiler:
        plan = compiler.plan(query.filter)
        if plan.empty or limit < 1:
            return Page((), None)
        # One more than asked for tells whether there is a next page.
        found = _at_a_glance(connection, compiler, query, after, limit + 1, max(0, skip))
        if found is None:
            found = _ids(connection, plan, query, after, limit + 1, max(0, skip))
        items = summaries(connection, [request_id for request_id, _ in found[:limit]])
    return Page(tuple(items), Cursor(*found[limit - 1]) if len(found) > limit else None)


def total(
    connection: sqlite3.Connection, filter: Filter, at_most: int, seconds: float = TIME_LIMIT_S
) -> Total:
    with _compiler(connection, seconds) as compiler:
        plan = compiler.plan(filter)
        glance = glance_of(connection, compiler, filter)
        if glance is not None and _count(connection, glance.some, at_most) > at_most:
            return Total(at_most, exact=False)
        count = _count(connection, plan, at_most)
    return Total(min(count, at_most), exact=count <= at_most)


@contextmanager
def plan_of(connection: sqlite3.Connection, filter: Filter, seconds: float = TIME_LIMIT_S) -> Iterator[Plan]:
    """The plan for a filter, and one unchanging view of the store for as long as the block lasts."""
    with _compiler(connection, seconds) as compiler:
        yield compiler.plan(filter)


@contextmanager
def _compiler(connection: sqlite3.Connection, seconds: float) -> Iterator[Compiler]:
    with transaction(connection, "DEFERRED"), time_limit(connection, seconds):
        if not derived.is_current(connection):
            raise StoreUnavailable("the requests in the store are not indexed yet")
        yield Compiler(connection)


def _count(connection: sqlite3.Connection, plan: Plan, at_most: int) -> int:
    """How many requests the plan finds, counted no further than one more than `at_most`."""
    if plan.empty:
        return 0
    found = selection(plan)
    (count,) = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {found.source} WHERE {found.condition.text} LIMIT ?)",
        (*found.condition.arguments, at_most + 1),
    ).fetchone()
    return int(count)


def _at_a_glance(
    connection: sqlite3.Connection,
    compiler: Compiler,
    query: Query,
    after: Cursor | None,
    limit: int,
    skip: int,
) -> Found | None:
    """What the texts of the next requests tell; `None` where the index is to be asked."""
    glance = glance_of(connection, compiler, query.filter)
    if glance is None or glance.others.empty:
        return None
    found = glance.found(
        connection, lambda plan, most: _ids(connection, plan, query, after, most, 0), skip + limit
    )
    return None if found is None else found[skip:]


def _ids(
    connection: sqlite3.Connection, plan: Plan, query: Query, after: Cursor | None, limit: int, skip: int
) -> Found:
    if query.order.key is SortKey.STARTED:
        ids = in_order_of_ids(connection, plan, query.order.descending, after, limit, skip)
        return [(request_id, None) for request_id in ids]
    return sorting.in_order_of_values(connection, plan, query.order, after, limit, skip)
