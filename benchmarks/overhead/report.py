"""The table: a row for each figure, with the bar that we have to stay below and how far the peers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.overhead.figures import Figures
from benchmarks.overhead.variants import VARIANTS, Role

_ROLES = {variant.name: variant.role for variant in VARIANTS}


@dataclass(frozen=True)
class Row:
    name: str
    digits: int = 0
    bar: float | None = None
    bar_for: tuple[str, ...] = ()
    """The variants that the bar is for; all of ours if there are none."""
    compared: bool = False
    """Whether "times less than the best peer" means something."""


def _of_calls(kind: str, bar: float | None = None, times: float | None = None) -> tuple[Row, ...]:
    return (
        Row(f"{kind}: added us", 1, bar, compared=True),
        Row(f"{kind}: x bare", 3, times),
        Row(f"{kind}: p99 us"),
        Row(f"{kind}: caller's CPU, undisturbed, added us", 1, compared=True),
        _flushed(kind),
    )


def _process(kind: str, bar: float | None = None) -> Row:
    return Row(f"{kind}: process CPU added us", 0, bar, ("local:",), compared=True)


def _flushed(kind: str) -> Row:
    return Row(f"{kind}: with the flush, added us", 0, compared=True)


def _arrived(kind: str) -> Row:
    return Row(f"{kind}: arrived %")


ROWS: tuple[Row, ...] = (
    *_of_calls("chat-1k", 25, 1.05),
    _process("chat-1k", 200),
    _arrived("chat-1k"),
    *_of_calls("chat-100k", 25, 1.05),
    _process("chat-100k", 250),
    _arrived("chat-100k"),
    *_of_calls("responses", 25, 1.05),
    _arrived("responses"),
    *_of_calls("embeddings"),
    Row("embeddings: p99 x bare", 2, 1.1),
    _arrived("embeddings"),
    *_of_calls("embeddings-floats"),
    Row("embeddings-floats: p99 x bare", 2, 1.1),
    *_of_calls("async-50", 40),
    _arrived("async-50"),
    Row("stream-500: first chunk added us", 1, 25, compared=True),
    Row("stream-500: a chunk added us", 2, 0.5, compared=True),
    Row("stream-500: end added us", 1, 50, compared=True),
    Row("stream-500: x bare", 3),
    _flushed("stream-500"),
    _process("stream-500"),
    _arrived("stream-500"),
    Row("start: import and install ms", 1, 15, compared=True),
    Row("start: modules", 0, compared=True),
    Row("start: to the first call added ms", 1, compared=True),
    Row("size: packages added", 0, compared=True),
    Row("size: MB added", 1, compared=True),
    Row("memory: healthy, calls made"),
    Row("memory: healthy, MB", 1, compared=True),
    Row("memory: healthy, MB later", 1, compared=True),
    Row("memory: dead, calls made"),
    Row("memory: dead, MB", 1, compared=True),
    Row("memory: dead, MB later", 1, compared=True),
    Row("memory: dead over healthy, MB", 1, 40),
    Row("exit: healthy ms", 0, compared=True),
    Row("exit: dead ms", 0, compared=True),
    Row("exit: hanging ms", 0, compared=True),
)


def table(figures: Figures) -> str:
    """In markdown; what misses its bar is in bold."""
    names = list(figures)
    peers = [name for name in names if _ROLES.get(name) is Role.PEER]
    ours = [name for name in ("local:", "promptlayer:") if name in names]
    against = ["best peer", *(f"{name} times less" for name in ours)] if peers else []
    head = ["", "bar", *names, *against]
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    for row in ROWS:
        if any(row.name in figures[name] for name in names):
            cells = [_cell(row, name, figures[name].get(row.name)) for name in names]
            bar = "" if row.bar is None else f"{row.bar:g}"
            lines.append(
                _line([row.name, bar, *cells, *(_against(row, peers, ours, figures) if peers else [])])
            )
    return "\n".join(lines)


def _cell(row: Row, name: str, figure: float | None) -> str:
    if figure is None:
        return "-"
    if row.name.endswith("arrived %") and not (
        _ROLES.get(name) is Role.PEER or name.startswith("promptlayer:")
    ):
        return ""  # sends nothing there
    text = f"{figure:.{row.digits}f}"
    theirs = row.bar_for or tuple(name for name, role in _ROLES.items() if role is Role.OURS)
    return f"**{text}**" if row.bar is not None and name in theirs and figure > row.bar else text


def _against(row: Row, peers: Sequence[str], ours: Sequence[str], figures: Figures) -> list[str]:
    """The best of the peers that recorded this at all, and how much less ours are."""
    arrived = f"{row.name.partition(':')[0]}: arrived %"
    theirs = [
        figures[name][row.name]
        for name in peers
        if row.compared and row.name in figures[name] and figures[name].get(arrived, 100) >= 90
    ]
    if not theirs:
        return [""] * (1 + len(ours))
    best = min(theirs)
    cells = [f"{best:.{row.digits}f}"]
    for name in ours:
        mine = figures[name].get(row.name, 0.0)
        cells.append(f"{best / mine:.1f}" if mine > 0 < best else "-")
    return cells


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
