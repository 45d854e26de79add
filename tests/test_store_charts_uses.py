"""What the store counts of prompt templates, of streams and of a whole time, held against plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch._query import And, Operator, condition
from promptlayer_patch.annotations import Score
from promptlayer_patch.store import Store
from promptlayer_patch.store.charting.charts import Charts
from promptlayer_patch.store.charting.first_tokens import FirstTokens, first_tokens
from promptlayer_patch.store.charting.periods import period
from promptlayer_patch.store.charting.prompts import MeanScore, mean_scores, prompt_uses, version_uses
from promptlayer_patch.store.charting.source import Source
from tests.support.charted import DAY_S, MONDAY, Known, entry_of, made, nanos, nearest_rank
from tests.support.stored import JANUARY_2026, said

GREETING = condition("prompt_id", Operator.EQUALS, "7")
FILTERS = {"all of them": And(()), "row by row": condition("latency_ms", Operator.AT_LEAST, 0)}
SCORED = 40


@pytest.fixture(scope="module")
def requests() -> list[Known]:
    return made(seed=6, count=400)


@pytest.fixture(scope="module")
def store(requests: list[Known], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with closing(Store.open(tmp_path_factory.mktemp("uses") / "requests.db")) as store:
        ids = store.add([entry_of(request) for request in requests])
        for place, request_id in enumerate(ids[:SCORED]):
            store.annotate(request_id, Score(place, "tone"))
            store.annotate(request_id, Score(100, "length" if place % 2 else "tone2"))
        store.catch_up()
        yield store


def test_every_template_that_requests_name_is_counted(store: Store, requests: list[Known]) -> None:
    known = Counter(request.prompt[:2] for request in requests if request.prompt)
    uses = Charts(store).draw(prompt_uses)
    assert {(use.name, use.id): use.requests for use in uses} == known
    assert [use.requests for use in uses] == sorted(known.values(), reverse=True)


def test_versions_are_counted_each_with_what_it_took(store: Store, requests: list[Known]) -> None:
    uses = Charts(store).draw(version_uses, GREETING)
    assert [use.version for use in uses] == [3, 2, 1]
    for use in uses:
        meant = [one for one in requests if one.prompt and one.prompt[1:] == (7, use.version)]
        assert use.requests == len(meant)
        assert use.errors == sum(one.status == "ERROR" for one in meant)
        assert use.last_at == max(one.started_at for one in meant)
        assert use.cost is not None
        assert round(use.cost * 1e9) == sum(nanos(one.cost) for one in meant)
        median = nearest_rank([one.duration_s for one in meant], 50)
        assert use.latencies.latency_s(50) == pytest.approx(median, rel=0.04, abs=1e-4)


def test_scores_are_averaged_by_version_and_name(store: Store, requests: list[Known]) -> None:
    values: dict[Any, list[int]] = {}
    for place, one in enumerate(requests[:SCORED]):
        if one.prompt and one.prompt[1] == 7:
            values.setdefault(one.prompt[2], []).append(place)
    for use in Charts(store).draw(version_uses, GREETING):
        own = values.get(use.version, [])
        tone = [score for score in use.scores if score.name == "tone"]
        assert tone == ([MeanScore("tone", sum(own) / len(own), len(own))] if own else [])


def test_a_template_has_the_mean_of_the_score_that_it_has_most_of(
    store: Store, requests: list[Known]
) -> None:
    means = Charts(store).draw(mean_scores)
    places = [place for place, one in enumerate(requests[:SCORED]) if one.prompt and one.prompt[1] == 7]
    assert means[7, "greeting"] == MeanScore("tone", sum(places) / len(places), len(places))


@pytest.mark.parametrize("filter", FILTERS.values(), ids=FILTERS)
def test_a_period_is_all_requests_of_its_time(filter: Any, store: Store, requests: list[Known]) -> None:
    whole = Charts(store).draw(period, filter, since=MONDAY, until=MONDAY + DAY_S)
    meant = [one for one in requests if MONDAY <= one.started_at < MONDAY + DAY_S]
    assert whole.totals.requests == len(meant)
    assert whole.errors == sum(one.status == "ERROR" for one in meant)
    assert whole.totals.cost_nanos == sum(nanos(one.cost) for one in meant)


def test_first_tokens_are_those_of_streams_in_the_point_in_which_they_began(tmp_path: Path) -> None:
    waits = [(0, 0.25), (1, 0.5), (2, 4.0), (7200, 1.0)]
    with closing(Store.open(tmp_path / "requests.db")) as store:
        store.add([said("Hi", "Ho", 3)])
        store.add(
            [
                said("Hi", "Ho", at, streamed=True, first_token_at=JANUARY_2026 + at + wait)
                for at, wait in waits
            ]
        )
        store.catch_up()

        def counted(source: Source) -> tuple[int, tuple[FirstTokens, ...]]:
            return source.interval.seconds, first_tokens(source)

        step, points = Charts(store).draw(counted, since=JANUARY_2026, until=JANUARY_2026 + 10_800)
    assert [point.at for point in points] == [JANUARY_2026, JANUARY_2026 + 7200]
    assert step == 60
    assert [points[0].percentile_s(percent) for percent in (1, 50, 99)] == [
        pytest.approx(wait, rel=0.04) for wait in (0.25, 0.5, 4.0)
    ]
    assert points[1].percentile_s(50) == pytest.approx(1.0, rel=0.04)
