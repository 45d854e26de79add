"""Analytics over HTTP: PromptLayer's fields with the numbers of the requests; plain words for mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch.store import Store
from tests.support.charted import DAY_S, MONDAY, Known, by, entry_of, made, nearest_rank
from tests.support.serving import Client, client_of_another_workspace, serving

ANALYTICS = "/api/public/v2/requests/analytics"
CUSTOM = f"{ANALYTICS}/custom-analytics"
REQUESTS = made(seed=11, count=400)


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat().replace("+00:00", "Z")


def group(*filters: dict[str, Any], logic: str = "AND") -> dict[str, Any]:
    return {"filter_group": {"logic": logic, "filters": list(filters)}}


THREE_DAYS = {
    "field": "request_start_time",
    "operator": "between",
    "value": [iso(MONDAY), iso(MONDAY + 3 * DAY_S)],
}
GPT_9 = {"field": "engine", "operator": "is", "value": "gpt-9"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    directory = tmp_path_factory.mktemp("analytics")
    with serving(directory) as (server, client), closing(Store.open(server.db)) as store:
        store.add([entry_of(request) for request in REQUESTS])
        store.catch_up()
        yield client


def answered(client: Client, body: Any = None, path: str = ANALYTICS) -> dict[str, Any]:
    response = client.post(path, {} if body is None else body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert answer["success"] is True
    return answer


def drawn(client: Client, *filters: dict[str, Any], **chart: Any) -> dict[str, Any]:
    body = {**group(*filters), "customCharts": [{"id": "one", "chartType": "bar", **chart}]}
    (answer,) = answered(client, body, CUSTOM)["customCharts"]
    found: dict[str, Any] = answer
    return found


def known(numbers: Any) -> list[Any]:
    return [number for number in numbers if number is not None]


def test_analytics_sum_up_all_requests(client: Client) -> None:
    answer = answered(client)
    inputs = sum(known(request.input_tokens for request in REQUESTS))
    outputs = sum(known(request.output_tokens for request in REQUESTS))
    cached = sum(known(request.cached_tokens for request in REQUESTS))
    assert answer["totalRequests"] == len(REQUESTS)
    assert answer["totalTokens"] == inputs + outputs
    assert answer["totalCost"] == pytest.approx(sum(known(request.cost for request in REQUESTS)))
    assert answer["totalCachedTokens"] == cached
    assert answer["totalThinkingTokens"] == sum(known(request.thinking_tokens for request in REQUESTS))
    assert answer["cacheTokenRatio"] == pytest.approx(cached / inputs)
    assert answer["averageLatency"] == pytest.approx(
        sum(request.duration_s for request in REQUESTS) / len(REQUESTS), abs=1e-5
    )
    assert answer["complete"] is True


def test_the_interval_says_how_time_is_cut(client: Client) -> None:
    answer = answered(client, group(THREE_DAYS))
    assert answer["chartInterval"] == {"interval": "hour", "bucketSizeMs": 3_600_000, "bucketMinutes": 60}
    assert answer["stats"][0]["date"] == "2026-01-05T00:00:00Z"
    assert answer["stats"][0]["dateLabel"] == "Jan 5, 00:00"


def test_days_are_named_by_their_date(client: Client) -> None:
    month = {**THREE_DAYS, "value": [iso(MONDAY), iso(MONDAY + 60 * DAY_S)]}
    answer = answered(client, group(month))
    assert answer["chartInterval"] == {"interval": "day", "bucketSizeMs": 86_400_000, "bucketMinutes": 1440}
    assert [stat["date"] for stat in answer["stats"][:2]] == ["2026-01-05", "2026-01-06"]
    assert answer["stats"][0]["dateLabel"] == "Jan 5"


def test_every_bucket_has_all_of_its_numbers(client: Client) -> None:
    month = {**THREE_DAYS, "value": [iso(MONDAY), iso(MONDAY + 60 * DAY_S)]}
    stats = answered(client, group(month))["stats"]
    days = by(REQUESTS, lambda request: [int((request.started_at - MONDAY) // DAY_S)])
    for day, requests in days.items():
        stat = stats[day]
        assert stat["requests"] == len(requests)
        assert stat["tokens"] == stat["inputTokens"] + stat["outputTokens"]
        assert stat["inputTokens"] == sum(known(request.input_tokens for request in requests))
        assert stat["cost"] == pytest.approx(sum(known(request.cost for request in requests)))
        assert stat["traceShare"] == sum(request.trace_id is not None for request in requests) / len(requests)
        assert stat["statusCounts"] == {
            status: len(same) for status, same in by(requests, lambda request: [request.status]).items()
        }
        assert stat["outputShapeCounts"] == {
            name: sum(request.shape == shape for request in requests)
            for name, shape in (("json", "json"), ("toolCall", "tool_call"), ("plainText", "plain_text"))
        }
        assert stat["avgTurnCount"] == pytest.approx(sum(one.turns for one in requests) / len(requests))
        assert stat["avgToolCallCount"] == pytest.approx(
            sum(len(one.tools) for one in requests) / len(requests)
        )
        assert stat["toolCallCountP95"] == nearest_rank((len(one.tools) for one in requests), 95)


def test_a_bucket_without_requests_has_no_averages(client: Client) -> None:
    month = {**THREE_DAYS, "value": [iso(MONDAY), iso(MONDAY + 60 * DAY_S)]}
    last = answered(client, group(month))["stats"][-1]
    assert (last["requests"], last["tokens"], last["cost"], last["statusCounts"]) == (0, 0, 0.0, {})
    assert (last["latency"], last["traceShare"], last["avgTurnCount"], last["toolCallCountP95"]) == (
        None,
    ) * 4


def test_models_providers_and_prompts_are_counted_by_date(client: Client) -> None:
    answer = answered(client, group(THREE_DAYS))
    models = by(REQUESTS, lambda request: [request.model] if request.model else [])
    assert dict(answer["mostUsedModels"]) == {name: len(same) for name, same in models.items()}
    counts = [count for _, count in answer["mostUsedModels"]]
    assert counts == sorted(counts, reverse=True)
    for field, found in (
        ("modelRequestsByDay", models),
        ("providerRequestsByDay", by(REQUESTS, lambda request: [request.provider])),
        ("promptTemplateRequestsByDay", by(REQUESTS, lambda one: [one.prompt[0]] if one.prompt else [])),
    ):
        sums = {name: sum(count for _, count in pairs) for name, pairs in answer[field].items()}
        assert sums == {name: len(same) for name, same in found.items()}
    prompts = {one["promptName"]: one for one in answer["mostUsedPromptTemplates"]}
    assert prompts["greeting"]["promptId"] == "7"
    assert prompts["ungiven"]["promptId"] is None


def test_latencies_are_percentiles_in_seconds_by_date(client: Client) -> None:
    month = {**THREE_DAYS, "value": [iso(MONDAY), iso(MONDAY + 60 * DAY_S)]}
    answer = answered(client, group(month))
    first = [request for request in REQUESTS if request.started_at < MONDAY + DAY_S]
    assert set(answer["latency"]) == {"average_latency", "p50_latency", "p90_latency", "p95_latency"}
    for percent in (50, 90, 95):
        expected = nearest_rank((request.duration_s for request in first), percent)
        shown = answer["latency"][f"p{percent}_latency"]["2026-01-05"]
        assert shown == pytest.approx(expected, rel=0.04, abs=1.1e-4)
    own = [request.duration_s for request in first if request.model == "gpt-9"]
    date, shown = answer["latencyByModelByDay"]["gpt-9"]["p90_latency"][0]
    assert date == "2026-01-05"
    assert shown == pytest.approx(nearest_rank(own, 90), rel=0.04, abs=1.1e-4)
    assert set(answer["latencyByProviderByDay"]) == {"openai", "anthropic"}
    assert set(answer["latencyByPromptTemplateByDay"]) == {"greeting", "refund", "ungiven"}


def test_breakdowns_hold_requests_cost_and_tokens(client: Client) -> None:
    answer = answered(client)
    for field, name, found in (
        ("providerBreakdown", "provider", by(REQUESTS, lambda request: [request.provider])),
        ("promptBreakdown", "promptName", by(REQUESTS, lambda one: [one.prompt[0]] if one.prompt else [])),
        ("tagsBreakdown", "tag", by(REQUESTS, lambda request: request.tags)),
    ):
        assert {row[name] for row in answer[field]} == set(found)
        for row in answer[field]:
            same = found[row[name]]
            assert row["requests"] == len(same)
            assert row["cost"] == pytest.approx(sum(known(request.cost for request in same)))
            assert row["inputTokens"] == sum(known(request.input_tokens for request in same))
            assert row["tokens"] == row["inputTokens"] + row["outputTokens"]


def test_errors_keys_and_tools_are_counted(client: Client) -> None:
    answer = answered(client)
    errors = by(REQUESTS, lambda request: [request.error_type] if request.error_type else [])
    assert {row["errorType"]: row["requests"] for row in answer["errorTypes"]} == sizes(errors)
    keys = by(REQUESTS, lambda request: tuple(request.metadata))
    assert {row["key"]: row["requests"] for row in answer["metadataKeysTop"]} == sizes(keys)
    shown = {row["key"]: row["requests"] for row in answer["outputKeysTop"]}
    outputs = by(REQUESTS, lambda request: request.output_keys)
    assert {key: shown[key] for key in outputs} == sizes(outputs)
    tools = by(REQUESTS, lambda request: request.tools)
    assert {row["name"]: row["requests"] for row in answer["toolsUsageBars"]} == sizes(tools)
    for row in answer["toolsLatency"]:
        latencies = [request.duration_s for request in tools[row["toolName"]]]
        assert row["requests"] == len(latencies)
        assert row["avgLatencySeconds"] == pytest.approx(sum(latencies) / len(latencies), abs=1e-5)
        assert row["minLatencySeconds"] == pytest.approx(min(latencies), rel=0.04, abs=1.1e-4)
        assert row["maxLatencySeconds"] == pytest.approx(max(latencies), rel=0.04, abs=1.1e-4)


def sizes(found: dict[Any, list[Known]]) -> dict[Any, int]:
    return {key: len(same) for key, same in found.items()}


def test_metadata_values_are_broken_down_by_cost(client: Client) -> None:
    values = by(REQUESTS, lambda request: tuple(request.metadata.items()))
    rows = answered(client)["metadataValueBreakdown"]
    assert {(row["key"], row["value"]): row["requests"] for row in rows} == sizes(values)
    assert {row["label"] for row in rows} == {f"{key} = {value}" for key, value in values}
    costs = [row["cost"] for row in rows]
    assert costs == sorted(costs, reverse=True)
    own = answered(client, {"metadata_cost_breakdown_key": "plan"})["metadataValueBreakdown"]
    assert {row["label"] for row in own} == {"one", "two"}
    assert all(row["key"] == "plan" for row in own)


def test_a_filter_leaves_only_its_requests(client: Client) -> None:
    own = [request for request in REQUESTS if request.model == "gpt-9" and "prod" in request.tags]
    tagged = {"field": "tags", "operator": "contains", "value": "prod"}
    assert answered(client, group(GPT_9, tagged, THREE_DAYS))["totalRequests"] == len(own)
    assert answered(client, {"filters": [GPT_9, tagged]})["totalRequests"] == len(own)
    assert answered(client, {"q": "no such words"})["totalRequests"] == 0


def test_a_workspace_has_charts_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, _), closing(Store.open(server.db)) as store:
        store.add([entry_of(request) for request in REQUESTS[:10]])
        store.catch_up()
        with closing(client_of_another_workspace(server)) as other:
            refused = other.post(ANALYTICS, {})
        assert refused.status_code == 503 or refused.json()["totalRequests"] == 0


# --- custom charts


def test_an_overall_chart_has_one_row(client: Client) -> None:
    chart = drawn(client, metric="count")
    assert chart["series"] == [{"key": "value", "label": "Requests", "unit": "count"}]
    assert chart["data"] == [{"label": "Overall", "value": len(REQUESTS)}]
    assert chart["title"] == "one"


def test_groups_are_ranked_by_their_value_and_limited(client: Client) -> None:
    chart = drawn(client, metric="sum", metricField="cost", groupByField="engine")
    costs = {
        model or "unknown": sum(known(request.cost for request in same))
        for model, same in by(REQUESTS, lambda request: [request.model]).items()
    }
    assert chart["series"] == [{"key": "value", "label": "Cost", "unit": "currency"}]
    assert [row["label"] for row in chart["data"]] == sorted(costs, key=lambda name: -costs[name])
    for row in chart["data"]:
        assert row["value"] == pytest.approx(costs[row["label"]])
    limited = drawn(client, metric="sum", metricField="cost", groupByField="engine", limit=2)
    assert limited["data"] == chart["data"][:2]


GROUPS = {
    "engine": lambda request: [request.model or "unknown"],
    "provider_type": lambda request: [request.provider],
    "prompt_id": lambda one: [str(one.prompt[1] or one.prompt[0])] if one.prompt else [],
    "prompt_version_number": lambda one: [str(one.prompt[2])] if one.prompt else [],
    "status": lambda request: [request.status],
    "error_type": lambda request: [request.error_type] if request.error_type else [],
    "tags": lambda request: request.tags,
    "metadata_keys": lambda request: tuple(request.metadata),
    "tool_names": lambda request: request.tools,
}
NUMBERS = {
    "input_tokens": lambda request: request.input_tokens,
    "output_tokens": lambda request: request.output_tokens,
    "cached_tokens": lambda request: request.cached_tokens,
    "thinking_tokens": lambda request: request.thinking_tokens,
    "cost": lambda request: request.cost,
    "latency_ms": lambda request: request.duration_s,  # which the answer has in seconds
    "turn_count": lambda request: request.turns,
    "tool_call_count": lambda request: len(request.tools),
    "prompt_version_number": lambda request: request.prompt and request.prompt[2],
}
METRICS = {
    "sum": sum,
    "avg": lambda numbers: sum(numbers) / len(numbers),
    "min": min,
    "max": max,
    "percentile": lambda numbers: nearest_rank(numbers, 90),
}


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_of_every_number_is_right_for_every_group(
    client: Client, metric: str, field: str
) -> None:
    own = {"percentile": 90} if metric == "percentile" else {}
    for name, keys in GROUPS.items():
        chart = drawn(client, metric=metric, metricField=field, groupByField=name, limit=100, **own)
        shown = {row["label"]: row["value"] for row in chart["data"]}
        for key, same in by(REQUESTS, keys).items():
            numbers = known(NUMBERS[field](request) for request in same)
            if numbers:
                assert shown.pop(key) == pytest.approx(METRICS[metric](numbers), rel=0.04, abs=2e-4), (
                    name,
                    key,
                )
        assert not any(shown.values()), name


def test_values_of_one_metadata_key_are_groups(client: Client) -> None:
    chart = drawn(client, metric="count", groupByMetadataKey="plan")
    plans = by(REQUESTS, lambda request: [request.metadata["plan"]] if "plan" in request.metadata else [])
    assert {row["label"]: row["value"] for row in chart["data"]} == sizes(plans)


def test_a_chart_over_time_has_every_point(client: Client) -> None:
    chart = drawn(client, THREE_DAYS, chartType="line", metric="count", timeSeries=True)
    assert len(chart["data"]) == 73  # the last moment of "between" is a point of its own
    assert chart["data"][0]["bucketKey"] == "2026-01-05T00:00:00Z"
    assert chart["data"][0]["label"] == "Jan 5, 00:00"
    assert sum(row["value"] for row in chart["data"]) == len(REQUESTS)


def test_groups_over_time_are_rows_of_group_and_point(client: Client) -> None:
    chart = drawn(
        client, THREE_DAYS, chartType="area", metric="count", timeSeries=True, groupByField="engine"
    )
    assert {(row["label"], row["bucketKey"]) for row in chart["data"]} == {
        (request.model or "unknown", iso(request.started_at // 3600 * 3600)) for request in REQUESTS
    }
    assert sum(row["value"] for row in chart["data"]) == len(REQUESTS)


def test_several_series_share_rows_and_have_ratios(client: Client) -> None:
    chart = drawn(
        client,
        series=[
            {"key": "in", "label": "In", "metric": "sum", "metricField": "input_tokens"},
            {
                "key": "slow",
                "label": "Slow",
                "metric": "percentile",
                "metricField": "latency_ms",
                "percentile": 95,
            },
        ],
        derivedInsights=[
            {"label": "same", "numeratorSeriesKey": "in", "denominatorSeriesKey": "in"},
        ],
        groupByField="provider_type",
    )
    units = [(one["key"], one["label"], one["unit"]) for one in chart["series"]]
    assert units == [("in", "In", "tokens"), ("slow", "Slow", "duration_seconds")]
    assert {frozenset(row) for row in chart["data"]} == {frozenset({"label", "in", "slow"})}
    assert chart["derivedInsights"][0]["value"] == 1.0


def test_charts_answer_in_the_order_in_which_they_were_asked(client: Client) -> None:
    charts = [{"id": name, "chartType": "bar", "metric": "count"} for name in ("b", "a", "c")]
    answer = answered(client, {"customCharts": charts}, CUSTOM)
    assert [chart["id"] for chart in answer["customCharts"]] == ["b", "a", "c"]


# --- what is wrong

CHART = {"id": "one", "chartType": "bar", "metric": "count"}
TWO_SERIES = [
    {"key": key, "label": key, "metric": "sum", "metricField": "cost"} for key in ("first", "second")
]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "with space"},
        {"id": "x" * 65},
        {"chartType": "pie"},
        {"metric": None},
        {"metric": "median"},
        {"metric": "sum"},
        {"metricField": "cost"},
        {"metric": "sum", "metricField": "price"},
        {"metric": "percentile", "metricField": "cost"},
        {"metric": "percentile", "metricField": "cost", "percentile": 101},
        {"percentile": 50},
        {"groupByField": "color"},
        {"groupByField": "tags", "groupByMetadataKey": "plan"},
        {"limit": 0},
        {"limit": 101},
        {"chartType": "line"},
        {"series": TWO_SERIES},
        {"metric": None, "series": TWO_SERIES[:1]},
        {"metric": None, "series": [TWO_SERIES[0], TWO_SERIES[0]]},
        {"metric": None, "series": [TWO_SERIES[0], {**TWO_SERIES[1], "key": "label"}]},
        {"derivedInsights": [{"label": "", "numeratorSeriesKey": "a", "denominatorSeriesKey": "b"}]},
    ],
)
def test_a_chart_that_makes_no_sense_is_refused_with_its_place(
    client: Client, change: dict[str, Any]
) -> None:
    response = client.post(CUSTOM, {"customCharts": [{**CHART, **change}]})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:3] == ["body", "customCharts", 0]


@pytest.mark.parametrize("charts", [None, [], [CHART, CHART]])
def test_charts_are_at_least_one_and_have_different_ids(client: Client, charts: Any) -> None:
    assert client.post(CUSTOM, {"customCharts": charts}).status_code == 422


@pytest.mark.parametrize("path", [ANALYTICS, CUSTOM])
def test_a_filter_that_cannot_be_asked_is_refused_in_plain_words(client: Client, path: str) -> None:
    body = {**group({"field": "colour", "operator": "is", "value": "red"}), "customCharts": [CHART]}
    response = client.post(path, body)
    assert response.status_code == 400
    assert "colour" in response.json()["message"]


def test_sort_by_and_sort_order_come_together(client: Client) -> None:
    assert client.post(ANALYTICS, {"sort_by": "cost"}).status_code == 422
    assert answered(client, {"sort_by": "cost", "sort_order": "asc"})["totalRequests"] == len(REQUESTS)


@pytest.mark.parametrize("path", [ANALYTICS, CUSTOM])
def test_without_a_key_there_are_no_charts(client: Client, path: str) -> None:
    with closing(Client(client.url, None)) as stranger:
        assert stranger.post(path, {"customCharts": [CHART]}).status_code == 401


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["filter_group", "filters", "q", "sort_by", "metadata_cost_breakdown_key", "customCharts"]
)
chart_names = st.sampled_from(
    [*CHART, "series", "metricField", "percentile", "groupByField", "limit", "timeSeries"]
)


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["is", "before", "after", "between"]), numbers | st.tuples(numbers, numbers))
def test_whatever_time_is_asked_for_there_is_a_chart_or_a_reason(
    client: Client, operator: str, value: Any
) -> None:
    filters = group({"field": "request_start_time", "operator": operator, "value": value})
    assert client.post(ANALYTICS, filters).status_code in (200, 400)
    line = {**CHART, "chartType": "line", "timeSeries": True}
    assert client.post(CUSTOM, {**filters, "customCharts": [line]}).status_code in (200, 400)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, json_values), st.dictionaries(chart_names, json_values))
def test_whatever_json_comes_the_server_makes_no_mistake(
    client: Client, body: dict[str, Any], chart: dict[str, Any]
) -> None:
    assert client.post(ANALYTICS, body).status_code in (200, 400, 422)
    charts = {"customCharts": [{**CHART, **chart}], **body}
    assert client.post(CUSTOM, charts).status_code in (200, 400, 422)
