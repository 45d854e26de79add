"""What was said to a model and what it answered, wherever a span says so.

Instrumentations have written this in four ways: as one attribute with all messages, as one attribute for each
field of each message, as events of the span, and as attributes of an event. The attributes of the span win.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptlayer_patch._spans.messages import conversation, instructions, messages_of
from promptlayer_patch._spans.model import Event, Span
from promptlayer_patch._spans.values import mapping, parsed

__all__ = ["input_messages", "output_messages"]

Messages = list[dict[str, Any]]

_FLATTENED = re.compile(r"gen_ai\.(prompt|completion)\.([0-9]{1,6})\.(.+)", re.DOTALL)
_DEEPEST = 8
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def input_messages(span: Span) -> Messages:
    """What was sent, the instructions first."""
    for attributes in _places(span):
        said = conversation(attributes.get("gen_ai.input.messages"), "user")
        said = instructions(attributes.get("gen_ai.system_instructions")) + said
        said = said or _flattened(attributes, "prompt", "user")
        said = said or conversation(attributes.get("gen_ai.prompt"), "user")
        if said:
            return said
    return [made for event in span.events for made in _of_event(event)]


def output_messages(span: Span) -> Messages:
    """What came back."""
    for attributes in _places(span):
        said = conversation(attributes.get("gen_ai.output.messages"), "assistant")
        said = said or _flattened(attributes, "completion", "assistant")
        said = said or conversation(attributes.get("gen_ai.completion"), "assistant")
        if said:
            return said
    return [made for event in span.events for made in _choice(event)]


def _places(span: Span) -> Iterator[Mapping[str, Any]]:
    yield span.attributes
    for event in span.events:
        if event.name not in _EVENT_ROLES and event.name != "gen_ai.choice":
            yield event.attributes


def _flattened(attributes: Mapping[str, Any], side: str, role: str) -> Messages:
    """The messages of `gen_ai.prompt.0.role`, `gen_ai.prompt.0.tool_calls.0.name` and the like."""
    found: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if (place := _FLATTENED.fullmatch(key)) and place[1] == side:
            _put(found.setdefault(int(place[2]), {}), place[3].split(".", _DEEPEST), value)
    return [made for _, message in sorted(found.items()) for made in messages_of(_with_lists(message), role)]


def _put(into: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = into.setdefault(step, {})
        if not isinstance(inner, dict):
            return  # said twice, as a value and as an object: the value stays
        into = inner
    into.setdefault(path[-1], value)


def _with_lists(message: dict[str, Any]) -> dict[str, Any]:
    """Objects whose keys are all numbers are lists that were written one by one."""
    return {key: _listed(value) if isinstance(value, dict) else value for key, value in message.items()}


def _listed(value: dict[str, Any]) -> Any:
    inner = _with_lists(value)
    if all(key.isascii() and key.isdigit() and len(key) <= 6 for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _of_event(event: Event) -> Messages:
    role = _EVENT_ROLES.get(event.name)
    return [] if role is None else messages_of(_said(event), role)


def _choice(event: Event) -> Messages:
    if event.name != "gen_ai.choice":
        return []
    said = _said(event)
    message = parsed(said.get("message"))
    return messages_of(message if isinstance(message, Mapping) else said, "assistant")


def _said(event: Event) -> Mapping[str, Any]:
    """The fields of an event; some instrumentations put them into one, as JSON."""
    return {**event.attributes, **mapping(parsed(event.attributes.get("gen_ai.event.content")))}
