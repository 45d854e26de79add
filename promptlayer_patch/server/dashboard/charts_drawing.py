"""What the page of charts shows, from what the store counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from promptlayer_patch.store.charting.charts import Overview, Point, Slice
from promptlayer_patch.store.charting.first_tokens import FirstTokens
from promptlayer_patch.store.charting.periods import Period
from promptlayer_patch.store.charting.totals import Totals

__all__ = ["Chart", "Row", "Tile", "drawn", "tiles"]

_PERCENTS = (50, 90, 95)
_LATENCIES = ("p50", "p90", "p95")


@dataclass(frozen=True, slots=True)
class Row:
    """One point of a chart: when it begins, and a value of each series, `None` where there is none."""

    at: int
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart over time. Its table says the same, and is where the picture comes from."""

    id: str
    title: str
    unit: str
    """The filter that writes its numbers: `count`, `seconds`, `money`."""
    series: tuple[str, ...]
    rows: tuple[Row, ...]
    stacked: bool = False
    """Whether the series add up, and are drawn as bars on top of each other; else each is a line."""
    complete: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether no series has a number anywhere."""
        return all(value is None for row in self.rows for value in row.values)


@dataclass(frozen=True, slots=True)
class Tile:
    """One number about all of the time, and the same of the time before, where that is asked for."""

    name: str
    unit: str
    value: float | None
    before: float | None = None
    less_is_better: bool = False

    @property
    def change(self) -> float | None:
        """By which share it is more than before."""
        if self.value is None or not self.before:
            return None
        return self.value / self.before - 1

    @property
    def verdict(self) -> str:
        """`better` or `worse`, where the one can be told from the other."""
        if not self.less_is_better or self.change is None or abs(self.change) < 0.0005:
            return ""
        return "worse" if self.change > 0 else "better"


def tiles(now: Period, before: Period | None) -> tuple[Tile, ...]:
    """The numbers on top."""
    return tuple(
        Tile(name, unit, number(now), None if before is None else number(before), less_is_better)
        for name, unit, number, less_is_better in _NUMBERS
    )


def drawn(overview: Overview, first: Sequence[FirstTokens], *, first_complete: bool) -> tuple[Chart, ...]:
    """The charts over time."""
    return (
        _requests(overview),
        _latencies(overview),
        _first_tokens(overview, first, first_complete),
        _tokens(overview),
        Chart(
            id="cost",
            title="Cost",
            unit="money",
            series=("Cost",),
            stacked=True,
            rows=_rows(overview.points, lambda totals: (totals.cost if totals.with_cost else None,)),
        ),
    )


def _requests(overview: Overview) -> Chart:
    by_status = {status: _counts(overview.statuses, status) for status in ("ERROR", "WARNING")}
    rows = []
    for point in overview.points:
        errors, warnings = (by_status[status].get(point.at, 0) for status in ("ERROR", "WARNING"))
        rows.append(Row(point.at, (point.totals.requests - errors - warnings, warnings, errors)))
    return Chart(
        id="requests",
        title="Requests",
        unit="count",
        series=("Successes", "Warnings", "Errors"),
        rows=tuple(rows),
        stacked=True,
    )


def _counts(statuses: Iterable[Slice], status: str) -> dict[int, int]:
    points = (point for slice in statuses if slice.name == status for point in slice.points)
    return {point.at: point.totals.requests for point in points}


def _latencies(overview: Overview) -> Chart:
    return Chart(
        id="latency",
        title="Latency",
        unit="seconds",
        series=_LATENCIES,
        rows=_rows(overview.points, lambda totals: tuple(map(totals.latency_percentile_s, _PERCENTS))),
    )


def _first_tokens(overview: Overview, first: Iterable[FirstTokens], complete: bool) -> Chart:
    known = {one.at: tuple(map(one.percentile_s, _PERCENTS)) for one in first}
    nothing = (None,) * len(_PERCENTS)
    rows = tuple(Row(point.at, known.get(point.at, nothing)) for point in overview.points)
    return Chart(
        id="first-token",
        title="Time to first token",
        unit="seconds",
        series=_LATENCIES,
        rows=rows,
        complete=complete,
    )


def _tokens(overview: Overview) -> Chart:
    def counts(totals: Totals) -> tuple[float | None, ...]:
        return totals.input_tokens, totals.output_tokens, totals.cached_tokens, totals.thinking_tokens

    return Chart(
        id="tokens",
        title="Tokens",
        unit="count",
        series=("Input", "Output", "Of the input cached", "Of the output thinking"),
        rows=_rows(overview.points, counts),
    )


def _rows(points: Iterable[Point], values: Callable[[Totals], tuple[float | None, ...]]) -> tuple[Row, ...]:
    return tuple(Row(point.at, values(point.totals)) for point in points)


_Number = Callable[[Period], "float | None"]
_NUMBERS: tuple[tuple[str, str, _Number, bool], ...] = (
    ("Requests", "short", lambda of: of.totals.requests, False),
    ("Errors", "percent", lambda of: of.errors / of.totals.requests if of.totals.requests else None, True),
    ("Latency p50", "seconds", lambda of: of.totals.latency_percentile_s(50), True),
    ("Latency p95", "seconds", lambda of: of.totals.latency_percentile_s(95), True),
    ("Tokens", "short", lambda of: of.totals.tokens, False),
    ("Cost", "money", lambda of: of.totals.cost if of.totals.with_cost else None, False),
)
