"""Charts show what counting request by request shows, whichever way the store takes to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch._query import And, Filter, Not, Operator, Or, condition
from promptlayer_patch.annotations import MetadataUpdate, PromptLink
from promptlayer_patch.store import Store
from promptlayer_patch.store.charting.activity import activity
from promptlayer_patch.store.charting.charts import Charts, Overview, Slice, _overview
from promptlayer_patch.store.charting.first_tokens import first_tokens
from promptlayer_patch.store.charting.metadata import metadata_values
from promptlayer_patch.store.charting.prompts import mean_scores, prompt_uses
from promptlayer_patch.store.charting.source import Source
from promptlayer_patch.store.charting.totals import Totals
from tests.support.charted import DAY_S, HOUR_S, MONDAY, Known, by, entry_of, made, nanos, nearest_rank
from tests.support.reading import statements, whole_tables

TO_BE_COUNTED = condition("attempts", Operator.AT_LEAST, 0)
"""All requests, but no rollup knows that."""
PERCENTILES = (0, 1, 50, 90, 95, 99, 100)


@pytest.fixture(scope="module")
def requests() -> list[Known]:
    return made(seed=1, count=700)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, requests: list[Known]) -> Iterator[Store]:
    with closing(filled(tmp_path_factory.mktemp("charts") / "requests.db", requests)) as opened:
        yield opened


def filled(path: Path, requests: Sequence[Known]) -> Store:
    store = Store.open(path)
    store.add([entry_of(request) for request in requests])
    store.catch_up()
    return store


def assert_counts(totals: Totals, requests: Sequence[Known]) -> None:
    """Every sum is exact, every percentile within its bound."""
    assert totals.requests == len(requests)
    for name in ("input_tokens", "output_tokens", "cached_tokens", "thinking_tokens"):
        numbers = [getattr(request, name) for request in requests]
        assert getattr(totals, name) == sum(number or 0 for number in numbers)
        assert getattr(totals, f"with_{name}") == sum(number is not None for number in numbers)
    assert totals.cost_nanos == sum(nanos(request.cost) for request in requests)
    assert totals.with_cost == sum(request.cost is not None for request in requests)
    assert totals.turns == sum(request.turns for request in requests)
    assert totals.tool_calls == sum(len(request.tools) for request in requests)
    assert totals.traced == sum(request.trace_id is not None for request in requests)
    shapes = (totals.json, totals.tool_call, totals.plain_text)
    assert shapes == tuple(
        sum(request.shape == shape for request in requests) for shape in ("json", "tool_call", "plain_text")
    )
    assert totals.average_latency_s == pytest.approx(
        sum(request.duration_s for request in requests) / len(requests), abs=2e-6
    )


def assert_percentiles(totals: Totals, requests: Sequence[Known]) -> None:
    for percent in PERCENTILES:
        latency = nearest_rank((request.duration_s for request in requests), percent)
        assert totals.latency_percentile_s(percent) == pytest.approx(latency, rel=0.04, abs=1.1e-4)
        calls = nearest_rank((len(request.tools) for request in requests), percent)
        assert totals.tool_call_percentile(percent) == calls


def assert_slices(slices: Iterable[Slice], expected: dict[Any, list[Known]]) -> None:
    slices = list(slices)
    assert {one.name if one.id is None else (one.name, one.id) for one in slices} == set(expected)
    for one in slices:
        assert_counts(one.totals, expected[one.name if one.id is None else (one.name, one.id)])
    counts = [one.totals.requests for one in slices]
    assert counts == sorted(counts, reverse=True)


def assert_shows(overview: Overview, requests: Sequence[Known]) -> None:
    """The overview is that of exactly these requests."""
    assert overview.complete
    assert overview.totals.requests == len(requests)
    assert sum(point.totals.requests for point in overview.points) == len(requests)
    if not requests:
        return
    assert_counts(overview.totals, requests)
    assert_percentiles(overview.totals, requests)
    points = by(requests, lambda request: [overview.interval.begin(request.started_at)])
    for point in overview.points:
        if point.at in points:
            assert_counts(point.totals, points[point.at])
            assert_percentiles(point.totals, points[point.at])
    assert set(points) <= {point.at for point in overview.points}
    models = by(requests, lambda request: [request.model])
    assert_slices(overview.models, models)
    for model in overview.models:
        assert_percentiles(model.totals, models[model.name])
        assert sum((point.totals for point in model.points), Totals()) == model.totals
    assert_slices(overview.providers, by(requests, lambda request: [request.provider]))
    assert_slices(overview.statuses, by(requests, lambda request: [request.status]))
    assert_slices(overview.prompts, by(requests, prompt_of))
    assert_slices(overview.tags, by(requests, lambda request: request.tags))
    assert_slices(overview.tools, by(requests, lambda request: request.tools))
    assert_slices(overview.metadata_keys, by(requests, lambda request: tuple(request.metadata)))
    assert_slices(overview.error_types, by(requests, error_of))


def prompt_of(request: Known) -> list[Any]:
    if request.prompt is None:
        return []
    name, prompt_id, _ = request.prompt
    return [name if prompt_id is None else (name, str(prompt_id))]


def error_of(request: Known) -> list[str]:
    return [] if request.error_type is None else [request.error_type]


FILTERS: dict[str, tuple[Filter, Any]] = {
    "all of them": (And(()), lambda request: True),
    "one model": (condition("engine", Operator.EQUALS, "gpt-9"), lambda request: request.model == "gpt-9"),
    "no model": (Not(condition("engine", Operator.EXISTS)), lambda request: request.model is None),
    "models by their beginning": (
        condition("engine", Operator.PREFIX, "gpt-9"),
        lambda request: (request.model or "").startswith("gpt-9"),
    ),
    "model and status": (
        And(
            (
                condition("engine", Operator.ONE_OF, ["gpt-9", "grok-77"]),
                Not(condition("status", Operator.EQUALS, "SUCCESS")),
            )
        ),
        lambda request: request.model in ("gpt-9", "grok-77") and request.status != "SUCCESS",
    ),
    "provider or status": (
        Or(
            (
                condition("provider_type", Operator.EQUALS, "anthropic"),
                condition("status", Operator.EQUALS, "ERROR"),
            )
        ),
        lambda request: request.provider == "anthropic" or request.status == "ERROR",
    ),
    "one tag": (condition("tags", Operator.EQUALS, "支付"), lambda request: "支付" in request.tags),
    "a cost": (condition("cost", Operator.MORE, 0.5), lambda request: (request.cost or 0) > 0.5),
    "nobody": (condition("engine", Operator.EQUALS, "none"), lambda request: False),
}
moments = st.one_of(
    st.floats(MONDAY - DAY_S, MONDAY + 4 * DAY_S),
    st.integers(-24, 96).map(lambda hour: MONDAY + hour * HOUR_S),
    st.integers(-1, 4).map(lambda day: MONDAY + day * DAY_S),
    st.integers(0, 699),  # exactly when a request began
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILTERS)), moments, moments)
def test_an_overview_shows_exactly_the_requests_of_its_filter_and_its_time(
    store: Store, requests: list[Known], name: str, one: float, other: float
) -> None:
    ends = (requests[end].started_at if 0 <= end < 700 else end for end in (one, other))
    since, until = sorted(float(end) if not isinstance(end, float) else end for end in ends)
    filter, meets = FILTERS[name]
    overview = Charts(store).overview(filter, since=since, until=until)
    meant = [request for request in requests if since <= request.started_at < until and meets(request)]
    assert_shows(overview, meant)
    assert len(overview.points) <= 200


@pytest.mark.parametrize("name", FILTERS)
def test_without_a_time_an_overview_is_of_all_time(store: Store, requests: list[Known], name: str) -> None:
    filter, meets = FILTERS[name]
    assert_shows(Charts(store).overview(filter), [request for request in requests if meets(request)])


@settings(max_examples=50, deadline=None)
@given(moments, moments)
def test_rollups_and_rows_show_the_same_to_the_last_bit(store: Store, one: float, other: float) -> None:
    since, until = sorted(MONDAY + end if end < 700 else end for end in (one, other))
    rolled_up = Charts(store).overview(since=since, until=until)
    assert Charts(store).overview(TO_BE_COUNTED, since=since, until=until) == rolled_up


def test_a_time_may_stand_in_the_filter(store: Store, requests: list[Known]) -> None:
    first, last = sorted(request.started_at for request in requests)[100:102]
    between = condition("request_start_time", Operator.BETWEEN, (first, last))
    assert Charts(store).overview(between).totals.requests == 2
    strictly = And(
        (
            condition("request_start_time", Operator.MORE, first),
            And((condition("request_start_time", Operator.LESS, last),)),
        )
    )
    assert Charts(store).overview(strictly).totals.requests == 0


def test_sums_stay_exact_when_requests_change_and_go(tmp_path: Path) -> None:
    requests = made(seed=2, count=200)
    with closing(filled(tmp_path / "requests.db", requests)) as store:
        ids = [one.request_id for one in store.recent(200)]
        for request_id in ids[:60]:
            store.annotate(request_id, MetadataUpdate({"region": "eu", "user": "three"}))
            store.annotate(request_id, PromptLink("refund", 3, None, {}, 8))
        store.catch_up()
        changed = Charts(store).overview()
        assert changed == Charts(store).overview(TO_BE_COUNTED)
        assert {one.name: one.totals.requests for one in changed.metadata_keys}["region"] == 60
        store.delete(ids[::2])
        left = Charts(store).overview()
        assert left.totals.requests == 100
        assert left == Charts(store).overview(TO_BE_COUNTED)


def test_nothing_is_left_of_requests_that_are_gone(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "requests.db", made(seed=3, count=50))) as store:
        ids = [one.request_id for one in store.recent(50)]
        store.delete(ids)
        for table in ("rollups", "rollup_values", "request_values"):
            assert store.run(lambda connection, table=table: _rows(connection, table)) == []
        assert Charts(store).overview().points == ()


def test_overviews_of_several_stores_add_up_to_that_of_all_requests(tmp_path: Path) -> None:
    requests, span = made(seed=4, count=120), {"since": MONDAY, "until": MONDAY + 3 * DAY_S}
    with (
        closing(filled(tmp_path / "one.db", requests[:50])) as one,
        closing(filled(tmp_path / "other.db", requests[50:])) as other,
        closing(filled(tmp_path / "whole.db", requests)) as whole,
    ):
        added = Charts(one).overview(**span) + Charts(other).overview(**span)
        assert added == Charts(whole).overview(**span)


def test_where_requests_must_be_counted_only_the_newest_are_and_the_overview_says_so(
    store: Store, requests: list[Known]
) -> None:
    newest = sorted(requests, key=lambda request: request.started_at)[-100:]
    overview = Charts(store, at_most=100).overview(TO_BE_COUNTED)
    assert not overview.complete
    assert_counts(overview.totals, newest)
    assert Charts(store, at_most=100).overview().complete


@pytest.mark.parametrize(
    ("length_s", "interval_s"),
    [(60, 1), (HOUR_S, 60), (DAY_S, 900), (7 * DAY_S, HOUR_S), (60 * DAY_S, DAY_S), (900 * DAY_S, 7 * DAY_S)],
)
def test_the_interval_is_the_finest_that_draws_at_most_200_points(
    store: Store, length_s: float, interval_s: int
) -> None:
    overview = Charts(store).overview(since=MONDAY, until=MONDAY + length_s)
    assert overview.interval.seconds == interval_s
    assert len(overview.points) <= 200


def test_weeks_begin_on_mondays(store: Store) -> None:
    overview = Charts(store).overview(since=MONDAY + 2 * DAY_S, until=MONDAY + 900 * DAY_S)
    assert overview.points[0].at == MONDAY


def test_a_store_without_requests_has_an_empty_overview(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "requests.db", [])) as store:
        overview = Charts(store).overview()
        assert (overview.totals, overview.points, overview.models) == (Totals(), (), ())


def test_a_chart_leaves_nothing_behind_in_the_connection(store: Store) -> None:
    Charts(store).draw(partial(metadata_values, key=None, limit=5), TO_BE_COUNTED)
    asked = "SELECT name FROM temp.sqlite_master WHERE name GLOB 'charted*'"
    assert store.run(lambda connection: connection.execute(asked).fetchall()) == []


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILTERS)), moments, moments)
def test_the_chart_above_a_list_shows_how_its_requests_ended(
    store: Store, requests: list[Known], name: str, one: float, other: float
) -> None:
    since, until = sorted(MONDAY + end if end < 700 else end for end in (one, other))
    filter, meets = FILTERS[name]
    drawn = Charts(store).draw(activity, filter, since=since, until=until)
    expected: Counter[tuple[int, str]] = Counter()
    for request in requests:
        if since <= request.started_at < until and meets(request):
            expected[drawn.interval.begin(request.started_at), request.status] += 1
    shown = {
        (point.at, status): count
        for point in drawn.points
        for status, count in (("SUCCESS", point.ok), ("WARNING", point.warnings), ("ERROR", point.errors))
        if count
    }
    assert shown == dict(expected)
    assert drawn.complete


@pytest.mark.parametrize("at_most", [1, 99, 699, 700])
def test_the_chart_above_a_list_counts_the_newest_requests(
    store: Store, requests: list[Known], at_most: int
) -> None:
    newest = sorted(requests, key=lambda request: request.started_at)[-at_most:]
    drawn = Charts(store, at_most=at_most).draw(activity, TO_BE_COUNTED)
    expected = Counter(drawn.interval.begin(request.started_at) for request in newest)
    assert {point.at: point.requests for point in drawn.points if point.requests} == dict(expected)
    assert drawn.complete == (at_most == 700)


@pytest.mark.parametrize(
    "drawing",
    [
        _overview,
        activity,
        first_tokens,
        prompt_uses,
        mean_scores,
        partial(metadata_values, key="user", limit=5),
    ],
    ids=["overview", "activity", "first tokens", "prompts", "scores", "metadata"],
)
def test_only_what_is_charted_is_read(store: Store, drawing: Callable[[Source], Any]) -> None:
    """However many requests there are beside it."""
    connection = store.run(lambda connection: connection)

    def read_whole(source: Source) -> list[str]:
        with statements(connection) as asked:
            drawing(source)
        return [one for one in asked if whole_tables(connection, one)]

    assert Charts(store, at_most=10).draw(read_whole, TO_BE_COUNTED) == []


def _rows(connection: Any, table: str) -> list[Any]:
    return list(connection.execute(f"SELECT * FROM {table}").fetchall())
