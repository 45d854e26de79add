"""What some kinds of requests give back that is no conversation: vectors, and verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._blueprint.reading import Json, entries, mapping, mappings
from promptlayer_patch.server.dashboard.visible import visible

__all__ = ["Category", "Vector", "Verdict", "vectors", "verdicts"]

_VECTORS = 24
_BARS = 96
_HEIGHT = 20.0
"""Of a bar, up and down from the line."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One embedding, as a picture: each bar is the mean of its neighbours, the largest one is full."""

    dimensions: int
    norm: float
    low: float
    high: float
    bars: int
    path: str
    """Of an SVG `path`, in a box of `bars` by 40."""
    start: str
    """The first numbers."""


@dataclass(frozen=True, slots=True)
class Category:
    name: str
    flagged: bool
    score: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a moderation says of one input; the highest score first."""

    flagged: bool
    categories: tuple[Category, ...]


def vectors(response: Any) -> tuple[tuple[Vector, ...], int]:
    """The first embeddings of `response`, and how many there are."""
    found = [
        numbers
        for entry in mappings(mapping(response).get("data"))
        if (numbers := _numbers(entry.get("embedding")))
    ]
    return tuple(map(_vector, found[:_VECTORS])), len(found)


def verdicts(response: Any) -> tuple[Verdict, ...]:
    results = mappings(mapping(response).get("results"))
    return tuple(
        Verdict(result.get("flagged") is True, tuple(_categories(result)))
        for result in results
        if "flagged" in result
    )


def _categories(result: Json) -> Iterator[Category]:
    flags, scores = mapping(result.get("categories")), mapping(result.get("category_scores"))
    named = [Category(visible(name), flag is True, _score(scores.get(name))) for name, flag in flags.items()]
    yield from sorted(named, key=lambda one: -(one.score or 0.0))


def _score(value: Any) -> float | None:
    return min(1.0, max(0.0, float(value))) if _is_number(value) else None


def _numbers(given: Any) -> list[float]:
    listed = entries(given)
    return [float(one) for one in listed] if listed and all(map(_is_number, listed)) else []


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300  # and so neither NaN nor infinite


def _vector(numbers: Sequence[float]) -> Vector:
    bars = min(_BARS, len(numbers))
    means = [
        _mean(numbers[len(numbers) * at // bars : len(numbers) * (at + 1) // bars]) for at in range(bars)
    ]
    largest = max(map(abs, means)) or 1.0
    return Vector(
        len(numbers),
        math.hypot(*numbers),
        min(numbers),
        max(numbers),
        bars,
        "".join(_bar(at, mean / largest) for at, mean in enumerate(means)),
        ", ".join(f"{number:.4g}" for number in numbers[:6]) + (", …" if len(numbers) > 6 else ""),
    )


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _bar(at: int, share: float) -> str:
    height = share * _HEIGHT
    return f"M{at + 0.1:.1f} {_HEIGHT:.0f}h.8v{-height:.2f}h-.8z"
