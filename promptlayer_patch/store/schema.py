"""The tables of the local store, and how an older file is brought up to date."""

from __future__ import annotations

import sqlite3

from promptlayer_patch.store.messages import MESSAGES_TABLES
from promptlayer_patch.store.registry.tables import REGISTRY
from promptlayer_patch.store.spans.tables import SPAN_TABLES
from promptlayer_patch.store.transaction import transaction

__all__ = ["APPLICATION_ID", "MIGRATIONS", "migrate"]

APPLICATION_ID = 0x504C5031
"""Marks a SQLite file as ours, so that nobody's own database is ever filled with our tables."""

_FIRST = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    # Narrow rows, one per request: lists and charts read these and nothing else. The id carries the time
    # (see `writing`), so a range of time is a range of ids in every table below.
    """
    CREATE TABLE requests (
        request_id INTEGER PRIMARY KEY,
        record_id TEXT NOT NULL UNIQUE,
        function_name TEXT NOT NULL,
        client TEXT,
        provider TEXT NOT NULL,
        model TEXT,
        input_tokens INTEGER,
        output_tokens INTEGER,
        started_at REAL NOT NULL,
        duration_s REAL NOT NULL,
        first_token_at REAL,
        ending TEXT NOT NULL,
        error_type TEXT,
        error_message TEXT,
        status INTEGER,
        attempts INTEGER NOT NULL,
        streamed INTEGER NOT NULL,
        preview TEXT NOT NULL
    )
    """,
    # The whole record as it was captured: zlib over JSON, or JSON. The other tables are there to find it.
    """
    CREATE TABLE bodies (
        request_id INTEGER PRIMARY KEY REFERENCES requests ON DELETE CASCADE,
        body BLOB NOT NULL
    )
    """,
    "CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """
    CREATE TABLE request_tags (
        request_id INTEGER NOT NULL REFERENCES requests ON DELETE CASCADE,
        position INTEGER NOT NULL,
        tag_id INTEGER NOT NULL REFERENCES tags,
        PRIMARY KEY (request_id, position)
    ) WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX request_tags_by_tag ON request_tags (tag_id, request_id)",
    """
    CREATE TABLE request_metadata (
        request_id INTEGER NOT NULL REFERENCES requests ON DELETE CASCADE,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (request_id, key)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX request_metadata_by_value ON request_metadata (key, value, request_id)",
)

_ANNOTATIONS = (
    """
    CREATE TABLE scores (
        request_id INTEGER NOT NULL REFERENCES requests ON DELETE CASCADE,
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (request_id, name)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE groups (id INTEGER PRIMARY KEY AUTOINCREMENT, created_at REAL NOT NULL)",
    """
    CREATE TABLE request_groups (
        group_id INTEGER NOT NULL,
        request_id INTEGER NOT NULL REFERENCES requests ON DELETE CASCADE,
        PRIMARY KEY (group_id, request_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX request_groups_by_request ON request_groups (request_id)",
    """
    CREATE TABLE request_prompts (
        request_id INTEGER PRIMARY KEY REFERENCES requests ON DELETE CASCADE,
        name TEXT NOT NULL,
        version INTEGER,
        label TEXT,
        variables TEXT NOT NULL,
        prompt_id INTEGER
    )
    """,
)

_SERVED = (
    # Whoever looks for metadata or tags asks full-text search, or the rows of a request. These indexes took
    # more writing than all other tables of a new request: every value belongs on another page.
    "DROP INDEX request_metadata_by_value",
    "DROP INDEX request_tags_by_tag",
    # What PromptLayer's protocol says of a request beside the record.
    "ALTER TABLE requests ADD COLUMN pl_status TEXT",
    "ALTER TABLE requests ADD COLUMN pl_error_type TEXT",
    "ALTER TABLE requests ADD COLUMN pl_error_message TEXT",
    "ALTER TABLE requests ADD COLUMN api_type TEXT",
    "ALTER TABLE requests ADD COLUMN span_id TEXT",
    "ALTER TABLE requests ADD COLUMN trace_id TEXT",
    "ALTER TABLE requests ADD COLUMN given_price REAL",
    # What the indexer finds out; null until it has been there.
    "ALTER TABLE requests ADD COLUMN cost REAL",
    "ALTER TABLE requests ADD COLUMN cached_tokens INTEGER",
    "ALTER TABLE requests ADD COLUMN thinking_tokens INTEGER",
    "ALTER TABLE requests ADD COLUMN shape TEXT",
    "ALTER TABLE requests ADD COLUMN turn_count INTEGER",
    "ALTER TABLE requests ADD COLUMN tool_call_count INTEGER",
    "CREATE INDEX requests_by_span ON requests (span_id) WHERE span_id IS NOT NULL",
    "CREATE INDEX requests_by_trace ON requests (trace_id) WHERE trace_id IS NOT NULL",
    # What lists may be sorted by. Only of requests that are indexed: the user's process keeps none of these.
    *(
        f"CREATE INDEX requests_by_{column} ON requests ({column}) WHERE turn_count IS NOT NULL"
        for column in ("input_tokens", "output_tokens", "cost", "duration_s", "pl_status")
    ),
    # Lists of one model by cost: those of a cheap one would begin behind all requests of the dearer ones.
    "CREATE INDEX requests_by_model_cost ON requests (model, cost) WHERE turn_count IS NOT NULL",
    # Requests that are new to the index, or changed since it saw them: whoever writes puts them here, and the
    # indexer takes them out in the transaction that indexes them. It prepares them before, without a lock;
    # `change` is another one each time, and tells it that what it has prepared is out of date.
    """
    CREATE TABLE unindexed (
        request_id INTEGER PRIMARY KEY,
        change INTEGER NOT NULL DEFAULT (random())
    )
    """,
    "INSERT INTO unindexed (request_id) SELECT request_id FROM requests",
    *MESSAGES_TABLES,
    # Numbers that were given away, so that the workspace of a revoked key is nobody else's later.
    "CREATE TABLE workspaces (id INTEGER PRIMARY KEY)",
    """
    CREATE TABLE api_keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        workspace_id INTEGER NOT NULL REFERENCES workspaces,
        shown TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        created_at REAL NOT NULL
    )
    """,
    *REGISTRY,
    *SPAN_TABLES,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _ANNOTATIONS, _SERVED)
"""`MIGRATIONS[n]` turns a file of version n into one of version n + 1. What was released stays as it is."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version; many processes may try at once, one does it."""
    with transaction(connection, "IMMEDIATE"):
        # Asked again under the lock: another process may have migrated the file a moment ago.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for statements in MIGRATIONS[version:]:
            for statement in statements:  # not executescript: it would commit what was begun above
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
