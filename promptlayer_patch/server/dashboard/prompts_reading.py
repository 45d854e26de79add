"""One version of a template as its page shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch.server.dashboard.prompts_marking import Span, marked
from promptlayer_patch.store.registry.models import Version

__all__ = ["Message", "Part", "Room", "Shown", "Tool", "Variable", "messages_of", "pretty", "shown"]

_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_OF_THE_MODEL = ("provider", "name", "api_type")
_CHOICES = ("functions", "function_call", "tool_choice")
_PAGE_CHARS = 300_000


class Room:
    """How much text a page still takes."""

    def __init__(self) -> None:
        self._left = _PAGE_CHARS
        self.left_out = 0
        """Characters that had no room."""

    def has(self, characters: int) -> bool:
        return characters <= self._left

    def take(self, text: str) -> str:
        """As much of the beginning as there is room for."""
        taken = text[: self._left]
        self._left -= len(taken)
        self.left_out += len(text) - len(taken)
        return taken


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message: text, an image, or what is shown as JSON."""

    spans: tuple[Span, ...] = ()
    image: str = ""
    """A `data:` address; others are never fetched."""
    title: str = ""
    json: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    name: str
    format: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    about: str
    json: str


@dataclass(frozen=True, slots=True)
class Variable:
    """What has to be given for a template to be rendered."""

    name: str
    is_json: bool
    """Whether a list or an object may be meant: messages, tools, media, or what jinja2 goes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A version."""

    number: int
    created_at: float
    commit_message: str
    kind: str
    """`chat` or `completion`."""
    messages: tuple[Message, ...]
    variables: tuple[Variable, ...]
    tools: tuple[Tool, ...]
    model: tuple[tuple[str, str], ...]
    """What is said of the model, and its parameters: names and values."""
    more: str
    """Everything else that the version says, as JSON; empty if there is nothing."""
    left_out: int
    """Characters of the texts that are not shown, as there are too many."""


def shown(version: Version) -> Shown:
    template, metadata = version.template, version.metadata or {}
    model = _mapping(metadata.get("model"))
    more = {
        **{
            name: template[name]
            for name in ("functions", "function_call", "tool_choice")
            if template.get(name)
        },
        **{name: value for name, value in metadata.items() if name != "model"},
    }
    room = Room()
    return Shown(
        number=version.number,
        created_at=version.created_at,
        commit_message=version.commit_message or "",
        kind=str(template.get("type")),
        messages=messages_of(template, room),
        variables=tuple(_variables(template)),
        tools=tuple(_tool(tool, room) for tool in template.get("tools") or ()),
        model=(
            *((name, str(model[name])) for name in _OF_THE_MODEL if model.get(name)),
            *((name, _short(value)) for name, value in _mapping(model.get("parameters")).items()),
        ),
        more=room.take(pretty(more)) if more else "",
        left_out=room.left_out,
    )


def messages_of(template: Mapping[str, Any], room: Room, *, marks: bool = True) -> tuple[Message, ...]:
    """What is said, in order; of a completion, its one text. Without `marks`, variables are text like any."""
    if not isinstance(template.get("messages"), list):
        return (_message({**template, "role": "prompt"}, room, marks),)
    return tuple(_message(message, room, marks) for message in template["messages"])


def pretty(value: Any) -> str:
    """JSON on lines."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _message(message: Mapping[str, Any], room: Room, marks: bool) -> Message:
    text_format = str(message.get("template_format") or "f-string")
    parts = [_part(block, room, text_format if marks else "") for block in message.get("content") or ()]
    for call in message.get("tool_calls") or ():
        function = _mapping(call.get("function"))
        parts.append(
            Part(title=f"{function.get('name')}()", json=room.take(_arguments(function.get("arguments"))))
        )
    if message.get("function_call"):
        parts.append(Part(title="function_call", json=room.take(pretty(message["function_call"]))))
    name = message.get("tool_call_id") or message.get("name") or ""
    return Message(str(message["role"]), str(name), text_format, tuple(parts))


def _part(block: Mapping[str, Any], room: Room, text_format: str) -> Part:
    if block.get("type") == "text":
        text = room.take(str(block.get("text")))
        return Part(spans=marked(text, text_format) if text_format else (Span("text", text),))
    url = _mapping(block.get("image_url")).get("url")
    if isinstance(url, str) and _IMAGE.fullmatch(url) and room.has(len(url)):
        return Part(image=room.take(url))
    return Part(title=str(block.get("type")), json=room.take(pretty(block)))


def _arguments(text: Any) -> str:
    try:
        return pretty(json.loads(text))
    except (TypeError, ValueError, RecursionError):
        return str(text)


def _variables(template: Mapping[str, Any]) -> Iterator[Variable]:
    structured = dict.fromkeys(_structured(template))
    parts = (*(template.get("messages") or ()), template)
    of_jinja = any(part.get("template_format") == "jinja2" for part in parts)
    named = (str(name) for name in template.get("input_variables") or ())
    for name in dict.fromkeys((*named, *structured)):
        yield Variable(name, of_jinja or name in structured)


def _structured(template: Mapping[str, Any]) -> Iterator[str]:
    """Names of variables that stand for more than text."""
    messages = template.get("messages") or ()
    yield from (str(one.get("name")) for one in messages if one["role"] == "placeholder")
    yield from (str(one.get("name")) for one in template.get("tools") or () if one.get("type") == "variable")
    for part in (*messages, template):
        for block in part.get("content") or ():
            if block.get("type") == "media_variable":
                yield str(block.get("name"))
            elif block.get("image_variable"):
                yield str(block["image_variable"])


def _tool(tool: Mapping[str, Any], room: Room) -> Tool:
    function = _mapping(tool.get("function")) or tool
    name = str(function.get("name") or tool.get("type") or "")
    return Tool(name, str(function.get("description") or "")[:500], room.take(pretty(tool)))


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
