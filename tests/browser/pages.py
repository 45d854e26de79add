"""The main pages, by name, of a store with the demo's requests."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.visiting import Visitor

__all__ = ["PAGES"]


def _linked(start: str, selector: str) -> Callable[[Visitor], Page]:
    """The page behind the first such link of another one."""

    def go(visitor: Visitor) -> Page:
        address = visitor.go(start).locator(selector).first.get_attribute("href")
        assert address, f"no {selector} on {start}"
        return visitor.go(address)

    return go


def _at(path: str) -> Callable[[Visitor], Page]:
    return lambda visitor: visitor.go(path)


def _compare(visitor: Visitor) -> Page:
    found = visitor.page.request.get(visitor.server.url + "/?q=tag%3Asupport&format=json").json()
    a, b = (item["summary"]["request_id"] for item in found["items"][:2])
    return visitor.go(f"/compare?a={a}&b={b}")


_REQUEST = "main tr[data-row] a[href^='/requests/']"
PAGES: dict[str, Callable[[Visitor], Page]] = {
    "requests": _at("/"),
    "requests-found": _at("/?q=tag%3Asupport+refund"),
    "requests-none": _at("/?q=nothingofthekind"),
    "request": _linked("/?q=tag%3Asupport", _REQUEST),
    "request-tools": _linked("/?q=tag%3Aorders", _REQUEST),
    "request-error": _linked("/?q=status%3AERROR", _REQUEST),
    "request-vector": _linked("/?q=tag%3Asearch", _REQUEST),
    "compare": _compare,
    "charts": _at("/charts"),
    "prompts": _at("/prompts"),
    "prompt": _linked("/prompts", "main a[href^='/prompts/']:not([href*='new'])"),
    "groups": _at("/groups"),
    "group": _linked("/groups", "main a[href^='/groups/']"),
    "tags": _at("/tags"),
    "traces": _at("/traces"),
    "trace": _linked("/traces", "main a[href^='/traces/']"),
}
"""How to get to each; the visitor has come in."""
