"""Charts over traces and spans show what counting the spans by hand shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch.store import Store
from promptlayer_patch.store.charting.custom import Metric, Series
from promptlayer_patch.store.charting.trace_charts import TraceChart, TraceCharts
from promptlayer_patch.store.charting.trace_filters import trace_filter
from tests.support.charted import DAY_S, HOUR_S, MONDAY, by, nearest_rank
from tests.support.serving import Client, serving

CUSTOM = "/api/public/v2/traces/analytics/custom-analytics"


@dataclass(frozen=True)
class Step:
    """What is known of one span."""

    trace: int
    number: int
    name: str
    start: float
    duration_s: float
    error: bool
    tool: str | None
    model: str | None
    tokens: tuple[int, int] | None
    price: float | None


def _steps() -> list[Step]:
    chance = random.Random(5)
    found = []
    for trace in range(30):
        start = MONDAY + trace * 2 * HOUR_S
        for number in range(chance.randint(1, 5)):
            called = number > 0 and chance.random() < 0.5
            found.append(
                Step(
                    trace,
                    number,
                    f"root {trace % 3}" if number == 0 else chance.choice(("plan", "act")),
                    start + number,
                    chance.choice((0.25, 0.5, 2.0)),
                    chance.random() < 0.2,
                    None if called or number == 0 else chance.choice(("search", "mail")),
                    chance.choice(("gpt-9", "gpt-9-mini")) if called else None,
                    (chance.randint(1, 100), chance.randint(1, 100)) if called else None,
                    chance.randint(1, 50) / 100 if called else None,
                )
            )
    return found


STEPS = _steps()
TRACES = by(STEPS, lambda step: [step.trace])


def span_of(step: Step) -> dict[str, Any]:
    """Each span is inside the one before it."""
    span: dict[str, Any] = {
        "name": step.name,
        "context": {"trace_id": f"{step.trace + 1:032x}", "span_id": span_id(step.trace, step.number)},
        "parent_id": None if step.number == 0 else span_id(step.trace, step.number - 1),
        "kind": "SpanKind.CLIENT" if step.model else "SpanKind.INTERNAL",
        "start_time": round(step.start * 1e9),
        "end_time": round((step.start + step.duration_s) * 1e9),
        "status": {"status_code": "ERROR" if step.error else "OK"},
        "attributes": {"step": step.number, **({"tool.name": step.tool} if step.tool else {})},
    }
    if step.model is not None and step.tokens is not None:
        span["log_request"] = {
            "provider": "openai",
            "model": step.model,
            "input": chat("user", "question"),
            "output": chat("assistant", "answer"),
            "input_tokens": step.tokens[0],
            "output_tokens": step.tokens[1],
            "price": step.price,
        }
    return span


def chat(role: str, text: str) -> dict[str, Any]:
    return {"type": "chat", "messages": [{"role": role, "content": [{"type": "text", "text": text}]}]}


def span_id(trace: int, number: int) -> str:
    return f"{(trace + 1) * 100 + number:016x}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("traces")) as (server, client):
        response = client.post("/spans-bulk", {"spans": [span_of(step) for step in STEPS]})
        assert response.status_code == 201, response.text
        with closing(Store.open(server.db)) as store:
            store.catch_up()
        yield client


def drawn(client: Client, *filters: dict[str, Any], logic: str = "AND", **chart: Any) -> list[dict[str, Any]]:
    spec = {"id": "one", "chartType": "bar", **({} if "series" in chart else {"metric": "count"}), **chart}
    body = {"filter_group": {"logic": logic, "filters": list(filters)}, "customCharts": [spec]}
    response = client.post(CUSTOM, body)
    assert response.status_code == 200, response.text
    (answer,) = response.json()["customCharts"]
    assert answer["complete"] is True
    rows: list[dict[str, Any]] = answer["data"]
    return rows


def shown(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {row["label"]: row["value"] for row in rows}


def asked(field: str, operator: str, value: Any = None, key: str | None = None) -> dict[str, Any]:
    nested = {} if key is None else {"nested_key": key}
    return {"field": field, "operator": operator, "value": value, **nested}


def test_traces_are_counted_overall_and_by_name(client: Client) -> None:
    assert drawn(client) == [{"label": "Overall", "value": len(TRACES)}]
    names = by(range(30), lambda trace: [f"root {trace % 3}"])
    assert shown(drawn(client, groupByField="trace_name")) == {name: len(own) for name, own in names.items()}


def test_a_trace_has_an_error_if_one_of_its_spans_has(client: Client) -> None:
    wrong = sum(any(step.error for step in own) for own in TRACES.values())
    assert shown(drawn(client, groupByField="trace_status")) == {"ERROR": wrong, "OK": len(TRACES) - wrong}


def duration(own: list[Step]) -> float:
    return max(step.start + step.duration_s for step in own) - own[0].start


TRACE_NUMBERS = {
    "trace_duration_ms": duration,
    "trace_total_cost_usd": lambda own: total(step.price for step in own),
    "trace_total_tokens": lambda own: total(step.tokens and sum(step.tokens) for step in own),
    "trace_input_tokens": lambda own: total(step.tokens and step.tokens[0] for step in own),
    "trace_output_tokens": lambda own: total(step.tokens and step.tokens[1] for step in own),
    "trace_span_count": len,
    "trace_depth": len,
}
SPAN_NUMBERS = {
    "span_duration_ms": lambda step: step.duration_s,
    "span_cost_usd": lambda step: step.price,
    "span_tokens": lambda step: step.tokens and sum(step.tokens),
    "span_input_tokens": lambda step: step.tokens and step.tokens[0],
    "span_output_tokens": lambda step: step.tokens and step.tokens[1],
}
METRICS = {
    "sum": sum,
    "avg": lambda numbers: sum(numbers) / len(numbers),
    "min": min,
    "max": max,
    "percentile": lambda numbers: nearest_rank(numbers, 75),
}


def total(numbers: Any) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


@pytest.mark.parametrize("field", [*TRACE_NUMBERS, *SPAN_NUMBERS])
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_of_every_number_is_right(client: Client, metric: str, field: str) -> None:
    if field in TRACE_NUMBERS:
        found = [TRACE_NUMBERS[field](own) for own in TRACES.values()]
    else:
        found = [SPAN_NUMBERS[field](step) for step in STEPS]
    own = {"percentile": 75} if metric == "percentile" else {}
    expected = METRICS[metric]([number for number in found if number is not None])
    assert drawn(client, metric=metric, metricField=field, **own)[0]["value"] == pytest.approx(
        expected, abs=1e-5
    )


def test_what_a_trace_has_several_of_counts_in_each_of_its_groups(client: Client) -> None:
    models = by(TRACES.values(), lambda own: [step.model for step in own if step.model] or ["unknown"])
    tools = by(TRACES.values(), lambda own: [step.tool for step in own if step.tool] or ["unknown"])
    assert shown(drawn(client, groupByField="trace_models_used")) == {
        key: len(own) for key, own in models.items()
    }
    assert shown(drawn(client, groupByField="trace_tool_names")) == {
        key: len(own) for key, own in tools.items()
    }


def test_spans_are_counted_by_what_they_are(client: Client) -> None:
    for field, key in (
        ("span_name", lambda step: step.name),
        ("span_kind", lambda step: "CLIENT" if step.model else "INTERNAL"),
        ("span_status", lambda step: "ERROR" if step.error else "OK"),
        ("span_type", lambda step: "LLM_CALL" if step.model else "SPAN"),
        ("span_tool_name", lambda step: step.tool or "unknown"),
    ):
        expected = by(STEPS, lambda step, key=key: [key(step)])
        assert shown(drawn(client, groupByField=field)) == {name: len(own) for name, own in expected.items()}


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat().replace("+00:00", "Z")


def test_a_chart_over_time_has_every_point_between_its_ends(client: Client) -> None:
    day = asked("trace_start", "between", [iso(MONDAY), iso(MONDAY + DAY_S - 1)])
    rows = drawn(client, day, chartType="line", timeSeries=True)
    assert sum(row["value"] for row in rows) == 12
    assert rows[0]["bucketKey"] == "2026-01-05T00:00:00Z"
    daily = drawn(client, chartType="line", timeSeries=True, timeBucket="day")
    assert [(row["bucketKey"], row["value"]) for row in daily] == [
        ("2026-01-05", 12),
        ("2026-01-06", 12),
        ("2026-01-07", 6),
    ]


def test_several_series_share_a_row(client: Client) -> None:
    series = [
        {"key": "cost", "label": "Cost", "metric": "sum", "metricField": "trace_total_cost_usd"},
        {"key": "deepest", "label": "Deepest", "metric": "max", "metricField": "trace_depth"},
    ]
    (row,) = drawn(client, series=series)
    assert row["cost"] == pytest.approx(sum(step.price or 0 for step in STEPS))
    assert row["deepest"] == max(map(len, TRACES.values()))


def test_a_histogram_counts_how_often_a_number_lies_where(client: Client) -> None:
    rows = drawn(
        client, chartType="histogram", histogramField="trace_span_count", histogramInterval=1, metric=None
    )
    sizes = by(TRACES.values(), lambda own: [len(own)])
    assert {row["from"]: row["value"] for row in rows if row["value"]} == {
        float(size): len(own) for size, own in sizes.items()
    }


def test_a_heatmap_and_a_tree_have_a_path(client: Client) -> None:
    pairs = by(STEPS, lambda step: [(step.name, "ERROR" if step.error else "OK")])
    expected = {pair: len(own) for pair, own in pairs.items()}
    heat = drawn(
        client, chartType="heatmap", groupByField="span_name", secondaryGroupByField="span_status", limit=100
    )
    tree = drawn(client, chartType="treemap", hierarchyFields=["span_name", "span_status"], limit=100)
    for rows in (heat, tree):
        assert {tuple(row["path"]): row["value"] for row in rows} == expected


FILTERS: dict[str, tuple[list[dict[str, Any]], str, Any]] = {
    "a span of the name": (
        [asked("span_name", "is", "plan")],
        "AND",
        lambda own: any(step.name == "plan" for step in own),
    ),
    "no span of the name": (
        [asked("span_name", "is_not", "plan")],
        "AND",
        lambda own: all(step.name != "plan" for step in own),
    ),
    "an error and a tool, in any spans": (
        [asked("span_status", "is", "ERROR"), asked("span_tool_name", "is_not_empty")],
        "AND",
        lambda own: any(step.error for step in own) and any(step.tool for step in own),
    ),
    "an error and a tool, in one span": (
        [asked("span_status", "is", "ERROR"), asked("span_tool_name", "is_not_empty")],
        "SPAN_AND",
        lambda own: any(step.error and step.tool for step in own),
    ),
    "either, in one span": (
        [asked("span_status", "is", "ERROR"), asked("span_tool_name", "in", ["mail"])],
        "SPAN_OR",
        lambda own: any(step.error or step.tool == "mail" for step in own),
    ),
    "numbers": (
        [asked("trace_span_count", "gte", 2), asked("span_duration_ms", "gt", 1000)],
        "AND",
        lambda own: len(own) >= 2 and any(step.duration_s > 1 for step in own),
    ),
    "an attribute": (
        [asked("span_attributes", "key_equals", "3", "step")],
        "AND",
        lambda own: any(step.number == 3 for step in own),
    ),
    "a model": (
        [asked("trace_models_used", "contains", "MINI"), asked("trace_name", "starts_with", "root")],
        "AND",
        lambda own: any(step.model == "gpt-9-mini" for step in own),
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_the_traces_that_meet_it(client: Client, name: str) -> None:
    filters, logic, meets = FILTERS[name]
    assert drawn(client, *filters, logic=logic)[0]["value"] == sum(map(meets, TRACES.values()))


CHART = {"id": "one", "chartType": "bar", "metric": "count"}


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "sum"},
        {"metric": "sum", "metricField": "cost"},
        {"metric": "percentile", "metricField": "trace_depth"},
        {"groupByField": "engine"},
        {"groupByField": "span_name", "metric": "sum", "metricField": "trace_depth"},
        {"groupByField": "span_name", "timeSeries": True},
        {"secondaryGroupByField": "trace_name", "groupByField": "trace_status"},
        {"chartType": "heatmap", "groupByField": "trace_name"},
        {"chartType": "histogram"},
        {"chartType": "histogram", "histogramField": "trace_depth", "histogramInterval": 0},
        {"chartType": "treemap"},
        {"chartType": "treemap", "hierarchyFields": ["trace_name"]},
        {"timeBucket": "hour"},
    ],
)
def test_a_chart_that_makes_no_sense_is_refused(client: Client, change: dict[str, Any]) -> None:
    response = client.post(CUSTOM, {"customCharts": [{**CHART, **change}]})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:3] == ["body", "customCharts", 0]


def test_at_most_ten_charts_are_drawn_at_once(client: Client) -> None:
    charts = [{**CHART, "id": str(number)} for number in range(11)]
    assert client.post(CUSTOM, {"customCharts": charts}).status_code == 422


@pytest.mark.parametrize(
    "group",
    [
        {"filters": [asked("colour", "is", "red")]},
        {"filters": [asked("span_name", "gt", 3)]},
        {"filters": [asked("span_duration_ms", "gt", "long")]},
        {"filters": [asked("span_duration_ms", "between", [1])]},
        {"filters": [asked("trace_start", "before", "yesterday")]},
        {"filters": [asked("span_attributes", "key_equals", "x")]},
        {"logic": "SPAN_AND", "filters": [asked("trace_name", "is", "x")]},
        {"logic": "XOR", "filters": []},
        {"filters": "all"},
    ],
)
def test_a_filter_that_cannot_be_asked_is_refused_with_its_place(client: Client, group: Any) -> None:
    response = client.post(CUSTOM, {"filter_group": group, "customCharts": [CHART]})
    assert response.status_code == 400
    assert response.json()["message"].startswith("filter_group")


def test_only_the_newest_traces_are_looked_at_and_the_chart_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, client):
        client.post("/spans-bulk", {"spans": [span_of(step) for step in STEPS]})
        with closing(Store.open(server.db)) as store:
            charts = TraceCharts(store, at_most=20)
            chart = TraceChart(series=(Series(Metric.COUNT),), of_spans=True)
            (spans,) = charts.draw(trace_filter(None), [chart])
    newest = {step.trace for step in sorted(STEPS, key=lambda step: step.start)[-20:]}
    assert not spans.complete
    assert spans.rows[0].values == (sum(len(TRACES[trace]) for trace in newest),)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["trace_start", "trace_depth", "span_name", "span_attributes", "span_start"])
operators = st.sampled_from(["is", "between", "before", "after", "gt", "eq", "in", "contains", "key_equals"])
parts = st.sampled_from([*CHART, "timeSeries", "limit"])
numbers = json_values | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    fields, operators, numbers, st.dictionaries(st.sampled_from([*CHART, "timeSeries", "limit"]), json_values)
)
def test_whatever_json_comes_the_server_makes_no_mistake(
    client: Client, field: str, operator: str, value: Any, chart: dict[str, Any]
) -> None:
    group = {"filters": [asked(field, operator, value, "step")]}
    line = {"id": "two", "chartType": "line", "metric": "count", "timeSeries": True}
    for charts in ([line], [{**CHART, **chart}]):
        response = client.post(CUSTOM, {"filter_group": group, "customCharts": charts})
        assert response.status_code in (200, 400, 422)
