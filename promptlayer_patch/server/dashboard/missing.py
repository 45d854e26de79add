"""The page for what is not there."""

from __future__ import annotations

from typing import Any

from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.endpoints import Answer, Call

__all__ = ["missing"]


def missing(call: Call[Any, Any], message: str, *, section: str) -> Answer:
    """404; `message` is one of the interface's own sentences, and no word of whoever asked."""
    data = {"success": False, "message": message}
    if getattr(call.query, "format", None) != "json":
        data["section"] = section
    return page(call, "missing.html", data, title="Not found", status=404)
