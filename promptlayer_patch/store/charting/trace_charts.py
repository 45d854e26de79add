"""Charts over traces or over their spans."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from promptlayer_patch.store.charting.custom import UNKNOWN, Metric, Series, of_numbers
from promptlayer_patch.store.charting.ranges import DRAWABLE, Interval, Range, interval_for
from promptlayer_patch.store.charting.trace_filters import TraceFilter
from promptlayer_patch.store.charting.traces import (
    SPAN_GROUPS,
    SPAN_NUMBERS,
    TRACE_GROUPS,
    TRACE_NUMBERS,
    Trace,
    newest,
)
from promptlayer_patch.store.searching.limits import TIME_LIMIT_S, time_limit
from promptlayer_patch.store.transaction import transaction

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["DrawnTraces", "TraceChart", "TraceCharts", "TraceRow"]

MOST_SPANS = 20_000
"""So many of the newest spans of the time in question are looked at, and all others of their traces."""
_DAY_S = 86_400
_BUCKETS = {"day": _DAY_S, "week": 7 * _DAY_S, "month": 28 * _DAY_S}
_MOST_POINTS = 1000
_HISTOGRAM_BARS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceChart:
    """What is to be drawn, of traces or, if `of_spans`, of the spans of the traces that are meant."""

    series: tuple[Series, ...]
    of_spans: bool = False
    groups: tuple[str, ...] = ()
    """Names in `TRACE_GROUPS` or `SPAN_GROUPS`, outermost first."""
    over_time: bool = False
    bucket: str | None = None
    """`day`, `week` or `month` (of four weeks); `None` leaves it to the time in question."""
    histogram_of: str | None = None
    """A name in `TRACE_NUMBERS` or `SPAN_NUMBERS`: instead of groups, how often it lies where."""
    histogram_interval: float | None = None
    limit: int = 25


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One combination of groups, one bar of a histogram, or one point in time."""

    path: tuple[str, ...]
    at: int | None
    bar: tuple[float, float] | None
    """From where to where, of a histogram."""
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class DrawnTraces:
    """A chart's rows: by the first series, most first, or in the order of time or of bars."""

    rows: tuple[TraceRow, ...]
    interval: Interval
    complete: bool
    """False if only the newest traces were looked at."""


_Place: TypeAlias = "tuple[tuple[str, ...], int]"


class TraceCharts:
    """The charts over the traces of one store. Every method raises what the store's do."""

    def __init__(self, store: Store, *, at_most: int = MOST_SPANS) -> None:
        self._store = store
        self._at_most = at_most

    def draw(self, filter: TraceFilter, charts: Sequence[TraceChart]) -> list[DrawnTraces]:
        """All the charts of the traces that are meant."""

        def read(connection: sqlite3.Connection) -> tuple[list[Trace], bool]:
            with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
                return newest(connection, filter.range.since, filter.range.until, self._at_most)

        found, complete = self._store.run(read)
        meant = [trace for trace in found if filter.meets(trace)]
        range = _ends(filter.range, meant)
        return [_draw(meant, range, chart, complete) for chart in charts]


def _ends(range: Range, traces: Sequence[Trace]) -> Range:
    starts = [trace.start_s for trace in traces] or [0.0]
    since = min(starts) if math.isinf(range.since) else range.since
    drawable = DRAWABLE & Range(since, max(starts) + 1 if math.isinf(range.until) else range.until)
    return Range(0.0, 0.0) if drawable.empty else drawable


def _draw(traces: Sequence[Trace], range: Range, chart: TraceChart, complete: bool) -> DrawnTraces:
    interval = _interval(range, chart.bucket)
    items: list[Any] = [span for trace in traces for span in trace.spans] if chart.of_spans else list(traces)
    if chart.histogram_of is not None:
        rows = _histogram(items, chart, chart.histogram_of)
    else:
        rows = _grouped(items, range, interval, chart)
    return DrawnTraces(tuple(rows), interval, complete)


def _interval(range: Range, bucket: str | None) -> Interval:
    if bucket is not None and (range.until - range.since) / _BUCKETS[bucket] < _MOST_POINTS:
        return Interval(_BUCKETS[bucket])
    return interval_for(range)


def _grouped(items: Sequence[Any], range: Range, interval: Interval, chart: TraceChart) -> list[TraceRow]:
    places: defaultdict[_Place, list[Any]] = defaultdict(list)
    if chart.over_time and not chart.groups and items:
        for at in interval.points(range):
            places[(), at] = []
    elif not chart.groups:
        places[(), 0] = []
    for item in items:
        at = interval.begin(item.start_s) if chart.over_time else 0
        for path in _paths(item, chart):
            places[path, at].append(item)
    rows = [
        TraceRow(path, at if chart.over_time else None, None, _values(own, chart))
        for (path, at), own in places.items()
    ]
    return _limited(rows, chart.limit)


def _paths(item: Any, chart: TraceChart) -> Iterator[tuple[str, ...]]:
    """Every combination of the groups that the item belongs to."""
    groups: Mapping[str, Callable[[Any], Iterable[str | None]]]
    groups = SPAN_GROUPS if chart.of_spans else TRACE_GROUPS
    named = ([name for name in groups[group](item) if name is not None] for group in chart.groups)
    return product(*(dict.fromkeys(names or [UNKNOWN]) for names in named))


def _limited(rows: Iterable[TraceRow], limit: int) -> list[TraceRow]:
    ranks: defaultdict[tuple[str, ...], float] = defaultdict(float)
    rows = list(rows)
    for row in rows:
        ranks[row.path] += row.values[0] or 0.0
    kept = sorted(ranks, key=lambda path: (-ranks[path], path))[:limit]
    order = {path: place for place, path in enumerate(kept)}
    return sorted((row for row in rows if row.path in order), key=lambda row: (order[row.path], row.at or 0))


def _values(items: Sequence[Any], chart: TraceChart) -> tuple[float | None, ...]:
    return tuple(_value(items, series, chart.of_spans) for series in chart.series)


def _value(items: Sequence[Any], series: Series, of_spans: bool) -> float | None:
    if series.metric is Metric.COUNT:
        return len(items)
    known = sorted(_numbers(items, series.field or "", of_spans))
    if not known:
        return 0.0 if series.metric is Metric.SUM else None
    return of_numbers(series, known)


def _numbers(items: Iterable[Any], field: str, of_spans: bool) -> list[float]:
    numbers: Mapping[str, Callable[[Any], float | None]] = SPAN_NUMBERS if of_spans else TRACE_NUMBERS
    return [number for number in map(numbers[field], items) if number is not None]


def _histogram(items: Sequence[Any], chart: TraceChart, field: str) -> list[TraceRow]:
    """Bars from the lowest to the highest; where there would be too many, the last one has the rest."""
    numbers = _numbers(items, field, chart.of_spans)
    if not numbers:
        return []
    length = chart.histogram_interval or _bar_length(max(numbers) - min(numbers))
    first = math.floor(min(numbers) / length)
    counts = [0] * min(math.floor(max(numbers) / length) - first + 1, chart.limit)
    for number in numbers:
        counts[min(math.floor(number / length) - first, len(counts) - 1)] += 1
    bars = [((first + place) * length, (first + place + 1) * length) for place in range(len(counts))]
    if numbers and bars[-1][1] < max(numbers):
        bars[-1] = (bars[-1][0], max(numbers))
    return [TraceRow((), None, bar, (float(count),)) for bar, count in zip(bars, counts, strict=True)]


def _bar_length(span: float) -> float:
    """1, 2 or 5 times a power of ten, so that there are at most twenty bars."""
    if span <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(span / _HISTOGRAM_BARS))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step * _HISTOGRAM_BARS >= span))
