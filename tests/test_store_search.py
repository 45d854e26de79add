"""Whatever is asked, the store finds what a look at every request finds, in the same order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch._query import (
    FIELDS,
    And,
    Condition,
    Cursor,
    Filter,
    Kind,
    Not,
    Operator,
    Or,
    Order,
    Query,
    SortKey,
    condition,
)
from promptlayer_patch.store import Store, Total
from promptlayer_patch.store.searching import glancing, sorting
from tests.support import searched
from tests.support.oracle import matches, sorted_ids
from tests.support.reading import statements, whole_tables

REQUESTS = 2_000


class Haystack:
    """A store, and all that is in it as the oracle sees it."""

    def __init__(self, store: Store, requests: list[dict[str, Any]]) -> None:
        self.store = store
        self.requests = requests

    def __repr__(self) -> str:
        return "<2,000 requests>"


@pytest.fixture(scope="module")
def haystack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Haystack]:
    made = searched.requests(REQUESTS)
    with closing(Store.open(tmp_path_factory.mktemp("store") / "requests.db")) as store:
        searched.fill(store, made)
        yield Haystack(store, [one.as_seen() for one in made])


# What is asked for is mostly what is there, or else nearly every filter would find nothing.
SEEN = [one.as_seen() for one in searched.requests(300)]


def seen(field: str) -> list[Any]:
    """Values of a field."""
    found: list[Any] = []
    for request in SEEN:
        value = request.get(field)
        found.extend(value if isinstance(value, list) else [] if value is None else [value])
    return sorted(set(found)) or [""]


texts = (
    st.lists(st.sampled_from(searched.WORDS), min_size=1, max_size=3).flatmap(
        lambda words: st.sampled_from(("", " ", ", ", "-")).map(lambda gap: gap.join(words))
    )
    | st.sampled_from([text for request in SEEN for text in (request["input_text"], request["output_text"])])
    | st.text(st.sampled_from("abcdeorné退款政策カタ환불42 .*^\"'()"), max_size=6)
)
pieces = st.builds(
    lambda text, start, end: text[start : start + end], texts, st.integers(0, 30), st.integers(0, 12)
)


def words_of(field: str) -> st.SearchStrategy[str]:
    return st.sampled_from([str(value) for value in seen(field)]) | st.sampled_from(("", "none of them", "%"))


def beginnings(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda value, length: value[:length], values, st.integers(0, 12))


def numbers_of(field: str) -> st.SearchStrategy[float]:
    known = [request["score"].values() for request in SEEN] if field == "score" else [seen(field)]
    return st.sampled_from([float(value) for values in known for value in values]) | st.floats(-2, 1e6)


def values(field: str, operator: Operator) -> st.SearchStrategy[Any]:
    match FIELDS[field].kind, operator:
        case _, Operator.EXISTS:
            return st.none()
        case Kind.NUMBER | Kind.TIME | Kind.NESTED_NUMBER, Operator.BETWEEN:
            return st.tuples(numbers_of(field), numbers_of(field))
        case Kind.NUMBER | Kind.TIME | Kind.NESTED_NUMBER, _:
            return numbers_of(field)
        case Kind.FLAG, _:
            return st.booleans()
        case Kind.TEXT, _:
            return texts | pieces
        case Kind.NESTED, Operator.CONTAINS:
            return st.sampled_from(searched.VALUES) | pieces
        case Kind.NESTED, _:
            one = st.sampled_from((*searched.VALUES, "42", "4.5", "true", "user 4"))
        case _:
            one = words_of(field)
    if operator is Operator.ONE_OF:
        return st.lists(one, min_size=1, max_size=4)
    return beginnings(one) if operator is Operator.PREFIX else one


def keys(field: str) -> st.SearchStrategy[str | None]:
    match field:
        case "score":
            return st.sampled_from((*searched.NAMES, "nobody"))
        case "output":
            return st.sampled_from([*seen("output_keys"), "tool_calls", "none"])
        case "metadata" | "input_variables":
            return st.sampled_from((*searched.KEYS, "none"))
    return st.none()


def asked(field: str, operator: Operator) -> st.SearchStrategy[Condition]:
    return st.builds(condition, st.just(field), st.just(operator), values(field, operator), keys(field))


QUESTIONS = [
    (field, operator)
    for field, known in FIELDS.items()
    for operator in sorted(known.kind.operators, key=lambda one: one.value)
]
conditions = st.sampled_from(QUESTIONS).flatmap(lambda question: asked(*question))
filters: st.SearchStrategy[Filter] = st.recursive(
    conditions,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda members: And(tuple(members)))
        | st.lists(inner, max_size=3).map(lambda members: Or(tuple(members)))
        | inner.map(Not)
    ),
    max_leaves=6,
)
queries = st.builds(Query, filters, st.builds(Order, st.sampled_from(SortKey), st.booleans()))
page_sizes = st.lists(st.sampled_from((1, 7, 50, 400)), min_size=1, max_size=3)


def ids_by_pages(store: Store, query: Query, sizes: list[int]) -> list[int]:
    found: list[int] = []
    after: Cursor | None = None
    for number in range(REQUESTS + 1):
        page = store.search(query, sizes[number % len(sizes)], after)
        found.extend(one.request_id for one in page.items)
        after = page.next
        if after is None:
            return found
        assert len(page.items) == sizes[number % len(sizes)]
    raise AssertionError("pages without end")


@pytest.mark.parametrize("few", [20, sorting._FEW])
def test_a_search_finds_what_a_look_at_every_request_finds(
    haystack: Haystack, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Whether what is found is sorted, or the index of the sort key is walked."""
    monkeypatch.setattr(sorting, "_FEW", few)
    monkeypatch.setattr(sorting, "_AHEAD", 100)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(queries, page_sizes)
    def search(query: Query, sizes: list[int]) -> None:
        check(haystack, query, sizes)

    search()


@pytest.mark.parametrize("ahead", [3, sorting._AHEAD])
def test_requests_of_one_model_come_by_cost_as_by_looking_at_every_request(
    haystack: Haystack, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Whether they fill a page, or are so few that the index of the costs is walked in parts."""
    monkeypatch.setattr(sorting, "_FEW", 20)
    monkeypatch.setattr(sorting, "_AHEAD", ahead)
    models = st.sampled_from(seen("engine")).map(lambda name: condition("engine", Operator.EQUALS, name))
    others = st.lists(filters, max_size=1)
    of_one = st.builds(lambda model, other: And((model, *other)), models, others)
    orders = st.builds(Order, st.just(SortKey.COST), st.booleans())

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.builds(Query, of_one, orders), page_sizes)
    def search(query: Query, sizes: list[int]) -> None:
        check(haystack, query, sizes)

    search()


def check(haystack: Haystack, query: Query, sizes: list[int]) -> None:
    expected = sorted_ids(query, haystack.requests)
    limit = max(sizes)
    assert [one.request_id for one in haystack.store.search(query, limit).items] == expected[:limit]
    if len(expected) < 40 * min(sizes):
        assert ids_by_pages(haystack.store, query, sizes) == expected


begun = st.builds(
    lambda field, operator, whole, letter: condition(field, operator, f"{whole} {letter}"),
    st.sampled_from(("text", "input_text", "output_text")),
    st.sampled_from((Operator.CONTAINS, Operator.STARTS_WITH)),
    st.sampled_from(("", "", "", *searched.WORDS)),
    st.sampled_from("abcdehilnorstuvw4"),
)
with_begun = st.lists(begun, min_size=1, max_size=2).flatmap(
    lambda members: st.lists(conditions, max_size=1).map(lambda others: And((*members, *others)))
)


@pytest.mark.parametrize("looks", [0, 150, 1_000])
def test_a_single_letter_is_found_by_a_look_at_the_texts_and_by_the_index(
    haystack: Haystack, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    monkeypatch.setattr(glancing, "_LOOKS", looks)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.builds(Query, with_begun, st.builds(Order, st.sampled_from(SortKey), st.booleans())), page_sizes
    )
    def search(query: Query, sizes: list[int]) -> None:
        check(haystack, query, sizes)
        count = len(sorted_ids(query, haystack.requests))
        for at_most in (0, 40, REQUESTS):
            expected = Total(min(count, at_most), exact=count <= at_most)
            assert haystack.store.total(query, at_most) == expected

    search()


@pytest.mark.parametrize(("field", "operator"), QUESTIONS, ids=lambda one: getattr(one, "value", one))
def test_every_question_is_answered_as_by_looking_at_every_request(
    haystack: Haystack, field: str, operator: Operator
) -> None:
    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(asked(field, operator), st.booleans())
    def ask(one: Filter, turned: bool) -> None:
        query = Query(Not(one) if turned else one)
        expected = sorted_ids(query, haystack.requests)
        assert [found.request_id for found in haystack.store.search(query, 20).items] == expected[:20]
        assert haystack.store.total(query, REQUESTS) == Total(len(expected), exact=True)

    ask()


LISTED = [
    field
    for field, known in FIELDS.items()
    if known.kind in (Kind.WORD, Kind.WORDS) and field not in ("pl_id", "record_id", "trace_id")
]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(filters)
def test_facets_count_what_a_look_at_every_request_counts(haystack: Haystack, filter: Filter) -> None:
    found = [request for request in haystack.requests if matches(filter, request)]
    counts = haystack.store.facet_counts(filter, LISTED, limit=1_000)
    assert counts.counted == Total(len(found), exact=True)
    for field in LISTED:
        held = (request.get(field) for request in found)
        texts = Counter(str(one) for value in held for one in (value if isinstance(value, list) else [value]))
        texts.pop("None", None)
        # What is too long to be suggested is counted only where the tables say who has it.
        expected = {text: count for text, count in texts.items() if len(text) <= 200}
        assert {one.value: one.count for one in counts.values[field] if len(one.value) <= 200} == expected


def test_values_are_counted_by_looking_requests_up_and_no_others(haystack: Haystack) -> None:
    some = condition("input_tokens", Operator.MORE, 10)
    keys = sorted({key for request in haystack.requests for key in request["metadata"]})
    connection = haystack.store.run(lambda connection: connection)
    with statements(connection) as asked:
        haystack.store.facet_counts(some, LISTED)
        for key in keys[:3]:
            found = haystack.store.suggest("metadata", "", key, some, limit=1_000)
            values = (one["metadata"].get(key) for one in haystack.requests if matches(some, one))
            texts = Counter(value for value in values if value is not None)
            assert {one.value: one.count for one in found} == texts
    assert [one for one in asked if "json_each" in one and whole_tables(connection, one)] == []


def test_the_requests_to_search_among_are_of_every_kind(haystack: Haystack) -> None:
    """Or else the oracle would agree with anything."""
    for field, known in FIELDS.items():
        if known.kind is not Kind.TEXT:
            assert len({repr(request.get(field)) for request in haystack.requests}) > 1, field
