"""Charts, the prompt registry, groups, tags and traces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from promptlayer_patch._spans.model import Span
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from promptlayer_patch.store.spans.spans import SpanEntry, Spans
from tests.browser.visiting import Visitor, visiting

_TRACE = "7" * 32


def test_charts_are_drawn_and_can_be_read_as_tables(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.get_by_role("link", name="Charts", exact=True).click()
    expect(page.locator("canvas").first).to_be_visible()
    assert page.locator("canvas").count() >= 4
    values = page.locator(".u-legend .u-value")
    idle = values.all_inner_texts()
    assert all(idle), "the last moment's, before anybody points at one"
    page.locator(".u-over").first.hover(position={"x": 20, "y": 20})
    expect(values.first).not_to_have_text(idle[0])
    page.get_by_role("heading", level=1).hover()
    expect(values.first).to_have_text(idle[0])
    page.locator("summary", has_text=re.compile("table", re.IGNORECASE)).first.click()
    expect(page.get_by_role("table").first).to_be_visible()


_WHERE_BARS_STAND = """(card) => {
  const over = card.querySelector(".u-over");
  const canvas = card.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const ratio = canvas.width / canvas.clientWidth;
  const moments = card.querySelectorAll(".chart-table tbody tr").length;
  const y = over.offsetTop + over.offsetHeight - 1.5;
  return Array.from({ length: moments }, (_, place) => {
    const x = over.offsetLeft + (over.offsetWidth * (place + 0.41)) / moments;
    const pixel = pen.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data;
    const [red, green, blue] = pixel;
    return Math.max(red, green, blue) - Math.min(red, green, blue) > 60;  // neither paper nor grid
  });
}"""


def test_every_bar_of_a_chart_has_its_room(visitor: Visitor) -> None:
    """The last one as well, which stands to the right of its moment."""
    page = visitor.go("/charts")
    card = page.locator("figure[data-series='requests']")
    expect(card.locator("canvas")).to_be_visible()
    rows = [row.locator("td").all_text_contents() for row in card.locator(".chart-table tbody tr").all()]
    counted = [any(cell.strip() not in ("", "0", "—") for cell in row) for row in rows]
    assert counted[-1]
    assert not all(counted)
    assert card.evaluate(_WHERE_BARS_STAND) == counted


def test_charts_are_tables_without_script(browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, java_script_enabled=False) as arrived:
        arrived.enter()
        page = arrived.go("/charts")
        assert page.get_by_role("table").count() >= 1
        expect(page.get_by_role("main")).to_contain_text("gpt-4o-mini")


def test_a_bar_of_the_charts_narrows_them(visitor: Visitor) -> None:
    page = visitor.go("/charts")
    page.locator(".breakdown").get_by_role("link", name=re.compile("gpt-4o-mini")).first.click()
    page.wait_for_url(re.compile("q=model"))
    assert (
        "gpt-4o-mini" in page.get_by_role("searchbox").or_(page.get_by_role("combobox")).first.input_value()
    )


def test_a_template_is_made_of_a_request_changed_labelled_and_rendered(owner: Visitor) -> None:
    page = owner.go("/?q=tag%3Asupport")
    page.locator("[data-open]").first.click()
    page.get_by_role("link", name="Make a template of it").click()
    page.get_by_label("Name", exact=True).fill("help-desk")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("help-desk")

    page.get_by_role("link", name="New version from this one").click()
    _write(page, "Look up the order {number} and answer in {language}.")
    page.get_by_label("What has changed").fill("ask for the language")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("help-desk")
    expect(page.get_by_role("main")).to_contain_text("ask for the language")

    page.get_by_label("Release label").last.fill("prod")
    page.get_by_role("button", name=re.compile("^Put at version 2")).click()
    expect(page.locator("#labels")).to_contain_text("prod")
    page.locator("#labels").get_by_label("Version of prod").select_option("1")
    page.locator("#labels").get_by_role("button", name="Move prod").click()
    expect(page.locator(".prompts-versions tr", has_text="v1")).to_contain_text("prod")

    page.locator("a", has_text=re.compile("^v2$")).click()
    page.get_by_role("textbox", name="number").fill("A-1")
    page.get_by_role("textbox", name="language").fill("Latin")
    page.get_by_role("button", name="Render").click()
    expect(page.locator("#filled")).to_contain_text("Look up the order A-1 and answer in Latin.")


def _write(page: Page, text: str) -> None:
    page.get_by_label("Text", exact=True).first.fill(text)


def test_two_versions_are_compared(visitor: Visitor) -> None:
    page = visitor.go("/prompts")
    page.get_by_role("link", name="support-reply").first.click()
    page.get_by_role("button", name="Show differences").click()
    page.wait_for_url(re.compile("/diff"))
    assert page.locator("main del, main ins").count() > 2


def test_a_group_is_read_in_order(visitor: Visitor) -> None:
    page = visitor.go("/groups")
    page.locator("[data-open]").first.click()
    page.wait_for_url(re.compile(r"/groups/\d+"))
    times = page.locator("main time").evaluate_all("all => all.map(one => one.dateTime)")
    assert len(times) >= 2
    page.locator("main a[href^='/requests/']").first.click()
    page.wait_for_url(re.compile("/requests/"))


def test_a_tag_leads_to_its_requests(visitor: Visitor) -> None:
    page = visitor.go("/tags")
    page.get_by_role("link", name="invoices").first.click()
    expect(page.locator("#count strong")).to_have_text("199")


def test_bars_of_a_deep_trace_stand_under_each_other_on_a_narrow_screen(
    browser: Browser, tmp_path: Path
) -> None:
    with closing(Store.open(tmp_path / "requests.db")) as store:
        Spans(store).put([SpanEntry(span) for span in _nested(25)])
    narrow = {"width": 400, "height": 800}
    with (
        Server(tmp_path / "requests.db") as server,
        visiting(browser, server.start(), viewport=narrow) as visitor,
    ):
        visitor.let_in()
        page = visitor.go(f"/traces/{_TRACE}")
        boxes = [one.bounding_box() for one in page.locator(".tree svg").all()]
        assert len({round(box["x"]) for box in boxes if box}) == 1
        assert max(box["x"] + box["width"] for box in boxes if box) <= 400


def _nested(depth: int) -> Iterator[Span]:
    for level in range(depth):
        yield Span(
            trace_id=_TRACE,
            span_id=f"{level + 1:016x}",
            parent_id=f"{level:016x}" if level else None,
            name=f"step {level}",
            kind=1,
            start_ns=(1_795_000_000 + level) * 10**9,
            end_ns=1_795_000_100 * 10**9,
        )


def test_a_trace_is_a_tree_with_its_spans_and_requests(visitor: Visitor) -> None:
    page = visitor.go("/traces")
    page.locator("[data-open]").first.click()
    page.wait_for_url(re.compile("/traces/"))
    expect(page.get_by_role("heading", name="Spans")).to_be_visible()
    lines = page.locator(".tree .line")
    assert lines.count() >= 2
    page.get_by_role("button", name="Close all").click()
    expect(lines.last).to_be_hidden()
    page.get_by_role("button", name="Open all").click()
    lines.last.get_by_role("link").first.click()
    page.wait_for_url(re.compile("span="))
