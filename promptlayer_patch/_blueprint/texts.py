"""What messages say, as plain text to be searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from promptlayer_patch._blueprint.reading import Json, entries, leaves, mapping, mappings, string
from promptlayer_patch._blueprint.templates import Template, is_completion

__all__ = [
    "TEXT_CHARS",
    "Called",
    "calls_of",
    "input_text",
    "joined_text",
    "spoken",
    "tool_names_of",
    "turn",
    "unspoken",
]

TEXT_CHARS = 256 * 1024
"""So much of what was sent, and of what came back, is searched; the rest is kept, but not found."""

Called = tuple[str, str]
"""Name and arguments of one call of a tool."""


def joined_text(pieces: Iterable[str], separator: str) -> str:
    """The pieces that say something, up to `TEXT_CHARS` characters; no more of them are asked for."""
    kept, room = [], TEXT_CHARS
    for piece in pieces:
        if piece:
            kept.append(piece[:room])
            room -= len(kept[-1]) + len(separator)
            if room <= 0:
                break
    return separator.join(kept)


def input_text(asked: Template) -> str:
    """Each message as `[role]: text`, with a blank line between; of a completion, the prompt."""
    if is_completion(asked):
        return _plain_text(entries(asked.get("content")))
    return joined_text(_turns(mappings(asked.get("messages"))), "\n\n")


def spoken(content: Iterable[Any]) -> list[str]:
    """The texts among the blocks, uncut."""
    texts = (string(block.get("text")) for block in content if _is_text(block))
    return [text for text in texts if text]


def unspoken(content: Iterable[Any]) -> Iterator[str]:
    """What the other blocks hold; images and the like only their address, thoughts nothing."""
    return (_block_text(block) for block in content if isinstance(block, dict) and not _is_text(block))


def calls_of(message: Json) -> list[Called]:
    """The calls of tools that the application was asked to make."""
    made = [mapping(call.get("function")) for call in mappings(message.get("tool_calls"))]
    if legacy := mapping(message.get("function_call")):
        made.append(legacy)
    return [(string(one.get("name")), string(one.get("arguments"))) for one in made]


def tool_names_of(content: Iterable[Any]) -> Iterator[str]:
    """The tools that the provider ran itself, once for each time."""
    for block in content:
        if isinstance(block, dict) and isinstance(kind := block.get("type"), str) and kind in _RUN:
            yield _RUN[kind] or string(block.get("name"))


def _turns(messages: Iterable[Json]) -> Iterator[str]:
    for message in messages:
        words = _plain_text(entries(message.get("content")))
        calls = calls_of(message)
        if calls:
            words = joined_text((words, *(f"{name}({arguments})" for name, arguments in calls)), "\n")
        yield turn(string(message.get("role")), words)


def turn(role: str, words: str) -> str:
    """A message's line in `input_text`; empty where it says nothing, or only that others are missing."""
    return f"[{role[:64]}]: {words}" if words and role != "placeholder" else ""


def _plain_text(content: list[Any]) -> str:
    if len(content) == 1 and _is_text(content[0]):  # as nearly all messages are
        return string(content[0].get("text"))[:TEXT_CHARS]
    return joined_text((_block_text(block) for block in content if isinstance(block, dict)), "\n")


def _is_text(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "text"


def _block_text(block: Json) -> str:
    kind = block.get("type")
    if kind == "text":
        return string(block.get("text"))
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return reader(block) if reader else ""


def _address(url: Any) -> str:
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else ""


def _image(block: Json) -> str:
    return _address(mapping(block.get("image_url")).get("url"))


def _media(block: Json) -> str:
    about = mapping(block.get("media"))
    return joined_text((string(about.get("title")), _address(about.get("url"))), "\n")


def _output_media(block: Json) -> str:
    told = string(mapping(block.get("provider_metadata")).get("revised_prompt"))
    return joined_text((told, _address(block.get("url"))), "\n")


def _values(*fields: str) -> Callable[[Json], str]:
    """The values in these fields, one on a line."""

    def read(block: Json) -> str:
        return joined_text((text for field in fields for _, text in leaves(block.get(field))), "\n")

    return read


_RUN = {
    "server_tool_use": None,
    "mcp_call": None,
    "code": "code_interpreter",
    "shell_call": "shell",
    "apply_patch_call": "apply_patch",
}
"""Blocks that are the use of a tool, and its name; `None` where the block has a name."""

_READERS: dict[str, Callable[[Json], str]] = {
    "image_url": _image,
    "media": _media,
    "output_media": _output_media,
    "code": _values("code"),
    "server_tool_use": _values("name", "input"),
    "code_execution_result": _values("output"),
    "bash_code_execution_tool_result": _values("content"),
    "text_editor_code_execution_tool_result": _values("content"),
    "mcp_call": _values("name", "arguments", "output"),
    "mcp_approval_request": _values("name", "arguments"),
    "shell_call": _values("action"),
    "shell_call_output": _values("output"),
    "apply_patch_call": _values("operation"),
    "apply_patch_call_output": _values("output"),
}
