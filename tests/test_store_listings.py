"""Lists of groups, tags and traces: complete, page by page, and not held up by a huge one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch._spans.model import Span
from promptlayer_patch.annotations import GroupLink
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Entry, Store, Total
from promptlayer_patch.store.group_listing import COUNTED_MOST, Groups
from promptlayer_patch.store.spans.spans import SpanEntry, Spans
from promptlayer_patch.store.spans.trace_listing import WALKED_MOST, TraceLine, Traces
from promptlayer_patch.store.tag_listing import Tags

START = 1_767_225_600.0
START_NS = 1_767_225_600_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as opened:
        yield opened


def entry(at: float = 0.0, *, price: float | None = None, **fields: Any) -> Entry:
    outside = {name: fields.pop(name) for name in ("status", "span_id", "trace_id") if name in fields}
    record = Record(id=new_record_id(), function_name="f", started_at=START + at, **fields)
    return Entry(record=record, price=price, **outside)


def span(trace: int, number: int, at_ns: int = 0, **fields: Any) -> Span:
    defaults: dict[str, Any] = {"name": f"step {number}", "end_ns": START_NS + at_ns + 1_000}
    known = {"trace_id": f"{trace:032x}", "span_id": f"{number:016x}", "start_ns": START_NS + at_ns}
    return Span(**{**defaults, **known, **fields})


def put(store: Store, *spans: Span) -> None:
    Spans(store).put([SpanEntry(one) for one in spans])


def all_traces(store: Store, limit: int) -> list[TraceLine]:
    found: list[TraceLine] = []
    page = Traces(store).page(limit)
    found += page.items
    while page.next is not None:
        page = Traces(store).page(limit, after=page.next)
        found += page.items
    return found


# --- groups


def test_groups_come_newest_first_and_page_by_page(store: Store) -> None:
    ids = [store.create_group() for _ in range(5)]
    first = Groups(store).page(2)
    second = Groups(store).page(2, before=first.next)
    last = Groups(store).page(2, before=second.next)
    assert [group.id for page in (first, second, last) for group in page.items] == ids[::-1]
    assert last.next is None


def test_a_group_that_only_a_request_names_is_listed(store: Store) -> None:
    """PromptLayer gave the id, and this store was beside it."""
    store.add([entry(group_id=77)])
    assert [group.id for group in Groups(store).page().items] == [77]


def test_a_group_tells_of_its_requests(store: Store) -> None:
    group_id = store.create_group()
    first, last = store.add([entry(0, price=0.25), entry(60, price=0.5, status="ERROR")])
    store.add([entry(30, price=9.0)])
    for request_id in (last, first):
        store.annotate(request_id, GroupLink(group_id))
    store.catch_up()
    group = Groups(store).get(group_id)
    assert group is not None
    assert group.first is not None
    assert group.last is not None
    assert (group.first.request_id, group.last.request_id) == (first, last)
    assert (group.requests, group.errors, group.cost) == (Total(2, exact=True), 1, 0.75)


def test_what_a_group_costs_is_unknown_without_a_price(store: Store) -> None:
    store.add([entry(group_id=1)])
    store.catch_up()
    group = Groups(store).get(1)
    assert group is not None
    assert group.cost is None


def test_a_group_without_requests_is_known_and_another_is_not(store: Store) -> None:
    group_id = store.create_group()
    group = Groups(store).get(group_id)
    assert group is not None
    assert (group.requests, group.first, group.last) == (Total(0, exact=True), None, None)
    assert Groups(store).get(group_id + 1) is None


def test_a_huge_group_is_counted_only_so_far(store: Store) -> None:
    store.add([entry(at, group_id=1) for at in range(COUNTED_MOST + 1)])
    (group,) = Groups(store).page().items
    assert group.requests == Total(COUNTED_MOST, exact=False)
    assert group.first is not None
    assert group.first.started_at == START, "the first one is still the first one"


def test_the_requests_of_a_group_come_in_the_order_of_time(store: Store) -> None:
    """Whenever they were stored, and before they are indexed."""
    late, early, middle = store.add([entry(at, group_id=1) for at in (9, 1, 5)])
    store.add([entry(3, group_id=2)])
    assert [one.request_id for one in Groups(store).requests(1)] == [early, middle, late]
    assert [one.request_id for one in Groups(store).requests(1, 1, after=early)] == [middle]


# --- tags


def test_tags_come_most_used_first_and_page_by_page(store: Store) -> None:
    store.add([entry(tags=("a", "b")), entry(tags=("b",)), entry(tags=("c",))])
    store.catch_up()
    first = Tags(store).page(0, 2)
    last = Tags(store).page(0, 2, after=first.next)
    assert [(tag.name, tag.requests) for tag in (*first.items, *last.items)] == [("b", 2), ("a", 1), ("c", 1)]
    assert (first.count, last.next) == (3, None)


def test_a_tag_tells_of_its_last_use_its_errors_and_its_cost_lately(store: Store) -> None:
    day = 86_400
    store.add(
        [
            entry(0, price=7.0, tags=("a",)),
            entry(40 * day, price=0.25, tags=("a",), status="ERROR"),
            entry(41 * day, price=0.5, tags=("a",)),
        ]
    )
    store.catch_up()
    (tag,) = Tags(store).page(START + 30 * day).items
    assert (tag.last_used_at, tag.errors, tag.looked_at) == (START + 41 * day, 1, 3)
    assert (tag.lately.requests, tag.lately.cost) == (2, 0.75)


def test_tags_are_found_by_how_they_begin(store: Store) -> None:
    store.add([entry(tags=("production", "prod", "test", "%"))])
    store.catch_up()
    assert [tag.name for tag in Tags(store).page(0, prefix="prod").items] == ["prod", "production"]
    assert [tag.name for tag in Tags(store).page(0, prefix="%").items] == ["%"]


def test_no_tags_are_an_empty_page(store: Store) -> None:
    store.catch_up()
    page = Tags(store).page(0)
    assert (page.items, page.next, page.count) == ((), None, 0)


# --- traces


def test_traces_come_newest_first_and_page_by_page(store: Store) -> None:
    for trace in range(5):
        put(store, *(span(trace, trace * 10 + number, trace * 100 + number * 30) for number in range(4)))
    assert [trace.id for trace in all_traces(store, 2)] == [f"{trace:032x}" for trace in (4, 3, 2, 1, 0)]


@settings(max_examples=25, deadline=None)
@given(
    begins=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), max_size=6),
    limit=st.integers(1, 3),
)
def test_every_trace_is_listed_once_where_its_first_span_began(
    tmp_path_factory: pytest.TempPathFactory, begins: list[list[int]], limit: int
) -> None:
    with closing(Store.open(tmp_path_factory.mktemp("traces") / "requests.db")) as store:
        for trace, offsets in enumerate(begins):
            put(store, *(span(trace, trace * 10 + n, at) for n, at in enumerate(offsets)))
        expected = sorted(((min(offsets), trace) for trace, offsets in enumerate(begins)), reverse=True)
        assert [one.id for one in all_traces(store, limit)] == [f"{trace:032x}" for _, trace in expected]


def test_a_trace_tells_of_its_root_its_time_its_errors_and_its_requests(store: Store) -> None:
    child = span(1, 2, 0, parent_id=f"{1:016x}", status_code=2, end_ns=START_NS + 2_000_000_000)
    root = span(1, 1, 0, name="answer", end_ns=START_NS + 1_000_000_000)
    put(store, child, root)
    store.add([entry(price=0.5, span_id=child.span_id), entry(span_id=root.span_id)])
    store.catch_up()
    trace = Traces(store).get(root.trace_id)
    assert trace == TraceLine(
        id=root.trace_id,
        name="answer",
        started_at=START,
        duration_s=2.0,
        spans=Total(2, exact=True),
        errors=1,
        requests=Total(2, exact=True),
        cost=0.5,
    )


def test_a_trace_whose_root_is_elsewhere_is_called_after_its_first_span(store: Store) -> None:
    put(store, span(1, 2, 10, parent_id="f" * 16), span(1, 1, 5, name="served", parent_id="f" * 16))
    assert [trace.name for trace in Traces(store).page().items] == ["served"]


def test_an_unknown_trace_is_none(store: Store) -> None:
    assert Traces(store).get("0" * 32) is None


def test_a_trace_behind_more_spans_than_one_page_passes_is_on_the_next(store: Store) -> None:
    put(store, span(1, 1, 0))
    put(store, *(span(2, number, number) for number in range(2, WALKED_MOST + 3)))
    page = Traces(store).page(10)
    assert (page.items, page.next is None) == ((), False), "the large trace begins further back"
    assert [trace.id for trace in all_traces(store, 10)] == [f"{trace:032x}" for trace in (2, 1)]
