"""What a record was decoded from, and what is left there until somebody asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlayer_patch._parsing import parsed
from promptlayer_patch._vectors import as_floats
from promptlayer_patch.records import Record

_SHORT = 256
_ALWAYS = frozenset({"engine", "model", "usage"})


@dataclass(frozen=True, slots=True)
class Bodies:
    """The JSON that a record's request and response were decoded from, where they were: UTF-8."""

    request: bytes | None = None
    response: bytes | None = None
    vectors: bool = False
    """Whether the response has vectors in base64 here, and floats in the record."""
    outlines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By their names, the outlines of the parts that are left here."""

    def read(self, part: str) -> Any:
        """A part that is left here, as data."""
        body: bytes = getattr(self, part)
        try:
            data = parsed(body)
        except RecursionError:  # whoever asks is further up the stack than who found that it is JSON
            return {"body": body.decode()}
        if part == "response" and self.vectors:
            as_floats(data)
        return data


def keep(record: Record, bodies: Bodies) -> None:
    """Let a new record keep its bodies, and leave in them what there are outlines of.

    To be read twice takes less than to be held meanwhile: a destination that writes the bytes needs no data.
    """
    # Frozen for all others; here it has not been handed out yet.
    object.__setattr__(record, "bodies", bodies)
    for part in bodies.outlines:
        object.__delattr__(record, part)


def outlined(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is short in a request or a response: names, numbers, the usage."""
    return {key: value for key, value in data.items() if key in _ALWAYS or _is_short(value)}


def outline(record: Record, part: str) -> Any:
    """The outline of a part that is left in its bytes, else all of it."""
    left = None if record.bodies is None else record.bodies.outlines.get(part)
    return getattr(record, part) if left is None else left


def _is_short(value: Any) -> bool:
    return len(value) <= _SHORT if isinstance(value, str) else not isinstance(value, (dict, list))
