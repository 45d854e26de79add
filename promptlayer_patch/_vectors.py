"""Embeddings as floats: the client asks for base64 on its own account and gives its caller floats."""

from __future__ import annotations

import array
import base64
import sys
from typing import Any


def as_floats(response: Any) -> bool:
    """Decode the vectors in a response to an embeddings request, in place; whether there were any."""
    found = False
    items = response.get("data") if isinstance(response, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("embedding"), str):
            floats = array.array("f")
            try:
                floats.frombytes(base64.b64decode(item["embedding"]))
            except ValueError:
                continue
            if sys.byteorder == "big":
                floats.byteswap()
            item["embedding"] = floats.tolist()
            found = True
    return found
