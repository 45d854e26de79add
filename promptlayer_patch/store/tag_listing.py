"""The tags of a store: how much each is used, when it was last, and what it has cost lately."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlayer_patch.store.charting.charts import Charts
from promptlayer_patch.store.charting.rollups import Dimension
from promptlayer_patch.store.charting.source import Source
from promptlayer_patch.store.charting.totals import Totals
from promptlayer_patch.store.indexing.facets import token
from promptlayer_patch.store.searching.limits import TIME_LIMIT_S, time_limit
from promptlayer_patch.store.transaction import transaction

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["TagCursor", "TagPage", "TagUse", "Tags"]

LISTED_MOST = 10_000
LOOKED_AT_MOST = 200
"""So many of a tag's newest requests are looked at for errors."""

_NEWEST = f"""
    SELECT max(started_at), count(*), sum(coalesce(pl_status = 'ERROR', error_type IS NOT NULL))
    FROM (
        SELECT rowid AS id FROM documents WHERE documents MATCH ? ORDER BY rowid DESC LIMIT {LOOKED_AT_MOST}
    ) CROSS JOIN requests ON requests.request_id = id
"""


@dataclass(frozen=True, slots=True)
class TagUse:
    """One tag."""

    name: str
    requests: int
    last_used_at: float | None
    """When the newest request that has it began, in seconds since the epoch."""
    looked_at: int
    """How many of its newest requests `errors` is about."""
    errors: int
    lately: Totals
    """Of its requests in the time that was asked for."""


@dataclass(frozen=True, slots=True)
class TagCursor:
    """Where a page ended."""

    requests: int
    name: str


@dataclass(frozen=True, slots=True)
class TagPage:
    """Some tags, the most used first."""

    items: tuple[TagUse, ...]
    next: TagCursor | None
    count: int
    """How many tags there are, counted no further than ten thousand: so many are listed."""


class Tags:
    """The tags of one store. Every method raises what `Store`'s do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(
        self, since: float, limit: int = 50, *, prefix: str = "", after: TagCursor | None = None
    ) -> TagPage:
        """The most used tags that begin with `prefix`, with what they cost since then.

        Raises `StoreUnavailable` as long as the requests have never been indexed.
        """
        listed = self._store.suggest("tags", prefix, limit=LISTED_MOST)
        rest = [
            one for one in listed if after is None or (-one.count, one.value) > (-after.requests, after.name)
        ]
        lately = Charts(self._store).draw(_by_tag, since=since) if rest else {}
        chosen = {one.value: one.count for one in rest[:limit]}

        def work(connection: sqlite3.Connection) -> tuple[TagUse, ...]:
            with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
                return tuple(_use(connection, name, uses, lately) for name, uses in chosen.items())

        items = self._store.run(work)
        following = TagCursor(items[-1].requests, items[-1].name) if len(rest) > limit else None
        return TagPage(items, following, len(listed))


def _by_tag(source: Source) -> dict[str, Totals]:
    return {value[0] or "": tally.totals() for (value, _), tally in source.grid(Dimension.TAG).items()}


def _use(connection: sqlite3.Connection, name: str, uses: int, lately: Mapping[str, Totals]) -> TagUse:
    last_used_at, looked_at, errors = connection.execute(
        _NEWEST, (f"facets:{token('tags', name)}",)
    ).fetchone()
    return TagUse(name, uses, last_used_at, looked_at, errors or 0, lately.get(name, Totals()))
