"""Reading the values of attributes, which say the same thing in several forms."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "as_text",
    "count",
    "depth_is_at_most",
    "first_text",
    "mapping",
    "mappings",
    "number",
    "parsed",
    "text",
]

_DEPTH = 64
_COUNT = re.compile("[0-9]{1,15}")
_LAST_COUNT = 2**53


def text(value: object) -> str | None:
    """`value` if it is a text that says something."""
    return value if isinstance(value, str) and value else None


def first_text(attributes: Mapping[str, Any], *names: str) -> str | None:
    """The first of these attributes that is a text and says something."""
    return next((found for name in names if (found := text(attributes.get(name)))), None)


def count(value: object) -> int | None:
    """A number of things, also one that is written as text or with a fraction of nothing."""
    if isinstance(value, str) and _COUNT.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LAST_COUNT:
        return None
    return value


def number(value: object) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def parsed(value: Any) -> Any:
    """What an attribute holds that is a list or an object, or JSON that says one; else `value` itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        found = json.loads(value, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return value  # a text that begins with a bracket
    # Deeper than anything one says to a model: what reads it later may walk it by recursion.
    return found if depth_is_at_most(found, _DEPTH) else value


def as_text(value: Any) -> str:
    """`value` in words: texts as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in a list, or the single one that stands in place of a list."""
    values = value if isinstance(value, list) else [value]
    return (one for one in values if isinstance(one, Mapping))


def depth_is_at_most(value: Any, depth: int) -> bool:
    """Whether no more than so many lists and objects stand in each other; asked without recursion."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for one in level
            if isinstance(one, (list, dict))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False
