"""Whatever a prompt, a model or a program says is text: on every page nothing of it runs or loads."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from promptlayer_patch.server.running import Server
from tests.browser import hostile
from tests.browser.visiting import Visitor, visiting
from tests.support.crawling import crawl, kinds_of

_MOST_OF_A_KIND = 2
_KINDS = {
    *(
        "/requests/N",
        "/requests/facets",
        "/requests/chart",
        "/compare?a",
        "/compare?b",
        "/groups/N",
        "/traces/N",
    ),
    *("/traces/N?span", "/prompts/N", "/prompts/N/versions/N", "/prompts/new?request", "/prompts/N/publish"),
    *("/?q", "/?sort", "/?after", "/charts?measure", "/charts?q", "/charts?metadata", "/prompts?tag"),
}
"""Of pages that have other people's texts on them; each has to be come by."""
_NEVER_OURS = "[onclick], [onerror], [onload], [onfocus], [onmouseover], iframe, a[href^='javascript:' i]"
_LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.getAttribute('href'))"


@pytest.fixture(scope="module")
def harmful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, list[int]]]:
    path = tmp_path_factory.mktemp("harmful") / "requests.db"
    ids = hostile.fill(path)
    with Server(path) as server:
        server.start()
        refused = list(hostile.publish(server))
        assert all(one.startswith("half ") for one in refused), refused
        yield server, ids


@pytest.fixture
def reader(browser: Browser, harmful: tuple[Server, list[int]]) -> Iterator[Visitor]:
    with visiting(browser, harmful[0]) as arrived:
        arrived.let_in()
        yield arrived


def looked_at(reader: Visitor, path: str) -> list[str]:
    """Opens the page, and opens up what is folded; its links."""
    page = reader.go(path)
    if page.evaluate("document.contentType") != "text/html":
        return []
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("typeof window.ran") == "undefined", path
    assert page.locator(_NEVER_OURS).count() == 0, path
    links: list[str] = page.evaluate(_LINKS)
    return [
        link for link in links if "format=json" not in link and "/static/" not in link and ".json" not in link
    ]


def test_nothing_of_them_runs_on_the_page_of_a_request(
    reader: Visitor, harmful: tuple[Server, list[int]]
) -> None:
    chats, failures, images = (harmful[1][kind::3] for kind in range(3))
    for request_id in (*chats, *failures[::3], *images[::3]):
        looked_at(reader, f"/requests/{request_id}")


def test_nothing_of_them_runs_on_any_page_that_is_linked(
    reader: Visitor, harmful: tuple[Server, list[int]]
) -> None:
    # The two that a script puts into the list, in place of their links.
    starts = [
        "/",
        "/requests/facets",
        "/requests/chart",
        "/charts",
        "/prompts",
        "/groups",
        "/tags",
        "/traces",
    ]
    a, b = harmful[1][:2]
    visited = crawl(lambda path: looked_at(reader, path), [*starts, f"/compare?a={a}&b={b}"], _MOST_OF_A_KIND)
    kinds = {kind for path in visited for kind in kinds_of(path)}
    assert kinds >= _KINDS, _KINDS - kinds


@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS)
def test_nothing_of_them_runs_as_a_query(text: str, reader: Visitor) -> None:
    reader.watch.statuses.update({400, 422})
    looked_at(reader, "/?" + urlencode({"q": text.encode("utf-8", "replace").decode()[:2_000]}))


def test_what_hides_in_a_text_is_made_visible(reader: Visitor, harmful: tuple[Server, list[int]]) -> None:
    at = list(hostile.TEXTS).index("direction") * 3
    page = reader.go(f"/requests/{harmful[1][at]}")
    shown = page.locator("main").inner_text()
    assert "\u202e" not in shown
    assert "safe" in shown
