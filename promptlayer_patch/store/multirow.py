"""Many rows in one statement.

A statement gives the interpreter's lock away two or three times, `executemany` as often for each row. To get
it back while another thread works takes longer than to insert the row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

__all__ = ["bounded", "insertion", "run"]

_MOST_PARAMETERS = 999
"""Of one statement, in builds of SQLite that are older than 3.32; those that are newer take more memory for
long statements than these save work."""
_MOST_PARAMETERS_EVER = 32_766 if sqlite3.sqlite_version_info >= (3, 32) else _MOST_PARAMETERS
_MOST_ROWS = 128
_MOST_BYTES = 128 * 1024

_Row = TypeVar("_Row", bound=Sequence[object])


def run(
    connection: sqlite3.Connection,
    statement: str,
    rows: Sequence[Sequence[object]],
    together: int | None = None,
) -> list[tuple[Any, ...]]:
    """Run a statement with the rows where it says `{rows}`, and give what it finds.

    Their columns are `column1` and so on. So many rows are put `together` into one statement where SQLite can
    do that, if it matters that they are. Rows of nulls may stand among them, which the statement has to
    leave out: with groups of few different lengths, few statements have to be prepared.
    """
    found: list[tuple[Any, ...]] = []
    if not rows:
        return found
    width = len(rows[0])
    parameters = _MOST_PARAMETERS if together is None else _MOST_PARAMETERS_EVER
    most = min(_rounded(parameters // width // 2 + 1), together or _MOST_ROWS)
    for begin in range(0, len(rows), most):
        group = rows[begin : begin + most]
        length = _rounded(len(group))
        values = [*chain.from_iterable(group)]
        if length > len(group):
            values += [None] * (width * (length - len(group)))
        found += connection.execute(_with_places(statement, width, length), values).fetchall()
    return found


def bounded(
    rows: Iterable[_Row], size_of: Callable[[_Row], int], most_bytes: int = _MOST_BYTES
) -> Iterator[list[_Row]]:
    """Rows in groups of not too many bytes: a statement holds on to them until it is run again."""
    group: list[_Row] = []
    size = 0
    for row in rows:
        size += size_of(row)
        if group and size > most_bytes:
            yield group
            group, size = [], size_of(row)
        group.append(row)
    if group:
        yield group


@lru_cache(maxsize=64)
def insertion(table: str, columns: tuple[str, ...], *, instead: bool = False) -> str:
    """The statement that puts rows into a table; `instead` of those that are there, or all or nothing.

    The first column is never null. A failure ends the transaction.
    """
    # With neither, SQLite would keep a copy of every page it changes, to be able to undo the statement alone.
    # So it does with the former, too, where another column is never null either.
    verb = "INSERT OR REPLACE" if instead else "INSERT OR ROLLBACK"
    return f"{verb} INTO {table} ({', '.join(columns)}) SELECT * FROM {{rows}} WHERE column1 IS NOT NULL"


@lru_cache(maxsize=256)
def _with_places(statement: str, width: int, length: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statement.replace("{rows}", f"(VALUES {', '.join([row] * length)})")


def _rounded(length: int) -> int:
    """The next power of two."""
    return 1 << (length - 1).bit_length()
