"""The streaming methods of openai: how each is called, answered and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import openai

PIECES = ("Lan", "tern ", "says héllo", " to ", "you.")
ERROR = {"message": "The desk is on fire.", "type": "server_error", "code": "fire"}


@dataclass(frozen=True)
class Kind:
    """One streaming method: how to call it, what it is answered with, and where the text stands."""

    name: str
    content_type: str
    events: Callable[[Sequence[str]], list[bytes]]
    """The pieces of the body for these pieces of text; the last one only says that it is over."""
    open: Callable[[Any], Any]
    """Makes the call; what is returned can be entered as a context manager (after awaiting, if async)."""
    seen: Callable[[Any], str]
    """The text in one chunk."""
    recorded: Callable[[Any], str]
    """The text in a record's response."""
    exists: Callable[[type], bool] = lambda _: True
    raw: bool = False
    """The consumer reads bytes, not events."""

    def __str__(self) -> str:
        return self.name


def _sse(data: Mapping[str, Any], name: str = "") -> bytes:
    event = f"event: {name}\n" if name else ""
    return f"{event}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def error_event(kind: Kind) -> bytes:
    """The provider's report, in the middle of a stream, that it has failed."""
    return _sse({"error": ERROR}, "error" if kind.name in ("responses", "transcription") else "")


def _chat_events(pieces: Sequence[str]) -> list[bytes]:
    base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}

    def chunk(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        return _sse({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    first = chunk({"role": "assistant", "content": ""})
    return [first, *(chunk({"content": piece}) for piece in pieces), chunk({}, "stop"), b"data: [DONE]\n\n"]


def _completion_events(pieces: Sequence[str]) -> list[bytes]:
    base = {"id": "t1", "object": "text_completion", "created": 1, "model": "gpt-3.5-turbo-instruct"}

    def chunk(text: str, reason: str | None = None) -> bytes:
        return _sse({**base, "choices": [{"index": 0, "text": text, "finish_reason": reason}]})

    return [*map(chunk, pieces), chunk("", "stop"), b"data: [DONE]\n\n"]


def _responses_events(pieces: Sequence[str]) -> list[bytes]:
    where: dict[str, Any] = {"item_id": "m1", "output_index": 0, "content_index": 0}

    def response(status: str, output: list[Any]) -> dict[str, Any]:
        fixed = {"error": None, "incomplete_details": None, "instructions": None, "metadata": {}}
        rest = {
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
        }
        known = {"id": "r1", "object": "response", "created_at": 1, "model": "gpt-4o", "status": status}
        return {**known, **fixed, **rest, "output": output}

    def item(status: str, content: list[Any]) -> dict[str, Any]:
        return {"id": "m1", "type": "message", "role": "assistant", "status": status, "content": content}

    def part(text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    whole = part("".join(pieces))
    steps: list[tuple[str, dict[str, Any]]] = [
        ("created", {"response": response("in_progress", [])}),
        ("output_item.added", {"output_index": 0, "item": item("in_progress", [])}),
        ("content_part.added", {**where, "part": part("")}),
        *(("output_text.delta", {**where, "delta": piece, "logprobs": []}) for piece in pieces),
        ("output_text.done", {**where, "text": whole["text"], "logprobs": []}),
        ("content_part.done", {**where, "part": whole}),
        ("output_item.done", {"output_index": 0, "item": item("completed", [whole])}),
        ("completed", {"response": response("completed", [item("completed", [whole])])}),
    ]
    return [
        _sse({"type": f"response.{name}", "sequence_number": at, **data}, f"response.{name}")
        for at, (name, data) in enumerate(steps)
    ]


def _transcript_events(pieces: Sequence[str]) -> list[bytes]:
    deltas = [_sse({"type": "transcript.text.delta", "delta": piece}) for piece in pieces]
    return [*deltas, _sse({"type": "transcript.text.done", "text": "".join(pieces)})]


def _audio(pieces: Sequence[str]) -> list[bytes]:
    return [*(piece.encode() for piece in pieces), b"\0"]


def _response_text(response: Any) -> str:
    parts = (part for item in response["output"] for part in item.get("content") or ())
    return "".join(part.get("text") or "" for part in parts)


def _takes(path: Callable[[type], Any], option: str) -> Callable[[type], bool]:
    def exists(client: type) -> bool:
        return option in signature(path(client)).parameters

    return exists


MESSAGES: Any = [{"role": "user", "content": "Hello?"}]
CHAT = Kind(
    "chat",
    "text/event-stream",
    _chat_events,
    lambda client: client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True),
    lambda chunk: chunk.choices[0].delta.content or "",
    lambda response: response["choices"][0]["message"]["content"] or "",
)
COMPLETIONS = Kind(
    "completions",
    "text/event-stream",
    _completion_events,
    lambda client: client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hello?", stream=True),
    lambda chunk: chunk.choices[0].text,
    lambda response: response["choices"][0]["text"],
)
RESPONSES = Kind(
    "responses",
    "text/event-stream",
    _responses_events,
    lambda client: client.responses.create(model="gpt-4o", input="Hello?", stream=True),
    lambda event: event.delta if event.type == "response.output_text.delta" else "",
    _response_text,
    exists=lambda client: hasattr(client, "responses"),
)
TRANSCRIPTION = Kind(
    "transcription",
    "text/event-stream",
    _transcript_events,
    lambda client: client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("hello.wav", b"RIFF"), stream=True
    ),
    lambda event: event.delta if event.type == "transcript.text.delta" else "",
    lambda response: response["text"],
    exists=_takes(lambda client: openai.resources.audio.transcriptions.Transcriptions.create, "stream"),
)
SPEECH = Kind(
    "speech",
    "audio/mpeg",
    _audio,
    lambda client: client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello?"
    ),
    lambda chunk: "." * len(chunk),
    lambda response: "." * response["bytes"],
    raw=True,
)
KINDS = [kind for kind in (CHAT, RESPONSES, COMPLETIONS, SPEECH, TRANSCRIPTION) if kind.exists(openai.OpenAI)]
"""What the installed openai has."""
