"""JSON as `json.loads` reads it, by the parser that openai has brought along where that is faster."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from_json: Callable[[bytes], Any] | None
try:
    from jiter import from_json
except ImportError:  # an openai that does without
    from_json = None

_SHORT = 16_384
"""Bytes; of longer texts most is in a few long strings, with which `json` is as fast."""


def parsed(text: str) -> Any:
    """What `text` says in JSON. Raises `ValueError` if it is none, `RecursionError` if it is too deep."""
    if from_json is not None and len(text) <= _SHORT:
        try:
            return from_json(text.encode())
        except ValueError:
            pass  # `json` takes more: half of a surrogate pair, deeper nesting
    return json.loads(text)
