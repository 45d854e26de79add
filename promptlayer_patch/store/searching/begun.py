"""A phrase whose last word is only begun, where that is the beginning of more words than can be named."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlayer_patch.store.searching.plans import EVERYTHING, NOTHING, Plan
from promptlayer_patch.store.searching.vocabulary import Vocabulary, parted

__all__ = ["Begun"]

_SOME = 64


@dataclass(frozen=True, slots=True)
class Begun:
    """What a condition asks of the text."""

    phrase: str
    """As `segments.phrase` says it."""
    columns: Sequence[str]
    """Of the table `documents`."""
    is_first: bool
    """Whether it stands at the beginning of the text."""

    @property
    def whole(self) -> Plan:
        """Finds what has the words before the last one."""
        *words, _ = parted(self.phrase)
        return self._plan([f'"{" ".join(words)}"']) if words else EVERYTHING

    def some(self, connection: sqlite3.Connection) -> Plan:
        """Finds what has one of the first words that begin so."""
        return self._plan(Vocabulary(connection).some(self.phrase, _SOME))

    def is_in(self, texts: Mapping[str, str]) -> bool:
        """Whether one of the texts has it, of which each is words with a space between them."""
        sought = " ".join(parted(self.phrase))
        if self.is_first:
            return any(texts[column].startswith(sought) for column in self.columns)
        # A space before every word, so that a word is met at its beginning.
        return any(f" {sought}" in f" {texts[column]}" for column in self.columns)

    def _plan(self, phrases: Sequence[str]) -> Plan:
        first = "^" if self.is_first else ""
        found = " OR ".join(f"{first}{one}" for one in phrases)
        return Plan(f"({{{' '.join(self.columns)}}}:({found}))") if phrases else NOTHING
