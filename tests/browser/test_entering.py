"""Coming in: by the link of this start, by a key, and not otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from promptlayer_patch.server.running import Server
from tests.browser.visiting import Visitor, visiting


@pytest.fixture
def stranger(browser: Browser, demo: Server) -> Iterator[Visitor]:
    """Somebody who has opened nothing yet."""
    with visiting(browser, demo) as arrived:
        arrived.watch.statuses.add(401)
        yield arrived


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def test_the_link_lets_in_and_leaves_no_token_behind(stranger: Visitor) -> None:
    page = stranger.enter()
    assert heading(page) == "Requests"
    assert page.url == stranger.server.url + "/"
    assert page.evaluate("performance.getEntriesByType('navigation')[0].name") == page.url
    assert stranger.server.link.partition("token=")[2] not in page.content()


def test_the_link_leads_to_the_page_it_names(stranger: Visitor) -> None:
    token = stranger.server.link.partition("token=")[2]
    page = stranger.go(f"/charts?q=model%3Agpt-4o&token={token}")
    assert page.url == f"{stranger.server.url}/charts?q=model%3Agpt-4o"


def test_the_link_can_be_opened_again_and_in_another_browser(browser: Browser, demo: Server) -> None:
    for _ in range(2):
        with visiting(browser, demo) as arrived:
            for _ in range(2):
                assert heading(arrived.enter()) == "Requests"


def test_the_cookie_is_for_this_server_and_out_of_reach_of_scripts(stranger: Visitor) -> None:
    page = stranger.enter()
    (cookie,) = page.context.cookies()
    assert cookie["name"].endswith(str(stranger.server.port))
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["expires"] == -1, "it ends with the browser"
    assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize(
    "path", ["/", "/?token=wrong", "/charts", "/prompts", "/requests/1", "/?format=json"]
)
def test_whoever_is_not_let_in_is_asked_for_a_key(path: str, stranger: Visitor) -> None:
    page = stranger.go(path)
    expect(page.get_by_label("API key")).to_be_visible()
    assert "gpt-4o" not in page.content()


def test_a_key_lets_in(stranger: Visitor) -> None:
    page = stranger.go("/")
    page.get_by_label("API key").fill(str(stranger.server.api_key))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Requests")


def test_a_wrong_key_is_said_to_be_wrong_and_the_right_one_leads_to_what_was_asked_for(
    stranger: Visitor,
) -> None:
    page = stranger.go("/charts?q=model%3Agpt-4o")
    page.get_by_label("API key").fill("pl_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("There is no such key.")
    assert "pl_wrong" not in page.content()
    page.get_by_label("API key").fill(str(stranger.server.api_key))
    page.keyboard.press("Enter")
    page.wait_for_url("**/charts?q=model%3Agpt-4o")


def test_the_cookie_of_another_start_is_worth_nothing(
    browser: Browser, stranger: Visitor, tmp_path: Path
) -> None:
    with Server(tmp_path / "other.db") as other, visiting(browser, other.start()) as elsewhere:
        (cookie,) = elsewhere.enter().context.cookies()
    name = f"promptlayer_patch_{stranger.server.port}"
    stranger.page.context.add_cookies(
        [{"name": name, "value": cookie["value"], "url": stranger.server.url, "sameSite": "Strict"}]
    )
    expect(stranger.go("/").get_by_label("API key")).to_be_visible()


def test_whoever_signs_out_is_out(stranger: Visitor) -> None:
    page = stranger.enter()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.context.cookies() == []
    expect(stranger.go("/charts").get_by_label("API key")).to_be_visible()


def test_the_interface_changes_its_language_and_keeps_it(visitor: Visitor) -> None:
    page = visitor.go("/?q=model%3Agpt-4o")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", level=1)).to_have_text("请求")
    assert page.url == f"{visitor.server.url}/?q=model%3Agpt-4o", "back where it was chosen"
    expect(visitor.go("/charts").locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_interface_speaks_the_language_of_the_browser(browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, locale="zh-CN") as arrived:
        assert arrived.enter().locator("html").get_attribute("lang") == "zh-CN"


def test_pages_are_whole_without_script(browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, java_script_enabled=False) as arrived:
        page = arrived.enter()
        expect(page.get_by_role("heading", level=1)).to_have_text("Requests")
        expect(page.get_by_text(re.compile("gpt-4o")).first).to_be_visible()
