"""Which variables a text names is found out without working anything out."""

from __future__ import annotations

import pytest

from promptlayer_patch._registry import jinja


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ a[1:2] }}{{ b.c(d=1) | default('x') }}", ["a", "b"]),
        ("{% for a in many %}{{ a }}{{ loop.index }}{% else %}{{ b }}{% endfor %}", ["b", "many"]),
        ("{% set (x, y) = z %}{{ x }}{% macro m(p, q=1) %}{{ p }}{{ r }}{% endmacro %}", ["r", "z"]),
        ("{% if x is sameas none %}{{ [] + {} + () }}{% endif %}", ["x"]),
    ],
)
def test_the_variables_of_a_text_are_found(text: str, names: list[str]) -> None:
    assert jinja.names_in(text) == names


@pytest.mark.parametrize(
    "constant",
    [
        "'x' * 1000000000000",
        "'x' | center(1000000000000)",
        "['x' * 1000000000000][0]",
        "[[]] * 1000000000000",
        "'x' ~ ('y' * 1000000000000)",
        "9 ** 999999999",
    ],
)
def test_no_constant_is_worked_out(constant: str) -> None:
    """Each would fill the memory, or take hours."""
    assert jinja.names_in(f"{{{{ {constant} }}}}{{{{ name }}}}") == ["name"]


@pytest.mark.parametrize("text", ["{{", "{{ a }}" * 30_000, "{{ " + "(" * 5_000, f"{{{{ {'9' * 5_000} }}}}"])
def test_a_text_that_is_broken_or_too_large_names_none(text: str) -> None:
    assert jinja.names_in(text) == []
