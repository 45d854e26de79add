"""From what was measured to figures: a number for each variant and row of the table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.overhead.rounds import Blocks, Measured

Figures = dict[str, dict[str, float]]
"""By variant, then by row."""

_ADDED = {
    "call": "added us",
    "cpu": "caller's CPU, undisturbed, added us",
    "process": "process CPU added us",
    "flushed": "with the flush, added us",
    "first": "first chunk added us",
    "chunk": "a chunk added us",
    "end": "end added us",
}


def of_blocks(measured: Measured, bare_of: dict[str, str]) -> Figures:
    """Each variant against the bare library of the same openai, round by round."""
    figures: Figures = {}
    for name, kinds in measured.items():
        figures[name] = {}
        for kind, blocks in kinds.items():
            bare = measured[bare_of[name]].get(kind)
            if bare is not None:
                rows = dict(_of_kind(blocks, bare))
                figures[name] |= {f"{kind}: {row}": figure for row, figure in rows.items()}
    return figures


def _of_kind(blocks: Blocks, bare: Blocks) -> Iterator[tuple[str, float]]:
    for timed, row in _ADDED.items():
        if timed in blocks.medians:
            pairs = zip(blocks.medians[timed], bare.medians[timed], strict=False)
            yield row, statistics.median(mine - theirs for mine, theirs in pairs) / 1e3
    yield "x bare", _ratio(blocks.medians["call"], bare.medians["call"])
    yield "p99 us", statistics.median(blocks.p99) / 1e3
    yield "p99 x bare", _ratio(blocks.p99, bare.p99)
    yield "arrived %", 100 * blocks.arrived / blocks.calls


def _ratio(mine: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(mine, theirs, strict=False))
