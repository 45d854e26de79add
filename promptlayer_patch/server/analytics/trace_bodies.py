"""What the analytics endpoint of traces is asked."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator
from typing_extensions import Self

from promptlayer_patch.server.analytics.bodies import Name, OneSeries, Percent

__all__ = ["TraceChartSpec", "TraceQuery", "TraceSeriesSpec"]

_NUMBERS = Literal[
    "trace_duration_ms",
    "trace_total_cost_usd",
    "trace_total_tokens",
    "trace_input_tokens",
    "trace_output_tokens",
    "trace_span_count",
    "trace_depth",
    "span_duration_ms",
    "span_cost_usd",
    "span_tokens",
    "span_input_tokens",
    "span_output_tokens",
]
_GROUPS = Literal[
    "trace_status",
    "trace_name",
    "trace_models_used",
    "trace_prompt_ids",
    "trace_workflow_ids",
    "trace_tool_names",
    "span_tool_name",
    "span_name",
    "span_type",
    "span_kind",
    "span_status",
]


class TraceSeriesSpec(OneSeries):
    """A series of traces or of spans."""

    in_rows: ClassVar[tuple[str, ...]] = ("label", "bucketKey", "path", "from", "to")
    metricField: _NUMBERS


class TraceChartSpec(BaseModel):
    """One chart, of traces or of spans; its fields say of which."""

    id: Name
    title: str | None = Field(default=None, max_length=200)
    chartType: Literal["bar", "line", "area", "pie", "donut", "histogram", "heatmap", "treemap", "sunburst"]
    metric: Literal["count", "sum", "avg", "min", "max", "percentile"] | None = None
    metricField: _NUMBERS | None = None
    percentile: Percent | None = None
    groupByField: _GROUPS | None = None
    secondaryGroupByField: _GROUPS | None = None
    histogramField: _NUMBERS | None = None
    histogramInterval: float | None = Field(default=None, gt=0)
    hierarchyFields: list[_GROUPS] | None = Field(default=None, min_length=2, max_length=5)
    timeSeries: bool = False
    timeBucket: Literal["auto", "day", "week", "month"] = "auto"
    limit: int = Field(default=25, ge=1, le=100)
    series: list[TraceSeriesSpec] | None = Field(default=None, min_length=2, max_length=20)

    @property
    def groups(self) -> list[str]:
        """Outermost first."""
        if self.hierarchyFields is not None:
            return list(self.hierarchyFields)
        return [name for name in (self.groupByField, self.secondaryGroupByField) if name is not None]

    @property
    def level(self) -> str:
        """`trace` or `span`."""
        return next((name.partition("_")[0] for name in self._fields()), "trace")

    def _fields(self) -> list[str]:
        numbers = [self.metricField, self.histogramField, *(one.metricField for one in self.series or ())]
        return [*self.groups, *(number for number in numbers if number is not None)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        self._numbers()
        if len({name.partition("_")[0] for name in self._fields()}) > 1:
            raise ValueError("the fields of a chart are all of traces or all of spans")
        if self.timeSeries and self.level == "span":
            raise ValueError("timeSeries is for fields of traces")
        for field, types in (
            ("secondaryGroupByField", ("heatmap",)),
            ("histogramField", ("histogram",)),
            ("hierarchyFields", ("treemap", "sunburst")),
        ):
            if (getattr(self, field) is not None) != (self.chartType in types):
                raise ValueError(f"{field} belongs to {' and '.join(types)}, and to nothing else")
        if self.chartType == "histogram" and (self.series or self.metric not in (None, "count")):
            raise ValueError("a histogram counts")
        if self.chartType == "heatmap" and self.groupByField is None:
            raise ValueError("a heatmap needs groupByField")
        return self

    def _numbers(self) -> None:
        if self.series is not None:
            if (self.metric, self.metricField, self.percentile) != (None, None, None):
                raise ValueError("metric, metricField and percentile are each series' own")
            if len({one.key for one in self.series}) < len(self.series):
                raise ValueError("the keys of series are different")
            return
        if self.metric is None and self.chartType != "histogram":
            raise ValueError("a chart needs metric or series")
        if (self.metric in (None, "count")) != (self.metricField is None):
            raise ValueError("metricField belongs to every metric but count")
        if (self.metric == "percentile") != (self.percentile is not None):
            raise ValueError("percentile belongs to the metric percentile, and to no other")


class TraceQuery(BaseModel):
    filter_group: dict[str, Any] | None = None
    customCharts: list[TraceChartSpec] = Field(min_length=1, max_length=10)

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len({chart.id for chart in self.customCharts}) < len(self.customCharts):
            raise ValueError("the ids of charts are different")
        return self
