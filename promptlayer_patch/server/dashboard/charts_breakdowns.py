"""What requests have in common, as bars: by model, tag, template, tool, error and metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from promptlayer_patch._query import Condition, Operator, condition
from promptlayer_patch._query.editing import Term, with_term, written
from promptlayer_patch.store.charting.charts import Overview, Slice
from promptlayer_patch.store.charting.custom import Chart, Metric, Series, draw
from promptlayer_patch.store.charting.source import Source

__all__ = ["Bar", "Breakdown", "Measure", "breakdowns", "by_metadata"]

_MOST_VALUES = 25


class Measure(str, Enum):
    """What the bars are as long as."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    COST = "cost"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Bar:
    """Requests with one thing in common."""

    name: str
    query: str | None
    """That of the page, and this value; `None` where no query says it."""
    requests: int
    tokens: int
    cost: float | None
    """US dollars, if any of their prices is known."""
    latency: float | None
    """The average, in seconds."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """All values of one thing, the longest bar first."""

    title: str
    bars: tuple[Bar, ...]
    measure: Measure

    def length(self, bar: Bar) -> float:
        """In percent of the longest."""
        longest = max((_measured(one, self.measure) for one in self.bars), default=0)
        return round(100 * _measured(bar, self.measure) / longest, 2) if longest else 0


def breakdowns(overview: Overview, measure: Measure, known: Sequence[Term]) -> tuple[Breakdown, ...]:
    """The bars of an overview, for a page whose query is `known`."""

    def made(title: str, slices: Iterable[Slice], term: Callable[[Slice], Condition | None]) -> Breakdown:
        return _ordered(title, (_bar(slice, term(slice), known) for slice in slices), measure)

    return (
        made("Models", overview.models, _named("engine")),
        made("Tags", overview.tags, _named("tags")),
        made("Prompt templates", overview.prompts, _named("prompt")),
        made("Tools", overview.tools, _named("tool_names")),
        made("Errors", overview.error_types, _named("error_type")),
    )


def by_metadata(source: Source, key: str, measure: Measure, known: Sequence[Term]) -> Breakdown:
    """The bars of the values under one key of the metadata."""
    series = (
        Series(Metric.COUNT),
        Series(Metric.SUM, "input_tokens"),
        Series(Metric.SUM, "output_tokens"),
        Series(Metric.SUM, "cost"),
        Series(Metric.AVERAGE, "cost"),
        Series(Metric.AVERAGE, "latency_ms"),
    )
    bars = []
    for row in draw(source, Chart(series=series, metadata_key=key, limit=_MOST_VALUES)).rows:
        requests, sent, received, cost, priced, latency = row.values
        term = condition("metadata", Operator.EQUALS, row.group or "", key)
        bars.append(
            Bar(
                name=row.group or "",
                query=written(with_term(known, term)),
                requests=int(requests or 0),
                tokens=int((sent or 0) + (received or 0)),
                cost=None if priced is None else cost,
                latency=None if latency is None else latency / 1000,
            )
        )
    return _ordered(key, bars, measure)


def _named(field: str) -> Callable[[Slice], Condition | None]:
    return lambda slice: None if slice.name is None else condition(field, Operator.EQUALS, slice.name)


def _bar(slice: Slice, term: Condition | None, known: Sequence[Term]) -> Bar:
    totals = slice.totals
    return Bar(
        name=slice.name or "",
        query=None if term is None else written(with_term(known, term)),
        requests=totals.requests,
        tokens=totals.tokens,
        cost=totals.cost if totals.with_cost else None,
        latency=totals.average_latency_s,
    )


def _ordered(title: str, bars: Iterable[Bar], measure: Measure) -> Breakdown:
    ordered = sorted(bars, key=lambda bar: (-_measured(bar, measure), bar.name))
    return Breakdown(title, tuple(ordered), measure)


def _measured(bar: Bar, measure: Measure) -> float:
    value: float | None = getattr(bar, measure.value)
    return value or 0
