"""Sizes, ages and tables as people read them."""

from __future__ import annotations

import math
import shutil
import time
import unicodedata
from collections.abc import Sequence
from typing import TextIO

from promptlayer_patch.demo.table import Column, layout

__all__ = ["Column", "age", "moment", "money", "plural", "readable", "seconds", "size", "table", "tokens"]

_UNBOUNDED = 10_000
"""What is read by a program is not clipped."""
_AGES = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], out: TextIO) -> None:
    width = shutil.get_terminal_size((120, 24)).columns if out.isatty() else _UNBOUNDED
    for line in layout(columns, rows, width):
        print(line, file=out)


def size(count: int) -> str:
    """Bytes in a unit that keeps it short."""
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def age(since: float | None) -> str:
    """How long ago a moment was."""
    if since is None:
        return "-"
    seconds = max(0.0, time.time() - since)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(at: float | None) -> str:
    """A moment in local time."""
    if at is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "-"


def seconds(duration: float) -> str:
    """A duration in a unit that keeps it short."""
    if duration < 1:
        return f"{max(0.0, duration) * 1000:.0f} ms"
    return f"{duration:.1f} s" if duration < 120 else f"{duration / 60:.1f} min"


def money(dollars: float | None) -> str:
    """US dollars, the small amounts too."""
    if dollars is None:
        return "-"
    if abs(dollars) >= 1 or dollars == 0:
        return f"${dollars:,.2f}"
    # Three digits that say something, however many zeros stand before them.
    return f"${dollars:.{min(9, 2 - math.floor(math.log10(abs(dollars))))}f}"


def tokens(into: int | None, out_of: int | None) -> str:
    """How many went in and came out."""
    if into is None and out_of is None:
        return "-"
    return f"{'?' if into is None else into}+{'?' if out_of is None else out_of}"


def readable(text: str) -> str:
    """`text` as it is safe on a terminal: what would command it, or turn it around, is spelled out."""
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else f"\\u{ord(character):04x}"
        for character in text.replace("\r\n", "\n")
    )


def plural(count: int, one: str, many: str = "") -> str:
    """`1 record`, `2 records`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
