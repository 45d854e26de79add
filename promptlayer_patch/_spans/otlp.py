"""The body of `POST /v1/traces`, whichever way it is encoded, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum

from promptlayer_patch._spans import otlp_json
from promptlayer_patch._spans.model import Export

__all__ = ["Encoding", "answer", "read"]

_REASONS = 5


class Encoding(Enum):
    """How a body of OpenTelemetry is written; the value is its media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"

    @classmethod
    def of(cls, content_type: str) -> Encoding | None:
        """The encoding that a `Content-Type` header names, if it is one of these."""
        media_type = content_type.partition(";")[0].strip().lower()
        return next((encoding for encoding in cls if encoding.value == media_type), None)


def read(body: bytes, encoding: Encoding) -> Export:
    """The spans in an `ExportTraceServiceRequest`. Raises `BadExport` for anything else."""
    if encoding is Encoding.JSON:
        return otlp_json.read(body)
    # Imported by the first such body: it takes 50 ms, which no start of a server should wait for.
    from promptlayer_patch._spans import otlp_protobuf

    return otlp_protobuf.read(body)


def answer(rejected: Sequence[str], encoding: Encoding) -> bytes:
    """What the exporter is told: how many spans were not taken, and why."""
    message = _summary(rejected)
    if encoding is Encoding.JSON:
        partial = {"rejectedSpans": len(rejected), "errorMessage": message} if rejected else None
        return json.dumps({"partialSuccess": partial}).encode()
    from promptlayer_patch._spans import otlp_protobuf

    return otlp_protobuf.answer(len(rejected), message)


def _summary(reasons: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(reasons))
    return "; ".join([*distinct[:_REASONS], *(["..."] if len(distinct) > _REASONS else [])])
