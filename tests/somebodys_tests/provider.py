"""OpenAI in memory, as people make it for their tests."""

from __future__ import annotations

import json
from typing import Any

import openai
import openai._base_client as base_client

http: Any = getattr(base_client, "httpx2", None) or getattr(base_client, "httpx")  # noqa: B009

MODEL = "gpt-4o-mini"


def answer(request: Any) -> Any:
    asked = json.loads(request.content)
    if request.url.path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        return http.Response(200, json={"object": "list", "model": asked["model"], "data": data})
    whole = {"id": "chatcmpl-1", "created": 1, "model": asked["model"], "object": "chat.completion"}
    message = {"role": "assistant", "content": "Noted."}
    if not asked.get("stream"):
        choices = [{"index": 0, "finish_reason": "stop", "message": message}]
        return http.Response(200, json={**whole, "choices": choices})
    choices = [{"index": 0, "finish_reason": "stop", "delta": message}]
    chunk = {**whole, "object": "chat.completion.chunk", "choices": choices}
    events = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
    return http.Response(200, headers={"content-type": "text/event-stream"}, content=events.encode())


def new_client() -> openai.OpenAI:
    return openai.OpenAI(api_key="any", http_client=http.Client(transport=http.MockTransport(answer)))


def new_async_client() -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key="any", http_client=http.AsyncClient(transport=http.MockTransport(answer))
    )
