"""What the analytics endpoints answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = [
    "AnalyticsAnswer",
    "Breakdown",
    "ChartAnswer",
    "CustomAnswer",
    "ErrorTypeRequests",
    "Insight",
    "Interval",
    "KeyRequests",
    "LatencyByDate",
    "LatencyPairs",
    "MetadataValueCost",
    "NameRequests",
    "PromptRequests",
    "SeriesMeta",
    "ShapeCounts",
    "Stat",
    "ToolLatency",
    "Unit",
]

Unit = Literal["count", "tokens", "currency", "duration_seconds", "number"]
Pair = tuple[str, Any]
"""A date, or a name, and its number: JSON has it as a list."""


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Interval(_Camel):
    interval: str
    bucket_size_ms: int
    bucket_minutes: int
    """0 of buckets shorter than a minute."""


class ShapeCounts(_Camel):
    json_: int
    tool_call: int
    plain_text: int

    model_config = ConfigDict(alias_generator=lambda name: to_camel(name.rstrip("_")), populate_by_name=True)


class Stat(_Camel):
    """One bucket of time; averages are null where there are no requests."""

    date: str
    date_label: str
    requests: int
    tokens: int
    input_tokens: int
    output_tokens: int
    cost: float
    latency: float | None
    cached_tokens: int
    thinking_tokens: int
    trace_share: float | None
    status_counts: dict[str, int]
    output_shape_counts: ShapeCounts
    avg_turn_count: float | None
    avg_tool_call_count: float | None
    tool_call_count_p95: float | None


class LatencyByDate(BaseModel):
    """Seconds by date; percentiles are at most 4 % beside the nearest rank."""

    average_latency: dict[str, float]
    p50_latency: dict[str, float]
    p90_latency: dict[str, float]
    p95_latency: dict[str, float]


class LatencyPairs(BaseModel):
    """The same as pairs of date and seconds."""

    average_latency: list[Pair]
    p50_latency: list[Pair]
    p90_latency: list[Pair]
    p95_latency: list[Pair]


class Breakdown(_Camel):
    """The requests of one provider, prompt or tag."""

    provider: str | None = None
    prompt_id: str | None = None
    prompt_name: str | None = None
    tag: str | None = None
    requests: int
    cost: float
    tokens: int
    input_tokens: int
    output_tokens: int


class PromptRequests(_Camel):
    prompt_id: str | None
    prompt_name: str | None
    requests: int


class ErrorTypeRequests(_Camel):
    error_type: str
    requests: int


class KeyRequests(_Camel):
    key: str
    requests: int


class NameRequests(_Camel):
    name: str
    requests: int


class ToolLatency(_Camel):
    tool_name: str
    requests: int
    avg_latency_seconds: float | None
    min_latency_seconds: float | None
    max_latency_seconds: float | None


class MetadataValueCost(_Camel):
    key: str
    value: str
    label: str
    requests: int
    cost: float


class AnalyticsAnswer(_Camel):
    success: Literal[True] = True
    chart_interval: Interval
    average_latency: float | None
    total_cost: float
    total_tokens: int
    total_requests: int
    total_cached_tokens: int
    total_thinking_tokens: int
    cache_token_ratio: float | None
    stats: list[Stat]
    most_used_models: list[Pair]
    model_requests_by_day: dict[str, list[Pair]]
    most_used_prompt_templates: list[PromptRequests]
    prompt_template_requests_by_day: dict[str, list[Pair]]
    provider_requests_by_day: dict[str, list[Pair]]
    latency: LatencyByDate
    latency_by_model_by_day: dict[str, LatencyPairs]
    latency_by_prompt_template_by_day: dict[str, LatencyPairs]
    latency_by_provider_by_day: dict[str, LatencyPairs]
    error_types: list[ErrorTypeRequests]
    provider_breakdown: list[Breakdown]
    prompt_breakdown: list[Breakdown]
    tags_breakdown: list[Breakdown]
    metadata_keys_top: list[KeyRequests]
    output_keys_top: list[KeyRequests]
    tools_latency: list[ToolLatency]
    tools_usage_bars: list[NameRequests]
    metadata_value_breakdown: list[MetadataValueCost]
    complete: bool
    """False if a part of it is of the newest requests only."""


class SeriesMeta(BaseModel):
    key: str
    label: str
    unit: Unit


class Insight(BaseModel):
    type: Literal["ratio"] = "ratio"
    label: str
    numeratorSeriesKey: str
    denominatorSeriesKey: str
    value: float | None


class ChartAnswer(BaseModel):
    id: str
    title: str
    chartType: str
    series: list[SeriesMeta]
    data: list[dict[str, Any]]
    """Rows with a `label`, of time also with a `bucketKey`, and a number under the key of each series."""
    derivedInsights: list[Insight] | None = None
    complete: bool
    """False if only the newest requests were counted."""


class CustomAnswer(BaseModel):
    success: Literal[True] = True
    customCharts: list[ChartAnswer]
