"""From nothing: install, call, open, find my request."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.server.running import Server
from tests.browser.visiting import visiting
from tests.support.programs import asking, printed

_PROGRAM = """
promptlayer_patch.install(tags=["first-steps"], metadata={"user_id": "ada"})
ask("Where is my invoice of May?")
promptlayer_patch.flush(30)
"""


_IS_COLOURED = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, alpha] = data.slice(at, at + 4);
    if (alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 90) return true;
  }
  return false;
}"""
"""Whether there is more on it than axes, which are grey."""


def test_a_program_logs_to_the_server_and_its_request_is_found(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        StandIn(chunk_delay_s=0.0) as provider,
        Server(tmp_path / "requests.db") as server,
        visiting(browser, server.start()) as me,
    ):
        page = me.enter()
        expect(page.get_by_text("No requests yet")).to_be_visible()
        monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", server.url)
        monkeypatch.setenv("PROMPTLAYER_API_KEY", str(server.api_key))
        monkeypatch.setenv("NO_PROXY", "*")
        assert printed(asking(_PROGRAM)) == []
        # The page that waits for a first request becomes the list by itself.
        expect(page.locator("[data-row]")).to_have_count(1)
        page.get_by_role("combobox", name="Query").fill("invoice tag:first-steps")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Search", exact=True).click()
        page.locator("[data-open]").first.click()
        page.wait_for_url(re.compile("/requests/"))
        main = page.get_by_role("main")
        for text in ("Where is my invoice of May?", "first-steps", "ada", "gpt-4o"):
            expect(main).to_contain_text(text)
        assert "sk-mine" not in page.content()
        page.get_by_role("link", name="Charts", exact=True).click()
        counted = page.locator("[data-series='requests'] .u-legend .u-series", has_text="Successes")
        expect(counted).to_contain_text("1")
        assert page.locator("[data-series='latency'] canvas").evaluate(_IS_COLOURED), "one point is seen"
