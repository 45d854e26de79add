"""Chunks that repeat the one before but for its text, as most of a stream do: told without decoding them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

__all__ = ["Repeats"]

# Up to the first escape: to go on behind each, `re` would remember every one of them.
_CHANGES = re.compile(r'"(content|text|obfuscation)": ?"([^"\\]*)("?)')
"""What differs from chunk to chunk; `obfuscation` only pads them. A quote within a string is escaped, so that
these are keys."""
_MOST_TRIED = 8
"""After so many chunks that were each the last of their kind, no other is remembered."""


class Repeats:
    """Knows one chunk by what stands before, between and after the strings that change."""

    def __init__(self) -> None:
        self._append: Callable[[str], None] | None = None
        self._before = self._between = self._after = ""
        self._text_first = True
        self._tried = 0

    def begin(self, data: str, text: str, append: Callable[[str], None] | None) -> None:
        """The next chunks may be as `data`, which adds nothing but `text`: theirs is to be appended."""
        if append is None or self._tried >= _MOST_TRIED:
            return
        self._tried += 1
        found = list(_CHANGES.finditer(data))
        texts = [one for one in found if one[1] != "obfuscation"]
        if len(texts) != 1 or len(found) > 2 or texts[0][2] != text or not all(one[3] for one in found):
            return
        first, last = found[0], found[-1]
        self._before, self._after = data[: first.start(2)], data[last.end(2) :]
        self._between = data[first.end(2) : last.start(2)] if len(found) == 2 else ""
        self._text_first = first is texts[0]
        self._append = append

    def end(self) -> None:
        """Another chunk has come in between."""
        self._append = None

    def take(self, data: str) -> bool:
        """Whether `data` was such a chunk; then its text has been appended."""
        append = self._append
        if append is None or len(data) < len(self._before) + len(self._after):
            return False
        if not (data.startswith(self._before) and data.endswith(self._after)):
            return False
        text = data[len(self._before) : len(data) - len(self._after)]
        if self._between:
            first, between, second = text.partition(self._between)
            text, other = (first, second) if self._text_first else (second, first)
            if not between or '"' in other or "\\" in other or not other.isprintable():
                return False  # read by whoever decodes it
        if '"' in text or "\\" in text or not text.isprintable():
            try:
                text = json.loads(f'"{text}"')
            except ValueError:
                return False
        append(text)
        return True
