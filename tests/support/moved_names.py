"""Imports openai with the tapped methods renamed, makes calls with it, and prints what was recorded.

Run by tests/test_without_the_tap.py in a process of its own.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import json
import logging
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import promptlayer_patch
from promptlayer_patch.exporters.memory import MemoryExporter


class Renaming(importlib.machinery.SourceFileLoader):
    """Compiles openai's own source with other names for the methods that are tapped."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        text = bytes(data).replace(b"_process_response(", b"_finish_response(").decode()
        return compile(text, path, "exec", dont_inherit=True, optimize=_optimize)

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class Finder:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "openai._base_client":
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        assert found is not None
        assert found.origin is not None
        return importlib.util.spec_from_file_location(name, found.origin, loader=Renaming(name, found.origin))


class Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


warned = Warnings()
logging.getLogger("promptlayer_patch").addHandler(warned)
sys.meta_path.insert(0, Finder())
sink = MemoryExporter()
promptlayer_patch.install(to=sink)

import openai  # noqa: E402
from openai import _base_client  # noqa: E402

http: Any = getattr(_base_client, "httpx2", None) or _base_client.httpx

ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello there"},
        }
    ],
}
CHUNKS = [
    {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    for choice in (
        {"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None},
        {"index": 0, "delta": {"content": " there"}, "finish_reason": "stop"},
    )
]


def answer(request: Any) -> Any:
    body = json.loads(request.content)
    if body["model"] == "missing":
        return http.Response(404, json={"error": {"message": "no such model"}})
    if body.get("stream"):
        events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n"
        return http.Response(200, headers={"content-type": "text/event-stream"}, text=events)
    return http.Response(200, json=ANSWER)


ASKED: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "extra_headers": {"X-Secret": "hidden"},
}
options: dict[str, Any] = {"api_key": "key", "base_url": "http://127.0.0.1:9/v1", "max_retries": 0}
client = openai.OpenAI(**options, http_client=http.Client(transport=http.MockTransport(answer)))


async def with_async_client(stream: bool) -> None:
    transport = http.MockTransport(answer)
    async with openai.AsyncOpenAI(**options, http_client=http.AsyncClient(transport=transport)) as anew:
        result: Any = await anew.chat.completions.create(**ASKED, stream=stream)
        if stream:
            async for _ in result:
                pass


def failed() -> None:
    try:
        client.chat.completions.create(**{**ASKED, "model": "missing"})
    except openai.NotFoundError:
        pass


CALLS: dict[str, Any] = {
    "plain": lambda: client.chat.completions.create(**ASKED),
    "awaited": lambda: asyncio.run(with_async_client(stream=False)),
    "stream": lambda: list(client.chat.completions.create(**ASKED, stream=True)),
    "async stream": lambda: asyncio.run(with_async_client(stream=True)),
    "raw": lambda: client.chat.completions.with_raw_response.create(**ASKED).parse(),
    "failed": failed,
}
for name, call in CALLS.items():
    sink.records.clear()
    call()
    promptlayer_patch.flush()
    record = sink.records[0]
    choices = (record.response or {}).get("choices")
    text = choices[0]["message"]["content"] if choices else None
    print(
        f"{name}: {len(sink.records)} record, {record.ending.value}, "
        f"asked {record.request['messages'][0]['content']!r}, answered {text}, "
        f"headers kept: {'hidden' in repr(record)}"
    )
print(f"warnings: {len([text for text in warned.seen if 'unknown' in text])}")
