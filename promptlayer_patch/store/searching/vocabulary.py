"""The words and values that the index holds, by how they begin."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice

from promptlayer_patch.store.searching.verifying import contains

__all__ = ["Vocabulary", "parted"]

_COMPLETIONS_MOST = 1_000
_VALUES_MOST = 10_000
_VOCABULARY = """
    CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab('main', 'documents', 'instance')
"""
_NEXT = "SELECT term FROM temp.vocabulary WHERE term >= ? LIMIT 1"
# Comes before every character that a word is made of.
_BEHIND = "!"


class Vocabulary:
    """Looks up what a query only begins, so that the index is asked for whole words.

    These it reads lazily, newest first; for a beginning it would put all requests of all its words in order
    before the first one is seen.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def completed(self, phrase: str) -> list[str]:
        """Phrases of whole words that together are found where `phrase`, from `segments.phrase`, is.

        `[phrase]` if that is already whole, or begins more words than can be named.
        """
        if not phrase.endswith("*"):
            return [phrase]
        *whole, begun = parted(phrase)
        # A single letter begins more words than are worth a look; a Chinese character may be a whole word.
        completions = None if len(begun) == 1 and begun.isascii() else self._beginning_with(begun)
        if completions is None:
            return [phrase]
        return [_whole((*whole, word)) for word in completions]

    def some(self, phrase: str, most: int) -> list[str]:
        """The first so many of the phrases that together are found where `phrase` is."""
        *whole, begun = parted(phrase)
        return [_whole((*whole, word)) for word in islice(self._words_with(begun), most)]

    def holds(self, word: str) -> bool:
        """Whether any request has this word, which may be a token."""
        return self._from(word) == word

    def values(self, field: str, start: str) -> list[str]:
        """All values of a field that begin with `start`, but for those that are too long to be listed."""
        rows = self._connection.execute(
            "SELECT value FROM terms WHERE field = ? AND key = '' AND value BETWEEN ? AND ?",
            (field, start, start + "\U0010ffff"),
        )
        return [value for (value,) in rows]

    def containing(self, field: str, key: str, text: str) -> list[str] | None:
        """The listed values under a key that contain the words of `text`; `None` if too many are listed."""
        known = self._connection.execute(
            "SELECT value FROM terms WHERE field = ? AND key = ? LIMIT ?", (field, key, _VALUES_MOST + 1)
        ).fetchall()
        if len(known) > _VALUES_MOST:
            return None
        return [value for (value,) in known if contains(value, text)]

    def _beginning_with(self, begun: str) -> list[str] | None:
        """Every word that begins so, `None` for too many: one look-up a word, however often it occurs."""
        found = list(islice(self._words_with(begun), _COMPLETIONS_MOST + 1))
        return None if len(found) > _COMPLETIONS_MOST else found

    def _words_with(self, begun: str) -> Iterator[str]:
        word = self._from(begun)
        while word is not None and word.startswith(begun):
            yield word
            word = self._from(word + _BEHIND)

    def _from(self, start: str) -> str | None:
        """The first word from here on in the alphabet."""
        self._connection.execute(_VOCABULARY)
        row = self._connection.execute(_NEXT, (start,)).fetchone()
        return None if row is None else str(row[0])


def parted(phrase: str) -> list[str]:
    """The words of a phrase from `segments.phrase`, of which the last one may be only begun."""
    return phrase.removesuffix("*").strip().strip('"').split()


def _whole(words: Sequence[str]) -> str:
    return f'"{" ".join(words)}"'
