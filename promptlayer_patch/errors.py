"""What may be raised at the user: wrong arguments, and request ids that cannot be had.

Nothing here is ever raised by an intercepted OpenAI call because of a fault of ours; such faults are logged.
"""

from __future__ import annotations

__all__ = [
    "InvalidArgument",
    "PromptLayerError",
    "RequestIdTimeout",
    "RequestIdUnavailable",
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
