"""Pages of traces: the list, the tree with its bars, and a span with all that is said in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch._spans.model import Event, Link, Span
from promptlayer_patch.demo.history import entries, fill
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.server.dashboard.traces_tree import SCALE, lines
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Entry, Store
from promptlayer_patch.store.group_listing import Groups
from promptlayer_patch.store.spans.spans import SpanEntry, Spans
from promptlayer_patch.store.spans.trace_listing import Traces
from promptlayer_patch.store.spans.trace_reading import SpanLine, outline
from tests.support.serving import Client, client_of_another_workspace, serving

START_NS = 1_790_000_000_000_000_000
HOSTILE = '"><script>alert(1)</script>{{7*7}}'
_VOID = {"link", "meta", "input", "img", "br", "hr"}


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


def span(trace: int, number: int, parent: int | None = None, **fields: Any) -> Span:
    defaults: dict[str, Any] = {
        "trace_id": f"{trace:032x}",
        "span_id": f"{number:016x}",
        "parent_id": None if parent is None else f"{parent:016x}",
        "name": f"step {number}",
        "start_ns": START_NS + number * 1_000_000,
        "end_ns": START_NS + number * 1_000_000 + 500_000,
    }
    return Span(**{**defaults, **fields})


def put(store: Store, *spans: Span) -> str:
    """Store the spans of a trace; its id."""
    Spans(store).put([SpanEntry(one) for one in spans])
    return spans[0].trace_id


class Tree(HTMLParser):
    """The names in the tree, each with how many lists it is in; every element must end in its place."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[tuple[int, str]] = []
        self._in_line = False
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "a" and (dict(attrs).get("href") or "").startswith("?span=") and "title" in dict(attrs):
            self.names.append((self.open.count("ul"), dict(attrs)["title"] or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_traces_are_listed_by_the_name_of_their_root(client: Client, store: Store) -> None:
    trace_id = put(store, span(1, 2, 1), span(1, 1, name="answer the question", status_code=2))
    page = client.get("/traces")
    assert page.status_code == 200
    assert f'href="/traces/{trace_id}"' in page.text
    assert "answer the question" in text_of(page.text)
    found = next(one for one in client.get("/traces?format=json").json()["traces"] if one["id"] == trace_id)
    assert (found["spans"], found["errors"]) == ({"count": 2, "exact": True}, 1)


def test_traces_go_on_page_by_page(client: Client, store: Store) -> None:
    put(store, *(span(1_000 + trace, 100_000 + trace) for trace in range(120)))
    seen: list[str] = []
    address: str | None = "/traces"
    while address is not None:
        page = client.get(address).text
        seen += re.findall(r'href="/traces/([0-9a-f]{32})"', page)
        found = re.search(r'<a [^>]*rel="next" href="([^"]*)"', page)
        address = unescape(found[1]) if found else None
    assert len(seen) == len(set(seen))
    assert {f"{1_000 + trace:032x}" for trace in range(120)} <= set(seen)


def test_a_trace_is_a_tree(client: Client, store: Store) -> None:
    trace_id = put(store, span(2, 1), span(2, 2, 1), span(2, 3, 2), span(2, 4, 1), span(2, 5))
    page = client.get(f"/traces/{trace_id}")
    assert page.status_code == 200
    assert Tree(page.text).names == [
        (1, "step 1"),
        (2, "step 2"),
        (3, "step 3"),
        (2, "step 4"),
        (1, "step 5"),
    ]


def test_a_span_links_to_its_request_and_says_what_that_cost(client: Client, store: Store) -> None:
    own = span(3, 1)
    record = Record(id=new_record_id(), function_name="f", started_at=START_NS / 1e9)
    Spans(store).put(
        [SpanEntry(own, Entry(record=record, span_id=own.span_id, trace_id=own.trace_id, price=0.25))]
    )
    store.catch_up()
    page = client.get(f"/traces/{own.trace_id}").text
    request_id = store.id_of(record.id)
    assert f'href="/requests/{request_id}"' in page
    assert "$0.25" in text_of(page)


def test_a_span_says_everything_that_is_known_of_it(client: Client, store: Store) -> None:
    told = span(
        4,
        1,
        status_code=2,
        status_message="it broke",
        attributes={"http.status": 500, "messages": '[{"role": "user"}]', "long": "x" * 300},
        events=(Event("cache miss", START_NS + 2_000_000, {"key": "k1"}),),
        links=(Link("b" * 32, "c" * 16),),
        resource={"service.name": "desk"},
        scope_name="lantern",
    )
    trace_id = put(store, told)
    page = text_of(client.get(f"/traces/{trace_id}").text)
    for said in ("it broke", "http.status 500", '"role": "user"', "cache miss", "+1 ms", "key k1", "b" * 32):
        assert said in page
    for said in ("service.name desk", "lantern", "x" * 300):
        assert said in page


def test_another_span_is_looked_at_by_its_address_alone_for_a_script(client: Client, store: Store) -> None:
    trace_id = put(store, span(5, 1), span(5, 2, 1, attributes={"only": "here"}))
    address = f"/traces/{trace_id}?span={2:016x}"
    whole = client.get(address).text
    alone = client.get(address, headers={"HX-Request": "true"}).text
    assert "<html" in whole
    assert "<html" not in alone
    for page in (whole, alone):
        assert "only here" in text_of(page)


def test_a_span_that_is_not_there_is_said_to_be_missing(client: Client, store: Store) -> None:
    trace_id = put(store, span(6, 1))
    page = client.get(f"/traces/{trace_id}?span=nope")
    assert page.status_code == 200
    assert "There is no such span." in page.text


def test_of_a_huge_trace_the_beginning_is_drawn(client: Client, store: Store) -> None:
    trace_id = put(store, span(7, 1), *(span(7, number, number - 1) for number in range(2, 10_001)))
    page = client.get(f"/traces/{trace_id}")
    assert "1,000 / 10,000" in text_of(page.text)
    tree = Tree(page.text)
    assert len(tree.names) == 1_000
    assert max(level for level, _ in tree.names) < 40, "browsers put no end of elements into each other"
    assert int(page.headers["content-length"]) < 150_000


@pytest.mark.parametrize("id", ["f" * 32, "x", "%3Cscript%3E", "%00"])
def test_an_unknown_trace_is_a_page_that_says_so(client: Client, id: str) -> None:
    page = client.get(f"/traces/{id}")
    assert page.status_code == 404
    assert "There is no such trace." in page.text
    assert client.get(f"/traces/{id}?format=json").json()["success"] is False


def test_a_trace_of_another_workspace_is_unknown(served: tuple[Server, Client], store: Store) -> None:
    trace_id = put(store, span(8, 1, name="secret"))
    with closing(client_of_another_workspace(served[0])) as other:
        assert other.get(f"/traces/{trace_id}").status_code == 404
        assert "secret" not in other.get("/traces").text


def test_what_spans_say_is_text(client: Client, store: Store) -> None:
    told = span(
        9,
        500_000,
        name=HOSTILE,
        status_message=HOSTILE,
        attributes={HOSTILE: HOSTILE, "more": {HOSTILE: [HOSTILE] * 60}},
        events=(Event(HOSTILE, 0, {HOSTILE: HOSTILE}),),
        links=(Link(HOSTILE, HOSTILE),),
        resource={HOSTILE: HOSTILE},
        scope_name=HOSTILE,
    )
    trace_id = put(store, told)
    for address in ("/traces", f"/traces/{trace_id}"):
        page = client.get(address).text
        assert "<script>alert" not in page
        assert HOSTILE in unescape(page)


def test_what_hides_in_a_span_is_spelled_out(client: Client, store: Store) -> None:
    """Half a surrogate pair cannot be sent at all, and a mark of direction would turn what follows it."""
    hidden = "half \ud83d, turned \u202e round"
    told = span(
        10,
        500_001,
        name=hidden,
        attributes={hidden: hidden},
        events=(Event(hidden, 0, {}),),
        links=(Link(hidden, hidden),),
    )
    trace_id = put(store, told)
    for address in ("/traces", f"/traces/{trace_id}"):
        page = client.get(address)
        assert page.status_code == 200
        assert "half \\ud83d, turned \\u202e round" in text_of(page.text)
    assert "\u202e" in client.get(f"/traces/{trace_id}?format=json").json()["span"]["facts"][0]["value"]


def test_a_span_that_says_too_much_is_shown_in_part(client: Client, store: Store) -> None:
    long = "W" * 100_000
    told = span(11, 1, name=long, status_message=long, attributes={f"{n}{long}": long for n in range(400)})
    trace_id = put(store, told, *(span(11, number, 1, name=long) for number in range(2, 102)))
    page = client.get(f"/traces/{trace_id}")
    assert len(page.text) < 600_000
    assert "Only the beginning is shown." in page.text
    assert "Attributes and events that are not shown: 100" in text_of(page.text)


@pytest.mark.parametrize("address", ["/traces?before=x", "/traces?before=-1", f"/traces?before={10**20}"])
def test_an_address_that_makes_no_sense_is_refused(client: Client, address: str) -> None:
    assert client.get(address).status_code in (400, 422)


@pytest.mark.parametrize("address", ["/traces", f"/traces/{1:032x}"])
def test_pages_are_for_those_who_were_let_in(served: tuple[Server, Client], address: str) -> None:
    with closing(Client(served[0].url, None)) as stranger:
        assert stranger.get(address).status_code == 401


# --- the tree alone


def outlines(spans: Sequence[tuple[int | None, int, int]]) -> list[SpanLine]:
    return [
        SpanLine(str(number), None if parent is None else str(parent), "n", 0, begin, begin + length, 0, None)
        for number, (parent, begin, length) in enumerate(spans)
    ]


@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 60), st.integers(0, 10**12), st.integers(-10, 10**12)),
        min_size=1,
        max_size=50,
    )
)
def test_every_span_has_one_line_and_every_list_an_end(spans: list[tuple[int | None, int, int]]) -> None:
    """Whatever spans say of their parents: there may be none, or they may be each other's."""
    made = lines(outlines(spans))
    assert sorted(int(line.span.span_id) for line in made) == list(range(len(spans)))
    begun = sum(line.inside > 0 for line in made)
    assert begun == sum(line.ends for line in made)
    for line, following in pairwise(made):
        assert following.level - line.level == (1 if line.inside else -line.ends)
    for line in made:
        assert 0 <= line.left < line.left + line.width <= SCALE


# --- the demo


def test_the_demo_has_chats_as_groups_and_questions_as_traces(tmp_path: Path) -> None:
    db = tmp_path / "requests.db"
    fill(db, StringIO(), now=START_NS / 1e9)
    with closing(Store.open(db)) as store:
        assert store.count() == len(list(entries(START_NS / 1e9)))
        assert any(group.requests.count > 2 for group in Groups(store).page().items)
        for trace in Traces(store).page(5).items:
            spans = outline(store, trace.id, 100).spans
            assert [line.inside for line in lines(spans)] == [5, 0, 0, 1, 0, 0]
            assert trace.requests.count == sum(span.request_id is not None for span in spans) == 2
