"""Getting a request for a page, and those beside it in the list that the reader comes from."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from promptlayer_patch._query import And, Cursor, Filter, InvalidQuery, Order, Query, SortKey
from promptlayer_patch._query.language import parse
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store import QueryTooSlow, Store, StoredRequest, Summary

__all__ = ["Found", "Neighbours", "find", "neighbours", "number_of"]

_ID = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Found:
    """One request: what a list shows of it, and all of it."""

    summary: Summary
    stored: StoredRequest


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Ids of the requests beside one, within a query; `None` where it is the first or the last."""

    newer: int | None = None
    older: int | None = None


def number_of(text: str) -> int | None:
    """The request id that `text` is, as an address or a field has it."""
    return int(text) if _ID.fullmatch(text.strip()) else None


def find(workspace: Workspace, text: str) -> Found | None:
    """The request with the id that `text` is; `None` if there is none in this workspace."""
    number = number_of(text)
    if number is None:
        return None
    with workspace.reading() as store:
        # The newest one up to this id: by the primary key, and so before it is indexed too.
        summaries = store.recent(1, before=number + 1)
        stored = store.get(number)
    if stored is None or not summaries or summaries[0].request_id != number:
        return None
    return Found(summaries[0], stored)


def neighbours(workspace: Workspace, request_id: int, q: str) -> Neighbours:
    """The next request in either direction of time, among those that the query `q` asks for."""
    try:
        filter = parse(q, now=time.time())
    except InvalidQuery:
        filter = And(())
    try:
        with workspace.reading() as store:
            return Neighbours(
                _next(store, filter, request_id, descending=False),
                _next(store, filter, request_id, descending=True),
            )
    except QueryTooSlow:
        return Neighbours()  # the request itself is there all the same


def _next(store: Store, filter: Filter, request_id: int, *, descending: bool) -> int | None:
    query = Query(filter, Order(SortKey.STARTED, descending))
    items = store.search(query, 1, Cursor(request_id)).items
    return items[0].request_id if items else None
