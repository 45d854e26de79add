"""What may be raised at the user: wrong arguments, ids that cannot be had, calls that PromptLayer refuses.

Nothing here is ever raised by an intercepted OpenAI call because of a fault of ours; such faults are logged.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationFailed",
    "BadRequest",
    "Conflict",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "PromptLayerError",
    "RateLimited",
    "RequestIdTimeout",
    "RequestIdUnavailable",
    "ServerError",
    "TemplateError",
    "Unprocessable",
]


class PromptLayerError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidArgument(PromptLayerError, ValueError):
    """An argument or environment variable has a value that cannot be used.

    Attributes:
        argument: the name of the argument, or of the environment variable it was read from.
        problem: what is wrong with it.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument = argument
        self.problem = problem


class RequestIdTimeout(PromptLayerError, TimeoutError):
    """The request id did not arrive within the time the caller was ready to wait; it may still arrive."""


class RequestIdUnavailable(PromptLayerError):
    """The request id will never arrive; the message says why (rejected, dropped, uninstalled, ...)."""


class APIConnectionError(PromptLayerError):
    """PromptLayer could not be reached, or hung up before it had answered."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """PromptLayer did not answer within the time the caller was ready to wait."""


class APIStatusError(PromptLayerError):
    """PromptLayer answered, but not with what was asked for.

    Attributes:
        status: the HTTP status.
        message: PromptLayer's own words, or what is wrong with its answer.
        body: its answer as parsed JSON, `None` if it was none. The API key is never in it.
        retry_after_s: the seconds PromptLayer asks to wait before the next try, if it does.
    """

    def __init__(
        self, status: int, message: str, body: Any = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"HTTP {status}: {message}" if message else f"HTTP {status}")
        self.status = status
        self.message = message
        self.body = body
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from their text, which is not what this class is made of.
        return type(self), (self.status, self.message, self.body, self.retry_after_s)


class BadRequest(APIStatusError):
    """HTTP 400: PromptLayer cannot make sense of the call."""


class AuthenticationFailed(APIStatusError):
    """HTTP 401: the API key is missing or wrong."""


class PermissionDenied(APIStatusError):
    """HTTP 403: the API key may not do this."""


class NotFound(APIStatusError):
    """HTTP 404: there is no such prompt template, version or label."""


class Conflict(APIStatusError):
    """HTTP 409: it contradicts what is there."""


class Unprocessable(APIStatusError):
    """HTTP 422: a field of the call has a value that PromptLayer refuses."""


class RateLimited(APIStatusError):
    """HTTP 429: too many calls; `retry_after_s` says how long to wait, if PromptLayer does."""


class ServerError(APIStatusError):
    """HTTP 500 and above: PromptLayer is out of order."""


class TemplateError(PromptLayerError):
    """A prompt template cannot be rendered, or cannot be turned into a call; the message says why."""
