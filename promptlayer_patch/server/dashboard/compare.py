"""The page that puts two requests side by side."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from promptlayer_patch.server.dashboard.compare_differences import comparison
from promptlayer_patch.server.dashboard.compare_versions import recent_of, versions_of
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.request_finding import find
from promptlayer_patch.server.dashboard.request_panel import missing
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint

__all__ = ["ENDPOINTS"]


class PairQuery(BaseModel):
    a: str = ""
    """The request that is compared."""
    b: str = ""
    """The one that it is compared with; without it, the page offers some to choose from."""
    format: str | None = None


def _pair(call: Call[None, PairQuery]) -> Answer:
    first, second = (find(call.workspace, text) if text else None for text in (call.query.a, call.query.b))
    if (call.query.a and first is None) or (call.query.b and second is None):
        return missing(call)
    data: dict[str, Any] = {"section": "Requests", "a": None, "b": None, "comparison": None}
    data |= {"versions": (), "recent": ()}
    if first is not None:
        data |= {"a": first.summary, "versions": versions_of(call.workspace, first.summary)}
        if second is None:
            data["recent"] = recent_of(call.workspace, first.summary)
        else:
            data |= {"b": second.summary, "comparison": comparison(first, second)}
    return page(call, "compare.html", data, title="Compare")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/compare",
        handler=_pair,
        summary="two requests side by side",
        auth=Auth.SESSION,
        query=PairQuery,
        refuses=(404,),
    ),
)
