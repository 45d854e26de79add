"""The table of what was recorded, read back from the local store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from promptlayer_patch.demo.screen import Screen
from promptlayer_patch.demo.table import Column, clip, layout, one_line

if TYPE_CHECKING:
    from promptlayer_patch.store import Summary

__all__ = ["read_back", "show"]

_COLUMNS = (
    Column("id", right=True),
    Column("function", least=12, rank=3),
    Column("model", least=12, rank=4),
    Column("tags", least=10, rank=2, optional=True),
    Column("in", right=True),
    Column("out", right=True),
    Column("ms", right=True),
    Column("first", right=True, optional=True),
    Column("ending", least=8, rank=1),
    Column("attempts", right=True),
)
_LEGEND = "in, out: tokens. ms: how long the call took. first: ms until the first token of a stream."
_PAGE = 100


def read_back(path: str, request_ids: Iterable[int]) -> list[Summary]:
    """The stored requests with these ids, oldest first."""
    from promptlayer_patch.store import Store

    missing = set(request_ids)
    found: list[Summary] = []
    store = Store.open(path, read_only=True)
    try:
        before = max(missing, default=0) + 1
        while missing:
            page = store.recent(_PAGE, before=before)
            if not page:
                break
            found += [row for row in page if row.request_id in missing]
            missing -= {row.request_id for row in page}
            before = page[-1].request_id
    finally:
        store.close()
    return sorted(found, key=lambda row: row.started_at)


def show(rows: list[Summary], screen: Screen) -> None:
    """Print the table; a request that failed is followed by its error."""
    heading, *lines = layout(_COLUMNS, [_cells(row) for row in rows], screen.width)
    screen.note(_LEGEND)
    screen.raw(heading, "bold")
    for row, line in zip(rows, lines, strict=True):
        failed = row.error_type is not None
        screen.raw(line, "red" if failed else "")
        if failed:
            error = one_line(f"{row.error_type}: {row.error_message or ''}")
            indent = " " * (len(str(max(r.request_id for r in rows))) + 2)
            screen.raw(indent + clip(error, screen.width - len(indent)), "red")


def _cells(row: Summary) -> tuple[str, ...]:
    first_token_s = None if row.first_token_at is None else row.first_token_at - row.started_at
    return (
        str(row.request_id),
        row.function_name.removeprefix("openai."),
        row.model or "-",
        ", ".join(row.tags) or "-",
        _number(row.input_tokens),
        _number(row.output_tokens),
        _milliseconds(row.duration_s),
        _milliseconds(first_token_s),
        row.ending.value,
        str(row.attempts),
    )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f}"
