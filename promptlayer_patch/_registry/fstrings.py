"""Templates of the format `f-string`: `{name}` stands for a variable, `{{` and `}}` for braces.

What stands between the braces is looked up as a name and never evaluated. A missing variable and `None` are
the empty text. A width or a number format may follow, as in `{price:.2f}`. Text that does not parse so (JSON
with single braces) or that reaches into a value (`{user.name}`, `{list[0]}`) raises `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any

from promptlayer_patch._registry.budget import Budget

_CONVERSIONS: dict[str | None, Callable[[Any], Any]] = {
    None: lambda value: value,
    "s": str,
    "r": repr,
    "a": ascii,
}


def render(text: str, variables: Mapping[str, Any], budget: Budget) -> str:
    parts: list[str] = []
    for literal, name, specification, conversion in Formatter().parse(text):
        _add(parts, literal, budget)
        if name is not None:
            _add(parts, _field(name, specification or "", conversion, variables, budget), budget)
    return "".join(parts)


def names_in(text: str) -> list[str]:
    """The variables of a text, in order; none if it does not parse."""
    try:
        found = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return []
    return list(dict.fromkeys(name for name in found if _is_name(name)))


def _field(
    name: str, specification: str, conversion: str | None, variables: Mapping[str, Any], budget: Budget
) -> str:
    if not _is_name(name):
        raise ValueError("not the name of a variable")
    if "{" in specification:
        raise ValueError("a field within a field")
    value = variables.get(name)
    if value is None:
        value = ""
    if isinstance(value, (list, dict)):
        budget.weigh(value)
    if not conversion and not specification:
        return str(value)
    budget.padding(specification)
    return format(_CONVERSIONS[conversion](value), specification)  # a `KeyError` means it does not parse


def _is_name(name: str) -> bool:
    return bool(name) and not name.isdigit() and "." not in name and "[" not in name


def _add(parts: list[str], text: str, budget: Budget) -> None:
    budget.characters(len(text))
    parts.append(text)
