"""Templates as Anthropic's messages take them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from promptlayer_patch.server.registry.parts import mapping, media_in

__all__ = ["anthropic_call"]

_MAX_TOKENS = 1024
"""Anthropic takes no call without a limit; a template's own goes over it."""
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def anthropic_call(template: Mapping[str, Any]) -> dict[str, Any]:
    system: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    for message in template["messages"]:
        role = message.get("role")
        if role in ("system", "developer"):
            system.extend(part for block in message.get("content") or () for part in _parts(block))
        elif role != "placeholder":
            _say(messages, "assistant" if role == "assistant" else "user", list(_content(message)))
    made: dict[str, Any] = {"messages": messages, "max_tokens": _MAX_TOKENS}
    if system:
        made["system"] = system
    return {**made, **_tools(template)}


def _say(messages: list[dict[str, Any]], role: str, content: list[dict[str, Any]]) -> None:
    """Anthropic wants the results of all tools of a turn in one message, so what one says is put together."""
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"].extend(content)
    elif content:
        messages.append({"role": role, "content": content})


def _content(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    parts = [part for block in message.get("content") or () for part in _parts(block)]
    if message.get("role") in ("tool", "function"):
        called = message.get("tool_call_id") or message.get("name")
        yield {"type": "tool_result", "tool_use_id": called, "content": parts}
        return
    yield from parts
    for call in message.get("tool_calls") or ():
        function = mapping(call.get("function"))
        yield {
            "type": "tool_use",
            "id": call.get("id"),
            "name": function.get("name"),
            "input": _arguments(function.get("arguments")),
        }


def _parts(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    match block.get("type"):
        case "text":
            if block.get("text"):  # an empty text is refused
                yield {"type": "text", "text": block["text"]}
        case "thinking":
            yield {
                "type": "thinking",
                "thinking": block.get("thinking"),
                "signature": block.get("signature") or "",
            }
        case "image_url":
            yield {"type": "image", "source": _source(str(mapping(block.get("image_url")).get("url") or ""))}
        case "media":
            media = media_in(block)
            if media is not None:
                kind = "image" if media.kind.startswith("image/") else "document"
                yield {"type": kind, "source": _source(media.url)}


def _source(url: str) -> dict[str, Any]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, data = url[5:].partition(",")
    return {"type": "base64", "media_type": head.partition(";")[0] or "image/png", "data": data}


def _arguments(text: Any) -> Any:
    """Anthropic takes an object where OpenAI takes its JSON; what is none becomes an empty one."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tools(template: Mapping[str, Any]) -> dict[str, Any]:
    tools = [_tool(tool) for tool in template.get("tools") or ()]
    if not tools:
        return {}
    choice = template.get("tool_choice")
    if isinstance(choice, str) and choice in _CHOICES:
        return {"tools": tools, "tool_choice": {"type": _CHOICES[choice]}}
    named = mapping(mapping(choice).get("function")).get("name")
    return {"tools": tools, **({"tool_choice": {"type": "tool", "name": named}} if named else {})}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type", "function") != "function":
        return {"type": tool.get("type"), "name": tool.get("name"), **mapping(tool.get("config"))}
    function = mapping(tool.get("function"))
    return {
        "name": function.get("name"),
        "description": function.get("description") or "",
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }
