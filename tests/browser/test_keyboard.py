"""Everything can be reached and seen by whoever has no mouse."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pages import FORMS, PAGES
from tests.browser.visiting import Visitor

_NUMBER_WHAT_CAN_BE_USED = """() => {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary");
  const usable = [...all].filter((one) =>
    one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.type !== "hidden" &&
    !(one.type === "radio" && !one.checked));
  usable.forEach((one, at) => { one.dataset.probe = at; });
  return usable.map((one) => one.outerHTML.slice(0, 120));
}"""
_WHERE = """() => {
  const here = document.activeElement;
  const ring = [here, here.closest("tr"), here.parentElement].filter(Boolean).some((one) => {
    const style = getComputedStyle(one);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
  });
  return [Number(here.dataset.probe ?? -1), ring];
}"""
_STRAYS = 10
"""Stops that are no controls: texts that scroll."""


def test_a_filter_that_was_folded_away_hands_the_focus_to_what_unfolds_it(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 400, "height": 800})
    page = visitor.go("/?q=tag%3Adigest")
    page.locator("#filters > summary").press("Enter")
    page.get_by_role("complementary", name="Filters").get_by_role("link", name=re.compile("^nightly")).press(
        "Enter"
    )
    page.wait_for_url(re.compile("nightly"))
    expect(page.locator("#filters > summary")).to_be_focused()


@pytest.mark.parametrize(
    "name",
    ["requests-none", "request-tools", "compare", "charts", "prompt", "tags", "trace", "prompt-new"],
)
def test_whatever_can_be_used_is_reached_by_tab_and_shows_it(name: str, visitor: Visitor) -> None:
    page = {**PAGES, **FORMS}[name](visitor)
    visitor.settled()
    controls: list[str] = page.evaluate(_NUMBER_WHAT_CAN_BE_USED)
    page.evaluate("document.activeElement.blur()")
    reached, unseen = set(), []
    for _ in range(len(controls) + _STRAYS):
        page.keyboard.press("Tab")
        place, ring = page.evaluate(_WHERE)
        if place >= 0 and not ring:
            unseen.append(controls[place])
        reached.add(place)
        if reached.issuperset(range(len(controls))):
            break
    assert [controls[at] for at in range(len(controls)) if at not in reached] == []
    assert not unseen, "no ring around them"


def test_the_first_stop_leads_past_the_navigation(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_a_menu_closes_with_escape_and_gives_the_focus_back(visitor: Visitor) -> None:
    page = visitor.go("/")
    menu = page.locator("summary", has_text="Columns")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert menu.evaluate("one => one === document.activeElement && !one.parentElement.open")


def test_a_stretch_of_the_chart_is_chosen_by_keyboard_alone(visitor: Visitor) -> None:
    page = visitor.go("/")
    plot = page.get_by_role("slider", name="Requests over time")
    expect(plot).to_be_visible()
    page.get_by_role("button", name="Live").focus()
    page.keyboard.press("Shift+Tab")
    expect(plot).to_be_focused()
    last = int(str(plot.get_attribute("aria-valuemax")))
    for key in ("Home", "PageUp", "ArrowRight"):
        page.keyboard.press(key)
    assert plot.get_attribute("aria-valuenow") == "11"
    said = str(plot.get_attribute("aria-valuetext"))
    assert "ok" in said, "what one point says"
    for key in ("Shift+End", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    assert plot.get_attribute("aria-valuenow") == str(last - 1)
    assert "\N{EN DASH}" in str(plot.get_attribute("aria-valuetext")), "from when to when"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("since"))
    expect(page.locator("#count strong")).not_to_have_text("1,743")
    within = page.request.get(page.url + "&format=json").json()["total"]["count"]
    assert 0 < within < 1_743


def test_the_chart_lets_go_of_a_stretch(visitor: Visitor) -> None:
    page = visitor.go("/")
    plot = page.get_by_role("slider", name="Requests over time")
    brushed = page.locator(".brushed")
    plot.focus()
    page.keyboard.press("Shift+Home")
    wide = brushed.get_attribute("width")
    page.keyboard.press("Escape")
    assert float(str(brushed.get_attribute("width"))) < float(str(wide))
    page.keyboard.press("Tab")
    assert brushed.get_attribute("width") == "0"
    page.wait_for_url(visitor.server.url + "/")


def test_the_chart_keeps_the_focus_when_it_is_drawn_anew(visitor: Visitor) -> None:
    page = visitor.go("/")
    plot = page.get_by_role("slider", name="Requests over time")
    plot.focus()
    page.evaluate("document.querySelector('.plot').dataset.old = 'yes'")
    page.evaluate("document.dispatchEvent(new CustomEvent('requests:arrived'))")
    expect(page.locator(".plot[data-old]")).to_have_count(0)
    expect(plot).to_be_focused()
