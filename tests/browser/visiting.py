"""Somebody in front of a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page

from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.browser.watching import Watch

__all__ = ["PATIENCE_MS", "Visitor", "visiting"]

PATIENCE_MS = 15_000
"""For a machine that does much else; nothing waits that long where all is well."""


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

    def go(self, path: str) -> Page:
        self.page.goto(self.server.url + path)
        return self.page

    def found(self, query: str) -> Page:
        """The list of what the query finds, everything included that was said up to now."""
        with closing(Store.open(self.server.db)) as store:
            store.catch_up()
        return self.go("/?q=" + query)

    def settled(self) -> Page:
        """The page once nothing more is under way."""
        self.page.wait_for_load_state("networkidle")
        return self.page


@contextmanager
def visiting(browser: Browser, server: Server, **options: Any) -> Iterator[Visitor]:
    """A visitor of `server`; what may not go on in their browser fails at the end.

    `options` are those of a context of playwright's: colour scheme, size, language.
    """
    context = browser.new_context(**{"locale": "en-GB", "timezone_id": "UTC", **options})
    context.set_default_timeout(PATIENCE_MS)
    watch = Watch(server.url)
    watch.over(context)
    try:
        yield Visitor(server, context.new_page(), watch)
    finally:
        context.close()
    watch.check()
