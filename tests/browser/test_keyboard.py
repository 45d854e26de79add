"""Everything can be reached and seen by whoever has no mouse."""

from __future__ import annotations

import pytest

from tests.browser.pages import PAGES
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


@pytest.mark.parametrize(
    "name", ["requests-none", "request-tools", "compare", "charts", "prompt", "tags", "trace"]
)
def test_whatever_can_be_used_is_reached_by_tab_and_shows_it(name: str, visitor: Visitor) -> None:
    page = PAGES[name](visitor)
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
    page = visitor.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_a_menu_closes_with_escape_and_gives_the_focus_back(visitor: Visitor) -> None:
    page = visitor.page
    menu = page.locator("summary", has_text="Columns")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert menu.evaluate("one => one === document.activeElement && !one.parentElement.open")
