"""A stored request in the words of JSON: what `search`, `tail`, `show` and `export` hand to programs."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from promptlayer_patch._encoding import encoded

if TYPE_CHECKING:
    from promptlayer_patch.store import StoredRequest, Summary

__all__ = ["in_brief", "iso", "json_line", "whole"]


def in_brief(request: Summary) -> dict[str, Any]:
    """What a list shows of it."""
    return {
        "request_id": request.request_id,
        "started_at": iso(request.started_at),
        "status": request.pl_status,
        "ending": request.ending.value,
        "function_name": request.function_name,
        "provider": request.provider,
        "model": request.model,
        "latency_ms": round(request.duration_s * 1000, 3),
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
        "cached_tokens": request.cached_tokens,
        "thinking_tokens": request.thinking_tokens,
        "cost": request.cost,
        "tags": list(request.tags),
        "metadata": dict(request.metadata),
        "scores": dict(request.scores),
        "groups": list(request.groups),
        "prompt": request.prompt_name,
        "prompt_version": request.prompt_version,
        "error_type": request.pl_error_type or request.error_type,
        "error_message": request.error_message,
        "http_status": request.status,
        "trace_id": request.trace_id,
        "answer": request.preview,
    }


def whole(request: Summary, stored: StoredRequest) -> dict[str, Any]:
    """Everything: `import` makes the same request of it."""
    link = stored.prompt
    brief = in_brief(request)
    del brief["answer"], brief["prompt"], brief["prompt_version"]
    return {
        **brief,
        "metadata": dict(stored.metadata),
        "scores": dict(stored.scores),
        "groups": list(stored.groups),
        "prompt": None
        if link is None
        else {
            "name": link.name,
            "version": link.version,
            "label": link.label,
            "variables": dict(link.variables),
            "id": link.id,
        },
        "error_type": request.pl_error_type,
        "span_id": request.span_id,
        "api_type": request.api_type,
        "record": json.loads(encoded(stored.record).decode("utf-8", "surrogatepass")),
    }


def iso(at: float | None) -> str | None:
    """A moment in ISO 8601, in UTC; `None` for one that no calendar has."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return None


def json_line(data: Any) -> str:
    """`data` on one line. In ASCII, for half surrogates have no UTF-8; NaN becomes null."""
    try:
        return json.dumps(data, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(data), parse_constant=lambda _: None), allow_nan=False)
