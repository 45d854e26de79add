"""What children say they have called, against what an endpoint has stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.children import text_of

NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Returned:
    """A call that had returned to its program."""

    process: str
    number: int
    at_ns: int

    @property
    def text(self) -> str:
        return text_of(self.process, self.number)


@dataclass(frozen=True)
class Notes:
    """What the processes of one child have written down."""

    calls: Sequence[Returned]
    ended_ns: int | None
    """When the ending began."""


def read_notes(path: Path) -> Notes:
    calls = []
    ended = None
    for line in path.read_text().splitlines():
        kind, process, number, at = line.split()
        if kind == "call":
            calls.append(Returned(process, int(number), int(at)))
        else:
            ended = int(at)
    return Notes(calls, ended)


def lost(calls: Iterable[Returned], texts: Iterable[str]) -> list[Returned]:
    there = set(texts)
    return [call for call in calls if call.text not in there]


def duplicated(texts: Iterable[str]) -> int:
    """How many calls are there more than once."""
    return sum(1 for times in Counter(texts).values() if times > 1)


def displacement(texts: Iterable[str]) -> int:
    """By how many places at most a record came earlier or later than its call, among those of its process."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for text in dict.fromkeys(texts):
        process, _, number = text.partition(" call ")
        numbers[process].append(int(number))
    return max((_displaced(found) for found in numbers.values()), default=0)


def _displaced(numbers: Sequence[int]) -> int:
    place = {number: at for at, number in enumerate(sorted(numbers))}
    return max(abs(place[number] - at) for at, number in enumerate(numbers))
