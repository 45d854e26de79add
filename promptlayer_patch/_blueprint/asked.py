"""What was sent, as a template: one reader for each API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from promptlayer_patch._blueprint import blocks
from promptlayer_patch._blueprint.apis import Api
from promptlayer_patch._blueprint.blocks import Block
from promptlayer_patch._blueprint.items import messages_of_items
from promptlayer_patch._blueprint.logged import logged_template
from promptlayer_patch._blueprint.messages import Message, message, messages_of, said, tool_result
from promptlayer_patch._blueprint.parts import content_of
from promptlayer_patch._blueprint.reading import Json, as_json, entries, mapping, mappings, string
from promptlayer_patch._blueprint.templates import Template, chat, completion
from promptlayer_patch._blueprint.tools import tools_beside

__all__ = ["CONTENT", "template_asked"]

CONTENT: dict[Api, frozenset[str]] = {
    Api.RESPONSES: frozenset({"input", "instructions"}),
    Api.COMPLETIONS: frozenset({"prompt"}),
    Api.EMBEDDINGS: frozenset({"input"}),
    Api.IMAGES: frozenset({"prompt", "image", "mask"}),
    Api.SPEECH: frozenset({"input", "instructions"}),
    Api.TRANSCRIPTION: frozenset({"prompt", "file"}),
    Api.MODERATIONS: frozenset({"input"}),
    Api.ASSISTANTS: frozenset(
        {"instructions", "additional_instructions", "additional_messages", "thread", "tool_outputs"}
        | {"role", "content"}
    ),
    Api.MESSAGES: frozenset({"system"}),
}
"""The arguments that are put into the template, and so are no parameters."""


def template_asked(api: Api, request: Json, provider: str) -> Template:
    """What was sent, as a chat or a completion template."""
    if api is Api.LOGGED:
        return logged_template(request.get("input"))
    if api is Api.COMPLETIONS:
        return completion(_prompts(request.get("prompt")))
    if api is Api.POSITIONAL and not any(isinstance(entry, dict) for entry in _flat(request.get("args"))):
        return completion(_prompts(request.get("args")))
    return chat(_READERS[api](request), tools_beside(request, provider))


def _chat(request: Json) -> list[Message]:
    return messages_of(request.get("messages"))


def _responses(request: Json) -> list[Message]:
    given, instructions = request.get("input"), request.get("instructions")
    made = []
    if isinstance(instructions, list):
        made = messages_of_items(instructions)
    elif isinstance(instructions, str) and instructions:
        made = [message("system", [blocks.text(instructions)])]
    if filled := content_of(list(mapping(mapping(request.get("prompt")).get("variables")).values())).blocks:
        made.append(message("user", filled))  # a prompt kept at OpenAI: what was put into it is all we have
    return made + ([_of_user(given)] if isinstance(given, str) else messages_of_items(given))


def _anthropic(request: Json) -> list[Message]:
    made = messages_of(request.get("messages"))
    system = content_of(request.get("system")).blocks
    return [message("system", system), *made] if system else made


def _positional(request: Json) -> list[Message]:
    return messages_of(_flat(request.get("args")))


def _input(request: Json) -> list[Message]:
    given = request.get("input")
    content = _prompts(given) if not mappings(given) else content_of(given).blocks
    return [message("user", content)] if content else []


def _speech(request: Json) -> list[Message]:
    told = string(request.get("instructions"))
    return [message("system", [blocks.text(told)]), *_input(request)] if told else _input(request)


def _images(request: Json) -> list[Message]:
    content = _prompts(request.get("prompt"))
    for name in ("image", "mask"):
        content += _files(name, request.get(name))
    return [message("user", content)] if content else []


def _transcription(request: Json) -> list[Message]:
    content = _files("audio", request.get("file")) + _prompts(request.get("prompt"))
    return [message("user", content)] if content else []


def _assistants(request: Json) -> list[Message]:
    told = (string(request.get(name)) for name in ("instructions", "additional_instructions"))
    made = [message("system", [blocks.text(words)]) for words in told if words]
    for given in (mapping(request.get("thread")).get("messages"), request.get("messages")):
        made += messages_of(given)
    made += messages_of(request.get("additional_messages"))
    if "content" in request:
        made += said(request)
    for output in mappings(request.get("tool_outputs")):
        made.append(tool_result(output.get("tool_call_id"), content_of(output.get("output")).blocks))
    return made


def _other(request: Json) -> list[Message]:
    shown = {key: value for key, value in request.items() if key != "model"}
    return [_of_user(as_json(shown, indent=2))] if shown else []


def _of_user(words: str) -> Message:
    return message("user", [blocks.text(words)])


def _flat(args: Any) -> list[Any]:
    """LangChain has a list of prompts, of messages or of lists of messages; in JavaScript also one prompt."""
    given = [args] if isinstance(args, (str, dict)) else entries(args)
    return [one for entry in given for one in (entry if isinstance(entry, list) else (entry,))]


def _prompts(given: Any) -> list[Block]:
    """One text, several, or tokens, of which only the number can be read."""
    if isinstance(given, str):
        return [blocks.text(given)]
    made, tokens = [], 0
    for one in entries(given):
        if isinstance(one, str):
            made.append(blocks.text(one))
        elif isinstance(one, int):
            tokens += 1
        elif isinstance(one, list) and one and isinstance(one[0], int):
            made.append(blocks.text(f"[tokens: {len(one)}]"))
        elif one is not None:
            made.append(blocks.text(as_json(one)))
    return [*made, blocks.text(f"[tokens: {tokens}]")] if tokens else made


def _files(title: str, given: Any) -> list[Block]:
    """Files, of which a record keeps name, type and size."""
    made = []
    for file in given if isinstance(given, list) else (given,):
        if isinstance(file, dict):
            name = string(file.get("name")) or title
            made.append(blocks.media(name, string(file.get("type")) or title, file.get("url")))
        elif isinstance(file, str):
            made.append(blocks.media(title, title, file))
    return made


_READERS: dict[Api, Callable[[Json], list[Message]]] = {
    Api.CHAT: _chat,
    Api.RESPONSES: _responses,
    Api.MESSAGES: _anthropic,
    Api.POSITIONAL: _positional,
    Api.EMBEDDINGS: _input,
    Api.MODERATIONS: _input,
    Api.SPEECH: _speech,
    Api.IMAGES: _images,
    Api.TRANSCRIPTION: _transcription,
    Api.ASSISTANTS: _assistants,
    Api.OTHER: _other,
}
