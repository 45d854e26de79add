"""Templates: a chat of messages, or a completion of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlayer_patch._blueprint.blocks import Block
from promptlayer_patch._blueprint.messages import Message, answer, message
from promptlayer_patch._blueprint.reading import entries

__all__ = ["Template", "chat", "completion", "is_completion", "joined"]

Template = dict[str, Any]


def chat(messages: list[Message], beside: Mapping[str, Any] | None = None) -> Template:
    """A chat; `beside` are its tools and how they are chosen."""
    return {
        "messages": messages,
        "functions": [],
        "tools": [],
        "function_call": None,
        "tool_choice": None,
        **(beside or {}),
        "type": "chat",
        "input_variables": [],
        "dataset_examples": [],
    }


def completion(content: list[Block]) -> Template:
    return {
        "content": content,
        "type": "completion",
        "input_variables": [],
        "template_format": "f-string",
        "dataset_examples": [],
    }


def is_completion(template: Template) -> bool:
    return template.get("type") == "completion"


def joined(asked: Template, answered: Template) -> Template:
    """What was sent followed by what came back; a chat as soon as one of them says something in a chat."""
    if is_completion(asked) and (is_completion(answered) or not answered.get("messages")):
        return {**asked, "content": [*entries(asked.get("content")), *entries(answered.get("content"))]}
    base = answered if is_completion(asked) else asked
    came_back = [answer(_content(answered))] if is_completion(answered) else entries(answered.get("messages"))
    sent = [message("user", _content(asked))] if is_completion(asked) else entries(asked.get("messages"))
    return {**base, "messages": [*sent, *came_back]}


def _content(template: Template) -> list[Block]:
    return entries(template.get("content"))
