"""Messages of chats, in OpenAI's form or Anthropic's, as PromptLayer spells them."""

from __future__ import annotations

from typing import Any

from promptlayer_patch._blueprint import blocks
from promptlayer_patch._blueprint.blocks import Block
from promptlayer_patch._blueprint.parts import Content, call, content_of
from promptlayer_patch._blueprint.reading import Json, entries, mapping, mappings, string

__all__ = ["Message", "answer", "message", "messages_of", "said", "tool_result"]

Message = dict[str, Any]


def message(role: str, content: list[Block], name: Any = None) -> Message:
    return {
        "input_variables": [],
        "template_format": "f-string",
        "content": content,
        "raw_request_display_role": role,
        "dataset_examples": [],
        "role": role,
        "name": string(name) or None,
    }


def answer(content: list[Block], calls: list[dict[str, Any]] | None = None, name: Any = None) -> Message:
    """A message of the assistant's."""
    return {**message("assistant", content, name), "function_call": None, "tool_calls": calls or None}


def tool_result(call_id: Any, content: list[Block]) -> Message:
    return {**message("tool", content), "tool_call_id": string(call_id)}


def messages_of(given: Any, role: str = "user") -> list[Message]:
    """The messages of the list `given`; those that do not say whose they are, are of `role`."""
    made: list[Message] = []
    for entry in entries(given):
        if isinstance(entry, dict):
            made += said(entry, role)
        elif isinstance(entry, str):
            # Nothing a provider takes: so our shortening says how many messages are missing.
            made.append(message("placeholder", [blocks.text(entry)], "shortened"))
    return made


def said(entry: Json, role: str = "user") -> list[Message]:
    """The message `entry`: one, or several where results of tools lie in it."""
    given = entry.get("role")
    role = given if isinstance(given, str) and given else role
    content = content_of(entry.get("content"))
    if role == "assistant" or content.calls:
        return [_answer(entry, content)]
    if role == "tool":
        return [tool_result(entry.get("tool_call_id"), content.blocks)]
    made = [tool_result(call_id, found) for call_id, found in content.results]
    if content.blocks or not made:
        made.append(message(role, content.blocks, entry.get("name")))
    return made


def _answer(entry: Json, content: Content) -> Message:
    found = content.blocks
    if thought := string(entry.get("reasoning_content")) or string(entry.get("reasoning")):
        found.insert(0, blocks.thinking(thought))
    if refusal := string(entry.get("refusal")):
        found.append(blocks.text(refusal))
    if isinstance(sound := entry.get("audio"), dict):
        found += _spoken(sound)
    if (notes := entry.get("annotations")) and found and found[-1]["type"] == "text":
        found[-1] = blocks.text(found[-1]["text"], notes)
    if raw := entry.get("tool_calls"):
        content.calls += map(_call, mappings(raw))
    made = answer(found, content.calls, entry.get("name"))
    if isinstance(function := entry.get("function_call"), dict):
        made["function_call"] = call("", function.get("name"), function.get("arguments"))["function"]
    return made


def _call(entry: Json) -> dict[str, Any]:
    if isinstance(custom := entry.get("custom"), dict):
        return call(entry.get("id"), custom.get("name"), custom.get("input"), "custom")
    function = mapping(entry.get("function"))
    return call(entry.get("id"), function.get("name"), function.get("arguments"))


def _spoken(sound: Json) -> list[Block]:
    found = []
    if words := string(sound.get("transcript")):
        found.append(blocks.text(words))
    if data := string(sound.get("data")):
        mime_type = f"audio/{string(sound.get('format')) or 'wav'}"
        url = blocks.data_url(mime_type, data)
        found.append(blocks.output_media(url, mime_type, "audio", sound.get("id")))
    return found
