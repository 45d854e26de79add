"""What the stand-in can send back: JSON, a stream of events, binary data, or an error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = [
    "CREATED",
    "ApiError",
    "Binary",
    "Body",
    "Events",
    "Json",
    "Reply",
    "choice_count",
    "required",
    "stable_id",
]

Body: TypeAlias = Mapping[str, Any]

CREATED = 1_790_000_000
"""The `created` of every answer. Fixed, so that equal requests get equal bytes."""


@dataclass(frozen=True, slots=True)
class Json:
    """One JSON body."""

    body: Body
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Events:
    """Server-sent events. `named` ones carry their `type` as event name and have no `[DONE]` at the end."""

    events: Iterable[Body]
    named: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """A body that is no text, sent piece by piece."""

    content_type: str
    pieces: Iterable[bytes]


Reply: TypeAlias = Json | Events | Binary


class ApiError(Exception):
    """An error as OpenAI words it in a response body."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"error": {"message": message, "type": type, "param": param, "code": code}}

    @property
    def reply(self) -> Json:
        """The response that carries this error."""
        return Json(self.body, self.status, self.headers)


def required(body: Body, name: str) -> Any:
    """The parameter `name` of a request, or the error for its absence."""
    value = body.get(name)
    if value is None:
        message = f"Missing required parameter: '{name}'."
        raise ApiError(message, param=name, code="missing_required_parameter")
    if value in ("", []):
        raise ApiError(f"Invalid '{name}': it is empty.", param=name, code="empty_value")
    return value


def choice_count(body: Body) -> int:
    """How many choices the request asks for (`n`)."""
    n = body.get("n")
    if n is None:
        return 1
    if type(n) is not int or not 1 <= n <= 128:
        raise ApiError(f"Invalid 'n': expected 1 to 128, got {n!r}.", param="n", code="invalid_value")
    return n


def stable_id(prefix: str, *parts: object) -> str:
    """An id that looks like OpenAI's and is the same for the same `parts`."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return f"{prefix}{digest[:24]}"
