"""Plain-text tables for a terminal: columns that line up, also with wide characters, and fit its width."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Column", "clip", "display_width", "layout", "one_line"]

_GAP = "  "
_CUT = "..."  # three dots, not one character: not every terminal's encoding has it


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, and what it gives up where room is short."""

    title: str
    right: bool = False
    least: int | None = None
    """It may be clipped to this width."""
    rank: int = 0
    """Columns are clipped one after the other, the highest rank first."""
    optional: bool = False
    """It may be left out where clipping is not enough; the last such column goes first."""


def layout(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The heading and the rows as lines of at most `width` cells, as far as the columns give way."""
    table = [[column.title for column in columns], *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(display_width(row[at]) for row in table) for at in range(len(columns))]
    kept = _kept(columns, widths, width)
    columns, widths = [columns[at] for at in kept], [widths[at] for at in kept]
    _clip_columns(columns, widths, width)
    return [_line(columns, [row[at] for at in kept], widths) for row in table]


def display_width(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    return sum(map(_cells, text))


def one_line(text: str) -> str:
    """`text` without line breaks, tabs and other control characters, which would tear a table apart."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)


def clip(text: str, width: int) -> str:
    """`text`, cut with three dots if it takes more than `width` cells."""
    if display_width(text) <= width:
        return text
    dots = _CUT[: max(0, width)]
    return _first_cells(text, width - len(dots)) + dots


def _first_cells(text: str, width: int) -> str:
    used = 0
    for at, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:at]
    return text


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _kept(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """The places of the columns that there is room for."""
    kept = list(range(len(columns)))
    for at in reversed(kept.copy()):
        if _total([widths[k] - _spare(columns[k], widths[k]) for k in kept]) <= width:
            break
        if columns[at].optional:
            kept.remove(at)
    return kept


def _clip_columns(columns: Sequence[Column], widths: list[int], width: int) -> None:
    for at in sorted(range(len(columns)), key=lambda at: -columns[at].rank):
        excess = max(0, _total(widths) - width)
        widths[at] -= min(excess, _spare(columns[at], widths[at]))


def _spare(column: Column, width: int) -> int:
    return 0 if column.least is None else max(0, width - column.least)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        _pad(clip(cell, width), width, column.right)
        for column, cell, width in zip(columns, row, widths, strict=True)
    )
    return _GAP.join(cells).rstrip()


def _pad(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks
