"""The main pages in light, dark and narrow: free of barriers, within their width, and kept as pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from promptlayer_patch.server.running import Server
from tests.browser.axe import barriers
from tests.browser.pages import PAGES
from tests.browser.visiting import visiting

_KEPT = Path(__file__).resolve().parents[2] / ".artefacts"
_WIDE, _NARROW = {"width": 1280, "height": 800}, {"width": 400, "height": 800}
_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_and_used_by_anybody(name: str, browser: Browser, demo: Server) -> None:
    _KEPT.mkdir(exist_ok=True)
    with visiting(browser, demo, reduced_motion="reduce", viewport=_WIDE) as visitor:
        visitor.enter()
        page = PAGES[name](visitor)
        for look in ("light", "dark", "narrow"):
            page.emulate_media(color_scheme="dark" if look == "dark" else "light")
            page.set_viewport_size(_NARROW if look == "narrow" else _WIDE)
            if look != "light":
                page.reload()
            visitor.settled()
            page.screenshot(path=_KEPT / f"{name}-{look}.png")
            assert page.evaluate(_TOO_WIDE) <= 0, f"{look}: the page is wider than the window"
            assert barriers(page) == [], look


def test_the_page_for_strangers_can_be_read_and_used_by_anybody(browser: Browser, demo: Server) -> None:
    for look in ("light", "dark"):
        with visiting(browser, demo, color_scheme=look) as visitor:
            visitor.watch.statuses.add(401)
            page = visitor.go("/")
            page.screenshot(path=_KEPT / f"sign-in-{look}.png")
            assert barriers(page) == []
