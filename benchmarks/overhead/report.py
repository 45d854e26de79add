"""From blocks to figures, and from figures to a table with the bars beside it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.overhead.rounds import Blocks, Measured
from benchmarks.overhead.variants import VARIANTS, Role

Figure = Callable[[Blocks, Blocks], float]
"""Of a variant's blocks and the bare library's."""


def added(name: str) -> Figure:
    """Microseconds more than bare."""

    def of(ours: Blocks, bare: Blocks) -> float:
        pairs = zip(ours.medians[name], bare.medians[name], strict=True)
        return statistics.median(mine - theirs for mine, theirs in pairs) / 1e3

    return of


def ratio(name: str) -> Figure:
    def of(ours: Blocks, bare: Blocks) -> float:
        pairs = zip(ours.medians[name], bare.medians[name], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    return of


def itself(ours: Blocks, bare: Blocks) -> float:
    return statistics.median(ours.p99) / 1e3


def tail(ours: Blocks, bare: Blocks) -> float:
    return statistics.median(mine / theirs for mine, theirs in zip(ours.p99, bare.p99, strict=True))


@dataclass(frozen=True)
class Row:
    kind: str
    name: str
    figure: Figure
    bar: float | None = None
    digits: int = 0
    compared: bool = False
    """Whether "times less than the best peer" means something."""


def _call_rows(kind: str, bar: float | None, ratio_bar: float | None = None) -> list[Row]:
    return [
        Row(kind, "added, us", added("call"), bar, 1, compared=True),
        Row(kind, "x bare", ratio("call"), ratio_bar, 3),
        Row(kind, "p99, us", itself),
        Row(kind, "caller's CPU added, us", added("thread"), None, 1, compared=True),
    ]


ROWS: tuple[Row, ...] = (
    *_call_rows("chat-1k", 25, 1.05),
    Row("chat-1k", "process CPU added, us", added("process"), 200, compared=True),
    *_call_rows("chat-100k", 25, 1.05),
    Row("chat-100k", "process CPU added, us", added("process"), 250, compared=True),
    *_call_rows("responses", 25, 1.05),
    *_call_rows("embeddings", None),
    Row("embeddings", "p99, x bare", tail, 1.1, 2),
    *_call_rows("embeddings-floats", None),
    Row("embeddings-floats", "p99, x bare", tail, 1.1, 2),
    *_call_rows("async-50", 40),
    Row("stream-500", "first chunk added, us", added("first"), 25, 1, compared=True),
    Row("stream-500", "a chunk added, us", added("chunk"), 0.5, 2, compared=True),
    Row("stream-500", "end added, us", added("end"), 50, 1, compared=True),
    Row("stream-500", "x bare", ratio("call"), None, 3),
    Row("stream-500", "process CPU added, us", added("process")),
)

_ROLES = {variant.name: variant.role for variant in VARIANTS}


def table(measured: Measured) -> str:
    """In markdown; what misses its bar is in bold."""
    names = list(measured)
    bare = measured["bare"]
    lines = [_line(["", "bar", *names]), _line(["---", "---:", *["---:"] * len(names)])]
    for row in ROWS:
        if row.kind in bare:
            figures = [row.figure(measured[name][row.kind], bare[row.kind]) for name in names]
            cells = [_cell(row, name, figure) for name, figure in zip(names, figures, strict=True)]
            limit = "" if row.bar is None else f"{row.bar:g}"
            lines.append(_line([f"{row.kind}: {row.name}", limit, *cells]))
    return "\n".join(lines)


def _cell(row: Row, name: str, figure: float) -> str:
    text = f"{figure:.{row.digits}f}"
    misses = row.bar is not None and figure > row.bar and _ROLES[name] is Role.OURS
    return f"**{text}**" if misses else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
