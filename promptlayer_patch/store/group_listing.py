"""The groups of a store, and what is known of each without reading a request."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlayer_patch.store.reading import Summary, summaries
from promptlayer_patch.store.results import Total
from promptlayer_patch.store.searching.limits import TIME_LIMIT_S, time_limit
from promptlayer_patch.store.transaction import transaction

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["Group", "GroupPage", "Groups"]

COUNTED_MOST = 500
"""So many requests of a group are looked at: a list of groups must not wait for the largest of them."""
_ANY_ID = 2**63 - 1

# A group is known because it was created, or because a request names it.
_BEFORE = """
    SELECT max(id) FROM (
        SELECT max(id) AS id FROM groups WHERE id < ?1
        UNION ALL SELECT max(group_id) FROM request_groups WHERE group_id < ?1
    )
"""
_ENDS = "SELECT min(request_id), max(request_id) FROM request_groups WHERE group_id = ?"
_MEMBERS = """
    SELECT request_id FROM request_groups WHERE group_id = ? AND request_id > ? ORDER BY request_id LIMIT ?
"""
_COUNTED = f"""
    SELECT count(*), sum(cost), sum(coalesce(pl_status = 'ERROR', error_type IS NOT NULL))
    FROM (
        SELECT request_id AS id FROM request_groups WHERE group_id = ?
        ORDER BY id DESC LIMIT {COUNTED_MOST + 1}
    ) CROSS JOIN requests ON requests.request_id = id
"""


@dataclass(frozen=True, slots=True)
class Group:
    """One group; what is summed is of its newest requests where they are more than are counted."""

    id: int
    requests: Total
    errors: int
    cost: float | None
    """US dollars, of the requests whose price is known; `None` if none is."""
    first: Summary | None
    """Its oldest request; `None` of a group that has none."""
    last: Summary | None


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Some groups, the newest id first."""

    items: tuple[Group, ...]
    next: int | None
    """The next page is the one `before` this id; `None` behind the last one."""


class Groups:
    """The groups of one store. Every method raises what `Store`'s do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, limit: int = 50, *, before: int | None = None) -> GroupPage:
        """The groups with the largest ids below `before`: those that were created last."""

        def work(connection: sqlite3.Connection) -> GroupPage:
            with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
                ids = _ids(connection, limit + 1, _ANY_ID if before is None else before)
                items = tuple(_group(connection, group_id) for group_id in ids[:limit])
            return GroupPage(items, ids[limit - 1] if len(ids) > limit else None)

        return self._store.run(work)

    def get(self, group_id: int) -> Group | None:
        """The group with this id, if it was created or a request names it."""

        def work(connection: sqlite3.Connection) -> Group | None:
            with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
                if _ids(connection, 1, group_id + 1) != [group_id]:
                    return None
                return _group(connection, group_id)

        return self._store.run(work)

    def requests(self, group_id: int, limit: int = 50, *, after: int = 0) -> list[Summary]:
        """The requests of the group in the order of time, from behind the one with the id `after` on."""

        def work(connection: sqlite3.Connection) -> list[Summary]:
            with transaction(connection, "DEFERRED"):
                found = connection.execute(_MEMBERS, (group_id, after, limit))
                return summaries(connection, [request_id for (request_id,) in found])

        return self._store.run(work)


def _ids(connection: sqlite3.Connection, limit: int, before: int) -> list[int]:
    """One look-up an id, however many requests a group has."""
    found: list[int] = []
    while len(found) < limit:
        (following,) = connection.execute(_BEFORE, (before,)).fetchone()
        if following is None:
            break
        found.append(before := int(following))
    return found


def _group(connection: sqlite3.Connection, group_id: int) -> Group:
    ends = connection.execute(_ENDS, (group_id,)).fetchone()
    if ends[0] is None:
        return Group(group_id, Total(0, exact=True), 0, None, None, None)
    first, last = summaries(connection, ends)
    count, cost, errors = connection.execute(_COUNTED, (group_id,)).fetchone()
    counted = Total(min(count, COUNTED_MOST), exact=count <= COUNTED_MOST)
    return Group(group_id, counted, errors, cost, first, last)
