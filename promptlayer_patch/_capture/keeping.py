"""What a call keeps of an answer, and when it can have the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlayer_patch._capture import streams
from promptlayer_patch._capture.call import Call
from promptlayer_patch._capture.call_options import RAW_HEADER

_HELPER_HEADER = "X-Stainless-Helper-Method"


def named_by_helper(headers: Any) -> str | None:
    """The name that `.stream()` and `.parse()` send along in a header of their own."""
    if isinstance(headers, Mapping):
        name = headers.get(_HELPER_HEADER)
        if isinstance(name, str):
            return f"openai.{name}"
    return None


def keep(call: Call, response: Any, kwargs: Mapping[str, Any]) -> None:
    """Keep the response; the body now if it is the caller's to have at once, else while it is read."""
    call.keep(response)
    body = getattr(response, "_content", None)
    if kwargs.get("stream"):
        streams.watch(response, call, is_text=True)  # the client reads events of it, whatever it says it is
    elif body is None or _is_read_later(kwargs.get("options")):
        streams.watch(response, call)
    else:
        call.keep_body(body)


def keep_result(call: Call, result: Any) -> None:
    """Keep what was returned, where the tap saw no response: the HTTP response in it, or the object."""
    response = getattr(result, "http_response", None)
    streamed = getattr(result, "response", None) if response is None else None
    if hasattr(streamed, "iter_bytes"):
        keep(call, streamed, {"stream": True})
    elif hasattr(response, "iter_bytes"):
        keep(call, response, {"stream": not hasattr(response, "_content")})
    else:
        call.result = result


def _is_read_later(options: Any) -> bool:
    """Whether the application reads the body itself, even where a fake transport already holds it."""
    headers = getattr(options, "headers", None)
    # Most often there are none, which is quicker to see than what they are.
    return bool(headers) and isinstance(headers, Mapping) and headers.get(RAW_HEADER) == "stream"
