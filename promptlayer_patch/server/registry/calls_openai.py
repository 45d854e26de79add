"""Templates as OpenAI takes them: chat completions, completions, responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptlayer_patch._registry.blueprint import openai_messages
from promptlayer_patch.server.registry.parts import mapping, media_in, text_in

__all__ = ["chat_call", "completion_call", "responses_call"]


def chat_call(template: Mapping[str, Any]) -> dict[str, Any]:
    messages = [_chat_message(message) for message in template["messages"]]
    return {"messages": openai_messages(messages), **_chat_tools(template)}


def completion_call(template: Mapping[str, Any]) -> dict[str, Any]:
    return {"prompt": text_in(template["content"])}


def responses_call(template: Mapping[str, Any]) -> dict[str, Any]:
    items = [item for message in template["messages"] for item in _items(message)]
    return {"input": items, **_responses_tools(template)}


# Chat completions


def _chat_message(message: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(message)
    if isinstance(message.get("content"), list):
        made["content"] = [part for block in message["content"] for part in _chat_parts(block)]
    if isinstance(message.get("tool_calls"), list):
        made["tool_calls"] = [_tool_call(call) for call in message["tool_calls"]]
    return made


def _chat_parts(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The block as OpenAI takes it; nothing for what only other providers know."""
    media = media_in(block)
    if media is not None:
        kind, url = media.kind, media.url
        if kind.startswith("image/"):
            yield {"type": "image_url", "image_url": {"url": url}}
        elif kind.startswith("audio/") and url.startswith("data:"):
            sound = {"data": url.partition(",")[2], "format": kind.partition("/")[2]}
            yield {"type": "input_audio", "input_audio": sound}
        else:
            yield {"type": "file", "file": {"filename": media.title, "file_data": url}}
    elif block.get("type") in ("text", "image_url", "input_audio", "file", "refusal"):
        yield block


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(call.get("function"))
    said = {"name": function.get("name"), "arguments": function.get("arguments")}
    return {"id": call.get("id"), "type": "function", "function": said}


# Responses


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    role, content = message.get("role"), message.get("content")
    if role == "placeholder":
        return
    if role in ("tool", "function"):
        called = message.get("tool_call_id") or message.get("name")
        yield {"type": "function_call_output", "call_id": called, "output": text_in(content)}
        return
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [part for block in content or () for part in _response_parts(block, kind)]
    if parts or not message.get("tool_calls"):
        yield {"role": role, "content": parts}
    for call in message.get("tool_calls") or ():
        function = mapping(call.get("function"))
        named = {"name": function.get("name"), "arguments": function.get("arguments")}
        yield {"type": "function_call", "call_id": call.get("id"), **named}


def _response_parts(block: Mapping[str, Any], text_kind: str) -> Iterator[dict[str, Any]]:
    media = media_in(block)
    if media is not None:
        kind, url = media.kind, media.url
        if kind.startswith("image/"):
            yield {"type": "input_image", "image_url": url}
        elif url.startswith("data:"):
            yield {"type": "input_file", "filename": media.title, "file_data": url}
        else:
            yield {"type": "input_file", "file_url": url}
    elif block.get("type") == "text":
        yield {"type": text_kind, "text": block.get("text")}
    elif block.get("type") == "image_url":
        image = mapping(block.get("image_url"))
        detail = {"detail": image["detail"]} if image.get("detail") else {}
        yield {"type": "input_image", "image_url": image.get("url"), **detail}


def _responses_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    if _is_function(tool):
        return {"type": "function", **mapping(tool.get("function"))}
    return {"type": tool.get("type"), **mapping(tool.get("config"))}


# Both


def _chat_tools(template: Mapping[str, Any]) -> dict[str, Any]:
    """Only functions: those of the provider's own are for responses."""
    tools = [tool for tool in template.get("tools") or () if _is_function(tool)]
    made = _chosen("tools", tools, "tool_choice", template.get("tool_choice"))
    functions = template.get("functions") or []
    return {**made, **_chosen("functions", functions, "function_call", template.get("function_call"))}


def _responses_tools(template: Mapping[str, Any]) -> dict[str, Any]:
    tools = [_responses_tool(tool) for tool in template.get("tools") or ()]
    choice = template.get("tool_choice")
    function = mapping(choice).get("function")
    if isinstance(function, Mapping):
        choice = {"type": "function", **function}
    return _chosen("tools", tools, "tool_choice", choice)


def _chosen(name: str, things: list[Any], choice_name: str, choice: Any) -> dict[str, Any]:
    """A choice without anything to choose from is left out: OpenAI refuses it."""
    if not things:
        return {}
    return {name: things, **({} if choice is None else {choice_name: choice})}


def _is_function(tool: Mapping[str, Any]) -> bool:
    return bool(tool.get("type", "function") == "function")
