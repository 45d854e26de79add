"""The spans of a trace as lines of a tree, each with its bar in the time of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from promptlayer_patch.store.spans.trace_reading import SpanLine

__all__ = ["SCALE", "Line", "lines"]

SCALE = 1_000
"""How long the bar of the whole trace is."""
_SHORTEST = 3
_DEEPEST = 32
"""Browsers put no end of elements into each other: what is deeper stands beside its parent."""


@dataclass(frozen=True, slots=True)
class Line:
    """One span in its place: under its parent, behind what began before it."""

    span: SpanLine
    level: int
    """1 for a root."""
    inside: int
    """How many lines there are under it."""
    ends: int
    """How many lists end behind it."""
    offset_s: float
    """From the beginning of the trace."""
    duration_s: float
    left: int
    width: int
    """Of its bar, as its `left` on the scale."""


@dataclass(slots=True)
class _Place:
    span: SpanLine
    level: int
    inside: int = 0


def lines(spans: Sequence[SpanLine]) -> list[Line]:
    """All of them, each once, whatever they say of their parents."""
    if not spans:
        return []
    places = list(_walk(spans))
    _count_inside(places)
    begin = min(span.start_ns for span in spans)
    whole = max(1, max(span.end_ns for span in spans) - begin)
    following = [place.level for place in places[1:]] + [1]
    return [
        _line(place, max(0, place.level - next_level), begin, whole)
        for place, next_level in zip(places, following, strict=True)
    ]


def _walk(spans: Sequence[SpanLine]) -> Iterator[_Place]:
    """Depth first; spans that are each other's parents begin with the earliest of them."""
    known = {span.span_id for span in spans}
    children: dict[str | None, list[SpanLine]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    seen: set[str] = set()
    for first in (*children.get(None, ()), *spans):
        stack = [_Place(first, 1)]
        while stack:
            place = stack.pop()
            if place.span.span_id in seen:
                continue
            seen.add(place.span.span_id)
            yield place
            level = min(place.level + 1, _DEEPEST)
            stack += [_Place(one, level) for one in reversed(children.get(place.span.span_id, ()))]


def _count_inside(places: Iterable[_Place]) -> None:
    above: list[_Place] = []
    for place in places:
        del above[place.level - 1 :]
        for one in above:
            one.inside += 1
        above.append(place)


def _line(place: _Place, ends: int, begin: int, whole: int) -> Line:
    span = place.span
    offset, length = span.start_ns - begin, max(0, span.end_ns - span.start_ns)
    width = max(_SHORTEST, round(SCALE * length / whole))
    left = min(round(SCALE * offset / whole), SCALE - _SHORTEST)
    return Line(
        span=span,
        level=place.level,
        inside=place.inside,
        ends=ends,
        offset_s=offset / 1e9,
        duration_s=length / 1e9,
        left=left,
        width=min(width, SCALE - left),
    )
