"""What differs between two texts, word by word, in bounded time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum

__all__ = ["Change", "Run", "Wording", "compared"]

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003fffd"
# Every character belongs to one of these, so that the pieces make up the text again. Chinese, Japanese and
# Korean have no spaces: each of their characters is a word.
_WORD = re.compile(rf"[{_CJK}]\s*|[^\W{_CJK}]+\s*|[^\w\s]\s*|\s+")
_SENTENCE = re.compile(r"[^\n.!?。！？]*(?:\n+|[.!?。！？]+\s*|\Z)")
_BUDGET = 400_000
"""So many pairs of equal pieces are looked at: about a second where a text is made against us."""


class Change(str, Enum):
    SAME = "same"
    GONE = "gone"
    """Only the first text has it."""
    NEW = "new"
    """Only the second text has it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text that is all of one kind."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Wording:
    """Two texts as one sequence: without what is new it is the first, without what is gone the second."""

    runs: tuple[Run, ...]
    exact: bool
    """False where parts were too large to be compared word by word, and count as changed as a whole."""

    @property
    def equal(self) -> bool:
        return all(run.change is Change.SAME for run in self.runs)

    @property
    def before(self) -> tuple[Run, ...]:
        """The runs of the first text."""
        return tuple(run for run in self.runs if run.change is not Change.NEW)

    @property
    def after(self) -> tuple[Run, ...]:
        """The runs of the second text."""
        return tuple(run for run in self.runs if run.change is not Change.GONE)


def compared(before: str, after: str) -> Wording:
    """How `after` differs from `before`."""
    work = _Work()
    return Wording(tuple(_merged(work.words(before, after))), work.exact)


class _Work:
    """One comparison, and how much more of it there may be."""

    def __init__(self) -> None:
        self._left = _BUDGET
        self.exact = True

    def words(self, before: str, after: str) -> Iterator[Run]:
        """By words; of long texts only within the sentences that differ."""
        first, second = _WORD.findall(before), _WORD.findall(after)
        head, tail = _common(first, second)
        yield Run(Change.SAME, "".join(first[:head]))
        inner, other = first[head : len(first) - tail], second[head : len(second) - tail]
        if self._affords(inner, other):
            for change, pieces in _differences(inner, other):
                yield Run(change, "".join(pieces))
        else:
            yield from self._sentences("".join(inner), "".join(other))
        yield Run(Change.SAME, "".join(first[len(first) - tail :]))

    def _sentences(self, before: str, after: str) -> Iterator[Run]:
        first, second = _SENTENCE.findall(before), _SENTENCE.findall(after)
        # One sentence is what words have been too many of already.
        if min(len(first), len(second)) < 3 or not self._affords(first, second):
            self.exact = False
            yield from _replaced(before, after)
            return
        gone = ""
        for change, pieces in _differences(first, second):
            text = "".join(pieces)
            if change is Change.GONE:
                gone = text
            elif change is Change.NEW and gone:
                yield from self._within(gone, text)
                gone = ""
            else:
                yield from (Run(Change.GONE, gone), Run(change, text))
                gone = ""
        yield Run(Change.GONE, gone)

    def _within(self, before: str, after: str) -> Iterator[Run]:
        first, second = _WORD.findall(before), _WORD.findall(after)
        if self._affords(first, second):
            for change, pieces in _differences(first, second):
                yield Run(change, "".join(pieces))
        else:
            self.exact = False
            yield from _replaced(before, after)

    def _affords(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Whether these may be compared; what that takes is the pairs of equal pieces that there are."""
        often = Counter(second)
        pairs = sum(count * often[piece] for piece, count in Counter(first).items())
        if pairs > self._left:
            return False
        self._left -= pairs
        return True


def _common(first: Sequence[str], second: Sequence[str]) -> tuple[int, int]:
    """How many pieces both begin with, and how many of the others both end with."""
    shorter = min(len(first), len(second))
    head = next((at for at in range(shorter) if first[at] != second[at]), shorter)
    left = shorter - head
    tail = next((at for at in range(left) if first[-1 - at] != second[-1 - at]), left)
    return head, tail


def _differences(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[Change, Sequence[str]]]:
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Change.SAME, first[a:b]
        else:
            yield from ((Change.GONE, first[a:b]), (Change.NEW, second[c:d]))


def _replaced(before: str, after: str) -> Iterator[Run]:
    yield from (Run(Change.GONE, before), Run(Change.NEW, after))


def _merged(runs: Iterable[Run]) -> Iterator[Run]:
    """Neighbours of one kind as one, and nothing empty."""
    kind, texts = Change.SAME, [""]
    for run in runs:
        if not run.text:
            continue
        if run.change is not kind:
            if any(texts):
                yield Run(kind, "".join(texts))
            kind, texts = run.change, []
        texts.append(run.text)
    if any(texts):
        yield Run(kind, "".join(texts))
