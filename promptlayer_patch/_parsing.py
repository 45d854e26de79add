"""JSON as `json.loads` reads it, by the parser that openai has brought along where that is faster."""

from __future__ import annotations

import json
import sys
from typing import Any


def parsed(text: str | bytes) -> Any:
    """What `text` says in JSON, bytes in UTF-8.

    Raises `ValueError` if it is none, `RecursionError` if it is too deep.
    """
    # Not imported here: openai loads it when it needs it, and nothing of ours may make that earlier.
    from_json = getattr(sys.modules.get("jiter"), "from_json", None)
    if from_json is not None:
        try:
            return from_json(text if isinstance(text, bytes) else text.encode())
        except ValueError:
            pass  # `json` takes more: half of a surrogate pair, deeper nesting
    return json.loads(text if isinstance(text, str) else text.decode())
