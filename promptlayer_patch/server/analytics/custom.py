"""Charts that a client describes, over requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from promptlayer_patch.server.analytics.answers import ChartAnswer, CustomAnswer, Insight, SeriesMeta, Unit
from promptlayer_patch.server.analytics.asking import filter_of, plainly_refused
from promptlayer_patch.server.analytics.bodies import ChartSpec, CustomQuery, InsightSpec, SeriesSpec
from promptlayer_patch.server.analytics.dates import date_key, date_label
from promptlayer_patch.server.endpoints import Call, Endpoint
from promptlayer_patch.store.charting.charts import Charts
from promptlayer_patch.store.charting.custom import Chart, Drawn, Metric, Row, Series, draw
from promptlayer_patch.store.charting.ranges import Interval
from promptlayer_patch.store.charting.source import Source

__all__ = ["ENDPOINTS", "insights", "label"]

_OVERALL = "Overall"
_ONLY_KEY = "value"
_NUMBERS: dict[str, tuple[str, Unit]] = {
    "input_tokens": ("Input tokens", "tokens"),
    "output_tokens": ("Output tokens", "tokens"),
    "cached_tokens": ("Cached tokens", "tokens"),
    "thinking_tokens": ("Thinking tokens", "tokens"),
    "cost": ("Cost", "currency"),
    "latency_ms": ("Latency", "duration_seconds"),
    "turn_count": ("Turns", "number"),
    "tool_call_count": ("Tool calls", "number"),
    "prompt_version_number": ("Prompt version", "number"),
}
_METRICS = {"avg": "Average", "min": "Lowest", "max": "Highest"}


def label(metric: str, field: str, percent: float | None) -> str:
    """What a series is called when its client gives it no name."""
    if metric == "sum":
        return field
    if metric == "percentile":
        return f"P{percent:g} {field.lower()}"
    return f"{_METRICS[metric]} {field.lower()}"


def insights(
    specs: Sequence[InsightSpec], keys: Sequence[str], rows: Sequence[Sequence[float | None]]
) -> list[Insight]:
    """The ratios of the totals of two series, over the rows that are shown."""
    totals = {key: sum(values[place] or 0.0 for values in rows) for place, key in enumerate(keys)}
    return [
        Insight(
            label=spec.label,
            numeratorSeriesKey=spec.numeratorSeriesKey,
            denominatorSeriesKey=spec.denominatorSeriesKey,
            value=_ratio(totals[spec.numeratorSeriesKey], totals[spec.denominatorSeriesKey]),
        )
        for spec in specs
    ]


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None


def _custom(call: Call[CustomQuery, None]) -> dict[str, Any]:
    with plainly_refused(), call.workspace.reading() as store:
        specs = call.body.customCharts
        # One view of the store for all of them, and requests that must be counted are found once.
        drawn = Charts(store).draw(partial(_all, specs), filter_of(call.body))
    charts = [_answer(spec, chart) for spec, chart in zip(specs, drawn, strict=True)]
    return CustomAnswer(customCharts=charts).model_dump()


def _all(specs: Sequence[ChartSpec], source: Source) -> list[Drawn]:
    return [draw(source, _chart(spec)) for spec in specs]


def _chart(spec: ChartSpec) -> Chart:
    asked: Sequence[ChartSpec | SeriesSpec] = spec.series or [spec]
    series = (Series(Metric(one.metric), one.metricField, one.percentile or 0.0) for one in asked)
    return Chart(
        series=tuple(series),
        group=spec.groupByField,
        metadata_key=spec.groupByMetadataKey,
        over_time=spec.timeSeries,
        limit=spec.limit,
    )


def _answer(spec: ChartSpec, chart: Drawn) -> ChartAnswer:
    metas = _metas(spec)
    keys = [meta.key for meta in metas]
    rows = [_in_units(metas, row) for row in chart.rows]
    return ChartAnswer(
        id=spec.id,
        title=spec.title or spec.id,
        chartType=spec.chartType,
        series=metas,
        data=[
            {**_place(row, Interval(chart.interval_s)), **dict(zip(keys, values, strict=True))}
            for row, values in zip(chart.rows, rows, strict=True)
        ],
        derivedInsights=None if spec.derivedInsights is None else insights(spec.derivedInsights, keys, rows),
        complete=chart.complete,
    )


def _metas(spec: ChartSpec) -> list[SeriesMeta]:
    if spec.series is not None:
        return [
            SeriesMeta(key=one.key, label=one.label, unit=_NUMBERS[one.metricField][1]) for one in spec.series
        ]
    if spec.metricField is None:
        return [SeriesMeta(key=_ONLY_KEY, label="Requests", unit="count")]
    name, unit = _NUMBERS[spec.metricField]
    return [SeriesMeta(key=_ONLY_KEY, label=label(spec.metric or "", name, spec.percentile), unit=unit)]


def _in_units(metas: Sequence[SeriesMeta], row: Row) -> list[float | None]:
    """Latencies in the seconds that their unit promises."""
    return [
        value / 1000 if value is not None and meta.unit == "duration_seconds" else value
        for meta, value in zip(metas, row.values, strict=True)
    ]


def _place(row: Row, interval: Interval) -> dict[str, str]:
    if row.at is None:
        return {"label": _OVERALL if row.group is None else row.group}
    shown = date_label(row.at, interval) if row.group is None else row.group
    return {"label": shown, "bucketKey": date_key(row.at, interval)}


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/public/v2/requests/analytics/custom-analytics",
        handler=_custom,
        summary="draw charts of requests",
        body=CustomQuery,
        answers=CustomAnswer,
    ),
)
