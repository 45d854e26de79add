"""Why a response is being closed, told from the frame that closes it."""

from __future__ import annotations

import sys
from types import FrameType

# Frames that close a response on their own: because the stream has ended, or because their generator was
# dropped. Everybody else who closes it does so on the application's behalf.
OWN_ENDINGS = frozenset({"__stream__", "drain_response_async"})
_READERS = ("openai._streaming", "openai.lib.streaming")
HTTP_GENERATORS = frozenset({"iter_bytes", "aiter_bytes", "iter_raw", "aiter_raw"})
GENERATORS = OWN_ENDINGS | HTTP_GENERATORS


def error_at(frame: FrameType, outer: tuple[int, type] | None) -> BaseException | None:
    """The exception because of which `frame` closes the response, if it does so because of one.

    One that is merely being handled further out says nothing about the stream.
    """
    error = sys.exc_info()[1]
    if frame.f_code.co_name in GENERATORS:
        return error if error is not None and _passes_through(frame, error) else None
    at: FrameType | None = frame
    while at is not None and str(at.f_globals.get("__name__")).startswith("openai."):
        if at.f_code.co_name in ("__exit__", "__aexit__"):
            given: BaseException | None = at.f_locals.get(at.f_code.co_varnames[2])
            return given
        at = at.f_back
    return None if error is None or (id(error), type(error)) == outer else error


def _passes_through(frame: FrameType, error: BaseException) -> bool:
    step = error.__traceback__
    while step is not None:
        if step.tb_frame is frame:
            return True
        step = step.tb_next
    return False


def is_raised_by_client(error: BaseException) -> bool:
    """Whether the client raised this while it read or parsed a stream, and not the application."""
    step = error.__traceback__
    while step is not None:
        if str(step.tb_frame.f_globals.get("__name__")).startswith(_READERS):
            return True
        step = step.tb_next
    return False
