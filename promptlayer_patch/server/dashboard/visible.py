"""Text from requests as it can be seen: what would hide in it, or turn it around, is spelled out."""

from __future__ import annotations

import json
import re

__all__ = ["visible", "visible_json"]

# Controls but tab and line breaks; marks and overrides of the direction of writing; what takes no room; half
# surrogate pairs. Joiners stay: emoji, Persian and Indic scripts are written with them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """`text` to be read; `\\u202e` stands for what would reverse what follows it."""
    return _HIDDEN.sub(_spelled, text.replace("\r\n", "\n").replace("\r", "\n"))


def visible_json(text: str) -> str:
    """The same JSON as `text`, with what hides in it escaped."""
    return _HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _spelled(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
