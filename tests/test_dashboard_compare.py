"""Two requests side by side: what differs is marked, in figures, parameters and words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Record
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.support.dashboard_pages import HOSTILE, Page
from tests.support.dashboard_records import chat, request_of
from tests.support.serving import Client, client_of_another_workspace, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path_factory.mktemp("site")) as (server, client):
        yield server, client


def put(server: Server, *records: Record) -> list[int]:
    with closing(Store.open(server.db)) as store:
        ids = store.add(records)
        store.catch_up()
    return ids


def opened(client: Client, path: str) -> Page:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[:300]
    return Page(answer.text)


def test_words_that_differ_are_marked_on_their_sides(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(
        server,
        chat("Reply in one sentence.", "It is blue."),
        chat("Reply in two sentences.", "It is green."),
    )
    page = opened(client, f"/compare?a={one}&b={other}")
    assert [found.text for found in page.all("del")] == ["one sentence", "blue"]
    assert [found.text for found in page.all("ins")] == ["two sentences", "green"]


def test_figures_come_with_their_difference(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(
        server,
        chat("Hi", "Hello", usage={"prompt_tokens": 100, "completion_tokens": 10}),
        chat("Hi", "Hello", usage={"prompt_tokens": 150, "completion_tokens": 10}),
    )
    page = opened(client, f"/compare?a={one}&b={other}")
    rows = [row.text for row in page.all("tr")]
    assert "Input tokens100150+50 (+50 %)" in rows
    assert "Output tokens1010the same" in rows
    assert "Latency2.50 s2.50 sthe same" in rows


def test_parameters_that_differ_are_marked(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(
        server,
        chat("Hi", "Hello", request={"temperature": 0.2, "seed": 5}),
        chat("Hi", "Hello", request={"temperature": 0.7, "seed": 5, "stop": ["."]}),
    )
    page = opened(client, f"/compare?a={one}&b={other}")
    marked = [row.text for row in page.all("tr", class_="differs")]
    assert marked == ["temperature differs0.20.7", 'stop differs—["."]']


def test_requests_that_say_the_same_are_said_to(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(server, chat("Hi", "Hello"), chat("Hi", "Hello"))
    page = opened(client, f"/compare?a={one}&b={other}")
    assert [head.text for head in page.all("div", class_="head")][2:4] == ["Promptthe same", "Outputthe same"]


def test_answers_in_json_are_compared_line_by_line(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(server, chat("?", '{"a":1,"b":[1,2]}'), chat("?", '{"a":1,"b":[1,3]}'))
    page = opened(client, f"/compare?a={one}&b={other}")
    assert [found.text for found in (*page.all("del"), *page.all("ins"))] == ["2", "3"]


def test_long_stretches_that_are_the_same_are_folded(served: tuple[Server, Client]) -> None:
    server, client = served
    text = "".join(f"Sentence {number} of many. " for number in range(3_000))
    one, other = put(server, chat(text + "red", "x"), chat(text + "blue", "x"))
    answer = client.get(f"/compare?a={one}&b={other}", headers={"Accept-Encoding": "gzip"})
    assert int(answer.headers["content-length"]) < 150_000
    page = Page(answer.text)
    assert len(page.all("details", class_="same")) == 2
    assert [found.text for found in (*page.all("del"), *page.all("ins"))] == ["red", "blue"]


def test_texts_without_end_are_compared_in_bounded_time(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(server, chat("a b " * 60_000, "x"), chat("b c " * 60_000, "x"))
    page = opened(client, f"/compare?a={one}&b={other}")
    assert "too long to be compared word by word" in page.one("main").text


def test_the_other_versions_of_the_template_are_offered(served: tuple[Server, Client]) -> None:
    server, client = served
    ids = put(
        server,
        *(chat("Hi", f"v{number}", prompt=PromptLink("support", number)) for number in (1, 2, 2, 3)),
        chat("Hi", "other", prompt=PromptLink("else", 9)),
    )
    page = opened(client, f"/compare?a={ids[0]}")
    assert [row.text for row in page.all("tr", class_="version")] == ["Version 3", "Version 2"]
    offered = [link.attributes["href"] for link in page.all("a", data_open="")]
    assert offered[:3] == [f"/compare?a={ids[0]}&b={other}" for other in (ids[3], ids[2], ids[1])]


def test_the_same_is_there_as_data(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(server, chat("Hi", "red"), chat("Hi", "blue"))
    data = client.get(f"/compare?a={one}&b={other}&format=json").json()
    assert (data["a"]["request_id"], data["b"]["request_id"]) == (one, other)
    assert data["comparison"]["output"]["after"] == [
        {"change": "new", "text": "blue", "folded": "", "tail": "", "left_out": 0}
    ]


def test_without_requests_the_page_asks_which(served: tuple[Server, Client]) -> None:
    _, client = served
    page = opened(client, "/compare")
    assert [field.attributes["name"] for field in page.all("input", inputmode="numeric")] == ["a", "b"]


@pytest.mark.parametrize("path", ["/compare?a=12", "/compare?a=x&b=y", "/compare?b=0"])
def test_what_is_not_there_is_said_on_a_page(served: tuple[Server, Client], path: str) -> None:
    _, client = served
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no such request." in answer.text


def test_requests_of_another_workspace_are_not_there(served: tuple[Server, Client]) -> None:
    server, _client = served
    one, other = put(server, chat("Hi", "red"), chat("Hi", "blue"))
    stranger = client_of_another_workspace(server)
    assert stranger.get(f"/compare?a={one}&b={other}").status_code == 404
    stranger.close()


def test_whatever_requests_say_is_text(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other, _ = put(
        server,
        chat(HOSTILE, HOSTILE, request={"model": HOSTILE, HOSTILE: HOSTILE}, tags=(HOSTILE,)),
        chat(HOSTILE + "x", "other", prompt=PromptLink(HOSTILE, 1), tags=(HOSTILE,)),
        chat("third", HOSTILE, prompt=PromptLink(HOSTILE, 2)),
    )
    for path in (f"/compare?a={one}&b={other}", f"/compare?a={other}", f"/compare?a={other}&b={one}"):
        page = opened(client, path)
        page.assert_harmless()
        assert "{{7*7}}" in page.one("main").text
        assert "\u202e" not in page.one("main").text


def test_requests_of_different_kinds_can_be_compared(served: tuple[Server, Client]) -> None:
    server, client = served
    one, other = put(
        server,
        chat("Hi", "Hello"),
        request_of("embeddings.create", {"input": "Hi"}, {"data": [{"embedding": [0.5]}]}),
    )
    opened(client, f"/compare?a={one}&b={other}")
