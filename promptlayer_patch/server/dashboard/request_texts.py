"""Long and short texts for reading: code told from prose, the long ones folded, all of it in bounded room."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from promptlayer_patch.server.dashboard.visible import visible

__all__ = ["Piece", "Room", "Text", "pretty"]

_PAGE_CHARS = 200_000
"""So much text is shown on one page, over all; the rest is only in the raw request and response."""
_BEGINNING = 400
_BEGINNINGS_CHARS = 40_000
"""So much beyond that for beginnings: a huge text leaves those after it something to say what they are."""
_PICTURE_CHARS = 3_000_000
"""So much of pictures, which are text in a page as well."""
_FOLDED_FROM = 2_800
_SHOWN = 1_800
_LINES = 36
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_LARGEST_JSON = 200_000
_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+#.-]{0,30})[^\n`]*\n(.*?)(?:^[ \t]*```[ \t]*$\n?|\Z)", re.M | re.S)
_INLINE = re.compile(r"`([^`\n]{1,200})`")

Kind = Literal["prose", "code", "inline"]


@dataclass(frozen=True, slots=True)
class Piece:
    kind: Kind
    text: str
    language: str = ""
    """Of code, as its author named it."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text: its beginning, and what is folded away."""

    head: tuple[Piece, ...]
    rest: tuple[Piece, ...] = ()
    chars: int = 0
    """Of all of it."""
    left_out: int = 0
    """Characters that are not on the page at all."""


class Room:
    """How much more text the page takes, and how many pictures."""

    def __init__(self) -> None:
        self._left = _PAGE_CHARS
        self._left_for_beginnings = _BEGINNINGS_CHARS
        self._left_for_pictures = _PICTURE_CHARS

    def prose(self, text: str) -> Text:
        """`text` as somebody wrote it, perhaps with code in it as Markdown marks it."""
        return self._folded(text, _pieces)

    def code(self, text: str, language: str = "") -> Text:
        """`text` as a machine takes it."""
        return self._folded(text, lambda shown: iter((Piece("code", shown, language),)))

    def picture(self, address: str) -> str:
        """`address` if it is that of a picture that needs no network, else nothing."""
        if len(address) > self._left_for_pictures or not _PICTURE.fullmatch(address):
            return ""
        self._left_for_pictures -= len(address)
        return address

    def _folded(self, text: str, split: Any) -> Text:
        # Other scripts take up to three bytes for a character, and are not packed any better.
        weight = 1 if text.isascii() else 2
        shown = text[: self._taken(len(text) * weight) // weight]
        pieces = tuple(split(visible(shown)))
        left_out = len(text) - len(shown)
        if len(shown) <= _FOLDED_FROM and shown.count("\n") <= _LINES + 8:
            return Text(pieces, (), len(text), left_out)
        head, rest = _parted(pieces)
        return Text(head, rest, len(text), left_out)

    def _taken(self, wanted: int) -> int:
        """How much of `wanted` there is room for, which is gone then."""
        taken = min(wanted, self._left)
        self._left -= taken
        more = min(wanted - taken, max(0, _BEGINNING - taken), self._left_for_beginnings)
        self._left_for_beginnings -= more
        return taken + more


def pretty(text: str) -> str | None:
    """The JSON object or list that `text` is, on lines; `None` if it is anything else."""
    if len(text) > _LARGEST_JSON or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return None


def _pieces(text: str) -> Iterator[Piece]:
    at = 0
    for fence in _FENCE.finditer(text):
        yield from _prose(text[at : fence.start()].strip("\n"))
        yield Piece("code", fence[2].rstrip("\n"), fence[1])
        at = fence.end()
    yield from _prose(text[at:].strip("\n"))


def _prose(text: str) -> Iterator[Piece]:
    at = 0
    for found in _INLINE.finditer(text):
        if found.start() > at:
            yield Piece("prose", text[at : found.start()])
        yield Piece("inline", found[1])
        at = found.end()
    if text[at:].strip():
        yield Piece("prose", text[at:])


def _parted(pieces: tuple[Piece, ...]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """The pieces that are seen at once, and the others; one of them may be cut in two."""
    chars, lines = _SHOWN, _LINES
    for number, piece in enumerate(pieces):
        cut = _cut(piece.text, chars, lines)
        if cut < len(piece.text):
            first = Piece(piece.kind, piece.text[:cut], piece.language)
            second = Piece(piece.kind, piece.text[cut:], piece.language)
            return (*pieces[:number], first), (second, *pieces[number + 1 :])
        chars -= len(piece.text)
        lines -= piece.text.count("\n")
    return pieces, ()


def _cut(text: str, chars: int, lines: int) -> int:
    """Where to end: behind so many characters or lines, at the end of a line or a word where one is near."""
    end = 0
    for _ in range(max(1, lines)):
        found = text.find("\n", end)
        if found < 0:
            end = len(text)
            break
        end = found + 1
    if end <= chars:
        return end
    end = max(1, chars)
    if end >= len(text):
        return len(text)
    line, word = text.rfind("\n", 0, end) + 1, text.rfind(" ", 0, end) + 1
    if line > end // 2:
        return line
    return word if word > end // 2 else end
