"""What the fields of an imported line may hold: each check says whether a value of JSON is such a thing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from promptlayer_patch.records import Ending

__all__ = [
    "BESIDE",
    "PROMPT",
    "RECORD",
    "REQUIRED",
    "Holds",
    "group",
    "integer",
    "mapping",
    "maybe",
    "moment",
    "name",
    "score",
    "text",
    "texts",
    "texts_by_name",
    "wrong",
]

Holds: TypeAlias = Callable[[object], bool]


def text(value: object) -> bool:
    return isinstance(value, str)


def name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200


def integer(value: object, least: int = -(2**53), most: int = 2**53) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def amount(value: object, most: float = sys.float_info.max) -> bool:
    # Compared, not converted: Python's integers may be larger than any float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -most <= value <= most


def moment(value: object) -> bool:
    return amount(value, 1e11)


def score(value: object) -> bool:
    return integer(value, 0, 100)


def group(value: object) -> bool:
    return integer(value, 1)


def mapping(value: object) -> bool:
    return isinstance(value, dict)


def texts(value: object) -> bool:
    return isinstance(value, list) and all(map(text, value))


def texts_by_name(value: object) -> bool:
    return isinstance(value, dict) and all(map(text, value.values()))


def maybe(holds: Holds) -> Holds:
    return lambda value: value is None or holds(value)


def _shaped(shape: Mapping[str, Holds], required: tuple[str, ...] = ()) -> Holds:
    def holds(value: object) -> bool:
        return isinstance(value, dict) and not wrong(value, shape, required)

    return holds


def wrong(data: Mapping[str, Any], shape: Mapping[str, Holds], required: tuple[str, ...] = ()) -> str:
    """The name of a field that is missing, or holds what it may not; empty if all is well."""
    missing = next((name for name in required if name not in data), "")
    return missing or next(
        (name for name, holds in shape.items() if name in data and not holds(data[name])), ""
    )


PROMPT: dict[str, Holds] = {
    "name": name,
    "version": maybe(integer),
    "label": maybe(text),
    "variables": mapping,
    "id": maybe(integer),
}
_FAILURE: dict[str, Holds] = {"type": text, "message": text, "status": maybe(integer)}
RECORD: dict[str, Holds] = {
    "id": name,
    "function_name": text,
    "client": maybe(text),
    "provider": text,
    "endpoint": text,
    "request": mapping,
    "streamed": lambda value: isinstance(value, bool),
    "started_at": moment,
    "ended_at": moment,
    "first_token_at": maybe(moment),
    "ending": lambda value: value in list(Ending),
    "error": maybe(_shaped(_FAILURE, ("type", "message"))),
    "status": maybe(integer),
    "attempts": integer,
    "provider_request_id": maybe(text),
    "tags": texts,
    "metadata": texts_by_name,
    "group_id": maybe(integer),
    "prompt": maybe(_shaped(PROMPT, ("name",))),
    "sdk": text,
    "sdk_version": maybe(text),
    "shortened_from": maybe(integer),
}
"""What `export` writes of the record itself."""
REQUIRED = (
    "id",
    "function_name",
    "request",
    "started_at",
    "ended_at",
    "ending",
    "error",
    "tags",
    "metadata",
)
"""Without these there is no record."""
BESIDE: dict[str, Holds] = {
    "status": maybe(lambda value: value in ("SUCCESS", "WARNING", "ERROR")),
    "error_type": maybe(text),
    "error_message": maybe(text),
    "api_type": maybe(text),
    "span_id": maybe(name),
    "trace_id": maybe(name),
    "input_tokens": maybe(integer),
    "output_tokens": maybe(integer),
    "cost": maybe(amount),
    "metadata": texts_by_name,
    "scores": lambda value: isinstance(value, dict) and all(map(score, value.values())),
    "groups": lambda value: isinstance(value, list) and all(map(group, value)),
    "prompt": maybe(_shaped(PROMPT, ("name",))),
}
"""What it writes beside the record."""
