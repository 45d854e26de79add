"""The requests of a filter, counted: from the rollups where these know, else row by row."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from promptlayer_patch._query import And, Condition, Filter, Not, Operator, Or, condition
from promptlayer_patch.store.charting.histograms import unpacked
from promptlayer_patch.store.charting.ranges import (
    DRAWABLE,
    Interval,
    Piece,
    Range,
    cover,
    interval_for,
    split,
)
from promptlayer_patch.store.charting.rollups import HOUR_S, Dimension, Value
from promptlayer_patch.store.charting.rows import Rows, alike, newest, point_of
from promptlayer_patch.store.charting.tallies import Counted, Tallies
from promptlayer_patch.store.charting.totals import MEASURES, Tally, summed
from promptlayer_patch.store.searching.compiling import Compiler
from promptlayer_patch.store.searching.plans import Plan

__all__ = ["Grid", "Source"]

Grid: TypeAlias = "dict[tuple[Value, int], Tally]"
"""Of every value, and of every point that has requests or, if no points are wanted, of 0."""

_NO_TIME = Range(0.0, 0.0)
_BASE_FIELDS = ("engine", "provider_type", "status")
_WITHIN = "length_s = ? AND rollups.dimension = ? AND begins_at >= ? AND begins_at < ?"
_SUMMED = f"""
    SELECT value, summed.*
    FROM (
        SELECT {", ".join(f"sum({name})" for name in MEASURES)}, value_id
        FROM rollups WHERE {_WITHIN} GROUP BY value_id
    ) AS summed JOIN rollup_values USING (value_id)
"""
_SINGLE = f"""
    SELECT value, begins_at, latencies, tool_call_counts, {", ".join(f"rollups.{name}" for name in MEASURES)}
    FROM rollups JOIN rollup_values USING (value_id) WHERE {_WITHIN}
"""


class Source:
    """One filter's requests. To be used in one transaction, and closed at its end."""

    def __init__(self, connection: sqlite3.Connection, filter: Filter, at_most: int) -> None:
        self._connection = connection
        named, self._rest = split(filter)
        range = named & _known(connection, named) & DRAWABLE
        self.range = _NO_TIME if range.empty else range
        self.interval = interval_for(self.range)
        self.complete = True
        """False once something had to be counted row by row of which there are more than `at_most`."""
        self._at_most = at_most
        self._rows: Rows | None = None
        self._tallies: dict[Range, Tallies] = {}
        self._compiler = Compiler(connection)

    def points(self) -> list[int]:
        """When each point of the chart begins."""
        return [] if self.range.empty else list(self.interval.points(self.range))

    def grid(self, dimension: Dimension, *, points: bool = False, histograms: bool = False) -> Grid:
        """Totals by value and, with `points`, by point of the chart; those of histograms only if wanted."""
        grid: defaultdict[tuple[Value, int], Tally] = defaultdict(Tally)
        interval = self.interval if points else None
        for piece in self._pieces(dimension, interval):
            for value, point, tally in self._read(piece, dimension, interval, histograms):
                grid[value, point].add(tally)
        return dict(grid)

    def statuses(self) -> Counter[tuple[int, str | None]]:
        """How many requests of each status began in each point of the chart."""
        counted: Counter[tuple[int, str | None]] = Counter()
        for piece in self._pieces(Dimension.BASE, self.interval):
            if piece.length_s is None:
                said = (point_of(self.interval), "pl_status")
                found, complete = alike(self._connection, self._plan(piece.range), self._at_most, said)
                counted.update(found)
                self.complete &= complete
                continue
            for value, point, tally in self._read(piece, Dimension.BASE, self.interval, histograms=False):
                counted[point, value[2]] += tally.values[0]
        return counted

    def newest(self, expressions: Sequence[str]) -> list[Any]:
        """Expressions over the requests, of which each is looked at once; as for `rows`, at most so many."""
        found = list(newest(self._connection, self._plan(self.range), self._at_most + 1, expressions))
        self.complete &= len(found) <= self._at_most
        return found[: self._at_most]

    def rows(self) -> Rows:
        """The requests themselves, put aside."""
        if self._rows is None:
            self._rows = Rows(self._connection, "charted_requests", self._plan(self.range), self._at_most)
            self.complete &= self._rows.complete
        return self._rows

    def close(self) -> None:
        if self._rows is not None:
            self._rows.drop()
            self._rows = None

    def _tallied(self, range: Range) -> Tallies:
        if range not in self._tallies:
            self._tallies[range] = Tallies(self._connection, self._plan(range), self._at_most, self.interval)
            self.complete &= self._tallies[range].complete
        return self._tallies[range]

    def _plan(self, range: Range) -> Plan:
        return self._compiler.plan(And((*_within(range), self._rest)))

    def _pieces(self, dimension: Dimension, interval: Interval | None) -> list[Piece]:
        if self._rest == And(()) or (dimension is Dimension.BASE and _of_base(self._rest)):
            return cover(self.range, interval)
        return [Piece(self.range, None)]

    def _read(
        self, piece: Piece, dimension: Dimension, interval: Interval | None, histograms: bool
    ) -> Iterator[Counted]:
        if piece.length_s is None:
            tallies = self._tallied(piece.range)
            yield from tallies.read(dimension, points=interval is not None, histograms=histograms)
            return
        for counted in _rolled_up(self._connection, piece, dimension, interval, histograms):
            if dimension is not Dimension.BASE or _meets(self._rest, counted[0]):
                yield counted


def _known(connection: sqlite3.Connection, named: Range) -> Range:
    """The ends that a range leaves open, from the oldest and the newest hour with requests."""
    if named.since > float("-inf") and named.until < float("inf"):
        return named
    first, last = (
        connection.execute(
            f"SELECT {end}(begins_at) FROM rollups WHERE length_s = ? AND dimension = ?",
            (HOUR_S, int(Dimension.BASE)),
        ).fetchone()[0]
        for end in ("min", "max")
    )
    return _NO_TIME if first is None else Range(first, last + HOUR_S)


def _within(range: Range) -> tuple[Condition, Condition]:
    field = "request_start_time"
    return condition(field, Operator.AT_LEAST, range.since), condition(field, Operator.LESS, range.until)


def _rolled_up(
    connection: sqlite3.Connection,
    piece: Piece,
    dimension: Dimension,
    interval: Interval | None,
    histograms: bool,
) -> Iterator[Counted]:
    arguments = (piece.length_s, int(dimension), piece.range.since, piece.range.until)
    if interval is None and not histograms:
        for value, *sums, _ in connection.execute(_SUMMED, arguments):
            yield _value(value), 0, Tally(summed(sums))
        return
    for value, begins_at, latencies, calls, *sums in connection.execute(_SINGLE, arguments):
        point = 0 if interval is None else interval.begin(begins_at)
        if histograms:
            yield _value(value), point, Tally(summed(sums), unpacked(latencies), unpacked(calls))
        else:
            yield _value(value), point, Tally(summed(sums))


@lru_cache(maxsize=4096)
def _value(text: str) -> Value:
    return tuple(json.loads(text))


def _of_base(filter: Filter) -> bool:
    """Whether the base dimension alone tells which requests a filter means."""
    if isinstance(filter, Condition):
        return filter.field in _BASE_FIELDS
    if isinstance(filter, Not):
        return _of_base(filter.filter)
    return all(_of_base(one) for one in filter.filters)


def _meets(filter: Filter, value: Value) -> bool:
    match filter:
        case And(filters):
            return all(_meets(one, value) for one in filters)
        case Or(filters):
            return any(_meets(one, value) for one in filters)
        case Not(inner):
            return not _meets(inner, value)
        case Condition(field, operator, asked):
            own = value[_BASE_FIELDS.index(field)]
            if own is None or operator is Operator.EXISTS:
                return own is not None
            if operator is Operator.PREFIX:
                return own.startswith(str(asked))
            return own in asked if isinstance(asked, tuple) else own == asked
