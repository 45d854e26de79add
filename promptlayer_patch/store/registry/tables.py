"""The tables of the prompt registry."""

from __future__ import annotations

__all__ = ["REGISTRY"]

REGISTRY = (
    # Ids are never used again: requests name them for as long as they are kept.
    """
    CREATE TABLE prompts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        folded_name TEXT NOT NULL,
        is_snippet INTEGER NOT NULL,
        folder_id INTEGER,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        deleted_at REAL
    )
    """,
    # Among those that live; a name that was given up may be taken again.
    "CREATE UNIQUE INDEX prompts_by_name ON prompts (name) WHERE deleted_at IS NULL",
    """
    CREATE TABLE prompt_tags (
        prompt_id INTEGER NOT NULL REFERENCES prompts,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (prompt_id, position)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE prompt_versions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        prompt_id INTEGER NOT NULL REFERENCES prompts,
        number INTEGER NOT NULL,
        template TEXT NOT NULL,
        metadata TEXT,
        commit_message TEXT,
        provider_base_url_name TEXT,
        provider_id INTEGER,
        inference_client_name TEXT,
        created_at REAL NOT NULL,
        UNIQUE (prompt_id, number)
    )
    """,
    """
    CREATE TABLE release_labels (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        prompt_id INTEGER NOT NULL REFERENCES prompts,
        name TEXT NOT NULL,
        version_id INTEGER NOT NULL REFERENCES prompt_versions,
        created_at REAL NOT NULL,
        UNIQUE (prompt_id, name)
    )
    """,
    """
    CREATE TABLE prompt_external_ids (
        source TEXT NOT NULL,
        external_id TEXT NOT NULL,
        prompt_id INTEGER NOT NULL REFERENCES prompts,
        PRIMARY KEY (source, external_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX prompt_external_ids_by_prompt ON prompt_external_ids (prompt_id)",
    # Which version's text names which snippet; what that stands for is looked up when it is asked.
    """
    CREATE TABLE prompt_snippets (
        snippet TEXT NOT NULL,
        version_id INTEGER NOT NULL REFERENCES prompt_versions,
        number INTEGER NOT NULL,
        label TEXT NOT NULL,
        PRIMARY KEY (snippet, version_id, number, label)
    ) WITHOUT ROWID
    """,
)
