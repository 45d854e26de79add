"""What search and the charts know of a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from promptlayer_patch._blueprint.reading import Json, entries, leaves, mappings, parsed_object
from promptlayer_patch._blueprint.templates import Template, is_completion
from promptlayer_patch._blueprint.texts import (
    Called,
    calls_of,
    input_text,
    joined_text,
    spoken,
    tool_names_of,
    unspoken,
)
from promptlayer_patch._blueprint.usage import Usage

__all__ = ["OUTPUT_PATHS", "OUTPUT_VALUES", "VALUE_CHARS", "Facts", "facts_from", "output_text_of"]

OUTPUT_PATHS = 200
"""So many paths of one output are known; those after them only by the text."""
OUTPUT_VALUES = 1000
"""So many values of one output are known, over all its paths."""
VALUE_CHARS = 1024
"""So much of each value."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is indexed of one request."""

    input_text: str
    """`[role]: text` of each message that was sent, with a blank line between."""
    output_text: str
    """The answer as plain text: of an object `path: value` lines, of tool calls their names and values."""
    shape: str
    """`json` (the answer is an object), `tool_call` (the application is to run something), `plain_text`."""
    output_values: Mapping[str, tuple[str, ...]]
    """The values at each dotted path of an object or of tool calls; lists have no step of their own."""
    tool_names: tuple[str, ...]
    """The tools that the answer calls, or that the provider ran for it, each once."""
    turn_count: int
    """Messages of the user's in what was sent."""
    tool_call_count: int
    """Calls of tools in the answer, those that the provider ran included."""
    api_type: str | None
    """PromptLayer's word for the API: `chat-completions`, `responses`, ..."""
    parameters: Mapping[str, Any]
    """The arguments that are neither content nor tools."""
    usage: Usage


def facts_from(
    asked: Template, answered: Template, api_type: str | None, parameters: Mapping[str, Any], usage: Usage
) -> Facts:
    """The facts of what `asked` and `answered` say."""
    messages = mappings(answered.get("messages"))
    content = _content(answered, messages)
    calls = [call for one in messages for call in calls_of(one)]
    run = list(tool_names_of(content))
    shape, output_text, values = _output(calls, content)
    return Facts(
        input_text=input_text(asked),
        output_text=output_text,
        shape=shape,
        output_values=values,
        tool_names=tuple(dict.fromkeys(name for name in (*(name for name, _ in calls), *run) if name)),
        turn_count=sum(one.get("role") == "user" for one in mappings(asked.get("messages"))),
        tool_call_count=len(calls) + len(run),
        api_type=api_type,
        parameters=parameters,
        usage=usage,
    )


def output_text_of(answered: Template) -> str:
    """`Facts.output_text` of what `answered` says."""
    messages = mappings(answered.get("messages"))
    calls = [call for one in messages for call in calls_of(one)]
    return _output(calls, _content(answered, messages))[1]


def _content(answered: Template, messages: list[Json]) -> list[Any]:
    if is_completion(answered):
        return entries(answered.get("content"))
    return [block for one in messages for block in entries(one.get("content"))]


def _output(calls: list[Called], content: list[Any]) -> tuple[str, str, Mapping[str, tuple[str, ...]]]:
    """Shape, text and values of the answer; what was done for it stands after what it says."""
    texts, rest = spoken(content), unspoken(content)
    if calls:
        flat = list(_calls(calls))
        lines = (value if path == _NAME else f"{_short(path)}: {value}" for path, value in flat)
        return "tool_call", joined_text((*texts, *lines, *rest), "\n"), _grouped(flat)
    if len(texts) == 1 and (found := parsed_object(texts[0])) is not None:
        flat = list(leaves(found))
        lines = (f"{path}: {value}" for path, value in flat)
        return "json", joined_text(chain(lines, rest), "\n") or "{}", _grouped(flat)
    return "plain_text", joined_text(chain(texts, rest), "\n"), {}


_NAME = "tool_calls.function.name"
_ARGUMENTS = "tool_calls.function.arguments"


def _calls(calls: Iterable[Called]) -> Iterator[tuple[str, str]]:
    for name, arguments in calls:
        yield _NAME, name
        if (found := parsed_object(arguments)) is None:
            if arguments:
                yield _ARGUMENTS, arguments
            continue
        for path, value in leaves(found):
            yield f"{_ARGUMENTS}.{path}", value


def _short(path: str) -> str:
    """The path within the arguments, which is all that a reader wants to see."""
    return path.removeprefix(_ARGUMENTS).removeprefix(".") or "arguments"


def _grouped(flat: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    grouped: dict[str, list[str]] = {}
    for number, (path, value) in enumerate(flat):
        if number == OUTPUT_VALUES:
            break
        if path in grouped or len(grouped) < OUTPUT_PATHS:
            grouped.setdefault(path, []).append(value[:VALUE_CHARS])
    return {path: tuple(values) for path, values in grouped.items()}
