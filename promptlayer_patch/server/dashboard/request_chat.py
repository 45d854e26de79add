"""What was said in a request, turn by turn: what was sent, then what came back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._blueprint import input_of, output_of
from promptlayer_patch._blueprint.reading import Json, as_json, entries, mapping, mappings, string
from promptlayer_patch.records import Record
from promptlayer_patch.server.dashboard.request_parts import Part, Reader
from promptlayer_patch.server.dashboard.request_texts import Room, Text
from promptlayer_patch.server.dashboard.visible import visible

__all__ = ["Conversation", "Tool", "ToolCall", "Turn", "conversation"]

_TURNS = 400
"""A conversation of more is shown by its end."""
_LONG = 10


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a tool was told and, if that is known, what it gave back."""

    name: str
    arguments: Text
    id: str = ""
    result: tuple[Part, ...] | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    role: str
    parts: tuple[Part, ...]
    calls: tuple[ToolCall, ...] = ()
    name: str = ""
    answer: bool = False
    """Whether it came back, and was not sent."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One that the model might have called."""

    name: str
    description: str
    definition: Text


@dataclass(frozen=True, slots=True)
class Conversation:
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    left_out: int = 0
    """Turns before these."""

    @property
    def is_long(self) -> bool:
        """Whether it takes a while to scroll to an answer."""
        return len(self.turns) > _LONG and self.turns[-1].answer


def conversation(record: Record, room: Room) -> Conversation:
    """The turns of `record`, whichever API it was made of."""
    sent, received = input_of(record), output_of(record)
    asked, answered = _messages(sent, "prompt"), _messages(received, "completion")
    reader = Reader(room, frozenset(_refusals(record)))
    left_out = max(0, len(asked) - _TURNS)
    results = {
        id: message["content"]
        for message in asked
        if message.get("role") == "tool" and (id := string(message.get("tool_call_id")))
    }
    called = {string(call.get("id")) for message in asked for call in mappings(message.get("tool_calls"))}
    # The answer first: if there is more than a page takes, that is what somebody has come for.
    answers = tuple(_turn(message, reader, {}, answer=True) for message in answered)
    turns = tuple(
        _turn(message, reader, results)
        for message in asked[left_out:]
        if message.get("role") != "tool" or message.get("tool_call_id") not in called
    )
    return Conversation((*turns, *answers), tuple(_tools(sent, room)), left_out)


def _messages(template: Json, role: str) -> list[dict[str, Any]]:
    if template.get("content"):
        return [{"role": role, "content": template["content"]}]
    return [dict(message) for message in mappings(template.get("messages"))]


def _turn(message: Json, reader: Reader, results: Json, *, answer: bool = False) -> Turn:
    role = string(message.get("role"))
    calls = mappings(message.get("tool_calls"))
    if legacy := mapping(message.get("function_call")):
        calls = [*calls, {"function": legacy}]
    return Turn(
        visible(role[:64]),
        reader.parts(message.get("content"), machine=answer or role in ("tool", "function")),
        tuple(_call(call, reader, results) for call in calls),
        visible(string(message.get("name"))[:200]),
        answer,
    )


def _call(call: Json, reader: Reader, results: Json) -> ToolCall:
    function, id = mapping(call.get("function")), string(call.get("id"))
    return ToolCall(
        visible(string(function.get("name"))),
        reader.json(string(function.get("arguments"))),
        visible(id),
        reader.parts(results[id], machine=True) if id in results else None,
    )


def _tools(template: Json, room: Room) -> Iterator[Tool]:
    for tool in [*mappings(template.get("tools")), *mappings(template.get("functions"))]:
        told = mapping(tool.get("function")) or tool
        definition = Reader(room, ()).json(as_json(told.get("parameters") or told.get("config") or {}))
        yield Tool(visible(string(told.get("name"))), visible(string(told.get("description"))), definition)


def _refusals(record: Record) -> Iterator[str]:
    """The texts with which models have refused; a blueprint does not tell them from others."""
    response, request = mapping(record.response), mapping(dict(record.request))
    for choice in mappings(response.get("choices")):
        yield from _refused(mapping(choice.get("message")))
    for message in (
        *mappings(response.get("output")),
        *mappings(request.get("messages")),
        *mappings(request.get("input")),
    ):
        yield from _refused(message)


def _refused(message: Json) -> Iterator[str]:
    if text := string(message.get("refusal")):
        yield text
    for part in mappings(entries(message.get("content"))):
        if part.get("type") == "refusal" and (text := string(part.get("refusal"))):
            yield text
