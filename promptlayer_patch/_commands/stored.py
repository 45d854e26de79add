"""What the commands that look into the local store share: opening it, asking it, going through it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.progress import Progress, progress_on
from promptlayer_patch._settings import read_settings

if TYPE_CHECKING:
    from promptlayer_patch._query import Filter, Query
    from promptlayer_patch.store import Store, Summary

__all__ = [
    "add_query",
    "add_store",
    "caught_up",
    "number",
    "opened",
    "progress_shown",
    "read_filter",
    "summaries",
]

_PAGE = 200
_MANY = 1_000
"""Fewer are over before anybody has read how far it is."""


def add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--db", metavar="PATH", help="the store, in place of your own local one")


def add_query(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "query",
        nargs="*",
        metavar="QUERY",
        help="in single quotes: 'model:gpt-4o -tag:test latency:>2s \"refund policy\" since:7d'",
    )


@contextmanager
def opened(db: str | None, *, create: bool = False) -> Iterator[Store]:
    """The store at `db`, or the settings' own. Raises `CommandFailed` if there is none, unless it is made."""
    from promptlayer_patch.store import Store

    path = os.path.abspath(os.path.expanduser(db or read_settings().local_db))
    if not create and not os.path.exists(path):
        raise CommandFailed(f"there is no store at {path}")
    with closing(Store.open(path)) as store:
        yield store


@contextmanager
def caught_up(db: str | None, *, create: bool = False) -> Iterator[Store]:
    """The store, with all that it holds made searchable."""
    with opened(db, create=create) as store:
        with progress_shown("indexing", "requests") as progress:
            store.catch_up(lambda done, total: progress.show(done, total, ""))
        yield store


@contextmanager
def progress_shown(doing: str, things: str) -> Iterator[Progress]:
    """How far it is, on stderr, where there is much to do."""
    shown = _OfMany(doing, things)
    try:
        yield shown
    finally:
        shown.close()


class _OfMany:
    def __init__(self, doing: str, things: str) -> None:
        self._doing = doing
        self._things = things
        self._shown: Progress | None = None

    def show(self, done: int, total: int, trouble: str) -> None:
        if self._shown is None and total >= _MANY:
            self._shown = progress_on(sys.stderr, self._doing, self._things)
        if self._shown is not None:
            self._shown.show(done, total, trouble)

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()


def read_filter(words: list[str]) -> Filter:
    """What a query on the command line asks for; days begin at this machine's midnight."""
    from promptlayer_patch._query.language import parse

    return parse(" ".join(words), now=time.time(), zone=None)


def summaries(
    store: Store, query: Query, limit: int | None = None, after: int | None = None
) -> Iterator[Summary]:
    """What the query asks for, page by page: any number of requests in little memory.

    Those behind the request `after`, if that is given: of a query that is ordered by the start.
    """
    from promptlayer_patch._query import Cursor

    behind, left = None if after is None else Cursor(after), limit
    while left is None or left > 0:
        page = store.search(query, _PAGE if left is None else min(_PAGE, left), behind)
        yield from page.items
        if page.next is None:
            return
        behind = page.next
        left = None if left is None else left - len(page.items)


def number(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


number.__name__ = "number"  # what argparse calls it where it is refused
