"""Charts: how many requests, how long, how much, over time and by what they have in common."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Any

from pydantic import Field

from promptlayer_patch._query import And, Filter, Operator, condition
from promptlayer_patch._query.editing import Term
from promptlayer_patch.server.dashboard.charts_breakdowns import (
    Breakdown,
    Measure,
    breakdowns,
    by_metadata,
)
from promptlayer_patch.server.dashboard.charts_drawing import Chart, Tile, drawn, tiles
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.requests_asking import TOO_SLOW, AskedQuery, asked, elsewhere
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store import QueryTooSlow, Store, StoreUnavailable
from promptlayer_patch.store.charting.charts import Charts, Overview, Slice
from promptlayer_patch.store.charting.first_tokens import FirstTokens, first_tokens
from promptlayer_patch.store.charting.periods import Period, period
from promptlayer_patch.store.charting.ranges import Range, split
from promptlayer_patch.store.charting.source import Source
from promptlayer_patch.store.charting.totals import Totals

__all__ = ["ENDPOINTS", "MOST_COUNTED"]

MOST_COUNTED = 20_000
"""So many of the newest requests are counted for what no rollup knows: more take too long."""
_STREAMED = condition("first_token_ms", Operator.EXISTS)


class ChartsQuery(AskedQuery):
    measure: Measure = Measure.REQUESTS
    metadata: str = Field(default="", max_length=1024)
    """A key to break the requests down by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """Everything on the page."""

    since: float
    until: float
    interval_s: int
    complete: bool
    compared: bool
    """Whether the tiles say what was before."""
    tiles: tuple[Tile, ...]
    charts: tuple[Chart, ...]
    breakdowns: tuple[Breakdown, ...]
    metadata_keys: tuple[str, ...]
    metadata: Breakdown | None
    metadata_complete: bool


def _charts(call: Call[None, ChartsQuery]) -> Answer:
    query = call.query
    kept = {"measure": query.measure.value, "metadata": query.metadata}
    moved = elsewhere("/charts", query, kept)
    if moved is not None:
        return moved
    bar = asked(query.q)
    shown: _Shown | None = None
    trouble, status = None, 200
    if bar.filter is None:
        status = 400
    else:
        try:
            with call.workspace.reading() as store:
                shown = _shown(store, query, bar.filter, bar.terms)
        except QueryTooSlow:
            trouble, status = TOO_SLOW, 400
        except StoreUnavailable:
            trouble, status = "The requests are being indexed; try again in a moment.", 503
    data: dict[str, Any] = {"q": query.q, **kept, "problem": bar.problem, "trouble": trouble, "shown": shown}
    if query.format != "json":
        data |= {"section": "Charts", "asked": bar, "path": "/charts", "keep": kept}
    return page(call, "charts.html", data, title="Charts", status=status)


def _shown(store: Store, query: ChartsQuery, filter: Filter, known: Sequence[Term]) -> _Shown:
    named, rest = split(filter)
    # Up to now, with or without requests: else an hour of silence would be no part of the last hour.
    until = min(named.until, time.time()) if named.since > 0 else named.until
    overview = Charts(store, at_most=MOST_COUNTED).overview(rest, **_times(Range(named.since, until)))
    if not overview.complete:
        overview = _from_the_first(overview)
    range = overview.range
    before = _before(store, rest, range) if overview.complete and named.since > 0 else None
    first, first_complete = _first_tokens(store, rest, range)
    metadata, metadata_complete = _metadata(store, query, rest, range, known)
    return _Shown(
        since=range.since,
        until=range.until,
        interval_s=overview.interval.seconds,
        complete=overview.complete,
        compared=before is not None,
        tiles=tiles(_whole(overview.totals, overview.statuses), before),
        charts=drawn(overview, first, first_complete=first_complete),
        breakdowns=breakdowns(overview, query.measure, known),
        metadata_keys=tuple(slice.name for slice in overview.metadata_keys if slice.name is not None),
        metadata=metadata,
        metadata_complete=metadata_complete,
    )


def _from_the_first(overview: Overview) -> Overview:
    """From where requests were counted: an older time that looks empty would be a lie."""
    points = tuple(dropwhile(lambda point: not point.totals.requests, overview.points))
    if not points:
        return overview
    since = max(overview.range.since, points[0].at)
    return replace(overview, points=points, range=Range(since, overview.range.until))


def _before(store: Store, rest: Filter, range: Range) -> Period | None:
    """The requests of as long a time before; `None` if there are too many to count, or no time at all."""

    def counted(source: Source) -> tuple[Period, bool]:
        return period(source), source.complete

    if range.empty:
        return None
    span = Range(range.since - (range.until - range.since), range.since)
    whole, complete = Charts(store, at_most=MOST_COUNTED).draw(counted, rest, **_times(span))
    return whole if complete else None


def _whole(totals: Totals, statuses: Iterable[Slice]) -> Period:
    return Period(totals, sum(slice.totals.requests for slice in statuses if slice.name == "ERROR"))


def _first_tokens(store: Store, rest: Filter, range: Range) -> tuple[tuple[FirstTokens, ...], bool]:
    def counted(source: Source) -> tuple[tuple[FirstTokens, ...], bool]:
        return first_tokens(source), source.complete

    return Charts(store, at_most=MOST_COUNTED).draw(counted, And((rest, _STREAMED)), **_times(range))


def _metadata(
    store: Store, query: ChartsQuery, rest: Filter, range: Range, known: Sequence[Term]
) -> tuple[Breakdown | None, bool]:
    def counted(source: Source) -> tuple[Breakdown, bool]:
        made = by_metadata(source, query.metadata, query.measure, known)
        return made, source.complete

    if not query.metadata:
        return None, True
    has_it = condition("metadata", Operator.EXISTS, key=query.metadata)
    return Charts(store, at_most=MOST_COUNTED).draw(counted, And((rest, has_it)), **_times(range))


def _times(range: Range) -> Mapping[str, float]:
    ends = {"since": range.since, "until": range.until}
    return {name: moment for name, moment in ends.items() if abs(moment) != float("inf")}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/charts",
        handler=_charts,
        summary="charts of requests",
        auth=Auth.SESSION,
        query=ChartsQuery,
    ),
)
