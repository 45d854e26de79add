"""A `Record` as bytes and back, for whoever keeps records on disk."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from promptlayer_patch.records import Ending, Failure, Record

_FIELDS = tuple(field.name for field in dataclasses.fields(Record))


def encoded(record: Record) -> bytes:
    """`record` as JSON. Raises `ValueError` or `RecursionError` for what JSON cannot hold: a cycle."""
    data = {name: getattr(record, name) for name in _FIELDS}
    text = json.dumps(data, default=_simpler, ensure_ascii=False, separators=(",", ":"))
    # surrogatepass, and not JSON's \u escapes: two lone halves next to each other would come back as one
    # character.
    return text.encode("utf-8", "surrogatepass")


def decoded(body: bytes) -> Record:
    """The record that `encoded` was given; fields that an older version did not know have their default."""
    data = json.loads(body.decode("utf-8", "surrogatepass"))
    fields = {name: data[name] for name in _FIELDS if name in data}
    fields["tags"] = tuple(fields["tags"])
    fields["ending"] = Ending(fields["ending"])
    if fields["error"] is not None:
        fields["error"] = Failure(**fields["error"])
    return Record(**fields)


def string(value: object) -> str:
    """`value` as text, whatever its own `__str__` does."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _simpler(value: object) -> Any:
    """What JSON does not know, as something it does."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Failure):
        return dataclasses.asdict(value)
    return string(value)
