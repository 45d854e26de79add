"""Requests added up one by one, where no rollup knows: the newest ones that a filter finds, up to a limit."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeAlias

from promptlayer_patch.store.charting.histograms import counted, latency_bucket
from promptlayer_patch.store.charting.ranges import Interval
from promptlayer_patch.store.charting.rollups import MOST_TOOL_CALLS, Dimension, Value
from promptlayer_patch.store.charting.rows import GROUPINGS, LABELS, MEASURED, newest, point_of
from promptlayer_patch.store.charting.totals import MEASURES, Tally, summed
from promptlayer_patch.store.searching.plans import Plan

__all__ = ["Counted", "Tallies"]

Counted: TypeAlias = "tuple[Value, int, Tally]"
"""A value, when the point began, and some of what is counted of both."""

_LATENCY, _CALLS, _SAYS_CALLS = (
    MEASURES.index(name) for name in ("latency_us", "tool_calls", "with_tool_calls")
)
_WIDTH = 2 + len(LABELS)
_OF_LABELS = {
    Dimension.BASE: ("model", "provider", "pl_status"),
    Dimension.ERROR_TYPE: ("pl_error_type",),
}


class Tallies:
    """What is counted of each request, to be added up by anything that some of them have in common.

    A request is a place in lists: adding up a list of numbers is what Python does as fast as SQLite groups,
    and each is read once for all that it is added to.
    """

    def __init__(self, connection: sqlite3.Connection, plan: Plan, at_most: int, interval: Interval) -> None:
        self._connection = connection
        expressions = ("requests.request_id", point_of(interval), *LABELS, *MEASURED.values())
        rows, self.complete = newest(connection, plan, at_most, expressions)
        """False if there are more, which are older."""
        self._alike: defaultdict[tuple[int, Value], list[int]] = defaultdict(list)
        """Places by their point and their labels."""
        for place, row in enumerate(rows):
            self._alike[row[1], row[2:_WIDTH]].append(place)
        self._ids = json.dumps([row[0] for row in rows])
        self._points = [row[1] for row in rows]
        measures = [row[_WIDTH:] for row in rows]
        self._sums = [summed(one) for one in measures]
        self._latencies = [latency_bucket(one[_LATENCY]) for one in measures]
        self._calls = [min(one[_CALLS], MOST_TOOL_CALLS) if one[_SAYS_CALLS] else None for one in measures]

    def read(self, dimension: Dimension, *, points: bool, histograms: bool) -> Iterator[Counted]:
        """What is counted of each value and, with `points`, of each point."""
        grouped = self._labelled if dimension in _OF_LABELS else self._joined
        for (value, point), places in grouped(dimension, points).items():
            sums = sum(map(self._sums.__getitem__, places))
            if not histograms:
                yield value, point, Tally(sums)
                continue
            latencies = _histogram(map(self._latencies.__getitem__, places))
            yield value, point, Tally(sums, latencies, _histogram(map(self._calls.__getitem__, places)))

    def _labelled(self, dimension: Dimension, points: bool) -> Mapping[tuple[Value, int], list[int]]:
        """Places by what is a column of the request's row."""
        parts = [LABELS.index(name) for name in _OF_LABELS[dimension]]
        found: defaultdict[tuple[Value, int], list[list[int]]] = defaultdict(list)
        for (point, labels), places in self._alike.items():
            value = tuple([labels[part] for part in parts])
            if dimension is not Dimension.ERROR_TYPE or value != (None,):
                found[value, point if points else 0].append(places)
        return {key: list(chain.from_iterable(lists)) for key, lists in found.items()}

    def _joined(self, dimension: Dimension, points: bool) -> Mapping[tuple[Value, int], list[int]]:
        """Places by what other tables have of a request."""
        grouping = GROUPINGS[dimension]
        rows = self._connection.execute(
            f"SELECT {', '.join(grouping.columns)}, json_group_array(charted.place)"
            f" FROM (SELECT key AS place, value AS request_id FROM json_each(?)) AS charted {grouping.joined}"
            f" WHERE {grouping.condition} GROUP BY {', '.join(grouping.columns)}",
            (self._ids, *grouping.arguments),
        )
        found = {tuple(value): json.loads(places) for *value, places in rows}
        if not points:
            return {(value, 0): places for value, places in found.items()}
        pointed: defaultdict[tuple[Value, int], list[int]] = defaultdict(list)
        for value, places in found.items():
            for place in places:
                pointed[value, self._points[place]].append(place)
        return pointed


def _histogram(buckets: Iterable[int | None]) -> int:
    """The histogram of all buckets that are no null."""
    return sum(counted(bucket, count) for bucket, count in Counter(buckets).items() if bucket is not None)
