"""What a response says, in words and in tokens, whichever API it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from promptlayer_patch._encoding import string

__all__ = ["output_text", "preview", "token_counts", "writable"]

_PREVIEW_CHARS = 120
_LARGEST_INTEGER = 2**63 - 1
_NOTHING: Mapping[str, Any] = {}


def writable(value: object) -> str:
    """`value` as SQLite can hold it: half a surrogate pair, which UTF-8 cannot say, is spelled out."""
    text = value if type(value) is str else string(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def token_counts(response: Any) -> tuple[int | None, int | None]:
    """Input and output tokens as the provider counted them; `None` where it did not."""
    usage = _mapping(_mapping(response).get("usage"))
    return _first_count(usage, "prompt_tokens", "input_tokens"), _first_count(
        usage, "completion_tokens", "output_tokens"
    )


def output_text(response: Any) -> str:
    """The model's answer as text, tool calls as `name(arguments)`; empty for images, vectors and the like."""
    if isinstance(response, str):
        return response
    if (said := _only_text(response)) is not None:
        return said
    return "\n".join(piece for piece in _pieces(_mapping(response)) if piece)


def preview(response: Any) -> str:
    """The beginning of the answer on one line, for lists."""
    said = output_text(response)
    line = _line(said[: 2 * _PREVIEW_CHARS])
    if len(line) <= _PREVIEW_CHARS:  # short, or full of spaces
        line = _line(said[: 8 * _PREVIEW_CHARS])
    return line if len(line) <= _PREVIEW_CHARS else line[: _PREVIEW_CHARS - 1] + "…"


def _line(text: str) -> str:
    return " ".join(text.split())


def _only_text(response: Any) -> str | None:
    """What a chat completion says that is one text and nothing else, as nearly all are."""
    choices = response.get("choices") if type(response) is dict else None
    if type(choices) is not list or len(choices) != 1 or "output" in response or "text" in response:
        return None
    choice = choices[0]
    message = choice.get("message") if type(choice) is dict and "text" not in choice else None
    if type(message) is not dict or any(map(message.get, _BESIDE)):
        return None
    content = message.get("content")
    return content if type(content) is str else None


_BESIDE = ("refusal", "tool_calls", "function_call")
"""Where a message says more than its content does."""


def _pieces(response: Mapping[str, Any]) -> Iterator[str]:
    for choice in _mappings(response.get("choices")):
        yield _string(choice.get("text"))
        yield from _message(_mapping(choice.get("message")))
    output = response.get("output")
    for item in _mappings(output):
        yield from _message(item)
        if item.get("type") == "function_call":
            yield _call(item)
    if _is_mapping(output):  # of PromptLayer: chat messages, or text as content
        for message in (output, *_mappings(output.get("messages"))):
            yield from _message(message)
    yield _string(response.get("text"))


def _message(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        pieces = [content]
    else:
        pieces = [_string(part.get("text")) or _string(part.get("refusal")) for part in _mappings(content)]
    pieces.append(_string(message.get("refusal")))
    for call in _mappings(message.get("tool_calls")):
        pieces.append(_call(_mapping(call.get("function")) or _mapping(call.get("custom"))))
    if function := message.get("function_call"):
        pieces.append(_call(_mapping(function)))
    return pieces


def _call(function: Mapping[str, Any]) -> str:
    if not function.get("name"):
        return ""
    return f"{function['name']}({_string(function.get('arguments')) or _string(function.get('input'))})"


def _first_count(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_INTEGER:
            return value
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if _is_mapping(value) else _NOTHING


def _mappings(value: Any) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if _is_mapping(item)] if isinstance(value, list) else ()


def _is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    # What JSON is decoded to is a dict; to ask for a `Mapping` takes five times as long.
    return isinstance(value, (dict, Mapping))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
