"""The parts that providers make content of, as blocks; calls of tools and their results may be among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from promptlayer_patch._blueprint import blocks
from promptlayer_patch._blueprint.blocks import Block
from promptlayer_patch._blueprint.reading import Json, as_json, entries, mapping, mappings, string

__all__ = ["Content", "call", "content_of"]


@dataclass(slots=True)
class Content:
    """What the content of one message holds."""

    blocks: list[Block] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: list[tuple[str, list[Block]]] = field(default_factory=list)
    """What tools gave back, with the id of the call: Anthropic puts it into a message of the user's."""


def content_of(given: Any, *, of_result: bool = False) -> Content:
    """`given` as blocks: a text, one part, or a list of parts and texts.

    `of_result`: it is what a tool gave back, in which no other result is looked for.
    """
    if isinstance(given, str):
        return Content([blocks.text(given)])
    content = Content()
    for part in (given,) if isinstance(given, dict) else entries(given):
        if isinstance(part, str):
            content.blocks.append(blocks.text(part))
        elif isinstance(part, dict):
            _take(part, content, of_result)
        elif part is not None:
            content.blocks.append(blocks.text(as_json(part)))
    return content


def call(
    call_id: Any, name: Any, arguments: Any, kind: str | None = None, tool_id: Any = None
) -> dict[str, Any]:
    """A call of a tool that the application is to run; `kind` tells what is no function."""
    made = {
        "id": string(call_id),
        "type": "function",
        "tool_id": string(tool_id) or None,
        "function": {"name": string(name), "arguments": _arguments(arguments)},
    }
    return made if kind is None else {**made, "provider_metadata": {"type": kind}}


def _arguments(given: Any) -> str:
    if given is None:
        return ""
    return given if isinstance(given, str) else as_json(given)


def _take(part: Json, content: Content, of_result: bool) -> None:
    kind = part.get("type")
    if kind == "tool_use":
        content.calls.append(call(part.get("id"), part.get("name"), part.get("input")))
    elif kind == "tool_result" and not of_result:
        found = content_of(part.get("content"), of_result=True).blocks
        content.results.append((string(part.get("tool_use_id")), found))
    else:
        reader = _READERS.get(kind, _other) if isinstance(kind, str) else _untyped
        content.blocks.append(reader(part))


def _text(part: Json) -> Block:
    said = part.get("text")
    notes = part.get("annotations") or part.get("citations")
    if isinstance(said, dict):  # of assistants: the text in an object, with its citations
        notes, said = said.get("annotations"), said.get("value")
    return blocks.text(said if isinstance(said, str) else "" if said is None else as_json(said), notes)


def _untyped(part: Json) -> Block:
    return _text(part) if isinstance(part.get("text"), str) else _other(part)


def _refusal(part: Json) -> Block:
    return blocks.text(string(part.get("refusal")))


def _thinking(part: Json) -> Block:
    thought = part.get("thinking")
    if isinstance(thought, list):  # Mistral's thoughts are parts of their own
        thought = "".join(string(one.get("text")) for one in mappings(thought))
    return blocks.thinking(string(thought) or string(part.get("text")), part.get("signature"))


def _redacted_thinking(part: Json) -> Block:
    return blocks.thinking("", part.get("data"))


def _image(part: Json) -> Block:
    given = part.get("image_url")
    where, detail = given, part.get("detail")
    if isinstance(given, dict):
        where, detail = given.get("url"), given.get("detail")
    if isinstance(where, str) and where:
        return blocks.image(where, detail)
    known = part.get("file_id") or mapping(part.get("image_file")).get("file_id")
    return blocks.media(string(known) or "image", "image")


def _audio(part: Json) -> Block:
    sound = mapping(part.get("input_audio"))
    return blocks.media("audio", f"audio/{string(sound.get('format')) or 'wav'}", sound.get("data"))


def _file(part: Json) -> Block:
    file = mapping(part.get("file")) or part
    data = string(file.get("file_data")) or string(file.get("file_url"))
    title = string(file.get("filename")) or string(file.get("file_id")) or "file"
    return blocks.media(title, _mime_type(data, "application/octet-stream"), data)


def _source(part: Json) -> Block:
    """An image or a document of Anthropic's: data, a URL, or text."""
    source = mapping(part.get("source"))
    if isinstance(words := source.get("data"), str) and source.get("type") == "text":
        return blocks.text(words)
    kind = string(part.get("type")) or "file"
    where = string(source.get("data")) or string(source.get("url")) or string(source.get("file_id"))
    if kind == "image" and where.startswith(("http://", "https://")):
        return blocks.image(where)
    title = string(part.get("title")) or kind
    return blocks.media(title, string(source.get("media_type")) or kind, where)


def _mime_type(data: str, otherwise: str) -> str:
    return data[5:200].partition(";")[0] or otherwise if data.startswith("data:") else otherwise


def _server_tool_use(part: Json) -> Block:
    return blocks.server_tool_use(part.get("id"), string(part.get("name")), mapping(part.get("input")))


def _mcp_tool_use(part: Json) -> Block:
    return {
        "type": "mcp_call",
        "id": part.get("id"),
        "name": part.get("name"),
        "server_label": part.get("server_name"),
        "arguments": _arguments(part.get("input")),
        "output": None,
        "error": None,
        "approval_request_id": None,
    }


def _other(part: Json) -> Block:
    return blocks.text(as_json(part))


_READERS: dict[str, Callable[[Json], Block]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "summary_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "reasoning_text": _thinking,
    "redacted_thinking": _redacted_thinking,
    "image_url": _image,
    "input_image": _image,
    "image_file": _image,
    "computer_screenshot": _image,
    "input_audio": _audio,
    "file": _file,
    "input_file": _file,
    "image": _source,
    "document": _source,
    "server_tool_use": _server_tool_use,
    "mcp_tool_use": _mcp_tool_use,
    # What PromptLayer has the same block for.
    **dict.fromkeys(
        (
            "media",
            "media_variable",
            "output_media",
            "code",
            "web_search_tool_result",
            "code_execution_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "mcp_list_tools",
            "mcp_call",
            "mcp_approval_request",
            "mcp_approval_response",
            "shell_call",
            "shell_call_output",
            "apply_patch_call",
            "apply_patch_call_output",
        ),
        dict,
    ),
}
