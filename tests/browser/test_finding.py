"""Finding requests: the query bar, filters, times, pages, columns, the live tail, and many at once."""

from __future__ import annotations

import csv
import io
import json
import re
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.browser.visiting import Visitor, visiting
from tests.support.stored import said

_LOOKS_EVERY_MS = 2_000
"""The live tail, while it is on."""


def rows(page: Page) -> int:
    return page.locator("[data-row]").count()


def count(page: Page) -> str:
    return page.locator("#count strong").inner_text()


def width(one: Locator) -> float:
    box = one.bounding_box()
    assert box
    return box["width"]


def search(page: Page, query: str) -> None:
    page.get_by_role("combobox", name="Query").fill(query)
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url(lambda url: "q=" in url)


def test_words_and_filters_find_requests_and_the_address_is_the_view(visitor: Visitor) -> None:
    page = visitor.go("/")
    search(page, "tag:support refund")
    found, address = count(page), page.url
    assert 0 < int(found.replace(",", "")) < 1_743
    expect(page.locator("[data-row]").first).to_contain_text("support")
    page.goto(visitor.server.url)
    page.goto(address)
    assert count(page) == found
    assert page.get_by_role("combobox", name="Query").input_value() == "tag:support refund"


def test_fields_and_values_are_completed_by_keyboard(visitor: Visitor) -> None:
    page = visitor.go("/")
    box = page.get_by_role("combobox", name="Query")
    box.press_sequentially("mod")
    option = page.get_by_role("option").filter(has_text=re.compile("^model:"))
    expect(option.first).to_be_visible()
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("model:")
    expect(page.get_by_role("option").filter(has_text="gpt-4o-mini")).to_be_visible()
    box.press_sequentially("gpt-4o-m")
    expect(page.get_by_role("option")).to_have_count(1)
    box.press("ArrowDown")
    box.press("Enter")
    box.press("Enter")
    page.wait_for_url(re.compile("q=model"))
    expect(page.locator("[data-row]").first).to_contain_text("gpt-4o-mini")


def test_a_query_that_cannot_be_read_is_explained_at_its_place(visitor: Visitor) -> None:
    page = visitor.go("/")
    visitor.watch.statuses.add(400)
    search(page, "latency:>soon")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("combobox", name="Query")).to_have_attribute("aria-invalid", "true")


def test_a_facet_narrows_the_list_and_is_taken_back(visitor: Visitor) -> None:
    page = visitor.go("/")
    facets = page.get_by_role("complementary", name="Filters")
    facets.get_by_role("link", name=re.compile("^invoices")).click()
    expect(page).to_have_url(re.compile("q=tag"))
    narrowed = count(page)
    assert int(narrowed.replace(",", "")) < 1_743
    facets.get_by_role("link", name=re.compile("^invoices")).click()
    expect(page.locator("#count strong")).to_have_text("1,743")


def test_drawing_over_the_chart_sets_the_time(visitor: Visitor) -> None:
    page = visitor.go("/")
    plot = page.locator("[data-brush]")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("since"))
    assert 0 < int(count(page).replace(",", "")) < 1_743


def test_older_requests_come_in_while_scrolling(visitor: Visitor) -> None:
    page = visitor.go("/")
    before = rows(page)
    page.locator("tr.older").scroll_into_view_if_needed()
    expect(page.locator("[data-row]").nth(before)).to_be_attached()
    ids = page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert len(ids) == len(set(ids)), "none twice"


def test_older_requests_are_a_link_without_script(browser: Browser, demo: Server) -> None:
    with visiting(browser, demo, java_script_enabled=False) as arrived:
        page = arrived.enter()
        first = page.locator("[data-row]").first.get_attribute("data-id")
        page.get_by_role("link", name="Older requests").click()
        assert page.locator("[data-row]").first.get_attribute("data-id") < str(first)


def test_columns_are_chosen_and_stay(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Attempts").check()
    page.locator("summary", has_text="Columns").locator("..").get_by_role("button", name="Show").click()
    expect(page.get_by_role("columnheader", name="Attempts")).to_be_attached()
    visitor.go("/?q=tag%3Asupport")
    expect(page.get_by_role("columnheader", name="Attempts")).to_be_attached()


def test_what_was_said_has_the_most_room_and_gets_that_of_the_folded_filters(visitor: Visitor) -> None:
    page = visitor.go("/")
    said = page.get_by_role("columnheader", name="Input and output")
    before = width(said)
    assert before > 250
    filters = page.locator("#filters")
    filters.locator("> summary").press("Enter")
    expect(filters).not_to_have_attribute("open")
    assert width(said) > before + 120
    visitor.go("/charts")
    visitor.go("/")
    expect(filters).not_to_have_attribute("open")
    filters.locator("> summary").press("Enter")
    expect(page.get_by_role("complementary", name="Filters").get_by_role("link").first).to_be_visible()


def test_the_list_is_sorted_by_a_click(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.get_by_role("columnheader", name="Latency").get_by_role("link").click()
    expect(page.locator("th[aria-sort]")).to_contain_text("Latency")
    data = page.request.get(page.url + "&format=json").json()
    took = [item["summary"]["duration_s"] for item in data["items"]]
    assert took == sorted(took, reverse=True)


def test_a_new_request_comes_in_on_top_until_the_tail_is_paused(browser: Browser, own_demo: Server) -> None:
    with visiting(browser, own_demo, kept=False) as owner, closing(Store.open(own_demo.db)) as store:
        owner.page.clock.install()
        page = owner.enter()
        looks: list[str] = []
        page.on("request", lambda sent: looks.append(sent.url) if "/requests/rows" in sent.url else None)
        live = page.get_by_role("button", name="Live")
        expect(live).to_have_attribute("aria-pressed", "true")
        (first,) = store.add([said("Is anybody there?", "Yes.", 86_400 * 330)])
        page.clock.run_for(_LOOKS_EVERY_MS)
        expect(page.locator(f"[data-id='{first}']")).to_be_attached()
        expect(page.locator("[data-row]").first).to_contain_text("Is anybody there?")
        live.click()
        expect(live).to_have_attribute("aria-pressed", "false")
        assert looks
        looks.clear()
        (second,) = store.add([said("And now?", "No.", 86_400 * 330 + 1)])
        page.clock.run_for(10 * _LOOKS_EVERY_MS)
        assert (looks, page.locator(f"[data-id='{second}']").count()) == ([], 0)
        live.click()
        page.clock.run_for(_LOOKS_EVERY_MS)
        expect(page.locator(f"[data-id='{second}']")).to_be_attached()


def test_selected_requests_get_a_tag(owner: Visitor) -> None:
    page = owner.go("/")
    for at in (0, 2):
        page.locator("[data-row] input[name=id]").nth(at).check()
    page.locator("#with-selected summary").click()
    page.get_by_label("Tag", exact=True).fill("to-review")
    page.locator("#with-selected").get_by_role("button", name="Add").click()
    page.wait_for_load_state()
    owner.found("tag%3Ato-review")
    assert (rows(page), count(page)) == (2, "2")


def test_all_of_a_query_get_a_score(owner: Visitor) -> None:
    page = owner.go("/?q=tag%3Adigest")
    wanted = count(page)
    page.locator("#with-selected summary").click()
    page.get_by_label("All of this query").check()
    page.get_by_label("Score, 0 to 100").fill("77")
    page.get_by_label("Name of the score").fill("checked")
    page.locator("#with-selected").get_by_role("button", name="Set").click()
    page.wait_for_load_state()
    owner.found("score.checked%3A77")
    assert count(page) == wanted


def test_all_of_a_query_are_downloaded(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.go("/?q=tag%3Ainvoices")
    wanted = int(count(page).replace(",", ""))
    page.locator("#with-selected summary").click()
    page.get_by_label("All of this query").check()
    for kind in ("JSONL", "CSV"):
        with page.expect_download() as started:
            page.get_by_role("button", name=kind).click()
        path = tmp_path / kind
        started.value.save_as(path)
        text = path.read_text(encoding="utf-8-sig")
        found = (
            [json.loads(line) for line in text.splitlines()]
            if kind == "JSONL"
            else list(csv.DictReader(io.StringIO(text)))
        )
        assert len(found) == wanted


def test_deleting_asks_first_and_says_how_many(owner: Visitor) -> None:
    page = owner.go("/?q=tag%3Anightly")
    wanted = int(count(page).replace(",", ""))
    page.locator("#with-selected summary").click()
    page.get_by_label("All of this query").check()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("main")).to_contain_text(f"{wanted} requests")
    assert width(page.locator(".asking")) < 700, "a line that can be read at a glance"
    page.get_by_role("link", name="Cancel").click()
    assert owner.server.count() == 1_743
    page.locator("#with-selected summary").click()
    page.get_by_label("All of this query").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete them").click()
    page.wait_for_load_state()
    owner.found("tag%3Anightly")
    expect(page.get_by_text("No request meets this query.")).to_be_visible()
    assert owner.server.count() == 1_743 - wanted


def test_an_empty_store_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path / "requests.db") as server, visiting(browser, server.start()) as arrived:
        page = arrived.enter()
        expect(page.get_by_text("No requests yet")).to_be_visible()
        expect(page.get_by_text("promptlayer-patch run")).to_be_visible()


def test_the_list_is_walked_by_keyboard(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Query")).to_be_focused()
    page.keyboard.type("tag:orders")
    expect(page.get_by_role("combobox", name="Query")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=tag"))
    page.locator("body").click(position={"x": 5, "y": 5})
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    current = page.locator("[data-row][aria-current]")
    expect(current).to_have_count(1)
    chosen = current.get_attribute("data-id")
    page.keyboard.press("x")
    expect(current.locator("input[name=id]")).to_be_checked()
    page.keyboard.press("o")
    page.wait_for_url(f"**/requests/{chosen}*")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_times_are_those_of_the_viewers_zone(browser: Browser, demo: Server) -> None:
    shown = []
    for zone in ("UTC", "Asia/Shanghai"):
        with visiting(browser, demo, timezone_id=zone) as arrived:
            shown.append(arrived.enter().locator("[data-row] time").first.inner_text())
    assert shown[0] != shown[1]
