"""An overview in the form in which PromptLayer's analytics answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from promptlayer_patch.server.analytics import answers
from promptlayer_patch.server.analytics.dates import date_key, date_label
from promptlayer_patch.store.charting.charts import Overview, Point, Slice
from promptlayer_patch.store.charting.ranges import Interval
from promptlayer_patch.store.charting.totals import Totals

__all__ = ["answer_of"]

_UNITS_S = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def answer_of(overview: Overview, values: list[answers.MetadataValueCost]) -> answers.AnalyticsAnswer:
    totals, interval = overview.totals, overview.interval
    return answers.AnalyticsAnswer(
        success=True,
        chart_interval=_interval(interval),
        average_latency=totals.average_latency_s,
        total_cost=totals.cost,
        total_tokens=totals.tokens,
        total_requests=totals.requests,
        total_cached_tokens=totals.cached_tokens,
        total_thinking_tokens=totals.thinking_tokens,
        cache_token_ratio=totals.cached_share,
        stats=_stats(overview),
        most_used_models=[(name, one.totals.requests) for name, one in _named(overview.models)],
        model_requests_by_day=_requests_by_date(overview.models, interval),
        most_used_prompt_templates=[
            answers.PromptRequests(prompt_id=one.id, prompt_name=one.name, requests=one.totals.requests)
            for one in overview.prompts
        ],
        prompt_template_requests_by_day=_requests_by_date(overview.prompts, interval),
        provider_requests_by_day=_requests_by_date(overview.providers, interval),
        latency=answers.LatencyByDate(
            **{name: dict(pairs) for name, pairs in _latencies(overview.points, interval)}
        ),
        latency_by_model_by_day=_latencies_by_date(overview.models, interval),
        latency_by_prompt_template_by_day=_latencies_by_date(overview.prompts, interval),
        latency_by_provider_by_day=_latencies_by_date(overview.providers, interval),
        error_types=[
            answers.ErrorTypeRequests(error_type=name, requests=one.totals.requests)
            for name, one in _named(overview.error_types)
        ],
        provider_breakdown=[_breakdown(one, provider=name) for name, one in _named(overview.providers)],
        prompt_breakdown=[
            _breakdown(one, prompt_id=one.id, prompt_name=one.name) for one in overview.prompts
        ],
        tags_breakdown=[_breakdown(one, tag=name) for name, one in _named(overview.tags)],
        metadata_keys_top=_keys(overview.metadata_keys),
        output_keys_top=_keys(overview.output_keys),
        tools_latency=[_tool(name, one.totals) for name, one in _named(overview.tools)],
        tools_usage_bars=[
            answers.NameRequests(name=name, requests=one.totals.requests)
            for name, one in _named(overview.tools)
        ],
        metadata_value_breakdown=values,
        complete=overview.complete,
    )


def _interval(interval: Interval) -> answers.Interval:
    unit = next(unit for unit, seconds in _UNITS_S if interval.seconds % seconds == 0)
    return answers.Interval(
        interval=unit, bucket_size_ms=interval.seconds * 1000, bucket_minutes=interval.seconds // 60
    )


def _stats(overview: Overview) -> list[answers.Stat]:
    statuses: dict[int, dict[str, int]] = {}
    for name, one in _named(overview.statuses):
        for point in one.points:
            statuses.setdefault(point.at, {})[name] = point.totals.requests
    return [_stat(point, overview.interval, statuses.get(point.at, {})) for point in overview.points]


def _stat(point: Point, interval: Interval, statuses: dict[str, int]) -> answers.Stat:
    totals = point.totals
    return answers.Stat(
        date=date_key(point.at, interval),
        date_label=date_label(point.at, interval),
        requests=totals.requests,
        tokens=totals.tokens,
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        cost=totals.cost,
        latency=totals.average_latency_s,
        cached_tokens=totals.cached_tokens,
        thinking_tokens=totals.thinking_tokens,
        trace_share=_share(totals.traced, totals.requests),
        status_counts=statuses,
        output_shape_counts=answers.ShapeCounts(
            json_=totals.json, tool_call=totals.tool_call, plain_text=totals.plain_text
        ),
        avg_turn_count=_share(totals.turns, totals.with_turns),
        avg_tool_call_count=_share(totals.tool_calls, totals.with_tool_calls),
        tool_call_count_p95=totals.tool_call_percentile(95),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _named(slices: Iterable[Slice]) -> Iterator[tuple[str, Slice]]:
    return ((one.name, one) for one in slices if one.name is not None)


def _by_name(slices: Iterable[Slice]) -> dict[str, list[Slice]]:
    # Two prompt templates may have had one name, one after the other.
    found: dict[str, list[Slice]] = {}
    for name, one in _named(slices):
        found.setdefault(name, []).append(one)
    return found


def _points(slices: Iterable[Slice]) -> list[Point]:
    sums: dict[int, Totals] = {}
    for one in slices:
        for point in one.points:
            sums[point.at] = sums.get(point.at, Totals()) + point.totals
    return [Point(at, sums[at]) for at in sorted(sums)]


def _requests_by_date(slices: Iterable[Slice], interval: Interval) -> dict[str, list[answers.Pair]]:
    return {
        name: [(date_key(point.at, interval), point.totals.requests) for point in _points(same)]
        for name, same in _by_name(slices).items()
    }


def _latencies_by_date(slices: Iterable[Slice], interval: Interval) -> dict[str, answers.LatencyPairs]:
    return {
        name: answers.LatencyPairs(**dict(_latencies(_points(same), interval)))
        for name, same in _by_name(slices).items()
    }


def _latencies(points: Iterable[Point], interval: Interval) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    known = [(date_key(point.at, interval), point.totals) for point in points if point.totals.requests]
    yield "average_latency", [(date, totals.average_latency_s or 0.0) for date, totals in known]
    for percent in (50, 90, 95):
        pairs = [(date, totals.latency_percentile_s(percent) or 0.0) for date, totals in known]
        yield f"p{percent}_latency", pairs


def _breakdown(one: Slice, **names: str | None) -> answers.Breakdown:
    totals = one.totals
    return answers.Breakdown(
        **names,
        requests=totals.requests,
        cost=totals.cost,
        tokens=totals.tokens,
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
    )


def _keys(slices: Iterable[Slice]) -> list[answers.KeyRequests]:
    return [answers.KeyRequests(key=name, requests=one.totals.requests) for name, one in _named(slices)]


def _tool(name: str, totals: Totals) -> answers.ToolLatency:
    return answers.ToolLatency(
        tool_name=name,
        requests=totals.requests,
        avg_latency_seconds=totals.average_latency_s,
        min_latency_seconds=totals.latency_percentile_s(0),
        max_latency_seconds=totals.latency_percentile_s(100),
    )
