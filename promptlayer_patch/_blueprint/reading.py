"""Reading JSON of which nobody promises the shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

__all__ = ["Json", "as_json", "count", "entries", "leaves", "mapping", "mappings", "parsed_object", "string"]

Json = Mapping[str, Any]
"""A JSON object. Only a dict is taken for one: to ask if something is a `Mapping` is five times as dear."""

_PATH_CHARS = 512
"""A longer path names nothing that somebody would type; what lies below it is left out."""
_NODES = 50_000
"""After so many values the rest is left out."""
_LARGEST_OBJECT = 4 * 1024 * 1024
"""A longer text is not parsed to find out whether it is an object."""
_LARGEST_INTEGER = 2**63 - 1


def mapping(value: Any) -> Json:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[Json]:
    """The objects in the list `value`; none if it is no list."""
    return [entry for entry in entries(value) if isinstance(entry, dict)]


def string(value: Any) -> str:
    """`value` if it is text, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """`value` if it can be a number of tokens: providers, and those who are compatible, send anything."""
    if type(value) is int or value is None:  # as nearly always
        return value if value is not None and 0 <= value <= _LARGEST_INTEGER else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_INTEGER:
        return value
    return None


def as_json(value: Any, indent: int | None = None) -> str:
    """`value` as JSON for reading; what cannot be put so (too deep, no number), by what it holds."""
    if not isinstance(value, (dict, list, str)):
        return _scalar(value)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, default=_scalar)
    except (ValueError, TypeError, RecursionError):
        return "\n".join(f"{path}: {text}" if path else text for path, text in leaves(value))


def parsed_object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is; `None` if it is anything else."""
    # Looked at from both ends first: most answers are prose, and some of them long.
    if (
        len(text) > _LARGEST_OBJECT
        or not text[:64].lstrip().startswith("{")
        or text[-64:].rstrip()[-1:] != "}"
    ):
        return None
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def leaves(value: Any) -> Iterator[tuple[str, str]]:
    """The texts, numbers and so on in `value`, in order, each with its dotted path; lists have no step."""
    # A stack of iterators, for values that are nested deeper than Python calls.
    stack: list[Iterator[tuple[str, Any]]] = [iter((("", value),))]
    for _ in range(_NODES):
        while (entry := next(stack[-1], None)) is None:
            stack.pop()
            if not stack:
                return
        path, found = entry
        if isinstance(found, dict):
            stack.append(_members(path, found.items()))
        elif isinstance(found, list):
            stack.append(zip(repeat(path), found))
        else:
            yield path, _scalar(found)


def _members(path: str, items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    for key, value in items:
        name = key if isinstance(key, str) else _scalar(key)
        if len(path) + len(name) < _PATH_CHARS:
            yield (f"{path}.{name}" if path else name), value


def _scalar(value: Any) -> str:
    """One value that is no object and no list, as JSON spells it, texts without quotes."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        try:
            return repr(value)
        except ValueError:
            return "[a number of thousands of digits]"  # Python refuses to write those out
    return f"<{type(value).__name__}>"


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
