"""How many requests there were over time, and how they ended: the chart above a list, and no more than it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from promptlayer_patch.store.charting.ranges import Interval, Range
from promptlayer_patch.store.charting.source import Source

__all__ = ["Activity", "Moment", "activity"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One point: when it begins, in seconds since the epoch, and its requests."""

    at: int
    ok: int
    warnings: int
    errors: int

    @property
    def requests(self) -> int:
        return self.ok + self.warnings + self.errors


@dataclass(frozen=True, slots=True)
class Activity:
    """For `Charts.draw`, which gives the requests."""

    range: Range
    interval: Interval
    points: tuple[Moment, ...]
    complete: bool
    """False if only the newest requests were counted, as counting all would have taken too long."""

    @property
    def most(self) -> int:
        return max((point.requests for point in self.points), default=0)

    @property
    def requests(self) -> int:
        return sum(point.requests for point in self.points)

    @property
    def errors(self) -> int:
        return sum(point.errors for point in self.points)


def activity(source: Source) -> Activity:
    """The chart of `source`: what no rollup knows of an ending counts as well."""
    counted: Counter[tuple[int, str]] = Counter()
    for (at, status), requests in source.statuses().items():
        counted[at, status or "SUCCESS"] += requests
    points = tuple(_moments(source.points(), counted))
    return Activity(source.range, source.interval, points, source.complete)


def _moments(points: Iterable[int], counted: Counter[tuple[int, str]]) -> Iterable[Moment]:
    for at in points:
        yield Moment(at, *(counted[at, status] for status in ("SUCCESS", "WARNING", "ERROR")))
