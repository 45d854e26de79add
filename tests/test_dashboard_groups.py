"""Pages of groups and tags: what is where, page by page, and everything from a request is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.server.dashboard import groups, tags
from promptlayer_patch.server.endpoints import Call
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Entry, Store
from tests.support.serving import Client, client_of_another_workspace, serving

NOW = 1_790_000_000.0
HOSTILE = '"><script>alert(1)</script>{{7*7}}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path_factory.mktemp("served")) as both:
        yield both


@pytest.fixture
def client(served: tuple[Server, Client]) -> Client:
    return served[1]


@pytest.fixture(scope="module")
def store(served: tuple[Server, Client]) -> Iterator[Store]:
    with closing(Store.open(served[0].db)) as opened:
        yield opened


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def chat(at: float, messages: list[dict[str, Any]], answer: str | None, **fields: Any) -> Entry:
    said = {"choices": [{"index": 0, "message": message("assistant", answer)}]} if answer else None
    return Entry.of(
        Record(
            id=new_record_id(),
            function_name="openai.chat.completions.create",
            request={"model": "gpt-4o", "messages": messages},
            response=said,
            started_at=NOW + at,
            ended_at=NOW + at + 1,
            **fields,
        )
    )


def text_of(page: str) -> str:
    """What is read on the page, without its elements."""
    body = page[page.index("<main") : page.index("</main>")]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def link_to(page: str, relation: str) -> str | None:
    found = re.search(rf'<a [^>]*rel="{relation}"[^>]*>', page)
    return unescape(re.search(r'href="([^"]*)"', found[0])[1]) if found else None  # type: ignore[index]


def test_groups_are_listed_with_what_they_hold(client: Client, store: Store) -> None:
    group_id = store.create_group()
    store.add([chat(0, [message("user", "Hi")], "Good morning", group_id=group_id)])
    page = client.get("/groups")
    assert page.status_code == 200
    assert f'href="/groups/{group_id}"' in page.text
    assert "Good morning" in text_of(page.text)


def test_a_group_is_read_as_one_conversation(client: Client, store: Store) -> None:
    """Every request sends all that was said before: it is shown where it was said, and not again."""
    group_id = store.create_group()
    first = [message("system", "Be brief"), message("user", "Where is my order?")]
    second = [*first, message("assistant", "Which one?"), message("user", "Number seven")]
    store.add(
        [
            chat(60, second, "It is on its way", group_id=group_id),
            chat(0, first, "Which one?", group_id=group_id),
        ]
    )
    store.catch_up()
    said = text_of(client.get(f"/groups/{group_id}").text)
    order = ("Be brief", "Where is my order?", "Which one?", "Number seven", "It is on its way")
    assert [said.count(text) for text in order] == [1] * len(order)
    assert sorted(order, key=said.index) == list(order)
    assert "Messages sent again: 3" in said


def test_the_next_page_of_a_group_knows_what_was_said_on_the_one_before(client: Client, store: Store) -> None:
    group_id = store.create_group()
    messages: list[dict[str, str]] = []
    made = []
    for turn in range(25):
        messages = [*messages, message("user", f"question {turn:02}")]
        made.append(chat(turn, messages, f"answer {turn:02}", group_id=group_id))
        messages = [*messages, message("assistant", f"answer {turn:02}")]
    store.add(made)
    store.catch_up()
    page = client.get(f"/groups/{group_id}").text
    following = link_to(page, "next")
    assert following is not None
    second = client.get(following).text
    assert "question 19" in text_of(page)
    assert "question 19" not in text_of(second)
    assert "question 20" in text_of(second)
    assert link_to(second, "next") is None


def test_a_failed_request_of_a_group_says_why(client: Client, store: Store) -> None:
    group_id = store.create_group()
    refused = Failure("RateLimitError", "too many requests", 429)
    store.add(
        [
            chat(
                0,
                [message("user", "Hi")],
                None,
                group_id=group_id,
                ending=Ending.PROVIDER_ERROR,
                error=refused,
            )
        ]
    )
    store.catch_up()
    assert "too many requests" in text_of(client.get(f"/groups/{group_id}").text)


def test_what_comes_of_calls_that_are_no_chats_is_shown(client: Client, store: Store) -> None:
    group_id = store.create_group()
    tool = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": '{"n": 7}'}}
    answer = {"role": "assistant", "content": None, "tool_calls": [tool]}
    called = chat(0, [message("user", "Where is it?")], None, group_id=group_id)
    called = Entry.of(replace(called.record, response={"choices": [{"index": 0, "message": answer}]}))
    vector = Record(
        id=new_record_id(),
        function_name="openai.embeddings.create",
        request={"model": "text-embedding-3-small", "input": "a text"},
        response={"data": [{"embedding": [0.5]}]},
        started_at=NOW + 5,
        group_id=group_id,
    )
    store.add([called, Entry.of(vector)])
    store.catch_up()
    page = client.get(f"/groups/{group_id}")
    assert page.status_code == 200
    assert 'find_order({"n": 7})' in text_of(page.text)


@pytest.mark.parametrize("id", ["999999", "0", "-1", "x", "9" * 30, "1.5", "%00"])
def test_an_unknown_group_is_a_page_that_says_so(client: Client, id: str) -> None:
    page = client.get(f"/groups/{id}")
    assert page.status_code == 404
    assert "There is no such group." in page.text
    assert client.get(f"/groups/{id}?format=json").json() == {
        "success": False,
        "message": "There is no such group.",
    }


def test_a_group_of_another_workspace_is_unknown(served: tuple[Server, Client], store: Store) -> None:
    group_id = store.create_group()
    store.add([chat(0, [], "secret", group_id=group_id, tags=("secret-tag",))])
    with closing(client_of_another_workspace(served[0])) as other:
        assert other.get(f"/groups/{group_id}").status_code == 404
        assert "secret" not in other.get("/groups").text
        assert "secret" not in other.get("/tags").text


def test_groups_go_on_page_by_page(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, client), closing(Store.open(server.db)) as store:
        ids = [store.create_group() for _ in range(120)]
        seen: list[int] = []
        address: str | None = "/groups"
        while address is not None:
            page = client.get(urljoin("/", address))
            seen += map(int, re.findall(r'href="/groups/(\d+)"', page.text))
            address = link_to(page.text, "next")
    assert seen == ids[::-1]


def test_without_anything_the_pages_say_how_to_begin(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, client):
        assert "promptlayer_patch.group.create()" in client.get("/groups").text
        assert "promptlayer_patch.scope(tags=" in client.get("/tags").text


def test_tags_are_listed_with_a_link_to_their_requests(client: Client, store: Store) -> None:
    store.add([chat(n, [], "x", tags=("two words", f"t{n}")) for n in range(3)])
    store.catch_up()
    page = client.get("/tags").text
    assert 'href="/?q=tag%3A%22two%20words%22"' in page
    (tag,) = client.get("/tags?starts=two&format=json").json()["tags"]
    assert (tag["name"], tag["requests"], tag["last_used_at"]) == ("two words", 3, NOW + 2)


@dataclass
class Unindexed:
    """A workspace without a thread that indexes."""

    store: Store

    @contextmanager
    def reading(self) -> Iterator[Store]:
        yield self.store


def test_a_store_that_was_never_indexed_has_its_pages(tmp_path: Path) -> None:
    """An older version's file, for as long as the first index takes."""
    with closing(Store.open(tmp_path / "requests.db")) as store:
        store.add([chat(0, [], "Good morning", group_id=1, tags=("a",))])
        workspace: Any = Unindexed(store)
        said = {}
        for endpoint in (*groups.ENDPOINTS, *tags.ENDPOINTS):
            assert endpoint.query is not None
            answer = endpoint.handler(Call(workspace, None, endpoint.query(), {"id": "1"}))
            said[endpoint.path] = (answer.status, text_of(answer.content.decode()))
    assert said["/groups"][0] == said["/groups/{id}"][0] == 200
    assert "Good morning" in said["/groups/{id}"][1]
    assert said["/tags"][0] == 503
    assert "The store is being indexed." in said["/tags"][1]


def test_tags_go_on_page_by_page(client: Client, store: Store) -> None:
    store.add([chat(0, [], "x", tags=tuple(f"many {n:03}" for n in range(120)))])
    store.catch_up()
    seen: list[str] = []
    address: str | None = "/tags?starts=many"
    while address is not None:
        seen += [tag["name"] for tag in client.get(f"{address}&format=json").json()["tags"]]
        address = link_to(client.get(address).text, "next")
    assert seen == [f"many {n:03}" for n in range(120)]


def test_what_requests_say_is_text(client: Client, store: Store) -> None:
    group_id = store.create_group()
    store.add([chat(0, [message(HOSTILE, HOSTILE)], HOSTILE, group_id=group_id, tags=(HOSTILE,))])
    store.catch_up()
    for address in ("/groups", f"/groups/{group_id}", "/tags", f"/tags?starts={HOSTILE}"):
        page = client.get(address).text
        assert "<script>alert" not in page
        assert HOSTILE in text_of(page), address


@pytest.mark.parametrize(
    "address",
    ["/groups?before=-1", "/groups?before=x", "/groups?before=99999999999999999999", "/tags?uses=x"],
)
def test_an_address_that_makes_no_sense_is_refused(client: Client, address: str) -> None:
    assert client.get(address).status_code in (400, 422)


@pytest.mark.parametrize("address", ["/groups", "/groups/1", "/tags"])
def test_pages_are_for_those_who_were_let_in(served: tuple[Server, Client], address: str) -> None:
    with closing(Client(served[0].url, None)) as stranger:
        assert stranger.get(address).status_code == 401
