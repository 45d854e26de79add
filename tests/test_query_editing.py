"""Queries that are edited by clicks: the text changes where it must, and means what was clicked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch._query import And, Filter, InvalidQuery, Operator, all_of, condition, negated
from promptlayer_patch._query.editing import (
    Term,
    terms,
    with_term,
    without,
    without_field,
    without_time,
    written,
)
from promptlayer_patch._query.language import parse

NOW = 1_767_268_800.0
GPT = condition("engine", Operator.EQUALS, "gpt-4o")
PROD = condition("tags", Operator.EQUALS, "prod")


def read(text: str) -> list[Term]:
    return terms(text, now=NOW)


def meant(text: str) -> Filter:
    return parse(text, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "refund",
        "model:gpt-4o tag:prod",
        "model:gpt-4o AND -tag:prod",
        '(a OR b) -(c d) "a phrase" since:7d',
        'a NOT b -NOT c model:"x y",z',
        "a OR b",
        "-(a OR b)",
        "((a b) OR c)",
    ],
)
def test_the_terms_of_a_query_are_all_of_it(text: str) -> None:
    assert all_of(term.filter for term in read(text)) == meant(text)
    assert meant(written(read(text))) == meant(text)


def test_what_cannot_be_read_has_no_terms() -> None:
    with pytest.raises(InvalidQuery):
        read("foo:3")


def test_a_click_adds_a_condition_and_leaves_the_rest_as_it_was_written() -> None:
    assert written(with_term(read("since:7d  refund"), GPT)) == "since:7d refund model:gpt-4o"


def test_a_condition_is_not_added_twice() -> None:
    assert written(with_term(read("engine:gpt-4o x"), GPT)) == "engine:gpt-4o x"


def test_a_condition_narrows_all_alternatives() -> None:
    text = written(with_term(read("a OR b"), GPT))
    assert meant(text) == all_of([meant("a OR b"), GPT])


def test_a_second_click_takes_the_condition_out() -> None:
    assert written(without(read("since:7d AND model:gpt-4o AND refund"), GPT)) == "since:7d refund"


def test_the_opposite_of_a_condition_is_another_one() -> None:
    known = read("-tag:prod")
    assert without(known, PROD) == known
    assert without(known, negated(PROD)) == []


def test_a_field_is_asked_no_more_but_for_what_it_must_not_be() -> None:
    assert written(without_field(read("model:a -model:b model:c tag:d"), "engine")) == "-model:b tag:d"


@pytest.mark.parametrize(
    "time", ["since:7d", "on:today", "started:2026-01-01..2026-01-02", "before:2026-01-01"]
)
def test_times_go_and_others_come(time: str) -> None:
    known = without_time(read(f"refund {time} tag:prod"))
    assert written(known) == "refund tag:prod"
    assert written(known, "since:1h", "") == "refund tag:prod since:1h"


def test_that_there_is_a_time_is_no_time() -> None:
    assert written(without_time(read("started:*"))) == "started:*"


WORDS = st.sampled_from(
    ["refund", "model:gpt-4o", "tag:prod", "-tag:prod", '"a b"', "(a OR model:x)", "since:7d", "latency:>2s"]
)
CONDITIONS: Any = st.sampled_from([GPT, PROD, negated(PROD), negated(GPT)])


@given(st.lists(WORDS, max_size=6), CONDITIONS)
def test_adding_and_taking_out_is_what_the_filter_says(words: list[str], asked: Filter) -> None:
    known = read(" ".join(words))
    added = written(with_term(known, asked))
    assert set(members(meant(added))) == {*members(meant(written(known))), asked}
    assert asked not in members(meant(written(without(read(added), asked))))


def members(filter: Filter) -> tuple[Filter, ...]:
    return filter.filters if isinstance(filter, And) else (filter,)
