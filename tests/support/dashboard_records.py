"""Requests of every kind that a page has to show."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from promptlayer_patch.records import Record

__all__ = ["PNG", "STARTED", "chat", "request_of"]

STARTED = 1_790_000_000.0
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_numbers = count(1)


def request_of(method: str, request: Mapping[str, Any], response: Any, **facts: Any) -> Record:
    """A request of the method of openai that took 2.5 seconds; the next one is ten seconds later."""
    number = next(_numbers)
    started = STARTED + 10 * number
    known = {
        "client": "OpenAI",
        "started_at": started,
        "ended_at": started + 2.5,
        "status": 200,
        "endpoint": "https://api.openai.com/v1/" + "/".join(method.split(".")[:-1]),
    }
    return Record(
        id=f"{number:032x}",
        function_name=f"openai.{method}",
        request=request,
        response=response,
        **{**known, **facts},
    )


def chat(question: Any, answer: Any, **facts: Any) -> Record:
    """A chat completion; `answer` is a text or a whole message."""
    message = answer if isinstance(answer, dict) else {"role": "assistant", "content": answer}
    messages = question if isinstance(question, list) else [{"role": "user", "content": question}]
    more = facts.pop("request", {})
    return request_of(
        "chat.completions.create",
        {"model": "gpt-4o", "messages": messages, **more},
        {
            "model": "gpt-4o",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": facts.pop("usage", {}),
        },
        **facts,
    )
