"""PromptLayer's filter groups become the tree of a query, or a clear error that names the place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch._query import (
    FIELDS,
    And,
    Condition,
    Filter,
    InvalidQuery,
    Kind,
    Not,
    Operator,
    Or,
    Order,
    Query,
    SortKey,
)
from promptlayer_patch._query.groups import filter_from_json, order_from_json, text_filter
from promptlayer_patch._query.moments import instant, written
from tests.support.oracle import matches, sorted_ids, words_of


def read(*filters: dict[str, Any], logic: str = "AND") -> Filter:
    return filter_from_json({"logic": logic, "filters": list(filters)})


def one(field: str, operator: str, value: Any = None, key: str | None = None) -> dict[str, Any]:
    parts = {"field": field, "operator": operator, "value": value, "nested_key": key}
    return {name: part for name, part in parts.items() if part is not None}


def error(*arguments: Any) -> str:
    with pytest.raises(InvalidQuery) as raised:
        filter_from_json(*arguments)
    return str(raised.value)


# --- every operator of the reference

_REQUEST: dict[str, Any] = {
    "pl_id": "7",
    "engine": "gpt-4o",
    "status": "SUCCESS",
    "input_text": "[user]: Where is my Refund?",
    "output_text": "On its way. 返金されました",
    "cost": 0.25,
    "latency_ms": 1200,
    "request_start_time": 1_767_225_600.0,
    "is_json": False,
    "tags": ["prod", "mail"],
    "tool_names": [],
    "metadata": {"user_id": "42", "note": "called twice"},
    "output": {"city": ["Graz", "Linz"]},
}


@pytest.mark.parametrize(
    ("field", "operator", "value", "meets"),
    [
        ("engine", "is", "gpt-4o", True),
        ("engine", "is", "GPT-4o", False),
        ("engine", "is_not", "gpt-4o", False),
        ("engine", "in", ["x", "gpt-4o"], True),
        ("engine", "not_in", ["x"], True),
        ("provider_type", "is_not", "openai", True),
        ("pl_id", "is", 7, True),
        ("input_text", "contains", "my refu", True),
        ("input_text", "contains", "fund", False),
        ("input_text", "not_contains", "invoice", True),
        ("input_text", "starts_with", "USER where", True),
        ("input_text", "ends_with", "refund", True),
        ("input_text", "ends_with", "refun", False),
        ("output_text", "contains", "返金", True),
        ("cost", "eq", 0.25, True),
        ("cost", "neq", 0.25, False),
        ("cost", "gt", 0.25, False),
        ("cost", "gte", 0.25, True),
        ("cost", "lt", 1, True),
        ("cost", "lte", 0.2, False),
        ("cost", "between", [0.25, 0.25], True),
        ("cost", "is_null", None, False),
        ("input_tokens", "is_null", None, True),
        ("input_tokens", "is_not_null", None, False),
        ("input_tokens", "neq", 5, True),
        ("input_tokens", "lt", 5, False),
        ("request_start_time", "is", "2026-01-01T00:00:00Z", True),
        ("request_start_time", "is", 1_767_225_600, True),
        ("request_start_time", "before", "2026-01-01", False),
        ("request_start_time", "after", "2025-12-31T23:59:59.999", True),
        ("request_start_time", "between", ["2026-01-01T01:00:00+01:00", 1_767_225_600.0], True),
        ("is_json", "is_true", None, False),
        ("is_json", "is_false", None, True),
        ("tags", "contains", "prod", True),
        ("tags", "not_contains", "prod", False),
        ("tags", "in", ["x", "mail"], True),
        ("tags", "not_in", ["x", "mail"], False),
        ("tags", "is_empty", None, False),
        ("tool_names", "is_empty", None, True),
        ("tags", "is_not_empty", None, True),
        ("user_intent", "not_in", ["curious"], True),
    ],
)
def test_an_operator_means_what_the_reference_says(
    field: str, operator: str, value: Any, meets: bool
) -> None:
    assert matches(read(one(field, operator, value)), _REQUEST) is meets


@pytest.mark.parametrize(
    ("field", "key", "operator", "value", "meets"),
    [
        ("metadata", "user_id", "key_equals", "42", True),
        ("metadata", "user_id", "key_equals", 42, True),
        ("metadata", "user_id", "key_not_equals", "42", False),
        ("metadata", "nobody", "key_not_equals", "42", True),
        ("metadata", "note", "key_contains", "Alled", False),
        ("metadata", "note", "key_contains", "called tw", True),
        ("metadata", "user_id", "in", ["1", "42"], True),
        ("metadata", "nobody", "not_in", ["1"], True),
        ("metadata", "nobody", "is_empty", None, True),
        ("metadata", "user_id", "is_not_empty", None, True),
        ("output", "city", "key_equals", "Linz", True),
        ("input_variables", "name", "is_not_empty", None, False),
    ],
)
def test_a_value_is_asked_for_by_its_key(
    field: str, key: str, operator: str, value: Any, meets: bool
) -> None:
    assert matches(read(one(field, operator, value, key)), _REQUEST) is meets


def test_every_field_has_operators() -> None:
    for field, known in FIELDS.items():
        with pytest.raises(InvalidQuery, match=r"operator: 'xx' is none of \w+"):
            read(one(field, "xx", key="k" if known.kind in (Kind.NESTED, Kind.NESTED_NUMBER) else None))


# --- groups

A = Condition("engine", Operator.EQUALS, "a")
B = Condition("tags", Operator.EQUALS, "b")
C = Condition("cost", Operator.MORE, 1.0)
a, b, c = one("engine", "is", "a"), one("tags", "contains", "b"), one("cost", "gt", 1)


def test_groups_nest_and_combine() -> None:
    assert read(a, b) == And((A, B))
    assert filter_from_json({"filters": [a, b]}) == And((A, B))
    assert read(a, {"logic": "OR", "filters": [b, c]}) == And((A, Or((B, C))))
    assert read(one("tags", "not_in", ["b", "c"])) == Not(Condition("tags", Operator.ONE_OF, ("b", "c")))
    assert filter_from_json({"logic": "OR", "filters": [a, b]}, [c]) == And((Or((A, B)), C))


def test_the_same_is_always_spelled_the_same() -> None:
    assert read(a) == A
    assert read({"filters": [a, {"filters": [b]}]}) == And((A, B))
    assert read(one("engine", "in", ["a"])) == A
    assert read(one("tags", "in", ["b", "c", "b"])) == Condition("tags", Operator.ONE_OF, ("b", "c"))


@pytest.mark.parametrize("group", [None, {"filters": []}, {"logic": "OR", "filters": []}])
def test_a_group_without_filters_asks_for_nothing(group: Any) -> None:
    assert filter_from_json(group) == And(())
    assert filter_from_json(group, []) == And(())
    assert filter_from_json({"logic": "OR", "filters": [a, {"logic": "OR", "filters": []}]}) == A


# --- what is wrong is named


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ([], "filter_group: an object is needed"),
        ({"logic": "AND"}, "filter_group.filters: a list is needed"),
        ({"logic": "NOR", "filters": []}, "filter_group.logic: 'NOR' is neither AND nor OR"),
        ({"logic": [], "filters": []}, "filter_group.logic: a value of type list is neither AND nor OR"),
        ({"filters": [], "x": 1}, "filter_group: 'x' is none of logic, filters"),
        ({"filters": [a, 5]}, "filter_group.filters[1]: an object is needed"),
        ({"filters": [{}]}, "filter_group.filters[0].field: there is no field null"),
        ({"filters": [one("sql", "is")]}, "filter_group.filters[0].field: there is no field 'sql'"),
        (
            {"filters": [{"filters": [a, one("is_json", "is")]}]},
            "filter_group.filters[0].filters[1].operator: "
            "'is' is none of is_true, is_false, which is_json has",
        ),
        ({"filters": [one("engine", "is")]}, "filter_group.filters[0]: engine needs a text"),
        ({"filters": [one("engine", "in", [])]}, "filter_group.filters[0]: engine needs a list of values"),
        ({"filters": [one("cost", "gt", "1")]}, "filter_group.filters[0]: cost needs a number"),
        ({"filters": [one("cost", "gt", True)]}, "filter_group.filters[0]: cost needs a number"),
        (
            {"filters": [one("cost", "gt", float("nan"))]},
            "filter_group.filters[0]: cost needs a number of ordinary size",
        ),
        (
            {"filters": [one("cost", "gt", 10**400)]},
            "filter_group.filters[0]: cost needs a number of ordinary size",
        ),
        (
            {"filters": [one("cost", "between", [1])]},
            "filter_group.filters[0]: cost needs two values, the first and the last",
        ),
        ({"filters": [one("metadata", "is_empty")]}, "filter_group.filters[0]: metadata needs a key"),
        (
            {"filters": [one("engine", "is", "a", "k")]},
            "filter_group.filters[0]: engine has no keys",
        ),
        (
            {"filters": [{**one("metadata", "is_empty"), "nested_key": 5}]},
            "filter_group.filters[0].nested_key: a text is needed",
        ),
        (
            {"filters": [one("request_start_time", "after", "yesterday")]},
            "filter_group.filters[0]: request_start_time: 'yesterday' is no ISO 8601 date or time",
        ),
        (
            {"filters": [one("request_start_time", "after", "2026-02-30")]},
            "filter_group.filters[0]: request_start_time: day is out of range for month",
        ),
        (
            {"filters": [one("tags", "in", ["x"] * 1001)]},
            "filter_group.filters[0]: tags: more than 1000 values",
        ),
        ({"filters": [a] * 201}, "filter_group.filters[200]: more than 200 filters"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(group: Any, says: str) -> None:
    assert error(group) == says


def test_a_flat_list_is_named_by_its_own_name() -> None:
    assert error(None, [a, {}]) == "filters[1].field: there is no field null"
    assert error(None, {}) == "filters: a list is needed"


def test_groups_nest_as_deep_as_is_useful_and_no_deeper() -> None:
    deep: dict[str, Any] = {"filters": [a]}
    for _ in range(7):
        deep = {"filters": [deep]}
    assert filter_from_json(deep) == A
    assert error({"filters": [deep]}).endswith(": groups may be nested 8 deep")
    for _ in range(100_000):
        deep = {"filters": [deep]}
    assert error(deep).endswith(": groups may be nested 8 deep")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*FIELDS, "x"]) | json_values
operators = st.sampled_from(["is", "in", "eq", "between", "contains", "key_equals", "before", "is_empty"])
conditions = st.fixed_dictionaries(
    {"field": names, "operator": operators | json_values},
    optional={"value": json_values, "nested_key": st.text(max_size=3) | json_values},
)
groups = st.recursive(
    conditions | json_values,
    lambda inner: st.fixed_dictionaries(
        {"filters": st.lists(inner, max_size=4)},
        optional={"logic": st.sampled_from(["AND", "OR", "x", None])},
    ),
    max_leaves=12,
)


@given(groups, groups)
def test_any_json_is_a_filter_or_a_clear_error(group: Any, filters: Any) -> None:
    try:
        read_back = filter_from_json(group, filters)
    except InvalidQuery:
        return
    assert matches(read_back, _REQUEST) in (True, False)


# --- q and the order


def test_q_looks_into_both_texts() -> None:
    assert text_filter(None) == text_filter("") == And(())
    assert matches(text_filter("refund"), _REQUEST)
    assert matches(text_filter("on its w"), _REQUEST)
    assert not matches(text_filter("refund on its way"), _REQUEST)
    with pytest.raises(InvalidQuery, match="q: text needs a text"):
        text_filter(["x"])


def test_the_order_is_one_of_the_known_ones() -> None:
    assert order_from_json(None, None) == Order(SortKey.STARTED, descending=True)
    assert order_from_json("cost", "asc") == Order(SortKey.COST, descending=False)
    for sort_by, sort_order, says in (
        ("cost", None, "sort_by and sort_order come together"),
        ("price", "asc", "sort_by: 'price' is none of request_start_time, .*"),
        ([], "asc", "sort_by: a value of type list is none of .*"),
        ("cost", "up", "sort_order: 'up' is none of asc, desc"),
    ):
        with pytest.raises(InvalidQuery, match=says):
            order_from_json(sort_by, sort_order)


# --- moments


@given(st.floats(min_value=-6e10, max_value=2e11))
def test_a_moment_that_can_be_written_is_read_back_to_the_last_bit(moment: float) -> None:
    text = written(moment)
    assert text is None or instant(text) == moment


def test_moments_of_whole_microseconds_have_a_writing() -> None:
    assert written(1_767_225_600.25) == "2026-01-01T00:00:00.250000Z"
    assert written(1e300) is None


# --- the oracle that the search engine is tested against


def test_words_are_runs_of_letters_and_single_characters_of_cjk() -> None:
    assert words_of("Él DIJO: «naïve-ness» 3x") == ["el", "dijo", "naive", "ness", "3x"]
    assert words_of("返金 Straßeが한국") == ["返", "金", "strasse", "が", "한", "국"]
    assert words_of("?! --") == []


def test_lists_are_in_the_order_that_was_asked_for() -> None:
    requests = [
        {"pl_id": "1", "cost": 2.0},
        {"pl_id": "2"},
        {"pl_id": "3", "cost": 2.0},
        {"pl_id": "4", "cost": 1},
    ]
    assert sorted_ids(Query(), requests) == [4, 3, 2, 1]
    assert sorted_ids(Query(order=Order(SortKey.COST, True)), requests) == [3, 1, 4, 2]
    assert sorted_ids(Query(order=Order(SortKey.COST, False)), requests) == [4, 1, 3, 2]
