"""The main pages in light, dark and narrow: free of barriers, within their width, and kept as pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from promptlayer_patch.server.running import Server
from tests.browser.axe import Rules, barriers
from tests.browser.pages import FORMS, PAGES
from tests.browser.visiting import visiting

_LOOKS = ("light", "dark", "narrow")
_ASKED = {"light": Rules.ALL, "dark": Rules.OF_COLOURS, "narrow": Rules.BUT_CONTRAST}
"""In the dark only colours are others; in a narrow window they are those of a wide one."""
_KEPT = Path(__file__).resolve().parents[2] / ".artefacts"
_WIDE, _NARROW = {"width": 1280, "height": 800}, {"width": 400, "height": 800}
_HIDDEN_LINKS = """[...document.querySelectorAll(".bar nav a")].filter((link) => {
  const { left, right, top, bottom } = link.getBoundingClientRect();
  const corners = [[left + 1, top + 1], [right - 1, bottom - 1]];
  return !corners.every((at) => link.contains(document.elementFromPoint(...at)));
}).map((link) => link.textContent)"""
_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_and_used_by_anybody(name: str, browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, viewport=_WIDE) as visitor:
        visitor.let_in()
        page = PAGES[name](visitor)
        for look in _LOOKS:
            _dress(page, look)
            if look == "narrow":
                page.reload()  # a phone has never seen it wide
            visitor.settled()
            _look(page, name, look)


@pytest.mark.parametrize("name", FORMS)
def test_what_is_filled_in_can_be_read_and_used_by_anybody(name: str, browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, viewport=_WIDE) as visitor:
        visitor.let_in()
        page = FORMS[name](visitor)
        for look in _LOOKS:
            _dress(page, look)
            if look == "narrow":
                FORMS[name](visitor)  # reloading would send it, or close what is open
            visitor.settled()
            _look(page, name, look)


def test_the_page_for_strangers_can_be_read_and_used_by_anybody(browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, viewport=_WIDE) as visitor:
        visitor.watch.statuses.add(401)
        page = visitor.go("/")
        for wrong in (False, True):
            if wrong:
                page.get_by_label("API key").fill("pl_wrong")
                page.get_by_role("button", name="Sign in").click()
                expect(page.get_by_role("alert")).to_be_visible()
            for look in _LOOKS:
                _dress(page, look)
                _look(page, "sign-in-wrong" if wrong else "sign-in", look)


def _dress(page: Page, look: str) -> None:
    page.emulate_media(color_scheme="dark" if look == "dark" else "light")
    page.set_viewport_size(_NARROW if look == "narrow" else _WIDE)


def _look(page: Page, name: str, look: str) -> None:
    _KEPT.mkdir(exist_ok=True)
    page.screenshot(path=_KEPT / f"{name}-{look}.png")
    assert page.evaluate(_TOO_WIDE) <= 0, f"{look}: the page is wider than the window"
    if not page.locator("dialog[open]").count():
        assert page.evaluate(_HIDDEN_LINKS) == [], f"{look}: of the navigation"
    assert barriers(page, _ASKED[look]) == [], look
