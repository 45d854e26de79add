"""Messages as spans say them, in the form of PromptLayer's prompt templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptlayer_patch._spans.values import as_text, mapping, mappings, parsed, text

__all__ = ["chat", "completion", "conversation", "instructions", "messages_of", "tools"]

_ROLES = {
    **{role: role for role in ("system", "developer", "user", "assistant", "tool", "function")},
    "ai": "assistant",
    "human": "user",
    "model": "assistant",
}
_SAID = frozenset({"text", "input_text", "output_text"})
_THOUGHT = frozenset({"reasoning", "thinking"})
_CALL = frozenset({"tool_call", "tool_use"})
_ANSWER = frozenset({"tool_call_response", "tool_result"})
_MEDIA = frozenset({"blob", "uri"})
_BLOCKS = {"text": "text", "image_url": "image_url", "media": "media", "thinking": "thinking", "code": "code"}
"""Kinds of PromptLayer's blocks that some instrumentations write themselves, and the field each must have."""
_PARTS = _SAID | _THOUGHT | _CALL | _ANSWER | _MEDIA | _BLOCKS.keys()


def conversation(value: Any, default_role: str) -> list[dict[str, Any]]:
    """The messages of `gen_ai.input.messages` and its like: a list, or JSON that says one, or plain text."""
    found = parsed(value)
    said = found if isinstance(found, list) else [found]
    return [made for one in said if one for made in _made(one, default_role)]


def _made(said: Any, default_role: str) -> list[dict[str, Any]]:
    message = said if isinstance(said, Mapping) else {"content": as_text(said)}
    return messages_of(message, default_role)


def instructions(value: Any) -> list[dict[str, Any]]:
    """The system message that `gen_ai.system_instructions` stands for: parts, or plain text."""
    found = parsed(value)
    if isinstance(found, list) and any(isinstance(one, Mapping) and "role" in one for one in found):
        return conversation(found, "system")
    return messages_of({"content": found}, "system") if found else []


def messages_of(message: Mapping[str, Any], default_role: str) -> list[dict[str, Any]]:
    """One message of a span. Each answer of a tool becomes a message of its own, as models take them."""
    blocks: list[dict[str, Any]] = []
    calls = [_tool_call(call) for call in mappings(parsed(message.get("tool_calls")))]
    answers: list[dict[str, Any]] = []
    if thinking := text(message.get("thinking")):
        blocks.append({"type": "thinking", "thinking": thinking})
    for part in _parts(message):
        kind = _kind(part)
        if kind in _CALL:
            calls.append(_tool_call(part))
        elif kind in _ANSWER:
            answers.append(_tool_answer(part))
        else:
            blocks.extend(_block(part, kind))
    if answers and not blocks and not calls:
        return answers
    return [_message(message, default_role, blocks, calls), *answers]


def chat(messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A template of chat messages."""
    return {"type": "chat", "messages": messages, **more}


def completion(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A template of plain text, made of what the messages say."""
    content = [block for message in messages for block in message["content"]]
    return {"type": "completion", "content": content, "input_variables": [], "template_format": "f-string"}


def tools(definitions: Any) -> list[dict[str, Any]]:
    """The tools of `gen_ai.tool.definitions`, whether or not each has a `function` of its own."""
    return [
        {"type": "function", "function": _described(mapping(tool.get("function")) or tool)}
        for tool in mappings(parsed(definitions))
        if tool.get("type", "function") == "function"
    ]


def _message(
    message: Mapping[str, Any], default_role: str, blocks: list[dict[str, Any]], calls: list[dict[str, Any]]
) -> dict[str, Any]:
    role = _ROLES.get(str(message.get("role") or default_role).lower(), default_role)
    made: dict[str, Any] = {"role": role, "content": blocks}
    if calls:
        made["tool_calls"] = calls
    if name := text(message.get("name")):
        made["name"] = name
    if role == "tool":
        made["tool_call_id"] = text(message.get("tool_call_id")) or text(message.get("id")) or ""
    return made


def _parts(message: Mapping[str, Any]) -> list[Any]:
    parts = message.get("parts")
    if parts is None:
        parts = message.get("content")
    found = parsed(parts)
    if isinstance(parts, str) and not _is_list_of_parts(found):
        return [parts]  # JSON, perhaps, but as what is being said
    if isinstance(found, list):
        return found
    return [] if found is None else [found]


def _is_list_of_parts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_kind(one) in _PARTS for one in value)


def _kind(part: Any) -> str:
    return text(mapping(part).get("type")) or ""


def _block(part: Any, kind: str) -> Iterator[dict[str, Any]]:
    """A part as a block; what has no block of its own is said as JSON."""
    if isinstance(part, str):
        if part:  # nothing is said beside a call of a tool
            yield {"type": "text", "text": part}
    elif kind in _SAID and isinstance(words := _words(part), str):
        yield {"type": "text", "text": words}
    elif kind in _THOUGHT and isinstance(words := _words(part), str):
        yield {"type": "thinking", "thinking": words}
    elif kind in _MEDIA and (media := _media(part)):
        yield media
    elif kind in _BLOCKS and _BLOCKS[kind] in part:
        yield dict(part)
    elif part is not None:
        yield {"type": "text", "text": as_text(part)}


def _words(part: Mapping[str, Any]) -> Any:
    return next((part[name] for name in ("content", "text", "thinking") if name in part), None)


def _media(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """A picture or another file, by its address or by its bytes in base64."""
    mime = text(part.get("mime_type")) or ""
    is_image = part.get("modality") == "image" or mime.startswith("image/")
    address, data = text(part.get("uri")), text(part.get("content")) or text(part.get("data"))
    if is_image and (url := address or (data and f"data:{mime or 'image/png'};base64,{data}")):
        return {"type": "image_url", "image_url": {"url": url}}
    if address or data:
        written = "url" if address else "base64"
        return {
            "type": "media",
            "media": {"title": "media", "type": mime, "url": address or data, "format": written},
        }
    return None


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(call.get("function")) or call
    arguments = next((function[name] for name in ("arguments", "input", "args") if name in function), "")
    return {
        "id": as_text(call.get("id") or ""),
        "type": "function",
        "function": {"name": as_text(function.get("name") or ""), "arguments": as_text(arguments)},
    }


def _tool_answer(part: Mapping[str, Any]) -> dict[str, Any]:
    said = next((part[name] for name in ("response", "result", "content") if name in part), "")
    return {
        "role": "tool",
        "content": [{"type": "text", "text": as_text(said)}],
        "tool_call_id": as_text(part.get("id") or part.get("tool_use_id") or part.get("tool_call_id") or ""),
    }


def _described(function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": as_text(function.get("name") or ""),
        "description": as_text(function.get("description") or ""),
        "parameters": dict(mapping(parsed(function.get("parameters")))),
    }
