"""Chunks that repeat one but for its text, as most of a stream do: many are read at once, none is decoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from operator import contains
from typing import Any, NamedTuple

from promptlayer_patch._parsing import parsed

__all__ = ["Alone", "Repeats"]

_TRIES = 64
"""So many chunks of a body are remembered; an eighth of them if each has few repeats, since to look for these
takes as long as to decode some."""
_FEW = 8
_WINDOW = 64 * 1024
"""Bytes that are looked at together, since where the repeats end is not known before."""


class Alone(NamedTuple):
    """What a chunk adds, where one that differs from it in its text alone would add nothing but that."""

    key: str
    """Of the text."""
    text: str
    padding: tuple[str, ...]
    """Keys whose values may differ, too: a string or a number that says nothing."""
    where: Any
    """Where it belongs, for the fold that has found it."""


class _Shape(NamedTuple):
    """A chunk, cut where repeats of it differ."""

    first: bytes
    between: tuple[bytes, ...]
    last: bytes
    numbers: tuple[bool, ...]
    """Of each place where they differ, whether a number stands there; else a string does."""
    text_at: int
    """Which of these places has the text."""


class Repeats:
    """Finds, in one body, the repeats of the chunk that was read last."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._tries = _TRIES

    def follow(self, begin: int, end: int, alone: Alone, add: Callable[[list[str]], None]) -> int:
        """Add the texts of all chunks that repeat the one before `end`; where the first other begins."""
        shape = _shape_of(self._body[begin:end], alone) if self._tries > 0 else None
        if shape is None:
            return end
        count, more = 0, True
        while more:
            texts, end, more = _repeats(shape, self._body, end)
            add(texts)
            count += len(texts)
        self._tries -= 1 if count >= _FEW else 8
        return end


def _shape_of(chunk: bytes, alone: Alone) -> _Shape | None:
    keys = (alone.key, *alone.padding)
    # Without a backslash each quote begins or ends a string, so that these are keys.
    if b"\\" in chunk or any(chunk.count(b'"%b"' % key.encode()) > 1 for key in keys):
        return None
    found = list(_changes(keys).finditer(chunk))
    names = [one[1].decode() for one in found]
    if alone.key not in names:
        return None
    at = names.index(alone.key)
    if found[at][2] is None or found[at][2] != alone.text.encode("utf-8", "surrogatepass"):
        return None
    spans = [one.span(3 if one[2] is None else 2) for one in found]
    ends = [0, *(end for _, end in spans)]
    begins = [*(begin for begin, _ in spans), len(chunk)]
    first, *between, last = (chunk[end:begin] for end, begin in zip(ends, begins, strict=True))
    return _Shape(first, tuple(between), last, tuple(one[2] is None for one in found), at)


@lru_cache(maxsize=16)
def _changes(keys: Sequence[str]) -> re.Pattern[bytes]:
    # No escapes: to go on behind each, `re` would remember every character.
    return re.compile(rb'"(%b)": ?(?:"([^"\\]*)"|(\d+)(?=[,}]))' % "|".join(map(re.escape, keys)).encode())


def _repeats(shape: _Shape, body: bytes, begin: int) -> tuple[list[str], int, bool]:
    """Texts of the chunks that begin here; where they end; and whether more may follow them."""
    if not body.startswith(shape.first, begin):
        return [], begin, False
    window = body[begin : begin + _WINDOW]
    chunks = window.split(shape.last)[:-1]
    chunks = chunks[: _first(map(bytes.startswith, chunks, repeat(shape.first)), False)]
    if not chunks:
        return [], begin, False
    columns = _columns(shape, chunks)
    texts = _strings(columns[shape.text_at]) if _are_sound(shape, columns) else []
    read = sum(map(len, chunks[: len(texts)])) + len(texts) * len(shape.last)
    return texts, begin + read, 0 < len(texts) == len(chunks) and begin + len(window) < len(body)


def _columns(shape: _Shape, chunks: Sequence[bytes]) -> list[Sequence[bytes]]:
    """What stands in each of the places that differ, up to the first chunk of another shape."""
    at = len(shape.first)
    varying: Sequence[bytes] = [chunk[at:] for chunk in chunks]
    count = len(chunks)
    # In JSON a line break is spelled: where there is one, another event has come in between.
    if b"\n" in b"".join(varying):
        count = _first(map(contains, varying, repeat(b"\n")), True)
    columns: list[Sequence[bytes]] = []
    for constant in shape.between:
        before, found, varying = zip(*map(bytes.partition, varying, repeat(constant)), strict=True)
        count = min(count, _first(found, b""))
        columns.append(before)
    return [column[:count] for column in (*columns, varying)]


def _first(values: Iterable[object], value: object) -> int:
    """The place of the first of them that is `value`, or how many there are."""
    return [*values, value].index(value)


def _are_sound(shape: _Shape, columns: Sequence[Sequence[bytes]]) -> bool:
    """Whether a number stands wherever one stood, and a string where one did."""
    return all(
        all(map(bytes.isdigit, column)) if is_number else _end_as_strings(column)
        for column, is_number in zip(columns, shape.numbers, strict=True)
    )


def _end_as_strings(column: Sequence[bytes]) -> bool:
    """Whether each of these, put between quotes, ends at the second of them."""
    together = b"\n".join(column)
    if b"\\" in together:
        together = together.replace(b"\\\\", b"").replace(b'\\"', b"")
        if b"\\\n" in together or together.endswith(b"\\"):
            return False
    return b'"' not in together


def _strings(column: Sequence[bytes]) -> list[str]:
    """The strings; none if one of them is none."""
    try:
        strings: list[str] = parsed(b'["%b"]' % b'","'.join(column)) if column else []
    except (ValueError, RecursionError):
        return []
    return strings
