"""The page of one request, and what was sent and what came back as files."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from promptlayer_patch._wire import encoded
from promptlayer_patch.server.dashboard import request_forms
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.request_finding import Found, find, neighbours
from promptlayer_patch.server.dashboard.request_panel import missing, panel_data
from promptlayer_patch.server.dashboard.request_view import view
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import NotFound

__all__ = ["ENDPOINTS"]


class PageQuery(BaseModel):
    q: str = ""
    """The query that the reader comes from: the requests beside this one are of it."""
    format: str | None = None


def _page(call: Call[None, PageQuery]) -> Answer:
    found = find(call.workspace, call.path["id"])
    if found is None:
        return missing(call)
    return shown(call, found, call.query.q)


def shown(call: Call[Any, Any], found: Found, q: str) -> Answer:
    data: dict[str, Any] = {
        "section": "Requests",
        "q": q,
        "request": found.summary,
        "record": found.stored.record,
        "prompt": found.stored.prompt,
        "beside": neighbours(call.workspace, found.summary.request_id, q),
    }
    if call.query.format != "json":
        data |= {**panel_data(found, q), "view": view(found)}
    return page(call, "request.html", data, title="Request")


def _sent(call: Call[None, None]) -> Answer:
    return _file(call, "request", lambda found: dict(found.stored.record.request))


def _received(call: Call[None, None]) -> Answer:
    return _file(call, "response", lambda found: found.stored.record.response)


def _file(call: Call[None, None], name: str, part: Any) -> Answer:
    found = find(call.workspace, call.path["id"])
    if found is None:
        raise NotFound("there is no such request")
    headers = {"Content-Disposition": f'attachment; filename="{name}-{found.summary.request_id}.json"'}
    return Answer(encoded(part(found)), headers=headers, content_type="application/json")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/requests/{id}",
        handler=_page,
        summary="a request",
        auth=Auth.SESSION,
        query=PageQuery,
        refuses=(404,),
    ),
    Endpoint(
        method="GET",
        path="/requests/{id}/request.json",
        handler=_sent,
        summary="what was sent",
        auth=Auth.SESSION,
        refuses=(404,),
    ),
    Endpoint(
        method="GET",
        path="/requests/{id}/response.json",
        handler=_received,
        summary="what came back",
        auth=Auth.SESSION,
        refuses=(404,),
    ),
    *request_forms.ENDPOINTS,
)
