"""All endpoints of the server."""

from __future__ import annotations

from typing import Any

from promptlayer_patch._version import __version__
from promptlayer_patch.server import annotating, reading, tracing, tracking
from promptlayer_patch.server.analytics import custom as analytics_custom
from promptlayer_patch.server.analytics import endpoint as analytics
from promptlayer_patch.server.analytics import traces as analytics_traces
from promptlayer_patch.server.dashboard.table import PAGES
from promptlayer_patch.server.endpoints import Auth, Call, Endpoint
from promptlayer_patch.server.openapi import document_of
from promptlayer_patch.server.registry import getting as registry_getting
from promptlayer_patch.server.registry import legacy as registry_legacy
from promptlayer_patch.server.registry import publishing as registry_publishing

__all__ = ["DOCUMENTED", "ENDPOINTS"]


def _health(call: Call[None, None]) -> dict[str, Any]:
    return {"success": True, "version": __version__}


_PROTOCOL: tuple[Endpoint, ...] = (
    *tracking.ENDPOINTS,
    *annotating.ENDPOINTS,
    *registry_getting.ENDPOINTS,
    *registry_publishing.ENDPOINTS,
    *registry_legacy.ENDPOINTS,
    *tracing.ENDPOINTS,
    *reading.ENDPOINTS,
    *analytics.ENDPOINTS,
    *analytics_custom.ENDPOINTS,
    *analytics_traces.ENDPOINTS,
    Endpoint(
        method="GET", path="/health", handler=_health, summary="say that the server is there", auth=Auth.NONE
    ),
)


def _openapi(call: Call[None, None]) -> dict[str, Any]:
    return document_of(DOCUMENTED)


DOCUMENTED: tuple[Endpoint, ...] = (
    *_PROTOCOL,
    Endpoint(
        method="GET", path="/openapi.json", handler=_openapi, summary="describe the endpoints", auth=Auth.NONE
    ),
)
"""Those for programs."""

ENDPOINTS: tuple[Endpoint, ...] = (*DOCUMENTED, *PAGES)
