"""Somebody in front of a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.browser.watching import Watch

__all__ = ["PATIENCE_MS", "Visitor", "visiting"]

PATIENCE_MS = 15_000
"""For a machine that does much else; nothing waits that long where all is well."""

_ALL_CAME = """() => [...document.querySelectorAll("[data-hx-trigger^=load]")].every((one) =>
  ![...one.children].some((link) => link.getAttribute("href") === one.dataset.hxGet))"""
"""Parts that come later: until then a link to each stands in its place."""


@dataclass(frozen=True)
class Visitor:
    """One person with a browser of their own: no cookie is shared with another's."""

    server: Server
    page: Page
    watch: Watch

    def enter(self) -> Page:
        """Open the link that the server has shown."""
        self.page.goto(self.server.link)
        return self.page

    def let_in(self) -> None:
        """Have the cookie of somebody who has entered, without the list, which takes the browser a while."""
        self.page.request.get(self.server.link, max_redirects=0)

    def go(self, path: str) -> Page:
        self.page.goto(self.server.url + path)
        return self.page

    def found(self, query: str) -> Page:
        """The list of what the query finds, everything included that was said up to now."""
        with closing(Store.open(self.server.db)) as store:
            store.catch_up()
        return self.go("/?q=" + query)

    def settled(self) -> Page:
        """The page once all that it asks for by itself is there."""
        self.page.wait_for_load_state()
        self.page.wait_for_function(_ALL_CAME)
        return self.page


@contextmanager
def visiting(browser: Browser, server: Server, *, kept: bool = True, **options: Any) -> Iterator[Visitor]:
    """A visitor of `server`; what may not go on in their browser fails at the end.

    `options` are those of a context of playwright's: colour scheme, size, language. The window is not `kept`
    for the next visitor where a test changes what cannot be wiped, such as its clock.
    """
    wishes = (browser, *sorted((name, repr(value)) for name, value in options.items()))
    free = _free.setdefault(wishes, [])
    seat = free.pop() if free else _Seat.made(browser, options)
    try:
        seat.watch.begin(server.url)
        yield Visitor(server, seat.page, seat.watch)
        seat.leave()
        seat.watch.check()
    except BaseException:
        seat.context.close()
        raise
    if kept:
        free.append(seat)
    else:
        seat.context.close()


@dataclass(frozen=True)
class _Seat:
    """One window. A new one costs a second of the machine, so whoever comes next gets it, wiped."""

    context: BrowserContext
    page: Page
    watch: Watch
    colours: Literal["dark", "light"]
    size: ViewportSize | None

    @classmethod
    def made(cls, browser: Browser, options: Mapping[str, Any]) -> _Seat:
        context = browser.new_context(**{**_USUAL, **options})
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch()
        watch.over(context)
        page = context.new_page()
        return cls(context, page, watch, options.get("color_scheme", "light"), page.viewport_size)

    def leave(self) -> None:
        """Leave nothing behind for the next: no page, no cookie, nothing that a page has kept."""
        for other in self.context.pages:
            if other != self.page:
                other.close()
        if self.page.url.startswith("http"):
            self.page.evaluate("sessionStorage.clear(); localStorage.clear()")
        self.page.goto("about:blank")
        self.page.emulate_media(color_scheme=self.colours)
        if self.size is not None:
            self.page.set_viewport_size(self.size)
        self.context.clear_cookies()


_USUAL = {"locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce"}
_free: dict[tuple[Any, ...], list[_Seat]] = {}
