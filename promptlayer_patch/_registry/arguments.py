"""What the registry's calls are given, checked before anything is sent. All raise `InvalidArgument`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from promptlayer_patch._options import checked_metadata, checked_tags
from promptlayer_patch.errors import InvalidArgument

NAME_LIMIT = 512
COMMIT_LIMIT = 72
BASE_URL_NAME_LIMIT = 255


def checked_timeout(timeout_s: object) -> float:
    return _seconds("timeout_s", timeout_s, above=True)


def checked_ttl(cache_ttl_s: object) -> float | None:
    return None if cache_ttl_s is None else _seconds("cache_ttl_s", cache_ttl_s, above=False)


def checked_identifier(name_or_id: object) -> str:
    """A template's name, or its id as text: both stand at the same place of an address."""
    if isinstance(name_or_id, int) and not isinstance(name_or_id, bool):
        return str(checked_whole("name_or_id", name_or_id))
    name = checked_text("name_or_id", name_or_id, NAME_LIMIT)
    if name in (".", ".."):
        raise InvalidArgument("name_or_id", f"{name!r} has another meaning in an address; use the id")
    return name


def checked_text(argument: str, text: object, limit: int) -> str:
    if not isinstance(text, str):
        raise InvalidArgument(argument, f"expected a string, got {type(text).__name__}")
    if not text.strip():
        raise InvalidArgument(argument, "expected a string that is not empty")
    if len(text) > limit:
        raise InvalidArgument(argument, f"PromptLayer takes up to {limit} characters, these are {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(argument, "has half a character, which cannot be written") from None
    return text


def optional_text(argument: str, text: object, limit: int = NAME_LIMIT) -> str | None:
    return None if text is None else checked_text(argument, text, limit)


def checked_whole(argument: str, number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidArgument(argument, f"expected a whole number, got {type(number).__name__}")
    if number < 1:
        raise InvalidArgument(argument, f"expected a number of at least 1, got {number}")
    return int(number)


def checked_place(version: object, label: object) -> tuple[int | None, str | None]:
    """A version or a label or neither: PromptLayer itself would quietly prefer the label."""
    if version is not None and label is not None:
        raise InvalidArgument("version", "give a version or a label, not both")
    number = None if version is None else checked_whole("version", version)
    return number, optional_text("label", label)


def checked_names(argument: str, names: object, limit: int = NAME_LIMIT) -> list[str]:
    return [checked_text(argument, name, limit) for name in checked_tags(argument, names)]


def checked_filters(metadata_filters: object) -> dict[str, str] | None:
    if metadata_filters is None:
        return None
    return checked_metadata("metadata_filters", metadata_filters)


def checked_mapping(argument: str, mapping: object) -> dict[str, Any]:
    """`mapping` copied to the bottom; what stands in it has to be plain data."""
    if not isinstance(mapping, Mapping):
        raise InvalidArgument(argument, f"expected a mapping, got {type(mapping).__name__}")
    plain: dict[str, Any] = plain_data(argument, mapping)
    return plain


def optional_mapping(argument: str, mapping: object) -> dict[str, Any] | None:
    return None if mapping is None else checked_mapping(argument, mapping)


def checked_choice(argument: str, chosen: object, choices: Sequence[str]) -> str | None:
    if chosen is None:
        return None
    if chosen not in choices:
        raise InvalidArgument(argument, f"expected one of {', '.join(choices)}")
    return str(chosen)


def optional_switch(argument: str, value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise InvalidArgument(argument, f"expected True or False, got {type(value).__name__}")
    return value


def plain_data(argument: str, value: object, depth: int = 0) -> Any:
    """A copy of what JSON can say: text, numbers, lists and mappings.

    Other objects are refused. They could not be sent, and a template could call their methods.
    """
    if depth > 50:
        raise InvalidArgument(argument, "is nested too deeply")
    # Of subclasses the plain value: they may do anything when they are formatted.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InvalidArgument(argument, f"keys must be strings, one is a {type(key).__name__}")
        return {str.__str__(key): plain_data(argument, one, depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(argument, one, depth + 1) for one in value]
    raise InvalidArgument(
        argument, f"expected text, numbers, lists and mappings, it has a {type(value).__name__}"
    )


def _seconds(argument: str, seconds: object, *, above: bool) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InvalidArgument(argument, f"expected a number of seconds, got {type(seconds).__name__}")
    if not math.isfinite(seconds) or seconds < 0 or (above and seconds == 0):
        wanted = "above 0" if above else "of at least 0"
        raise InvalidArgument(argument, f"expected a number of seconds {wanted}, got {seconds:g}")
    return float(seconds)
