"""A record as the store keeps it, and back."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from promptlayer_patch._bodies import outline
from promptlayer_patch._encoding import decoded, encoded
from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.records import Record
from promptlayer_patch.store.connection import StoreError
from promptlayer_patch.store.entries import Entry
from promptlayer_patch.store.frame import is_long, packed
from promptlayer_patch.store.messages import Split, joined, split
from promptlayer_patch.store.text import preview, token_counts, writable

__all__ = ["Row", "Unstorable", "decode", "encode"]

_ERROR_MESSAGE_CHARS = 500


class Unstorable(StoreError):
    """A record cannot be stored, now or later; the fault is the record's, not the store's."""


class Row(NamedTuple):
    """One record, ready to be written."""

    columns: dict[str, Any]
    """Columns of `requests`, without the id."""
    record: Record
    text: bytes
    """The record as JSON."""
    body: bytes
    """`text` as it is stored, where it is not in parts."""
    split: Split | None
    """`text` in parts, if it was looked through for what comes again."""
    tags: tuple[str, ...]
    metadata: dict[str, str]
    group_id: int | None
    prompt: PromptLink | None
    score: Score | None


def encode(
    entry: Entry,
    to_json: Callable[[Record], bytes] = encoded,
    *,
    compress: bool = True,
    again: Callable[[bytes], bool] | None = None,
) -> Row:
    """Prepare a request for writing. Raises `Unstorable` for what JSON cannot hold, such as a cycle.

    `to_json` writes what `_encoding.decoded` reads. With `compress` false, that is left to the indexer. With
    `again`, as `messages.split` takes it, what comes again is cut out at once, if that does not take long.
    """
    record = entry.record
    try:
        text = to_json(record)
        parts = None if again is None or is_long(text) else split(text, record, again, plain=True)
        return Row(
            columns=_columns(entry),
            record=record,
            text=text,
            body=packed(text, now=compress) if parts is None else b"",
            split=parts,
            tags=tuple(dict.fromkeys(writable(tag) for tag in record.tags)),
            metadata={writable(key): writable(value) for key, value in record.metadata.items()},
            group_id=record.group_id,
            prompt=record.prompt,
            score=entry.score,
        )
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise Unstorable(f"record {record.id!s:.64} cannot be stored: {reason}") from error


def decode(connection: sqlite3.Connection, body: bytes) -> Record:
    """The record that `encode` was given."""
    return decoded(joined(connection, body))


def _columns(entry: Entry) -> dict[str, Any]:
    record, error = entry.record, entry.record.error
    # Outlines have all that is looked for: what is left out of them has no text of the model's.
    answered = outline(record, "response")
    input_tokens, output_tokens = token_counts(answered)
    return {
        "record_id": writable(record.id),
        "function_name": writable(record.function_name),
        "client": _optional_text(record.client),
        "provider": writable(record.provider),
        "model": _optional_text(_asked_model(record)),
        "input_tokens": input_tokens if entry.input_tokens is None else entry.input_tokens,
        "output_tokens": output_tokens if entry.output_tokens is None else entry.output_tokens,
        "started_at": _finite(record.started_at),
        "duration_s": _finite(record.duration_s),
        "first_token_at": None if record.first_token_at is None else _finite(record.first_token_at),
        "ending": record.ending.value,
        "error_type": error and writable(error.type),
        "error_message": error and writable(error.message)[:_ERROR_MESSAGE_CHARS],
        "status": record.status,
        "attempts": record.attempts,
        "streamed": int(record.streamed),
        "preview": writable(preview(answered)),
        "pl_status": entry.status,
        "pl_error_type": _optional_text(entry.error_type),
        "pl_error_message": _optional_text(entry.error_message),
        "api_type": _optional_text(entry.api_type),
        "span_id": entry.span_id,
        "trace_id": entry.trace_id,
        "given_price": None if entry.price is None else float(entry.price),
    }


def _asked_model(record: Record) -> str | None:
    """The model by the name that was asked for, which is what people look for; it may be an alias."""
    request = outline(record, "request")
    for name in ("model", "engine"):  # `engine` in the OpenAI library's first years
        asked = request.get(name) if isinstance(request, Mapping) else None
        if isinstance(asked, str) and asked:
            return asked
    return record.model


def _finite(value: float) -> float:
    # SQLite keeps NaN as NULL, and gives back a whole number as the float that the column holds.
    return float(value) if math.isfinite(value) else 0.0


def _optional_text(value: object) -> str | None:
    return None if value is None else writable(value)
