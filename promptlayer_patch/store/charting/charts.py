"""Charts over requests: how many, how long, how much, by time and by what they have in common."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from promptlayer_patch._query import And, Filter, Operator, condition
from promptlayer_patch.store.charting.ranges import Interval, Range
from promptlayer_patch.store.charting.rollups import Dimension, Value
from promptlayer_patch.store.charting.source import Grid, Source
from promptlayer_patch.store.charting.totals import Tally, Totals
from promptlayer_patch.store.connection import StoreUnavailable
from promptlayer_patch.store.indexing import derived
from promptlayer_patch.store.searching.limits import TIME_LIMIT_S, time_limit
from promptlayer_patch.store.transaction import transaction

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["Charts", "Overview", "Point", "Slice"]

_T = TypeVar("_T")

MOST_COUNTED = 50_000
"""So many of the newest requests are counted where no rollup can be used."""
MOST_SLICES = 100
ALL = And(())


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a chart over time."""

    at: int
    """When it begins, in seconds since the epoch."""
    totals: Totals


@dataclass(frozen=True, slots=True)
class Slice:
    """The requests that have something in common."""

    name: str | None
    """The model, the tag, ...; `None` of requests that name no model."""
    id: str | None
    """Of a prompt template, where it is known."""
    totals: Totals
    points: tuple[Point, ...] = ()
    """Those that have requests; of models, providers, statuses and prompts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a dashboard shows of the requests of a filter.

    Slices are in the order of their requests, most first, and at most a hundred. Overviews of several stores
    over the same time add up to that of all their requests.
    """

    range: Range
    interval: Interval
    totals: Totals
    points: tuple[Point, ...]
    """All of them, those without requests too."""
    models: tuple[Slice, ...]
    providers: tuple[Slice, ...]
    statuses: tuple[Slice, ...]
    prompts: tuple[Slice, ...]
    tags: tuple[Slice, ...]
    tools: tuple[Slice, ...]
    error_types: tuple[Slice, ...]
    metadata_keys: tuple[Slice, ...]
    output_keys: tuple[Slice, ...]
    complete: bool
    """False if a part is of the newest requests only, as counting all would have taken too long."""

    def __add__(self, other: Overview) -> Overview:
        if (self.range, self.interval) != (other.range, other.interval):
            raise ValueError("overviews of different times do not add up")
        slices = {
            name: _ranked((*getattr(self, name), *getattr(other, name)))
            for name in Overview.__dataclass_fields__
            if isinstance(getattr(self, name), tuple) and name != "points"
        }
        return Overview(
            range=self.range,
            interval=self.interval,
            totals=self.totals + other.totals,
            points=_added((*self.points, *other.points)),
            complete=self.complete and other.complete,
            **slices,
        )


class Charts:
    """The charts of one store. Every method raises `StoreError` as the store's do."""

    def __init__(self, store: Store, *, at_most: int = MOST_COUNTED) -> None:
        self._store = store
        self._at_most = at_most

    def overview(
        self, filter: Filter = ALL, *, since: float | None = None, until: float | None = None
    ) -> Overview:
        """Everything at once, of the requests that began at `since` or later and before `until`."""
        return self.draw(_overview, filter, since=since, until=until)

    def draw(
        self,
        drawing: Callable[[Source], _T],
        filter: Filter = ALL,
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> _T:
        """What `drawing` makes of the requests: for the other modules of this room."""
        meant = And((*_times(since, until), filter))

        def drawn(connection: sqlite3.Connection) -> _T:
            with _source(connection, meant, self._at_most) as source:
                return drawing(source)

        return self._store.run(drawn)


@contextmanager
def _source(connection: sqlite3.Connection, filter: Filter, at_most: int) -> Iterator[Source]:
    with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
        if not derived.is_current(connection):
            raise StoreUnavailable("the requests are being indexed for the first time; try again in a moment")
        source = Source(connection, filter, at_most)
        try:
            yield source
        finally:
            source.close()


def _times(since: float | None, until: float | None) -> Iterator[Filter]:
    if since is not None:
        yield condition("request_start_time", Operator.AT_LEAST, since)
    if until is not None:
        yield condition("request_start_time", Operator.LESS, until)


def _overview(source: Source) -> Overview:
    base = source.grid(Dimension.BASE, points=True, histograms=True)
    # Of models there may be many; without them little is left to be added up three times more.
    modelless = _regrouped(base, 1, 2)
    by_time = _regrouped(modelless)
    return Overview(
        range=source.range,
        interval=source.interval,
        totals=_whole(by_time).get((), Totals()),
        points=tuple(_point(by_time, at) for at in source.points()),
        models=_drawn(_regrouped(base, 0)),
        providers=_drawn(_regrouped(modelless, 0)),
        statuses=_drawn(_regrouped(modelless, 1)),
        prompts=_drawn(_regrouped(source.grid(Dimension.PROMPT, points=True, histograms=True), 1, 0)),
        tags=_summed(source, Dimension.TAG),
        tools=_summed(source, Dimension.TOOL, histograms=True),
        error_types=_summed(source, Dimension.ERROR_TYPE),
        metadata_keys=_summed(source, Dimension.METADATA_KEY),
        output_keys=_summed(source, Dimension.OUTPUT_KEY),
        complete=source.complete,
    )


def _regrouped(grid: Grid, *parts: int) -> Grid:
    """The grid with only some parts of its values, in that order."""
    tallies: defaultdict[tuple[Value, int], Tally] = defaultdict(Tally)
    for (value, point), tally in grid.items():
        tallies[tuple([value[part] for part in parts]), point].add(tally)
    return dict(tallies)


def _whole(grid: Grid) -> dict[Value, Totals]:
    """What is counted of each value over all the time."""
    tallies: defaultdict[Value, Tally] = defaultdict(Tally)
    for (value, _), tally in grid.items():
        tallies[value].add(tally)
    return {value: tally.totals() for value, tally in tallies.items()}


def _point(grid: Grid, at: int) -> Point:
    tally = grid.get(((), at))
    return Point(at, Totals() if tally is None else tally.totals())


def _drawn(grid: Grid) -> tuple[Slice, ...]:
    """Slices with their points; a value is a name, or a name and an id."""
    points: defaultdict[Value, list[Point]] = defaultdict(list)
    for (value, at), tally in sorted(grid.items(), key=lambda item: item[0][1]):
        points[value].append(Point(at, tally.totals()))
    return _most(
        Slice(value[0], value[1] if len(value) > 1 else None, totals, tuple(points[value]))
        for value, totals in _whole(grid).items()
    )


def _summed(source: Source, dimension: Dimension, *, histograms: bool = False) -> tuple[Slice, ...]:
    grid = source.grid(dimension, histograms=histograms)
    return _most(Slice(value[0], None, tally.totals()) for (value, _), tally in grid.items())


def _most(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    ranked = sorted(slices, key=lambda slice: (-slice.totals.requests, slice.name or "", slice.id or ""))
    return tuple(ranked[:MOST_SLICES])


def _ranked(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    merged: dict[tuple[str | None, str | None], Slice] = {}
    for one in slices:
        known = merged.get((one.name, one.id))
        if known is not None:
            one = Slice(one.name, one.id, known.totals + one.totals, _added((*known.points, *one.points)))
        merged[one.name, one.id] = one
    return _most(merged.values())


def _added(points: Iterable[Point]) -> tuple[Point, ...]:
    sums: dict[int, Totals] = {}
    for point in points:
        sums[point.at] = sums[point.at] + point.totals if point.at in sums else point.totals
    return tuple(Point(at, sums[at]) for at in sorted(sums))
