"""The main pages, by name, of a store with the demo's requests."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.visiting import Visitor

__all__ = ["FORMS", "PAGES"]


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


def _diff(visitor: Visitor) -> Page:
    page = visitor.go("/prompts")
    page.get_by_role("link", name="support-reply").first.click()
    page.get_by_role("button", name="Show differences").click()
    visitor.page.wait_for_url("**/diff?**")
    return visitor.page


def _next_version(visitor: Visitor) -> Page:
    _linked("/prompts", _TEMPLATE)(visitor).get_by_role("link", name="New version from this one").click()
    visitor.page.wait_for_url("**/publish?**")
    return visitor.page


def _deleting(visitor: Visitor) -> Page:
    page = _bulk(visitor)
    page.get_by_label("All of this query").check()
    page.get_by_role("button", name="Delete…").click()
    page.wait_for_url("**/requests/delete")
    return page


def _bulk(visitor: Visitor) -> Page:
    page = visitor.go("/?q=tag%3Adigest")
    page.locator("#with-selected summary").click()
    return page


def _keys(visitor: Visitor) -> Page:
    page = visitor.go("/tags")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    return page


_TEMPLATE = "main a[href^='/prompts/']:not([href*='new'])"
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
    "prompt": _linked("/prompts", _TEMPLATE),
    "prompt-diff": _diff,
    "groups": _at("/groups"),
    "group": _linked("/groups", "main a[href^='/groups/']"),
    "tags": _at("/tags"),
    "traces": _at("/traces"),
    "trace": _linked("/traces", "main a[href^='/traces/']"),
}
"""How to get to each; the visitor has come in."""

FORMS: dict[str, Callable[[Visitor], Page]] = {
    "prompt-new": _at("/prompts/new"),
    "prompt-next": _next_version,
    "requests-bulk": _bulk,
    "requests-delete": _deleting,
    "keys": _keys,
}
"""And to what is filled in or answered."""
