"""Templates as `/log-request` takes them: passed on, made whole where something is missing."""

from __future__ import annotations

from typing import Any

from promptlayer_patch._blueprint import blocks
from promptlayer_patch._blueprint.messages import Message, answer, message
from promptlayer_patch._blueprint.reading import Json, as_json, entries, mapping
from promptlayer_patch._blueprint.templates import Template, chat, completion

__all__ = ["logged_template"]


def logged_template(given: Any) -> Template:
    """`given` with all the fields of a template; what it says itself stands."""
    template = mapping(given)
    if template.get("type") == "completion" or ("content" in template and "messages" not in template):
        return {
            **completion([]),
            **template,
            "type": "completion",
            "content": _blocks(template.get("content")),
        }
    messages = [
        _message(entry) for entry in entries(template.get("messages")) if isinstance(entry, (dict, str))
    ]
    return {**chat([]), **template, "type": "chat", "messages": messages}


def _message(entry: Json | str) -> Message:
    if isinstance(entry, str):
        return message("user", [blocks.text(entry)])
    given = entry.get("role")
    role = given if isinstance(given, str) and given else "user"
    whole = answer([]) if role == "assistant" else message(role, [])
    return {
        **whole,
        "raw_request_display_role": "",
        **entry,
        "role": role,
        "content": _blocks(entry.get("content")),
    }


def _blocks(content: Any) -> list[Any]:
    """A text is stored by PromptLayer, but shown as malformed: it becomes a block."""
    if isinstance(content, str):
        return [blocks.text(content)]
    return [
        _block(block) for block in (content if isinstance(content, list) else [content]) if block is not None
    ]


def _block(block: Any) -> Any:
    if isinstance(block, dict):
        return block
    return blocks.text(block if isinstance(block, str) else as_json(block))
