"""The index that has grown with a store, held against one that is made of the same store at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from promptlayer_patch.store import Store
from promptlayer_patch.store.indexing.facets import token


def assert_exact(store: Store, copy: Path) -> None:
    """The index is what indexing everything anew would make of the store, and the file is sound."""
    store.catch_up()
    store.backup(copy)
    with closing(Store.open(copy)) as anew:
        assert anew.run(lambda connection: connection.execute("PRAGMA integrity_check").fetchall()) == [
            ("ok",)
        ]
        anew.run(lambda connection: connection.execute("DROP TABLE derived"))
        anew.catch_up()
        assert contents(anew) == contents(store)
    copy.unlink()


def contents(store: Store) -> dict[str, Any]:
    """All that the index holds, in an order that says nothing of how it came about."""
    return store.run(_contents)


def found(store: Store, expression: str) -> list[int]:
    """The ids of what a full-text expression finds, the newest first."""
    return store.run(
        lambda connection: [
            request_id
            for (request_id,) in connection.execute(
                "SELECT rowid FROM documents WHERE documents MATCH ? ORDER BY rowid DESC", (expression,)
            )
        ]
    )


def with_facet(store: Store, field: str, *said: str) -> list[int]:
    return found(store, f"facets : {token(field, *said)}")


def _contents(connection: sqlite3.Connection) -> dict[str, Any]:
    connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, documents, instance)")
    try:
        return {
            "words": connection.execute(
                'SELECT doc, col, "offset", term FROM temp.words ORDER BY 1, 2, 3, 4'
            ).fetchall(),
            "terms": connection.execute("SELECT * FROM terms ORDER BY 1, 2, 3").fetchall(),
            "indexed": connection.execute("SELECT * FROM indexed ORDER BY 1").fetchall(),
            "rollups": _rollups(connection),
            "unindexed": connection.execute("SELECT count(*) FROM unindexed").fetchone(),
        }
    finally:
        connection.execute("DROP TABLE temp.words")


def _rollups(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """With what their values stand for in place of the numbers, which depend on who came first."""
    cursor = connection.execute(
        "SELECT rollup_values.value, rollup_values.requests AS counted, rollups.* "
        "FROM rollups JOIN rollup_values USING (value_id)"
    )
    names = [column[0] for column in cursor.description]
    unnumbered = [at for at, name in enumerate(names) if name != "value_id"]
    return sorted(tuple(row[at] for at in unnumbered) for row in cursor)
