"""All pages."""

from __future__ import annotations

from promptlayer_patch.server.dashboard import (
    charts,
    compare,
    groups,
    prompts,
    prompts_comparing,
    prompts_filling,
    prompts_labels,
    prompts_list,
    prompts_publishing,
    request,
    requests,
    requests_bulk,
    requests_chart,
    requests_export,
    requests_facets,
    static,
    tags,
    traces,
)
from promptlayer_patch.server.endpoints import Endpoint

__all__ = ["PAGES"]

PAGES: tuple[Endpoint, ...] = (
    *charts.ENDPOINTS,
    *compare.ENDPOINTS,
    *groups.ENDPOINTS,
    *prompts.ENDPOINTS,
    *prompts_comparing.ENDPOINTS,
    *prompts_filling.ENDPOINTS,
    *prompts_labels.ENDPOINTS,
    *prompts_list.ENDPOINTS,
    *prompts_publishing.ENDPOINTS,
    *request.ENDPOINTS,
    *requests.ENDPOINTS,
    *requests_bulk.ENDPOINTS,
    *requests_chart.ENDPOINTS,
    *requests_export.ENDPOINTS,
    *requests_facets.ENDPOINTS,
    *static.ENDPOINTS,
    *tags.ENDPOINTS,
    *traces.ENDPOINTS,
)
"""In no order; each row says who may use it, as those of the protocol do."""
