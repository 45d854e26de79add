"""Errors that a provider reports inside a stream, after the status line said 200."""

from __future__ import annotations

from typing import Any

__all__ = ["error_in"]

_FAILED = {"response.failed": ("response", "error"), "thread.run.failed": ("last_error",)}


def error_in(name: str, data: Any) -> dict[str, Any] | None:
    """The provider's error object in the event of that name and data; `None` where it reports no error."""
    if not isinstance(data, dict):
        return {"message": str(data)} if name == "error" else None
    if data.get("error"):
        return _as_object(data["error"])
    if name == "error" or data.get("type") == "error":
        # The error lies flat in the event; `type` is then the event's or the error's.
        return {
            key: value
            for key, value in data.items()
            if key not in ("sequence_number", "error") and (key, value) != ("type", "error")
        } or {"message": "error"}
    if name in _FAILED:
        error: Any = data
        for key in _FAILED[name]:
            error = error.get(key) if isinstance(error, dict) else None
        return _as_object(error or name)
    return None


def _as_object(error: Any) -> dict[str, Any]:
    return error if isinstance(error, dict) else {"message": str(error)}
