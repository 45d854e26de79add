"""`promptlayer-patch search`: the requests that a query asks for, in a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from promptlayer_patch._commands.showing import Column, moment, money, plural, seconds, table, tokens
from promptlayer_patch._commands.stored import (
    add_query,
    add_store,
    caught_up,
    number,
    read_filter,
    summaries,
)
from promptlayer_patch._told import in_brief, json_line

if TYPE_CHECKING:
    from promptlayer_patch._query import Query
    from promptlayer_patch.store import Store, Summary

__all__ = ["add_arguments", "run"]

_SORTS = {
    "started": "request_start_time",
    "latency": "latency_ms",
    "cost": "cost",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "status": "status",
}
_COLUMNS = (
    Column("id", right=True),
    Column("started"),
    Column("status"),
    Column("model", least=8, rank=1),
    Column("time", right=True),
    Column("tokens", right=True, optional=True),
    Column("cost", right=True, optional=True),
    Column("tags", least=6, rank=2, optional=True),
    Column("answer", least=16, rank=3),
)
_COUNTED = 10_000
"""More are not counted: nobody needs to know, and it takes time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_query(parser)
    add_store(parser)
    parser.add_argument("--limit", type=number, default=20, metavar="N", help="at most so many (%(default)s)")
    parser.add_argument(
        "--sort",
        choices=_SORTS,
        default="started",
        help="what comes first: the latest, the largest (started)",
    )
    parser.add_argument("--reverse", action="store_true", help="the earliest or the smallest first")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object, for programs")
    form.add_argument("--jsonl", action="store_true", help="one JSON object a line, for programs")


def run(chosen: argparse.Namespace) -> None:
    """Raises `CommandFailed`, `InvalidQuery` or the store's own errors."""
    from promptlayer_patch._query import Order, Query, SortKey

    order = Order(SortKey(_SORTS[chosen.sort]), descending=not chosen.reverse)
    query = Query(read_filter(chosen.query), order)
    with caught_up(chosen.db) as store:
        found = summaries(store, query, chosen.limit)
        if chosen.jsonl:
            for request in found:
                print(json_line(in_brief(request)))
        elif chosen.json:
            _as_json(store, query, found, sys.stdout)
        else:
            _as_table(store, query, found, sys.stdout)


def _as_json(store: Store, query: Query, found: Iterable[Summary], out: TextIO) -> None:
    total = store.total(query, at_most=_COUNTED)
    facts = {
        "requests": [in_brief(request) for request in found],
        "total": total.count,
        "exact": total.exact,
    }
    print(json.dumps(json.loads(json_line(facts)), indent=2), file=out)


def _as_table(store: Store, query: Query, found: Iterable[Summary], out: TextIO) -> None:
    rows = [_cells(request) for request in found]
    if not rows:
        print("There is no such request.", file=out)
        return
    table(_COLUMNS, rows, out)
    total = store.total(query, at_most=_COUNTED)
    if not total.exact or total.count > len(rows):
        more = "" if total.exact else "+"
        print(f"\n{len(rows)} of {total.count:,}{more} requests; --limit shows more", file=out)
    else:
        print(f"\n{plural(len(rows), 'request')}", file=out)


def _cells(request: Summary) -> list[str]:
    return [
        str(request.request_id),
        moment(request.started_at),
        request.pl_status or request.ending.value,
        request.model or "-",
        seconds(request.duration_s),
        tokens(request.input_tokens, request.output_tokens),
        money(request.cost),
        ", ".join(request.tags),
        request.preview or request.error_message or "",
    ]
