"""A stored request as `/log-request` gives it back: the whole row, under the names of PromptLayer's own."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime
from secrets import token_hex
from typing import Any

from promptlayer_patch._blueprint import blueprint_and_text_of
from promptlayer_patch.store import Entry

__all__ = ["row_of"]


def row_of(request_id: int, entry: Entry, workspace_id: int) -> dict[str, Any]:
    """The answer to a request that was just logged through `/log-request`."""
    record = entry.record
    link = record.prompt
    blueprint, response_text = blueprint_and_text_of(record)
    inputs, outputs = entry.input_tokens or 0, entry.output_tokens or 0
    return {
        "id": request_id,
        "request_id": request_id,
        "user_id": 1,
        "workspace_id": workspace_id,
        "type": "request",
        "provider_type": record.provider,
        "engine": record.request["model"],
        "function_name": record.function_name,
        "function_args": [],
        "function_kwargs": {key: record.request[key] for key in ("input", "parameters")},
        "request_response": record.response,
        "request_start_time": _naive(record.started_at),
        "request_end_time": _naive(record.ended_at),
        "created_at": format_datetime(datetime.now(timezone.utc), usegmt=True),
        "input_tokens": inputs,
        "output_tokens": outputs,
        "tokens": inputs + outputs,
        "price": entry.price or 0.0,
        "score": entry.score.value if entry.score else 0,
        "scores": [{"name": entry.score.name or "default", "score": entry.score.value}]
        if entry.score
        else [],
        "prompt_id": link.id if link else None,
        "prompt_version_number": link.version if link else None,
        "prompt_input_variables": dict(link.variables) if link else {},
        "metadata": [{key: value} for key, value in record.metadata.items()],
        "tags_array": list(record.tags),
        "span_id": entry.span_id,
        "is_sharable": False,
        "is_starred": False,
        "share_hash": token_hex(16),
        "share_view_count": 0,
        "status": entry.status,
        "error_type": entry.error_type,
        "error_message": entry.error_message,
        "prompt_string": "",
        "response_string": response_text,
        "prompt_version": blueprint,
    }


def _naive(moment: float) -> str:
    return (
        datetime.fromtimestamp(moment, timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds")
    )
