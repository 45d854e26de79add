"""The ways in which a request is refused, as the clients of PromptLayer expect to be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "BadRequest",
    "Conflict",
    "Invalid",
    "NotFound",
    "Refusal",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
]


class Refusal(Exception):
    """An answer that is an error; the message is for the client's author and quotes no content."""

    status = 400

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers or {})
        self.fields = fields
        """What stands in the body beside `success` and `message`."""

    def body(self) -> dict[str, Any]:
        """Always an object with `message`: one of PromptLayer's clients reads it before the status."""
        return {"success": False, "message": self.message, **self.fields}


class BadRequest(Refusal):
    """Malformed, or without sense."""


class Unauthorized(Refusal):
    """The key is missing or unknown."""

    status = 401


class NotFound(Refusal):
    """There is no such thing in this workspace."""

    status = 404


class Conflict(Refusal):
    """It contradicts what is there."""

    status = 409


class TooLarge(Refusal):
    status = 413


class Invalid(Refusal):
    """A body or a parameter of the wrong type; `detail` says where, in the form of the validating layer."""

    status = 422

    def __init__(self, findings: Sequence[tuple[Sequence[str | int], str, str]]) -> None:
        detail = [{"loc": list(place), "msg": message, "type": kind} for place, message, kind in findings]
        place, message, _ = findings[0]
        super().__init__(f"{'.'.join(map(str, place))}: {message}", detail=detail)


class Unavailable(Refusal):
    """The store cannot take it at this moment; the same request may succeed later."""

    status = 503

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "1"})
