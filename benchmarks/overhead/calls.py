"""The calls that are made, and openai's answers to them, from memory."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
from openai import _base_client

from benchmarks.overhead.setups import Ready

http: Any = getattr(_base_client, "httpx2", None) or _base_client.httpx

CROWD = 50
CHUNKS = 500
FLOATS = 1536

_random = random.Random(7)
_WORDS = [
    "".join(_random.choices("abcdefghijklmnopqrstuvwxyz", k=_random.randint(2, 11))) for _ in range(4000)
]
_TEXT = " ".join(_random.choices(_WORDS, k=60_000))
_ANSWER = _TEXT[:1000]
_USAGE = {"prompt_tokens": 200, "completion_tokens": 150, "total_tokens": 350}


def text_of(number: int, size: int) -> str:
    """A text that no other call has, and that the sink knows again."""
    start = number * 1009 % (len(_TEXT) - size)
    return f"mark-{number:09d}-end {_TEXT[start : start + size - 19]}"


def _chat() -> bytes:
    message = {"role": "assistant", "content": _ANSWER, "refusal": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    return json.dumps({**head, "choices": [choice], "usage": _USAGE}).encode()


def _events() -> list[bytes]:
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
    }
    deltas: list[dict[str, Any]] = [
        {"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None} for word in _WORDS[:CHUNKS]
    ]
    deltas[-1]["finish_reason"] = "stop"
    chunks = [f"data: {json.dumps({**head, 'choices': [delta]})}\n\n".encode() for delta in deltas]
    return [*chunks, b"data: [DONE]\n\n"]


def _response() -> bytes:
    text = {"type": "output_text", "text": _ANSWER, "annotations": []}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-4o-mini-2024-07-18"}
    usage = {"input_tokens": 200, "output_tokens": 150, "total_tokens": 350}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    rest = {"status": "completed", "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return json.dumps({**head, **rest, "output": [message], "usage": {**usage, **details}}).encode()


def _embeddings(*, packed: bool) -> bytes:
    floats = [round(_random.uniform(-0.1, 0.1), 8) for _ in range(FLOATS)]
    vector: Any = base64.b64encode(struct.pack(f"<{FLOATS}f", *floats)).decode() if packed else floats
    usage = {"prompt_tokens": 200, "total_tokens": 200}
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    return json.dumps(
        {"object": "list", "model": "text-embedding-3-small", "data": data, "usage": usage}
    ).encode()


_EVENTS = _events()
_CHAT, _RESPONSE = _chat(), _response()
_PACKED, _PLAIN = _embeddings(packed=True), _embeddings(packed=False)


class _Events(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
    def __iter__(self) -> Iterator[bytes]:
        yield from _EVENTS

    async def __aiter__(self) -> Any:
        for event in _EVENTS:
            yield event


def _answer(request: Any) -> Any:
    path, body = request.url.path, request.content
    if b'"stream":true' in body or b'"stream": true' in body:
        return http.Response(200, headers={"content-type": "text/event-stream"}, stream=_Events())
    content = _CHAT
    if path.endswith("/responses"):
        content = _RESPONSE
    elif path.endswith("/embeddings"):
        content = _PACKED if b"base64" in body[-200:] else _PLAIN
    return http.Response(200, headers={"content-type": "application/json"}, content=content)


@dataclass
class Block:
    """What a block of calls took: nanoseconds by the name of what was timed."""

    times: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, nanoseconds: float) -> None:
        self.times.setdefault(name, []).append(nanoseconds)


class Caller:
    """Makes blocks of calls, with clients such as the variant wants them."""

    def __init__(self, ready: Ready) -> None:
        library = ready.library or openai
        options: dict[str, Any] = {"api_key": "none", "base_url": "http://127.0.0.1:9/v1", "max_retries": 0}
        transport = http.MockTransport(_answer)
        self._client = ready.wrap(library.OpenAI(**options, http_client=http.Client(transport=transport)))
        crowd = http.AsyncClient(transport=transport)
        self._async_client = ready.wrap(library.AsyncOpenAI(**options, http_client=crowd))
        self._loop = asyncio.new_event_loop()
        self._kinds: dict[str, Callable[[Block, int, int], None]] = {
            "chat-1k": lambda block, calls, first: self._chats(block, calls, first, 1_000),
            "chat-100k": lambda block, calls, first: self._chats(block, calls, first, 100_000),
            "responses": self._responses,
            "embeddings": self._embeddings,
            "embeddings-floats": self._embeddings_as_floats,
            "async-50": self._crowds,
            "stream-500": self._streams,
        }

    def block(self, kind: str, calls: int, first: int) -> Block:
        """Make so many calls of a kind; the first has this number."""
        block = Block()
        self._kinds[kind](block, calls, first)
        return block

    def _each(self, block: Block, create: Callable[..., Any], many: list[dict[str, Any]]) -> None:
        clock, cpu_clock = time.perf_counter_ns, time.thread_time_ns
        for options in many:
            cpu_began = cpu_clock()
            began = clock()
            create(**options)
            ended = clock()
            block.add("cpu", cpu_clock() - cpu_began)
            block.add("call", ended - began)

    def _chats(self, block: Block, calls: int, first: int, size: int) -> None:
        self._each(block, self._client.chat.completions.create, chats(calls, first, size))

    def _responses(self, block: Block, calls: int, first: int) -> None:
        texts = [text_of(first + at, 1_000) for at in range(calls)]
        many = [{"model": "gpt-4o-mini", "input": text} for text in texts]
        self._each(block, self._client.responses.create, many)

    def _embeddings(self, block: Block, calls: int, first: int, **more: Any) -> None:
        texts = [text_of(first + at, 1_000) for at in range(calls)]
        many = [{"model": "text-embedding-3-small", "input": text, **more} for text in texts]
        self._each(block, self._client.embeddings.create, many)

    def _embeddings_as_floats(self, block: Block, calls: int, first: int) -> None:
        self._embeddings(block, calls, first, encoding_format="float")

    def _crowds(self, block: Block, calls: int, first: int) -> None:
        many = chats(calls, first, 1_000)
        for at in range(0, calls, CROWD):
            cpu_began, began = time.thread_time_ns(), time.perf_counter_ns()
            self._loop.run_until_complete(self._crowd(many[at : at + CROWD]))
            block.add("call", (time.perf_counter_ns() - began) / CROWD)
            block.add("cpu", (time.thread_time_ns() - cpu_began) / CROWD)

    async def _crowd(self, many: list[dict[str, Any]]) -> None:
        await asyncio.gather(*(self._async_client.chat.completions.create(**options) for options in many))

    def _streams(self, block: Block, calls: int, first: int) -> None:
        clock = time.perf_counter_ns
        for options in chats(calls, first, 1_000):
            cpu_began = time.thread_time_ns()
            began = clock()
            chunks = iter(self._client.chat.completions.create(**options, stream=True))
            next(chunks)
            at_first = clock()
            for _ in range(CHUNKS - 1):
                next(chunks)
            at_last = clock()
            for _ in chunks:
                pass
            ended = clock()
            block.add("first", at_first - began)
            block.add("chunk", (at_last - at_first) / (CHUNKS - 1))
            block.add("end", ended - at_last)
            block.add("call", ended - began)
            block.add("cpu", time.thread_time_ns() - cpu_began)


def chats(calls: int, first: int, size: int) -> list[dict[str, Any]]:
    system = {"role": "system", "content": "You are a helpful assistant."}
    texts = [text_of(first + at, size) for at in range(calls)]
    return [
        {"model": "gpt-4o-mini", "messages": [system, {"role": "user", "content": text}]} for text in texts
    ]
