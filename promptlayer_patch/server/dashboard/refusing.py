"""What a browser shows of a refusal: a page, where programs get JSON."""

from __future__ import annotations

from collections.abc import Mapping

from promptlayer_patch.server.dashboard.rendering import rendered
from promptlayer_patch.server.endpoints import Answer
from promptlayer_patch.server.refusals import Refusal

__all__ = ["refused"]

_EXPLAINED = {
    403: "Only pages of this server may send this. Open the page anew and try again.",
    404: "There is nothing at this address.",
    405: "There is nothing to see at this address.",
    503: "The store is busy. Try again in a moment.",
}
"""In the words of the interface; others are explained in those of the refusal."""


def refused(headers: Mapping[str, str], refusal: Refusal) -> Answer:
    """A page for whoever follows a link or sends a form; JSON for all others, scripts included."""
    if "text/html" not in headers.get("accept", ""):
        return Answer(refusal.body(), refusal.status, refusal.headers)
    title = "Not found" if refusal.status == 404 else "That did not work"
    explained = _EXPLAINED.get(refusal.status)
    text = rendered(
        headers, "refused.html", {"title": title, "explained": explained, "message": refusal.message}
    )
    return Answer(text.encode(), refusal.status, refusal.headers, "text/html; charset=utf-8")
