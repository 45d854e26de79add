"""Charts that somebody asks for: any number of series, by time, by what requests have in common, or both."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import TypeAlias

from promptlayer_patch.store.charting.rollups import Dimension, Value
from promptlayer_patch.store.charting.rows import GROUPINGS, Grouping
from promptlayer_patch.store.charting.source import Source
from promptlayer_patch.store.charting.totals import Tally, Totals

__all__ = ["GROUPS", "NUMBERS", "UNKNOWN", "Chart", "Drawn", "Metric", "Row", "Series", "draw", "of_numbers"]

UNKNOWN = "unknown"
"""The group of requests that do not say, for example, their model."""


class Metric(str, Enum):
    """What a series makes of a number."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "avg"
    LEAST = "min"
    MOST = "max"
    PERCENTILE = "percentile"
    """The nearest rank; of latencies over more time than is counted one by one, at most 4 % beside it."""


@dataclass(frozen=True, slots=True)
class _Number:
    """Where a number of requests is found, and how many of its units make one of the answer's."""

    measure: str
    counted: str
    units: float = 1


NUMBERS = {
    "input_tokens": _Number("input_tokens", "with_input_tokens"),
    "output_tokens": _Number("output_tokens", "with_output_tokens"),
    "cached_tokens": _Number("cached_tokens", "with_cached_tokens"),
    "thinking_tokens": _Number("thinking_tokens", "with_thinking_tokens"),
    "cost": _Number("cost_nanos", "with_cost", 1e9),
    "latency_ms": _Number("latency_us", "requests", 1e3),
    "turn_count": _Number("turns", "with_turns"),
    "tool_call_count": _Number("tool_calls", "with_tool_calls"),
    "prompt_version_number": _Number("", ""),
}
"""By PromptLayer's names. The version of the prompt is in no rollup."""

_VERSION = "prompt_version_number"
_JOIN_PROMPTS = "CROSS JOIN request_prompts AS linked USING (request_id)"
_VERSIONS = Grouping(("CAST(linked.version AS TEXT)",), _JOIN_PROMPTS, "linked.version IS NOT NULL")
_JOIN_METADATA = "CROSS JOIN request_metadata USING (request_id)"


@dataclass(frozen=True, slots=True)
class _Group:
    """What requests are grouped by: parts of a dimension's value, the first that is known."""

    grouping: Grouping
    dimension: Dimension | None = None
    parts: tuple[int, ...] = (0,)


def _by(dimension: Dimension, *parts: int) -> _Group:
    return _Group(GROUPINGS[dimension], dimension, parts or (0,))


GROUPS = {
    "engine": _by(Dimension.BASE, 0),
    "provider_type": _by(Dimension.BASE, 1),
    "status": _by(Dimension.BASE, 2),
    "prompt_id": _by(Dimension.PROMPT, 0, 1),
    _VERSION: _Group(
        Grouping(("CAST(linked.version AS TEXT)",), _JOIN_PROMPTS, "linked.version IS NOT NULL")
    ),
    "error_type": _by(Dimension.ERROR_TYPE),
    "tags": _by(Dimension.TAG),
    "metadata_keys": _by(Dimension.METADATA_KEY),
    "output_keys": _by(Dimension.OUTPUT_KEY),
    "input_variable_keys": _by(Dimension.VARIABLE_KEY),
    "tool_names": _by(Dimension.TOOL),
}
"""By PromptLayer's names."""
_UNGROUPED = _Group(GROUPINGS[Dimension.BASE], Dimension.BASE, ())


@dataclass(frozen=True, slots=True)
class Series:
    """One number of a chart."""

    metric: Metric
    field: str | None = None
    """A name in `NUMBERS`; of a count, none."""
    percent: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is to be drawn."""

    series: tuple[Series, ...]
    group: str | None = None
    """A name in `GROUPS`."""
    metadata_key: str | None = None
    """Group by the values of this key instead."""
    over_time: bool = False
    limit: int = 25
    """Of groups, those with the most of the first series."""


@dataclass(frozen=True, slots=True)
class Row:
    """One group, one point in time, or one group at one point."""

    group: str | None
    at: int | None
    values: tuple[float | None, ...]
    """One for each series; `None` where no request says."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart's rows: groups by the first series, most first, and each in the order of time."""

    rows: tuple[Row, ...]
    interval_s: int
    complete: bool
    """False if only the newest requests were counted."""


_Place: TypeAlias = "tuple[str | None, int]"
_Column: TypeAlias = "dict[_Place, float | None]"


def draw(source: Source, chart: Chart) -> Drawn:
    """The chart of the source's requests."""
    group = _group_of(chart)
    columns = [_column(source, chart, group, series) for series in chart.series]
    rows = _rows(source, chart, columns)
    return Drawn(rows, source.interval.seconds, source.complete)


def _group_of(chart: Chart) -> _Group:
    if chart.metadata_key is not None:
        grouping = Grouping(
            ("request_metadata.value",), _JOIN_METADATA, "request_metadata.key = ?", (chart.metadata_key,)
        )
        return _Group(grouping)
    return _UNGROUPED if chart.group is None else GROUPS[chart.group]


def _column(source: Source, chart: Chart, group: _Group, series: Series) -> _Column:
    summable = series.metric in (Metric.COUNT, Metric.SUM, Metric.AVERAGE)
    by_latency = series.metric is Metric.PERCENTILE and series.field == "latency_ms"
    if group.dimension is None or series.field == _VERSION or not (summable or by_latency):
        return _counted_one_by_one(source, chart, group, series)
    grid = source.grid(group.dimension, points=chart.over_time, histograms=by_latency)
    tallies: defaultdict[_Place, Tally] = defaultdict(Tally)
    for (value, point), tally in grid.items():
        tallies[_label(group, value), point].add(tally)
    return {place: _value(series, tally.totals()) for place, tally in tallies.items()}


def _label(group: _Group, value: Value) -> str | None:
    if not group.parts:
        return None
    return next((own for own in (value[part] for part in group.parts) if own is not None), UNKNOWN)


def _value(series: Series, totals: Totals) -> float | None:
    if series.metric is Metric.COUNT:
        return totals.requests
    if series.metric is Metric.PERCENTILE:
        seconds = totals.latency_percentile_s(series.percent)
        return None if seconds is None else seconds * 1000
    number = NUMBERS[series.field or ""]
    total, count = getattr(totals, number.measure), getattr(totals, number.counted)
    if not count and series.metric is not Metric.SUM:
        return None
    return _in_units(total if series.metric is Metric.SUM else total / count, number)


def _in_units(value: float, number: _Number) -> float:
    return value if number.units == 1 else value / number.units


def _counted_one_by_one(source: Source, chart: Chart, group: _Group, series: Series) -> _Column:
    """From every request's own number, in the order of numbers."""
    grouping, number = group.grouping, NUMBERS[series.field or "latency_ms"]
    expression, known = f"charted.{number.measure}", f"charted.{number.counted}"
    if series.field == _VERSION:
        expression, known = "linked.version", "linked.version IS NOT NULL"
        if _JOIN_PROMPTS not in grouping.joined:
            grouping = replace(grouping, joined=f"{grouping.joined} {_JOIN_PROMPTS}")
    if series.metric is Metric.COUNT:
        known, number = "1", replace(number, units=1)
    grouping = replace(grouping, condition=f"{grouping.condition} AND {known}")
    interval = source.interval if chart.over_time else None
    found = source.rows().select(grouping, interval, expression, f"ORDER BY {expression}")
    numbers: defaultdict[_Place, list[float]] = defaultdict(list)
    for point, *value, own in found:
        numbers[_label(group, tuple(value)), point].append(own)
    return {place: _in_units(of_numbers(series, own), number) for place, own in numbers.items()}


def of_numbers(series: Series, numbers: Sequence[float]) -> float:
    """What the metric makes of numbers in their order, of which there is at least one."""
    match series.metric:
        case Metric.COUNT:
            return len(numbers)
        case Metric.SUM:
            return sum(numbers)
        case Metric.AVERAGE:
            return sum(numbers) / len(numbers)
        case Metric.LEAST:
            return numbers[0]
        case Metric.MOST:
            return numbers[-1]
        case Metric.PERCENTILE:
            return numbers[max(1, math.ceil(series.percent * len(numbers) / 100)) - 1]


def _rows(source: Source, chart: Chart, columns: Sequence[_Column]) -> tuple[Row, ...]:
    places = {place for column in columns for place in column}
    if chart.group is None and chart.metadata_key is None:
        places |= {(None, point) for point in (source.points() if chart.over_time else (0,))}
    nothing = [0.0 if series.metric in (Metric.COUNT, Metric.SUM) else None for series in chart.series]
    rank = _ranks(columns[0], places)
    ordered = sorted(places, key=lambda place: (rank[place[0]], place[1]))
    groups = [list(own) for _, own in groupby(ordered, key=lambda place: place[0])]
    return tuple(
        Row(group, at if chart.over_time else None, _across(columns, (group, at), nothing))
        for own in groups[: chart.limit]
        for group, at in own
    )


def _across(
    columns: Sequence[Mapping[_Place, float | None]], place: _Place, nothing: Sequence[float | None]
) -> tuple[float | None, ...]:
    return tuple(column.get(place, none) for column, none in zip(columns, nothing, strict=True))


def _ranks(column: _Column, places: set[_Place]) -> dict[str | None, int]:
    sums: defaultdict[str | None, float] = defaultdict(float)
    for group, at in places:
        sums[group] += column.get((group, at)) or 0.0
    ordered = sorted(sums, key=lambda group: (-sums[group], group or ""))
    return {group: rank for rank, group in enumerate(ordered)}
