"""What is said about a request, beside the request: its tags, metadata, scores and groups, to be changed."""

from __future__ import annotations

from typing import Any

from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.request_finding import Found
from promptlayer_patch.server.dashboard.request_view import address_of, searching
from promptlayer_patch.server.endpoints import Answer, Call

__all__ = ["missing", "panel_data", "panel_of"]


def panel_data(found: Found, q: str, trouble: str = "", at: str = "") -> dict[str, Any]:
    """What the panel is made from; `trouble` is what was wrong with what was sent for its part `at`."""
    return {
        "request": found.summary,
        "q": q,
        "trouble": trouble,
        "trouble_at": at,
        "searching": searching,
        "address_of": address_of,
    }


def panel_of(call: Call[Any, Any], data: dict[str, Any], status: int) -> Answer:
    """The panel alone."""
    return page(call, "request_panel.html", data, title="Request", status=status)


def missing(call: Call[Any, Any]) -> Answer:
    """That there is no such request, as a page."""
    return page(call, "request_missing.html", {"section": "Requests"}, title="Not found", status=404)
