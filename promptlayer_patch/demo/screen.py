"""What the demo writes while it runs: notes, steps, words as they arrive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from typing import TextIO

from promptlayer_patch.demo.desk import pieces
from promptlayer_patch.demo.table import clip, display_width, one_line

__all__ = ["Screen"]

_WIDTH = 120
_NARROWEST = 40
_INDENT = 14
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Screen:
    """A text stream with a width and, on a terminal, some colour."""

    def __init__(self, out: TextIO, *, width: int = _WIDTH, colour: bool = False) -> None:
        self._out = out
        self.width = max(width, _NARROWEST)
        self._colour = colour

    @classmethod
    def of(cls, out: TextIO) -> Screen:
        """The screen for a stream. A terminal gives its width, and colour unless NO_COLOR is set."""
        terminal = out.isatty()
        width = shutil.get_terminal_size((_WIDTH, 24)).columns if terminal else _WIDTH
        colour = terminal and _wants_colour()
        return cls(out, width=width, colour=colour)

    def note(self, text: str = "") -> None:
        """One paragraph, wrapped, or an empty line."""
        self._wrapped("", pieces(text), indent=0)

    def raw(self, line: str, style: str = "") -> None:
        """One line as it is, for tables and for what will be copied and pasted."""
        self._write(self.styled(line, style) + "\n")

    def heading(self, text: str) -> None:
        """The title of what follows."""
        self._write("\n" + self.styled(clip(one_line(text), self.width), "bold") + "\n")

    def step(self, label: str, words: str | Iterable[str]) -> None:
        """What one call brought. Words that come from an iterator appear one by one."""
        start = self.styled(f"  {label}".ljust(_INDENT), "dim")
        self._wrapped(start, pieces(words) if isinstance(words, str) else words, indent=_INDENT)

    def _wrapped(self, start: str, words: Iterable[str], indent: int) -> None:
        self._write(start)
        column = indent
        for word in words:
            shown = one_line(word)
            if column + display_width(shown) > self.width and column > indent:
                self._write("\n" + " " * indent)
                shown, column = shown.lstrip(), indent
            self._write(shown)
            column += display_width(shown)
        self._write("\n")

    def styled(self, text: str, style: str) -> str:
        """`text` in bold, dim, red, green, yellow or cyan, where there is colour."""
        code = _STYLES.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code else text

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _wants_colour() -> bool:
    # Conventions between users and their terminals, no settings of this package: they are not in _settings.
    environment = os.environ  # noqa: TID251
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    # The older Windows console would show the codes themselves.
    return os.name != "nt" or "WT_SESSION" in environment
