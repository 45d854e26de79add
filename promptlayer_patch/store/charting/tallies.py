"""Requests added up one by one, where no rollup knows: the newest ones that a filter finds, up to a limit."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeAlias

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
_UNKNOWN = -1
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
        self.complete = True
        """False if there are more, which are older."""
        self._alike: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
        """Places by their point and their labels."""
        # One at a time, and what is left of it in little: all of their columns would take a lot of memory.
        ids, self._points = array("q"), array("q")
        self._sums: list[int] = []
        self._latencies, self._calls = array("h"), array("h")
        expressions = ("requests.request_id", point_of(interval), *LABELS, *MEASURED.values())
        for place, row in enumerate(newest(connection, plan, at_most + 1, expressions)):
            if place == at_most:
                self.complete = False
                break
            measures = row[_WIDTH:]
            ids.append(row[0])
            self._points.append(row[1])
            self._alike[row[1:_WIDTH]].append(place)
            self._sums.append(summed(measures))
            self._latencies.append(latency_bucket(measures[_LATENCY]))
            calls = min(measures[_CALLS], MOST_TOOL_CALLS) if measures[_SAYS_CALLS] else _UNKNOWN
            self._calls.append(calls)
        self._ids = json.dumps(ids.tolist())

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
        for (point, *labels), places in self._alike.items():
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


def _histogram(buckets: Iterable[int]) -> int:
    """The histogram of all buckets that are known."""
    return sum(counted(bucket, count) for bucket, count in Counter(buckets).items() if bucket != _UNKNOWN)
