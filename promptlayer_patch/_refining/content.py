"""A record without what was said: `capture_content=False` keeps names, sizes, usage and timing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from promptlayer_patch.records import Failure, Record

_WORD = re.compile(r"[\w.:/+@-]{1,200}")
"""What may be kept as it is: a name or an identifier, no sentence."""

_ASKED = frozenset(
    (
        *("model", "service_tier", "encoding_format", "reasoning_effort", "tool_choice", "truncation"),
        *(
            "size",
            "quality",
            "style",
            "voice",
            "language",
            "purpose",
            "background",
            "output_format",
            "verbosity",
        ),
    )
)
_ANSWERED = frozenset(
    (
        *(
            "id",
            "object",
            "model",
            "service_tier",
            "status",
            "system_fingerprint",
            "content_type",
            "size",
            "quality",
        ),
        *("background", "output_format"),
    )
)
_WITHIN = {"response_format": ("type",), "reasoning": ("effort",), "incomplete_details": ("reason",)}
"""Fields of which one word is kept."""

_LABELS = frozenset({"finish_reason", "id", "index", "object", "role", "status", "type"})
"""Keys whose values are no content and do not count into its size."""


def without_content(record: Record) -> Record:
    """`record` with sizes in place of texts, data and the message of its error.

    Tags and metadata stay: they are the user's own labels.
    """
    error = record.error
    return replace(
        record,
        request={str(key): _asked(key, value) for key, value in record.request.items()},
        response=_response(record.response),
        error=error and Failure(error.type, "", error.status),
    )


def _asked(key: Any, value: Any) -> Any:
    return _kept(key, value, _ASKED)


def _kept(key: Any, value: Any, words: frozenset[str]) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str) and key in words and _WORD.fullmatch(value):
        return value
    if isinstance(value, Mapping) and key in _WITHIN:
        return _picked(value, _WITHIN[key])
    return _size(value)


def _picked(value: Mapping[Any, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The named fields of `value` that hold a number or a word."""
    picked = {name: value[name] for name in names if name in value}
    return {
        name: item
        for name, item in picked.items()
        if item is None or isinstance(item, (int, float)) or (isinstance(item, str) and _WORD.fullmatch(item))
    }


def _response(response: Any) -> Any:
    if response is None:
        return None
    if not isinstance(response, Mapping):
        return _size(response)
    return {str(key): _answered(key, value) for key, value in response.items()}


def _answered(key: Any, value: Any) -> Any:
    special = _SPECIAL.get(key) if isinstance(key, str) else None
    return special(value) if special else _kept(key, value, _ANSWERED)


def _usage(usage: Any) -> Any:
    return usage if isinstance(usage, Mapping) else _kept("usage", usage, frozenset())


def _choices(choices: Any) -> Any:
    if not isinstance(choices, (list, tuple)):
        return _kept("choices", choices, frozenset())
    return [
        {**_picked(choice, ("index", "finish_reason")), "characters": _characters(choice)}
        if isinstance(choice, Mapping)
        else _size(choice)
        for choice in choices
    ]


def _error(error: Any) -> Any:
    return _picked(error, ("type", "code")) if isinstance(error, Mapping) else _size(error)


_SPECIAL: dict[str, Callable[[Any], Any]] = {"usage": _usage, "choices": _choices, "error": _error}


def _size(value: Any) -> Any:
    """What can be told of `value` without telling it."""
    if value is None:
        return None
    if isinstance(value, str):
        return {"characters": len(value)}
    if _is_file(value):
        return _picked(value, ("type", "bytes"))
    if isinstance(value, (list, tuple)) and value and all(map(_is_file, value)):
        return [_size(file) for file in value]
    if isinstance(value, (Mapping, list, tuple)):
        return {"items": len(value), "characters": _characters(value)}
    return {"type": type(value).__name__}


def _is_file(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"name", "type", "bytes"}


def _characters(value: Any) -> int:
    """How many characters the strings in `value` have, labels aside."""
    # A loop: data may be nested as deep as it likes.
    total, left, seen = 0, [value], set()
    while left:
        one = left.pop()
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, (Mapping, list, tuple)) and id(one) not in seen:
            seen.add(id(one))
            left += (
                [item for key, item in one.items() if key not in _LABELS] if isinstance(one, Mapping) else one
            )
    return total
