"""A look at the texts themselves, for the beginning of a word that the index knows too many words for.

For one letter it would put together all requests of some thousand words before the first one is seen, while
nearly every request has such a word: the next ones in the order that is asked for fill a page.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from promptlayer_patch._query import And, Condition, Filter
from promptlayer_patch.store.searching.begun import Begun
from promptlayer_patch.store.searching.compiling import Compiler
from promptlayer_patch.store.searching.plans import Plan, all_of
from promptlayer_patch.store.searching.sorting import Found
from promptlayer_patch.store.searching.verifying import words_in

__all__ = ["Glance", "glance_of"]

_LOOKS = 1_000
_OFTEN = 4
"""Where one of so many is meant, fewer candidates are asked for."""
_PACE = 50
_SECONDS = 0.5
"""Of looking, for texts may be long: after that the index is asked, which can take no longer than it may."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A filter taken apart into what the index answers at once and what the texts are looked at for."""

    others: Plan
    """Finds all that is meant, and more: it tells nothing of how the last words go on."""
    begun: Sequence[Begun]
    """What the texts have to tell."""
    some: Plan
    """Finds nothing that is not meant, but only what has one of a few of the words."""

    def found(
        self, connection: sqlite3.Connection, candidates: Callable[[Plan, int], Found], limit: int
    ) -> Found | None:
        """The first so many that are meant, of `candidates` in their order; `None` if they are too rare."""
        end = time.monotonic() + _SECONDS
        for most in sorted({min(_OFTEN * limit, _LOOKS), _LOOKS}) if limit <= _LOOKS else ():
            found = self._among(connection, candidates(self.others, most), most, limit, end)
            if found is not None:
                return found
        return None

    def _among(
        self, connection: sqlite3.Connection, near: Found, most: int, limit: int, end: float
    ) -> Found | None:
        are_all = len(near) < most
        found: Found = []
        for number, (row, meant) in enumerate(self._told(connection, near), 1):
            found += [row] if meant else []
            if len(found) == limit:
                return found
            is_slow = number % _PACE == 0 and len(found) * most < limit * number
            if time.monotonic() > end or (is_slow and not are_all):
                return None
        return found if are_all else None

    def _told(
        self, connection: sqlite3.Connection, rows: Found
    ) -> Iterator[tuple[tuple[int, float | str | None], bool]]:
        """Of each request whether it is meant."""
        known = _indexed(connection, [request_id for request_id, _ in rows])
        for row in rows:
            yield row, row[0] in known and self._is_meant(connection, row[0])

    def _is_meant(self, connection: sqlite3.Connection, request_id: int) -> bool:
        texts = words_in(connection, request_id)
        return all(one.is_in(texts) for one in self.begun)


def glance_of(connection: sqlite3.Connection, compiler: Compiler, filter: Filter) -> Glance | None:
    """What to ask in place of the plan that the compiler has made of `filter`; `None` where that is fast."""
    members = list(_members(filter)) if compiler.unnamed else []
    begun = [
        compiler.unnamed[one] for one in members if isinstance(one, Condition) and one in compiler.unnamed
    ]
    if not begun:
        return None
    rest = Compiler(connection).plan(And(tuple(one for one in members if one not in compiler.unnamed)))
    others, some = ([rest, *(one.whole for one in begun)], [rest, *(one.some(connection) for one in begun)])
    return Glance(all_of(others), begun, all_of(some))


def _members(filter: Filter) -> Iterator[Filter]:
    """What is all asked of a request at once."""
    if isinstance(filter, And):
        for one in filter.filters:
            yield from _members(one)
    else:
        yield filter


def _indexed(connection: sqlite3.Connection, ids: Sequence[int]) -> set[int]:
    """Those of which the index has the text: it follows from the body as long as they are in this table."""
    rows = connection.execute(
        "SELECT request_id FROM indexed WHERE request_id IN (SELECT value FROM json_each(?))",
        (json.dumps(ids),),
    )
    return {request_id for (request_id,) in rows}
