"""The chart above the list: how many requests there were over time, and how many of them failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.requests_asking import ListQuery, asked
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store import QueryTooSlow, StoreUnavailable
from promptlayer_patch.store.charting.activity import Activity, Moment, activity
from promptlayer_patch.store.charting.charts import Charts

__all__ = ["ENDPOINTS"]

_HEIGHT = 100
_WIDTH = 10
"""Of one point, with the gap behind it."""
_GAP = 1.5


def _chart(call: Call[None, ListQuery]) -> Answer:
    bar = asked(call.query.q)
    drawn = None
    if bar.filter is not None:
        try:
            with call.workspace.reading() as store:
                drawn = Charts(store).draw(activity, bar.filter)
        except (QueryTooSlow, StoreUnavailable):
            pass  # the list says so
    data: dict[str, Any] = {"q": call.query.q, "activity": drawn}
    if call.query.format != "json":
        data |= {"section": "Requests", "query": call.query, "height": _HEIGHT, "width": 0}
        if drawn is not None:
            data |= {"width": len(drawn.points) * _WIDTH, "paths": _paths(drawn), "points": _points(drawn)}
    return page(call, "requests_chart.html", data, title="Requests over time")


def _points(drawn: Activity) -> list[list[int]]:
    return [[point.at, point.ok, point.warnings, point.errors] for point in drawn.points]


def _paths(drawn: Activity) -> dict[str, str]:
    """One path for each colour, errors at the bottom: where they are few they still stand on the line."""
    return {
        "error": _path(drawn, lambda point: (0, point.errors)),
        "warning": _path(drawn, lambda point: (point.errors, point.warnings)),
        "ok": _path(drawn, lambda point: (point.errors + point.warnings, point.ok)),
    }


def _path(drawn: Activity, part: Callable[[Moment], tuple[int, int]]) -> str:
    return "".join(_bars(drawn, part))


def _bars(drawn: Activity, part: Callable[[Moment], tuple[int, int]]) -> Iterator[str]:
    scale = _HEIGHT / max(1, drawn.most)
    for place, point in enumerate(drawn.points):
        below, own = part(point)
        if own:
            # What is there is seen, be it one request among thousands.
            height = max(1.5, own * scale)
            bottom = _HEIGHT - below * scale
            yield f"M{place * _WIDTH:g},{bottom:.1f}v-{height:.1f}h{_WIDTH - _GAP:g}v{height:.1f}z"


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/requests/chart",
        handler=_chart,
        summary="requests over time",
        auth=Auth.SESSION,
        query=ListQuery,
    ),
)
