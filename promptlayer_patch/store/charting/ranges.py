"""Which time a chart is about, how it is cut into points, and where the sums for each part are to be had."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from promptlayer_patch._query import And, Condition, Filter, Operator
from promptlayer_patch.store.charting.rollups import DAY_S, HOUR_S, LAST_TIME

__all__ = ["DRAWABLE", "MOST_POINTS", "Interval", "Piece", "Range", "cover", "interval_for", "split"]

MOST_POINTS = 200
_INTERVALS_S = (
    1,
    5,
    15,
    60,
    300,
    900,
    HOUR_S,
    3 * HOUR_S,
    6 * HOUR_S,
    DAY_S,
    7 * DAY_S,
    28 * DAY_S,
    364 * DAY_S,
)
_MONDAY_S = 4 * DAY_S  # the epoch was a Thursday


@dataclass(frozen=True, slots=True)
class Range:
    """From `since` until just before `until`, in seconds since the epoch."""

    since: float = -math.inf
    until: float = math.inf

    def __and__(self, other: Range) -> Range:
        return Range(max(self.since, other.since), min(self.until, other.until))

    @property
    def empty(self) -> bool:
        return not self.since < self.until


DRAWABLE = Range(0.0, LAST_TIME + HOUR_S)
"""What lies outside of it is counted to its ends, and has no date that every calendar knows."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of one point of a chart. Points begin at whole multiples of it in UTC, weeks on Mondays."""

    seconds: int

    def begin(self, at: float) -> int:
        """When the point began that `at` belongs to."""
        return math.floor((at - _MONDAY_S) / self.seconds) * self.seconds + _MONDAY_S

    def points(self, range: Range) -> Iterator[int]:
        """When each point of the range begins."""
        at = self.begin(range.since)
        while at < range.until:
            yield at
            at += self.seconds


def interval_for(range: Range) -> Interval:
    """The finest that draws a range, which must have both ends, with at most 200 points."""
    for seconds in _INTERVALS_S:
        interval = Interval(seconds)
        if (interval.begin(range.until) - interval.begin(range.since)) // seconds < MOST_POINTS:
            return interval
    return Interval(
        _INTERVALS_S[-1] * math.ceil((range.until - range.since) / _INTERVALS_S[-1] / (MOST_POINTS - 1))
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a range, and the length of the sums it can be put together from: hours, days, or none."""

    range: Range
    length_s: int | None


def cover(range: Range, interval: Interval | None) -> list[Piece]:
    """The range in pieces: whole days, whole hours, and at the ends what is less.

    `interval` says which points must be told apart; `None` means that only the sum is wanted.
    """
    if interval is not None and interval.seconds < HOUR_S:
        return [] if range.empty else [Piece(range, None)]
    lengths = [HOUR_S] if interval is not None and interval.seconds < DAY_S else [DAY_S, HOUR_S]
    return list(_cover(range, lengths))


def _cover(range: Range, lengths: list[int]) -> Iterator[Piece]:
    if range.empty:
        return
    if not lengths:
        yield Piece(range, None)
        return
    length, finer = lengths[0], lengths[1:]
    begin, end = math.ceil(range.since / length) * length, math.floor(range.until / length) * length
    if begin >= end:
        yield from _cover(range, finer)
        return
    yield from _cover(Range(range.since, begin), finer)
    yield Piece(Range(begin, end), length)
    yield from _cover(Range(end, range.until), finer)


def split(filter: Filter) -> tuple[Range, Filter]:
    """The time that a filter names, and what it asks beside that."""
    if isinstance(filter, Condition) and filter.field == "request_start_time":
        named = _named(filter)
        return (Range(), filter) if named is None else (named, And(()))
    if not isinstance(filter, And):
        return Range(), filter
    range, rest = Range(), []
    for one in filter.filters:
        named, beside = split(one)
        range &= named
        if beside != And(()):
            rest.append(beside)
    return range, rest[0] if len(rest) == 1 else And(tuple(rest))


def _named(condition: Condition) -> Range | None:
    if condition.operator is Operator.BETWEEN:
        first, last = cast("tuple[float, float]", condition.value)
        return Range(first, _after(last))
    if condition.operator is Operator.EXISTS:
        return None
    value = cast("float", condition.value)
    return {
        Operator.LESS: Range(until=value),
        Operator.AT_MOST: Range(until=_after(value)),
        Operator.MORE: Range(since=_after(value)),
        Operator.AT_LEAST: Range(since=value),
        Operator.EQUALS: Range(value, _after(value)),
    }[condition.operator]


def _after(value: float) -> float:
    return math.nextafter(value, math.inf)
