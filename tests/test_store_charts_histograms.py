"""Histograms in one number: they add up, come back from the store, and keep their bound."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch.store.charting.histograms import (
    Histogram,
    added,
    counted,
    latency_bucket,
    packed,
    taken,
    unpacked,
)
from tests.support.charted import nearest_rank

buckets = st.lists(st.integers(0, 330), max_size=60)
latencies = st.lists(st.integers(0, 10**13), min_size=1, max_size=60)


def histogram(of: list[int]) -> int:
    return sum(counted(bucket) for bucket in of)


@given(buckets)
def test_a_histogram_counts_what_fell_into_each_bucket(of: list[int]) -> None:
    assert dict(Histogram(histogram(of)).counts()) == Counter(of)


@given(buckets)
def test_a_histogram_comes_back_from_the_store(of: list[int]) -> None:
    assert unpacked(packed(histogram(of))) == histogram(of)


@given(buckets, buckets)
def test_what_was_added_can_be_taken_away(one: list[int], other: list[int]) -> None:
    first, second = packed(histogram(one)), packed(histogram(other))
    both = added(first, second)
    assert both == packed(histogram(one + other))
    assert taken(both, second) == first
    assert Histogram(histogram(one)) + Histogram(histogram(other)) == Histogram(histogram(one + other))


@given(latencies, st.integers(0, 100))
def test_a_percentile_is_at_most_4_percent_beside_the_nearest_rank(of: list[int], percent: int) -> None:
    shown = Histogram(histogram([latency_bucket(one) for one in of])).latency_s(percent)
    assert shown == pytest.approx(nearest_rank(of, percent) / 1e6, rel=0.04, abs=1.1e-4)


def test_there_is_no_percentile_of_nothing() -> None:
    assert Histogram().latency_s(50) is None
    assert Histogram().percentile(50) is None


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_longer_latencies_are_in_no_lower_bucket(one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    assert latency_bucket(shorter) <= latency_bucket(longer)
