"""JSON is read as `json.loads` reads it, whichever parser does it."""

from __future__ import annotations

import importlib
import json
import math
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptlayer_patch._parsing import parsed

try:
    importlib.import_module("jiter")
except ImportError:  # then all of this is about `json` alone
    pass

NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(), st.text(alphabet='\ud800\udfff\x00"\\/é世😀')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
# As numbers are written by others: with exponents, many digits, a minus before zero.
SPELLED = st.from_regex(r"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z")


def same(one: Any, other: Any) -> bool:
    """Equal, of the same types, in the same order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def read(text: str, parse: Any) -> Any:
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return "refused"


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_was_written_is_read_alike(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return  # text that came as bytes has no half of a pair in it, unless escaped
    assert same(parsed(text), json.loads(text))


@given(SPELLED)
@example("-0")
@example("-0.0")
@example("1E400")
@example("123456789012345678901234567890")
@example("2.2250738585072011e-308")
def test_numbers_are_read_alike(text: str) -> None:
    assert same(parsed(text), json.loads(text))


@given(st.text(alphabet='{}[]",:\\ u0123abtrfnuleNI-.e\n\t\ufeff', max_size=40))
@example('{"a": 1, "a": 2}')
@example(' {"a": NaN, "b": Infinity, "c": -Infinity} \n')
@example('"\x01"')
@example("\ufeff{}")
@example("01")
@example("[1,]")
@example('"\\ud800"')
@example("nan")
def test_what_is_refused_and_what_is_not_is_the_same(text: str) -> None:
    assert same(read(text, parsed), read(text, json.loads))


@pytest.mark.parametrize("depth", [10, 150, 250, 900, 100_000])
def test_depth(depth: int) -> None:
    text = "[" * depth + "]" * depth
    assert (read(text, parsed) == "refused") == (read(text, json.loads) == "refused")


def test_without_the_other_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jiter", raising=False)
    assert parsed('{"a": [1, 2.5, "é"]}') == {"a": [1, 2.5, "é"]}


def test_while_the_other_parser_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiter", ModuleType("jiter"))
    assert parsed("[1]") == [1]


def test_a_client_of_openai_has_loaded_it() -> None:
    """Or none of the above would have tried it."""
    pytest.importorskip("jiter")
    importlib.import_module("openai.resources.chat.completions")
    assert "jiter" in sys.modules
