"""What a record was decoded from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bodies:
    """The JSON that a record's request and response were decoded from, where they were: UTF-8."""

    request: bytes | None = None
    response: bytes | None = None
    vectors: bool = False
    """Whether the response has vectors in base64 here, and floats in the record."""
