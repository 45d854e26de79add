"""Searching the store at its edges: what comes between two pages, what is too much, what is not there."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch._query import (
    And,
    Cursor,
    Filter,
    InvalidQuery,
    Not,
    Operator,
    Or,
    Order,
    Query,
    SortKey,
    condition,
)
from promptlayer_patch.annotations import MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Entry, QueryTooSlow, Store, StoreUnavailable, Suggestion, Total
from promptlayer_patch.store.indexing.facets import token
from promptlayer_patch.store.searching import glancing, searching, sorting, suggesting

OCTOBER_2026 = 1_790_812_800.0


def an_entry(
    text: str = "Hello", answer: str = "Good day", price: float | None = None, **fields: Any
) -> Entry:
    started = fields.pop("started_at", OCTOBER_2026)
    record = Record(
        id=new_record_id(),
        function_name="openai.chat.completions.create",
        request={"messages": [{"role": "user", "content": text}]},
        response={"model": "lantern-4", "choices": [{"message": {"role": "assistant", "content": answer}}]},
        started_at=started,
        ended_at=started + fields.pop("took", 1.0),
        **fields,
    )
    return Entry(record=record, price=price)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as opened:
        yield opened


def fill(store: Store, *entries: Entry) -> list[int]:
    ids = store.add(entries)
    store.catch_up()
    return ids


def equals(field: str, value: object, key: str | None = None) -> Filter:
    return condition(field, Operator.EQUALS, value, key)


def text(words: str) -> Filter:
    return condition("text", Operator.CONTAINS, words)


def found(store: Store, filter: Filter) -> list[int]:
    return [one.request_id for one in store.search(Query(filter), 1_000).items]


# --- pages


def test_a_page_begins_where_the_last_one_ended_whatever_was_added_between(store: Store) -> None:
    ids = fill(store, *(an_entry(started_at=OCTOBER_2026 + number) for number in range(4)))[::-1]
    first = store.search(Query(), 2)
    fill(store, an_entry(started_at=OCTOBER_2026 + 10))
    second = store.search(Query(), 2, first.next)
    assert [one.request_id for one in (*first.items, *second.items)] == ids
    assert second.next is None


def test_a_page_that_is_just_full_has_none_behind_it(store: Store) -> None:
    fill(store, an_entry(), an_entry())
    assert store.search(Query(), 2).next is None
    assert store.search(Query(), 1).next is not None
    assert store.search(Query(), 0) == store.search(Query(Or(())), 10)


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("filter", [And(()), equals("engine", "lantern-4")], ids=str)
def test_pages_of_several_stores_merge_into_those_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, descending: bool, filter: Filter
) -> None:
    """A cursor says where a page ended in terms of the order, not of the store."""
    monkeypatch.setattr(sorting, "_FEW", few)
    entries = [
        an_entry(price=[None, 1.0, 2.0, 0.5][number % 4], started_at=OCTOBER_2026 + number)
        for number in range(40)
    ]
    query = Query(filter, Order(SortKey.COST, descending))
    with (
        closing(Store.open(tmp_path / "whole.db")) as whole,
        closing(Store.open(tmp_path / "odd.db")) as odd,
        closing(Store.open(tmp_path / "even.db")) as even,
    ):
        fill(whole, *entries)
        fill(odd, *entries[1::2])
        fill(even, *entries[::2])
        expected = [(one.cost, one.request_id) for one in whole.search(query, 100).items]
        merged: list[tuple[float | None, int]] = []
        after: Cursor | None = None
        while len(merged) < len(expected):
            heads = [one for shard in (odd, even) for one in shard.search(query, 3, after).items]
            page = sorted(
                ((one.cost, one.request_id) for one in heads),
                key=lambda place: (
                    place[0] is None,
                    (place[0] or 0) * (-1 if descending else 1),
                    place[1] * (-1 if descending else 1),
                ),
            )[:3]
            merged += page
            after = Cursor(page[-1][1], page[-1][0])
        assert merged == expected


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("key", [SortKey.COST, SortKey.LATENCY], ids=str)
def test_values_at_the_ends_of_buckets_are_on_one_page_each(
    store: Store, monkeypatch: pytest.MonkeyPatch, key: SortKey, descending: bool
) -> None:
    """The index of the sort key is walked in parts, which neither overlap nor leave a gap."""
    for name in ("_FEW", "_AHEAD", "_LOOKS"):
        monkeypatch.setattr(sorting, name, 1)
    edges = [2.0**exponent for exponent in (-81, -30, -24, -11, -1, 0, 4, 13)]
    values = [0.0, 5e-324, 0.001, 0.3, 0.512, 1e9, *edges, *(math.nextafter(one, 0.0) for one in edges)]
    entries = [
        an_entry("hello", price=value, took=value, started_at=OCTOBER_2026 + number)
        for number, value in enumerate((*values, 0.3, 0.0, 0.0, 1.0))
    ]
    # Another word, so that it is not every request that is meant.
    fill(store, *entries, an_entry("other", price=2e9, took=2e9))
    whole = [one for one in store.search(Query(order=Order(key, descending)), 100).items if one.cost != 2e9]
    for size in (1, 2, 5):
        pages, after = [], None
        while not pages or after is not None:
            page = store.search(Query(text("hello"), Order(key, descending)), size, after)
            pages += page.items
            after = page.next
        assert [one.request_id for one in pages] == [one.request_id for one in whole]
    taken = [one.cost if key is SortKey.COST else one.duration_s for one in whole]
    assert taken == sorted(taken, reverse=descending)


def test_a_total_is_counted_no_further_than_it_is_asked(store: Store) -> None:
    fill(store, *(an_entry("many") for _ in range(5)))
    assert store.total(Query(text("many")), at_most=5) == Total(5, exact=True)
    assert store.total(Query(text("many")), at_most=4) == Total(4, exact=False)
    assert store.total(Query(Or(()))) == Total(0, exact=True)


# --- what is found


def test_a_summary_that_was_found_says_what_was_said_about_the_request(store: Store) -> None:
    (request_id,) = fill(store, an_entry(price=0.25, tags=("prod",), prompt=PromptLink("support", 3)))
    store.annotate(request_id, Score(90, "accuracy"))
    store.annotate(request_id, MetadataUpdate({"user_id": "42"}))
    store.catch_up()
    (one,) = store.search(Query(equals("metadata", "42", "user_id"))).items
    assert (one.cost, one.tags, one.metadata) == (0.25, ("prod",), {"user_id": "42"})
    assert (one.scores, one.prompt_name, one.prompt_version) == ({"accuracy": 90}, "support", 3)
    assert (one.shape, one.pl_status) == ("plain_text", "SUCCESS")


def test_what_was_said_before_finds_nothing_any_more(store: Store) -> None:
    (request_id,) = fill(store, an_entry(metadata={"user_id": "41"}))
    store.annotate(request_id, MetadataUpdate({"user_id": "42"}))
    store.catch_up()
    assert found(store, equals("metadata", "41", "user_id")) == []
    assert found(store, equals("metadata", "42", "user_id")) == [request_id]


def test_a_crowd_in_one_millisecond_is_found_by_its_time(store: Store) -> None:
    """A millisecond has 4,096 ids; whoever comes later gets one of the next."""
    store.add([an_entry() for _ in range(4_200)])
    store.catch_up()
    moment = condition("request_start_time", Operator.BETWEEN, (OCTOBER_2026, OCTOBER_2026))
    assert store.total(Query(moment)) == Total(4_200, exact=True)


def test_a_time_before_all_ids_and_one_behind_them_are_no_errors(store: Store) -> None:
    ids = fill(store, an_entry(started_at=5.0), an_entry(), an_entry(started_at=1e11))
    for field in ("request_start_time", "request_end_time"):
        assert found(store, condition(field, Operator.LESS, 1e300)) == ids[::-1]
        assert found(store, condition(field, Operator.MORE, -1e300)) == ids[::-1]
        assert found(store, condition(field, Operator.LESS, 1_000.0)) == ids[:1]
        assert found(store, condition(field, Operator.MORE, 5e10)) == ids[2:]


def test_a_body_that_cannot_be_read_stops_no_search(store: Store) -> None:
    (broken,) = store.add([an_entry("the end", tags=("prod",))])
    store.run(lambda connection: connection.execute("UPDATE bodies SET body = x'00'").fetchall())
    (whole,) = fill(store, an_entry("the end", "the end", tags=("prod",)))
    assert found(store, equals("tags", "prod")) == [whole, broken]
    assert found(store, condition("text", Operator.ENDS_WITH, "the end")) == [whole]
    assert found(store, Not(condition("text", Operator.ENDS_WITH, "the end"))) == [broken]
    assert len(store.search(Query(order=Order(SortKey.LATENCY))).items) == 2


def test_a_word_of_which_more_begin_than_can_be_named_is_found(store: Store) -> None:
    ids = fill(store, an_entry(" ".join(f"begun{number}" for number in range(1_100))), an_entry("other"))
    assert found(store, text("beg")) == ids[:1]
    assert found(store, text("begun29")) == ids[:1]


def test_what_is_not_indexed_yet_comes_last_in_a_small_store(store: Store) -> None:
    ids = fill(store, an_entry(price=1.0), an_entry(price=2.0))
    ids += store.add([an_entry(price=3.0)])
    listed = store.search(Query(order=Order(SortKey.COST)), 10).items
    assert [one.request_id for one in listed] == [ids[1], ids[0], ids[2]]


def test_a_single_letter_finds_what_is_indexed_and_no_more(store: Store) -> None:
    ids = fill(store, an_entry("apples"), an_entry("pears", "none"), an_entry("none", "avocado"))
    store.add([an_entry("almonds")])
    assert found(store, text("a")) == [ids[2], ids[0]]
    assert store.total(Query(text("a")), 1) == Total(1, exact=False)
    assert store.total(Query(text("a")), 5) == Total(2, exact=True)


def test_a_single_letter_is_left_to_the_index_where_looking_takes_too_long(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glancing, "_SECONDS", -1.0)
    ids = fill(store, an_entry("apples"), an_entry("pears", "none"))
    assert found(store, text("a")) == ids[:1]


@pytest.mark.parametrize("length", [16, 15, 2, 1])
def test_a_token_of_the_index_is_no_text_that_a_request_has(store: Store, length: int) -> None:
    name = token("engine", "lantern-4")
    ids = fill(store, an_entry("hello"), an_entry(f"the word {name}"))
    assert found(store, equals("engine", "lantern-4")) == ids[::-1]
    assert found(store, text(name[:length])) == ids[1:]


def test_a_store_that_is_only_read_can_be_searched(store: Store) -> None:
    (request_id,) = fill(store, an_entry("hello"))
    with closing(Store.open(store.path, read_only=True)) as reader:
        assert found(reader, And((text("hel"), equals("engine", "lantern-4")))) == [request_id]
        assert reader.suggest("engine") == (Suggestion("lantern-4", 1),)


# --- what is too much


def test_a_search_before_anything_was_indexed_says_so(store: Store) -> None:
    store.add([an_entry()])
    with pytest.raises(StoreUnavailable, match="not indexed"):
        store.search(Query())


def test_a_query_that_takes_too_long_is_stopped_and_the_store_goes_on(store: Store) -> None:
    ids = fill(store, *(an_entry() for _ in range(200)))
    slow = Query(And((condition("request_end_time", Operator.MORE, 0.0),) * 100))
    with pytest.raises(QueryTooSlow, match="longer than 0 s"):
        store.run(lambda connection: searching.search(connection, slow, 200, None, seconds=0.0))
    assert [one.request_id for one in store.search(slow, 200).items] == ids[::-1]


def test_a_query_that_is_nested_or_long_without_end_is_refused(store: Store) -> None:
    fill(store, an_entry())
    deep: Filter = text("hello")
    for _ in range(2_000):
        deep = Not(deep)
    with pytest.raises(InvalidQuery, match="nested"):
        store.search(Query(deep))
    with pytest.raises(InvalidQuery, match="conditions"):
        store.search(Query(And((text("hello"),) * 501)))


def test_the_longest_query_that_is_taken_is_answered(store: Store) -> None:
    ids = fill(store, an_entry(tags=("a",), price=2.0))
    many = [str(number) for number in range(1_000)]
    tags = Or(tuple(condition("tags", Operator.ONE_OF, [*many, f"{at}", "a"]) for at in range(100)))
    costs = And(tuple(condition("cost", Operator.MORE, at / 400) for at in range(399)))
    assert found(store, And((tags, costs))) == ids
    assert found(store, Not(And((Not(tags), costs)))) == ids
    nested: Filter = equals("tags", "a")
    for _ in range(7):
        nested = And((Or((nested, equals("tags", "b"))), Not(Not(costs.filters[1]))))
    assert found(store, nested) == ids


@pytest.mark.parametrize("field", ["pl_id", "record_id"])
def test_ids_go_with_all_that_is_asked_for(store: Store, field: str) -> None:
    entries = [
        an_entry(name, tags=(name,), started_at=OCTOBER_2026 - number)
        for number, name in enumerate(("one", "two", "three"))
    ]
    ids = fill(store, *entries)
    known = {
        "pl_id": [str(one) for one in ids],
        "record_id": [entry.record.id for entry in entries],
    }[field]
    first, _, third = (equals(field, one) for one in known)
    either = condition(field, Operator.ONE_OF, (known[0], known[2], "0" * 32))
    assert found(store, first) == ids[:1]
    assert found(store, either) == found(store, Or((third, first))) == [ids[0], ids[2]]
    assert found(store, Or((first, equals("tags", "two")))) == ids[:2]
    assert found(store, And((either, text("three")))) == ids[2:]
    assert found(store, Not(either)) == ids[1:2]
    assert found(store, Not(equals(field, "0" * 32))) == ids
    assert found(store, Or((equals(field, "0" * 32), text("two")))) == ids[1:2]


def test_a_text_as_long_as_may_be_is_found(store: Store) -> None:
    chinese, english = "退款政策" * 2_500, "refund policy " * 700
    ids = fill(store, an_entry(f"before {chinese} after"), an_entry(f"before {english} after"))
    assert found(store, text(chinese)) == ids[:1]
    assert found(store, text(english)) == ids[1:]


@pytest.mark.parametrize(
    "hostile",
    [
        '"', '""', "'", "*", "a*", "^", "^a", "NEAR(a b, 2)", "AND", "a AND", "OR", "NOT a", "(", "a)",
        "{input}", "{input}:a", "facets:a", "-a", "a + b", ":", ",", "%", "_", "\\", "\x00",
        "a\x00b", "\ud800", "--", ";", "'; DROP TABLE requests; --", "\u202e", "\u200b", "🙂",
    ],
)  # fmt: skip
def test_nothing_that_is_asked_for_is_taken_for_syntax(store: Store, hostile: str) -> None:
    ids = fill(store, an_entry("a b", tags=("a",), metadata={"a": "b"}))
    for field in ("text", "input_text", "output_text"):
        for operator in (Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH):
            assert found(store, condition(field, operator, hostile)) in ([], ids)
    for field in ("tags", "engine", "tool_names", "record_id", "pl_id", "group"):
        assert found(store, equals(field, hostile)) == []
        assert found(store, condition(field, Operator.PREFIX, hostile)) == []
    for field in ("metadata", "output", "input_variables"):
        assert found(store, equals(field, hostile, "a")) == []
        assert found(store, equals(field, "b", hostile)) == []
        assert found(store, condition(field, Operator.CONTAINS, hostile, "a")) in ([], ids)
    assert store.suggest("tags", hostile) == ()
    assert store.count() == 1


# --- suggestions


def test_suggestions_count_the_requests_that_have_a_value(store: Store) -> None:
    fill(
        store,
        an_entry(tags=("b", "a")),
        an_entry(tags=("b",)),
        an_entry(tags=("a", "b")),
        an_entry(tags=("c",)),
    )
    assert store.suggest("tags") == (Suggestion("b", 3), Suggestion("a", 2), Suggestion("c", 1))
    assert store.suggest("tags", limit=1) == (Suggestion("b", 3),)
    assert store.suggest("tags", filter=equals("tags", "a")) == (Suggestion("a", 2), Suggestion("b", 2))
    assert store.suggest("tags", "b", filter=equals("tags", "a")) == (Suggestion("b", 2),)
    assert store.suggest("tags", limit=0) == ()


def test_facets_are_counted_among_the_newest_and_say_how_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ("plain", '{"a": 1}', '{"a": 1}', '{"b": 1}')
    fill(store, *(an_entry(answer=answer, tags=(f"t{at}",)) for at, answer in enumerate(answers)))
    whole = store.facet_counts(And(()), ("output_keys", "engine"))
    assert whole.counted == Total(4, exact=True)
    assert whole.values == {
        "output_keys": (Suggestion("a", 2), Suggestion("b", 1)),
        "engine": (Suggestion("lantern-4", 4),),
    }
    monkeypatch.setattr(suggesting, "_COUNTED_MOST", 2)
    newest = store.facet_counts(And(()), ("output_keys", "engine"))
    assert newest.counted == Total(2, exact=False)
    assert newest.values["output_keys"] == (Suggestion("a", 1), Suggestion("b", 1))
    assert newest.values["engine"] == (Suggestion("lantern-4", 2),)


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("no", None),
        ("input_text", None),
        ("cost", None),
        ("record_id", None),
        ("metadata", None),
        ("tags", "a"),
    ],
)
def test_there_are_no_suggestions_for_what_has_no_list_of_values(
    store: Store, field: str, key: str | None
) -> None:
    with pytest.raises(InvalidQuery):
        store.suggest(field, key=key)


# --- the ways that are taken


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize(
    "order", [Order(), Order(SortKey.COST), Order(SortKey.STATUS, descending=False)], ids=str
)
@pytest.mark.parametrize(
    "filter",
    [
        And(()),
        text("hello"),
        equals("engine", "lantern-4"),
        equals("trace_id", "a" * 32),
        equals("pl_id", "12345"),
        condition("cost", Operator.MORE, 1.0),
        condition("request_start_time", Operator.MORE, OCTOBER_2026),
        condition("request_end_time", Operator.MORE, OCTOBER_2026),
        And((text("hello"), condition("score", Operator.LESS, 5.0, "accuracy"))),
        Or((text("hello"), condition("cost", Operator.MORE, 1.0))),
        Not(condition("cost", Operator.MORE, 1.0)),
    ],
    ids=str,
)
def test_no_table_is_read_from_end_to_end(
    store: Store, monkeypatch: pytest.MonkeyPatch, filter: Filter, order: Order, few: int
) -> None:
    monkeypatch.setattr(sorting, "_FEW", few)
    fill(store, an_entry("hello", price=2.0))
    steps = steps_of(store, Query(filter, order))
    tables = ("requests", "bodies", "request_tags", "request_metadata", "scores", "request_groups", "terms")
    whole = [step for step in steps if step.startswith("SCAN") and step.split()[1] in tables]
    assert [step for step in whole if "USING INDEX" not in step] == []


@pytest.mark.parametrize("ahead", [0, 1_000])
@pytest.mark.parametrize("descending", [True, False])
def test_requests_of_one_model_are_read_along_the_costs_of_that_model(
    store: Store, monkeypatch: pytest.MonkeyPatch, descending: bool, ahead: int
) -> None:
    """Those of a cheap model stand behind all of the dearer ones where they stand by their cost alone."""
    for name, value in (("_FEW", 0), ("_AHEAD", ahead)):
        monkeypatch.setattr(sorting, name, value)
    fill(store, an_entry("hello", price=2.0))
    model, order = equals("engine", "lantern-4"), Order(SortKey.COST, descending)
    for filter in (model, And((text("hello"), And((model,))))):
        steps = " ".join(steps_of(store, Query(filter, order)))
        assert "requests_by_model_cost (model=? AND cost" in steps
        assert "requests_by_cost" not in steps
    for other in (Not(model), Or((model, text("hello"))), equals("provider_type", "openai")):
        assert "requests_by_model_cost" not in " ".join(steps_of(store, Query(other, order)))


def steps_of(store: Store, query: Query) -> list[str]:
    """What SQLite does for a page, step by step."""
    asked: list[str] = []

    def search(connection: sqlite3.Connection) -> list[str]:
        connection.set_trace_callback(asked.append)
        searching.search(connection, query, 50, Cursor(2**60, 1.0))
        connection.set_trace_callback(None)
        selects = [one for one in asked if one.lstrip().startswith("SELECT")]
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {one}").fetchall() for one in selects]
        return [step[-1] for plan in plans for step in plan]

    return store.run(search)
