"""The list of requests."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field

from promptlayer_patch._query import Cursor, Order, Query, SortKey
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.requests_asking import (
    TOO_SLOW,
    Asked,
    ListQuery,
    Problem,
    address_of,
    asked,
    elsewhere,
)
from promptlayer_patch.server.dashboard.requests_columns import COLUMNS, COOKIE, chosen, named
from promptlayer_patch.server.dashboard.requests_pasting import pasted
from promptlayer_patch.server.dashboard.requests_rows import Row, marked, rows_of
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store import Page, QueryTooSlow, Store, StoreUnavailable, Total

__all__ = ["ENDPOINTS"]

_PAGE = 50
_NOTHING = Page((), None)


class ColumnsBody(BaseModel):
    column: str | list[str] = ""
    back: str = Field(default="", max_length=20_000)
    """The query of the list where they were chosen."""


def _list(call: Call[None, ListQuery]) -> Answer:
    query = call.query
    moved = elsewhere("/", query, query.kept)
    if moved is not None:
        return moved
    bar = asked(query.q)
    with call.workspace.reading() as store:
        found, total, problem = _found(store, bar, query)
        rows = rows_of(call.workspace, store, found.items)
        empty = not rows and not query.q and query.after is None
    data: dict[str, Any] = {
        "q": query.q,
        "items": rows,
        "next": _next(query, found),
        "total": total,
        "problem": problem or bar.problem,
    }
    if query.format != "json":
        data |= {**_shown(call, bar, rows), "empty": empty, "pasted": pasted(call)}
    return page(call, "requests.html", data, title="Requests")


def _rows(call: Call[None, ListQuery]) -> Answer:
    """More rows: the next page, or the first one again for who watches it."""
    bar = asked(call.query.q)
    with call.workspace.reading() as store:
        found, _, problem = _found(store, bar, call.query, counted=False)
        rows = rows_of(call.workspace, store, found.items)
    if call.query.known is not None and call.query.known == marked(rows):
        return Answer(b"", 204)
    data: dict[str, Any] = {"items": rows, "next": _next(call.query, found), "problem": problem}
    if call.query.format != "json":
        data |= _shown(call, bar, rows)
    return page(call, "requests_rows.html", data, title="Requests")


def _columns(call: Call[ColumnsBody, None]) -> Answer:
    names = [call.body.column] if isinstance(call.body.column, str) else call.body.column
    kept = ".".join(column.name for column in named(names))
    cookie = f"{COOKIE}={kept}; Path=/; Max-Age=31536000; SameSite=Strict"
    headers = {"Location": address_of("/", q=call.body.back), "Set-Cookie": cookie}
    return Answer(b"", 303, headers, "text/html; charset=utf-8")


def _found(
    store: Store, bar: Asked, query: ListQuery, *, counted: bool = True
) -> tuple[Page, Total | None, Problem | None]:
    if bar.filter is None:
        return _NOTHING, None, None
    wanted = Query(bar.filter, Order(query.sort, query.order == "desc"))
    try:
        found = store.search(wanted, _PAGE, query.cursor)
        return found, store.total(wanted) if counted else None, None
    except QueryTooSlow:
        return _NOTHING, None, Problem(TOO_SLOW)
    except StoreUnavailable:
        return _newest(store, query), None, Problem("The store is being indexed. Look again in a moment.")


def _newest(store: Store, query: ListQuery) -> Page:
    """What can be shown without an index."""
    if query.q or query.sort is not SortKey.STARTED:
        return _NOTHING
    items = store.recent(_PAGE, before=query.after)
    return Page(tuple(items), Cursor(items[-1].request_id) if len(items) == _PAGE else None)


def _next(query: ListQuery, found: Page) -> str | None:
    """The address of the page after this one."""
    if found.next is None:
        return None
    value = None if query.sort is SortKey.STARTED else json.dumps(found.next.value)
    return query.address("/", after=found.next.request_id, value=value)


def _shown(call: Call[Any, ListQuery], bar: Asked, rows: list[Row]) -> dict[str, Any]:
    """What the template needs beside the data."""
    query = call.query
    ordered_by_time = query.sort is SortKey.STARTED and query.order == "desc"
    return {
        "section": "Requests",
        "asked": bar,
        "path": "/",
        "query": query,
        "keep": query.kept,
        "columns": chosen(query.columns, call.headers),
        "all_columns": COLUMNS,
        "mark": marked(rows),
        "live": ordered_by_time and query.after is None,
        "first": query.after is None,
    }


ENDPOINTS = (
    Endpoint(method="GET", path="/", handler=_list, summary="requests", auth=Auth.SESSION, query=ListQuery),
    Endpoint(
        method="GET",
        path="/requests/rows",
        handler=_rows,
        summary="more rows of the list of requests",
        auth=Auth.SESSION,
        query=ListQuery,
    ),
    Endpoint(
        method="POST",
        path="/requests/columns",
        handler=_columns,
        summary="choose the columns of the list of requests",
        auth=Auth.SESSION,
        form=True,
        body=ColumnsBody,
        ok=303,
    ),
)
