"""Embeddings as floats: the client asks for base64 on its own account and gives its caller floats."""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Iterator
from typing import Any


def has_vectors(response: Any) -> bool:
    """Whether there are vectors to be decoded in a response to an embeddings request."""
    return any(True for _ in _encoded(response))


def as_floats(response: Any) -> None:
    """Decode the vectors in a response to an embeddings request, in place."""
    for item in _encoded(response):
        floats = array.array("f")
        try:
            floats.frombytes(base64.b64decode(item["embedding"]))
        except ValueError:
            continue
        if sys.byteorder == "big":
            floats.byteswap()
        item["embedding"] = floats.tolist()


def _encoded(response: Any) -> Iterator[dict[str, Any]]:
    items = response.get("data") if isinstance(response, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("embedding"), str):
            yield item
