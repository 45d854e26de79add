"""Fields of JSON, each of the type it must have; nothing at all is an empty one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptlayer_patch._spans.model import BadSpan

__all__ = ["as_list", "as_object", "as_objects", "as_string"]


def as_string(value: Any, what: str) -> str:
    if value is not None and not isinstance(value, str):
        raise BadSpan(f"{what} is no text")
    return value or ""


def as_object(value: Any, what: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise BadSpan(f"{what} is no object")
    return value or {}


def as_list(value: Any, what: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise BadSpan(f"{what} is no list")
    return value or []


def as_objects(value: Any, what: str) -> Iterator[Mapping[str, Any]]:
    return (as_object(one, what) for one in as_list(value, what))
