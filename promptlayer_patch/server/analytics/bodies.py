"""What the analytics endpoints are asked."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator
from typing_extensions import Self

__all__ = [
    "AnalyticsQuery",
    "ChartSpec",
    "CustomQuery",
    "InsightSpec",
    "OneSeries",
    "RequestsQuery",
    "SeriesSpec",
]

_SORT_KEYS = Literal["request_start_time", "input_tokens", "output_tokens", "cost", "latency_ms", "status"]
_FIELDS = Literal[
    "input_tokens",
    "output_tokens",
    "cost",
    "latency_ms",
    "prompt_version_number",
    "turn_count",
    "tool_call_count",
    "cached_tokens",
    "thinking_tokens",
]
_GROUPS = Literal[
    "engine",
    "provider_type",
    "prompt_id",
    "prompt_version_number",
    "status",
    "error_type",
    "tags",
    "metadata_keys",
    "output_keys",
    "input_variable_keys",
    "tool_names",
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Percent = Annotated[float, Field(ge=0, le=100)]
_MOST_CHARTS = 50
_MOST_SERIES = 20
"""What a row of a chart has beside its series."""


class RequestsQuery(BaseModel):
    """Which requests; the order is taken, and changes nothing."""

    filter_group: dict[str, Any] | None = None
    filters: list[dict[str, Any]] | None = None
    q: str | None = Field(default=None, max_length=10_000)
    sort_by: _SORT_KEYS | None = None
    sort_order: Literal["asc", "desc"] | None = None

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.sort_by is None) != (self.sort_order is None):
            raise ValueError("sort_by and sort_order come together")
        return self


class AnalyticsQuery(RequestsQuery):
    metadata_cost_breakdown_key: str | None = Field(default=None, max_length=1024)


class OneSeries(BaseModel):
    """One of several series in a chart, whatever it is of."""

    in_rows: ClassVar[tuple[str, ...]] = ("label", "bucketKey")
    """What else a row of the chart has, so that no key can be one of these."""

    key: Name
    label: str = Field(max_length=120)
    metric: Literal["sum", "avg", "min", "max", "percentile"]
    percentile: Percent | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.metric == "percentile") != (self.percentile is not None):
            raise ValueError("percentile belongs to the metric percentile, and to no other")
        if self.key in self.in_rows:
            raise ValueError(f"{self.key} is the name of something else in a row")
        return self


class SeriesSpec(OneSeries):
    """A series of requests."""

    metricField: _FIELDS


class InsightSpec(BaseModel):
    """The ratio of two series."""

    type: Literal["ratio"] = "ratio"
    label: str = Field(max_length=200)
    numeratorSeriesKey: str
    denominatorSeriesKey: str


class ChartSpec(BaseModel):
    """One chart: a metric, or several series."""

    id: Name
    title: str | None = Field(default=None, max_length=200)
    chartType: Literal["bar", "line", "area"]
    metric: Literal["count", "sum", "avg", "min", "max", "percentile"] | None = None
    metricField: _FIELDS | None = None
    percentile: Percent | None = None
    series: list[SeriesSpec] | None = Field(default=None, min_length=2, max_length=_MOST_SERIES)
    derivedInsights: list[InsightSpec] | None = Field(default=None, max_length=_MOST_SERIES)
    groupByField: _GROUPS | None = None
    groupByMetadataKey: str | None = Field(default=None, min_length=1, max_length=1024)
    timeSeries: bool = False
    limit: int = Field(default=25, ge=1, le=100)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.series is None:
            self._one_metric()
        else:
            self._several(self.series)
        if self.groupByField is not None and self.groupByMetadataKey is not None:
            raise ValueError("groupByField and groupByMetadataKey exclude each other")
        grouped = self.groupByField is not None or self.groupByMetadataKey is not None
        if not (grouped or self.timeSeries or self.chartType == "bar"):
            raise ValueError("a chart without groups and without timeSeries is a bar")
        return self

    def _one_metric(self) -> None:
        if self.metric is None:
            raise ValueError("a chart needs metric or series")
        if (self.metric == "count") != (self.metricField is None):
            raise ValueError("metricField belongs to every metric but count")
        if (self.metric == "percentile") != (self.percentile is not None):
            raise ValueError("percentile belongs to the metric percentile, and to no other")
        if self.derivedInsights:
            raise ValueError("derivedInsights belong to series")

    def _several(self, series: list[SeriesSpec]) -> None:
        if (self.metric, self.metricField, self.percentile) != (None, None, None):
            raise ValueError("metric, metricField and percentile are each series' own")
        keys = {one.key for one in series}
        if len(keys) < len(series):
            raise ValueError("the keys of series are different")
        for insight in self.derivedInsights or ():
            if not {insight.numeratorSeriesKey, insight.denominatorSeriesKey} <= keys:
                raise ValueError("an insight names keys of series")


class CustomQuery(RequestsQuery):
    customCharts: list[ChartSpec] = Field(min_length=1, max_length=_MOST_CHARTS)

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len({chart.id for chart in self.customCharts}) < len(self.customCharts):
            raise ValueError("the ids of charts are different")
        return self
