"""Charts that a client describes, over traces or over their spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from promptlayer_patch.server.analytics.answers import ChartAnswer, CustomAnswer, SeriesMeta, Unit
from promptlayer_patch.server.analytics.asking import plainly_refused
from promptlayer_patch.server.analytics.custom import label
from promptlayer_patch.server.analytics.dates import date_key, date_label
from promptlayer_patch.server.analytics.trace_bodies import TraceChartSpec, TraceQuery, TraceSeriesSpec
from promptlayer_patch.server.endpoints import Call, Endpoint
from promptlayer_patch.store.charting.custom import Metric, Series
from promptlayer_patch.store.charting.ranges import Interval
from promptlayer_patch.store.charting.trace_charts import DrawnTraces, TraceChart, TraceCharts, TraceRow
from promptlayer_patch.store.charting.trace_filters import trace_filter

__all__ = ["ENDPOINTS"]

_OVERALL = "Overall"
_ONLY_KEY = "value"
_UNITS: dict[str, tuple[str, Unit]] = {
    "duration_ms": ("Duration", "duration_seconds"),
    "total_cost_usd": ("Cost", "currency"),
    "cost_usd": ("Cost", "currency"),
    "total_tokens": ("Tokens", "tokens"),
    "tokens": ("Tokens", "tokens"),
    "input_tokens": ("Input tokens", "tokens"),
    "output_tokens": ("Output tokens", "tokens"),
    "span_count": ("Spans", "number"),
    "depth": ("Depth", "number"),
}
"""By the name of the number, without what it is a number of."""


def _custom(call: Call[TraceQuery, None]) -> dict[str, Any]:
    specs = call.body.customCharts
    with plainly_refused(), call.workspace.reading() as store:
        filter = trace_filter(call.body.filter_group)
        drawn = TraceCharts(store).draw(filter, [_chart(spec) for spec in specs])
    charts = [_answer(spec, chart) for spec, chart in zip(specs, drawn, strict=True)]
    return CustomAnswer(customCharts=charts).model_dump()


def _chart(spec: TraceChartSpec) -> TraceChart:
    asked: Sequence[TraceChartSpec | TraceSeriesSpec] = spec.series or [spec]
    return TraceChart(
        series=tuple(_series(one) for one in asked),
        of_spans=spec.level == "span",
        groups=tuple(spec.groups),
        over_time=spec.timeSeries,
        bucket=None if spec.timeBucket == "auto" else spec.timeBucket,
        histogram_of=spec.histogramField,
        histogram_interval=spec.histogramInterval,
        limit=spec.limit,
    )


def _series(spec: TraceChartSpec | TraceSeriesSpec) -> Series:
    return Series(Metric(spec.metric or "count"), spec.metricField, spec.percentile or 0.0)


def _answer(spec: TraceChartSpec, chart: DrawnTraces) -> ChartAnswer:
    metas = _metas(spec)
    return ChartAnswer(
        id=spec.id,
        title=spec.title or spec.id,
        chartType=spec.chartType,
        series=metas,
        data=[{**dict(_place(row, chart.interval)), **dict(_named(metas, row.values))} for row in chart.rows],
        complete=chart.complete,
    )


def _metas(spec: TraceChartSpec) -> list[SeriesMeta]:
    if spec.series is not None:
        return [
            SeriesMeta(key=one.key, label=one.label, unit=_unit(one.metricField)[1]) for one in spec.series
        ]
    if spec.metricField is None:
        counted = "Spans" if spec.level == "span" else "Traces"
        return [SeriesMeta(key=_ONLY_KEY, label=counted, unit="count")]
    name, unit = _unit(spec.metricField)
    return [SeriesMeta(key=_ONLY_KEY, label=label(spec.metric or "", name, spec.percentile), unit=unit)]


def _unit(field: str) -> tuple[str, Unit]:
    return _UNITS[field.partition("_")[2]]


def _named(metas: Sequence[SeriesMeta], values: Sequence[float | None]) -> Iterator[tuple[str, float | None]]:
    """Durations in the seconds that their unit promises."""
    for meta, value in zip(metas, values, strict=True):
        seconds = value is not None and meta.unit == "duration_seconds"
        yield meta.key, value / 1000 if value is not None and seconds else value


def _place(row: TraceRow, interval: Interval) -> Iterator[tuple[str, Any]]:
    if row.bar is not None:
        yield "label", f"{row.bar[0]:g} to {row.bar[1]:g}"
        yield "from", row.bar[0]
        yield "to", row.bar[1]
        return
    if row.at is not None:
        yield "label", row.path[0] if row.path else date_label(row.at, interval)
        yield "bucketKey", date_key(row.at, interval)
    else:
        yield "label", row.path[0] if row.path else _OVERALL
    if len(row.path) > 1:
        yield "path", list(row.path)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/public/v2/traces/analytics/custom-analytics",
        handler=_custom,
        summary="draw charts of traces",
        body=TraceQuery,
        answers=CustomAnswer,
    ),
)
