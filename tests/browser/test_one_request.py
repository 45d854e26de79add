"""One request: reading it, saying something about it, going on to the next, comparing, repeating."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.browser.visiting import Visitor, visiting
from tests.support.dashboard_records import chat


def opened(visitor: Visitor, query: str) -> Page:
    """The first request that the query finds, opened from the list."""
    page = visitor.go("/?q=" + query)
    page.locator("[data-open]").first.click()
    page.wait_for_url(re.compile("/requests/"))
    return page


def about(page: Page, part: str) -> Locator:
    return page.locator(f"#about #{part}")


def test_a_conversation_is_read_from_top_to_bottom(visitor: Visitor) -> None:
    page = opened(visitor, "tag%3Aorders")
    main = page.get_by_role("main")
    for text in ("system", "You look up orders.", "user", "assistant", "find_order"):
        expect(main).to_contain_text(text)
    page.locator("summary", has_text="Raw response").first.click()
    expect(main).to_contain_text("chat.completion")


def test_names_of_any_length_and_texts_of_any_script_keep_to_their_place(
    browser: Browser, tmp_path: Path
) -> None:
    with closing(Store.open(tmp_path / "requests.db")) as store:
        record = chat("متى يصل طلبي رقم 12345؟", "It is on its way.", metadata={"k" * 200: "v" * 400})
        (number,) = store.add([record])
    with Server(tmp_path / "requests.db") as server, visiting(browser, server.start()) as visitor:
        visitor.let_in()
        page = visitor.go(f"/requests/{number}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for text, side in (("متى", "right"), ("on its way", "left")):
            said = page.locator(".turn .said", has_text=text)
            inner, outer = said.locator(".prose").bounding_box(), said.bounding_box()
            assert inner
            assert outer
            assert (inner["x"] > outer["x"] + 100) == (side == "right"), text


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_a_request_is_scored_tagged_and_put_into_a_group(
    script: bool, browser: Browser, own_demo: Server
) -> None:
    with visiting(browser, own_demo, java_script_enabled=script) as owner:
        owner.enter()
        page = opened(owner, "tag%3Asupport")
        about(page, "tags").get_by_label("New tag").fill("look-at-this")
        about(page, "tags").get_by_role("button", name="Add", exact=True).click()
        expect(about(page, "tags")).to_contain_text("look-at-this")
        about(page, "scores").get_by_label("Name of the score").fill("accuracy")
        about(page, "scores").get_by_label("Score, 0 to 100").fill("64")
        about(page, "scores").get_by_role("button", name="Score", exact=True).click()
        expect(about(page, "scores")).to_contain_text("accuracy")
        expect(about(page, "scores")).to_contain_text("64")
        about(page, "metadata").get_by_label("Key", exact=True).fill("reviewer")
        about(page, "metadata").get_by_label("Value").fill("Ada")
        about(page, "metadata").get_by_role("button", name="Set").click()
        expect(about(page, "metadata")).to_contain_text("Ada")
        about(page, "groups").get_by_role("button", name="New group").click()
        expect(about(page, "groups").get_by_role("link", name=re.compile("Group")).first).to_be_visible()
        about(page, "tags").get_by_role("button", name=re.compile("look-at-this")).click()
        expect(about(page, "tags")).not_to_contain_text("look-at-this")
        owner.found("score.accuracy%3A64+metadata.reviewer%3AAda")
        expect(page.locator("[data-row]")).to_have_count(1)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_what_was_said_is_taken_away_again_by_keyboard(
    script: bool, browser: Browser, own_demo: Server
) -> None:
    with visiting(browser, own_demo, java_script_enabled=script) as owner:
        owner.enter()
        page = opened(owner, "tag%3Asupport+metadata.user_id%3A*+has%3Agroup")
        request = int(page.url.partition("/requests/")[2].partition("?")[0])
        about(page, "scores").get_by_label("Score, 0 to 100").fill("64")
        page.keyboard.press("Enter")
        for part, names in (("scores", "score"), ("metadata", "key"), ("groups", "group")):
            buttons = about(page, part).get_by_role("button", name=re.compile(f"^Take .* {names} "))
            expect(buttons.first).to_be_visible()
            for left in range(buttons.count() - 1, -1, -1):
                page.wait_for_load_state()  # without script each is a page of its own, still on its way
                buttons.first.focus()
                page.keyboard.press("Enter")
                expect(buttons).to_have_count(left)
        found = page.request.get(f"{own_demo.url}/requests/{request}?format=json").json()["request"]
        assert (found["scores"], found["metadata"], found["groups"]) == ({}, {}, [])
        owner.found("tag%3Asupport+metadata.user_id%3A*+has%3Agroup")
        assert page.locator(f"[data-id='{request}']").count() == 0


def test_what_was_taken_away_hands_the_focus_to_what_is_left(owner: Visitor) -> None:
    page = opened(owner, "tag%3Asupport")
    buttons = about(page, "metadata").get_by_role("button", name=re.compile("^Take away the key "))
    names = [one.get_attribute("value") for one in buttons.all()]
    assert len(names) == 3
    buttons.first.focus()
    for at, name in enumerate(names):
        expect(about(page, "metadata").locator(f"button[value='{name}']")).to_be_focused()
        page.keyboard.press("Enter")
        expect(buttons).to_have_count(len(names) - at - 1)
    expect(about(page, "metadata").get_by_label("Key", exact=True)).to_be_focused()


def test_saying_something_keeps_the_focus(owner: Visitor) -> None:
    page = opened(owner, "tag%3Asupport")
    page.get_by_label("New tag").fill("first")
    page.keyboard.press("Enter")
    expect(about(page, "tags")).to_contain_text("first")
    expect(page.get_by_label("New tag")).to_be_focused()


def test_a_score_of_101_is_refused_with_words(browser: Browser, own_demo: Server) -> None:
    with visiting(browser, own_demo) as owner:
        owner.enter()
        owner.watch.statuses.update({400, 422})
        page = opened(owner, "tag%3Asupport")
        page.evaluate("document.querySelector('#add-score').removeAttribute('max')")
        page.get_by_label("Score, 0 to 100").fill("101")
        about(page, "scores").get_by_role("button", name="Score", exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()


def test_the_next_and_the_one_before_are_a_key_away_within_the_query(visitor: Visitor) -> None:
    page = opened(visitor, "tag%3Ainvoices")
    first = page.url
    page.keyboard.press("j")
    page.wait_for_url(lambda url: "/requests/" in url and url != first)
    expect(page.locator("#tags")).to_contain_text("invoices")
    page.keyboard.press("k")
    page.wait_for_url(first)


def test_two_requests_are_marked_and_compared_by_keyboard(visitor: Visitor) -> None:
    page = opened(visitor, "tag%3Asupport")
    first = page.url
    page.keyboard.press("c")
    expect(page.get_by_text("Marked.")).to_be_visible()
    page.keyboard.press("j")
    page.wait_for_url(lambda url: url != first)
    page.keyboard.press("c")
    page.wait_for_url(re.compile(r"/compare\?a=\d+&b=\d+"))
    for text in ("Figures", "Parameters", "Prompt", "Output"):
        expect(page.get_by_role("heading", name=text, exact=True)).to_be_visible()
    assert page.locator("del, ins").count() > 0


def test_another_version_of_the_same_template_is_chosen_for_comparing(visitor: Visitor) -> None:
    page = opened(visitor, "prompt%3Asupport-reply")
    page.get_by_role("link", name=re.compile("^Compare")).click()
    expect(page.get_by_role("heading", name="Same template, other versions")).to_be_visible()
    page.locator("[data-row] [data-open]").last.click()
    page.wait_for_url(re.compile("b="))
    expect(page.get_by_role("heading", name="Figures")).to_be_visible()


def test_the_command_that_repeats_a_request_is_copied_and_is_one(browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, permissions=["clipboard-read", "clipboard-write"]) as visitor:
        visitor.enter()
        page = opened(visitor, "tag%3Aorders")
        page.locator("summary", has_text="Run it again").click()
        page.locator("[data-copy-from='#curl']").click()
        expect(page.get_by_text("Copied").first).to_be_visible()
        command = page.evaluate("navigator.clipboard.readText()")
        page.locator("[data-copy-from='#python']").click()
        program = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("curl ")
    assert "sk-" not in command
    # What the shell makes of it: the words, without running anything of them.
    words = subprocess.run(
        ["sh", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    body = next(word for word in words if word.startswith("{"))
    assert json.loads(body)["model"] == "gpt-4o"
    assert (
        subprocess.run([sys.executable, "-c", f"compile({program!r}, 'x', 'exec')"], check=False).returncode
        == 0
    )


def test_a_request_that_is_not_there_is_a_page_that_says_so(visitor: Visitor) -> None:
    visitor.watch.statuses.add(404)
    page = visitor.go("/requests/1")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def test_what_was_asked_is_a_link_that_another_person_can_open(browser: Browser, visitor: Visitor) -> None:
    page = opened(visitor, "tag%3Asupport")
    address, name = page.url, page.get_by_role("heading", level=1).inner_text()
    with visiting(browser, visitor.server) as colleague:
        colleague.enter()
        other = colleague.go(address.removeprefix(visitor.server.url))
        assert other.get_by_role("heading", level=1).inner_text() == name
