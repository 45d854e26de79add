"""What came back, as messages of the assistant's: read by its shape, whatever the call was named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from promptlayer_patch._blueprint import blocks
from promptlayer_patch._blueprint.items import image_of, messages_of_items
from promptlayer_patch._blueprint.logged import logged_template
from promptlayer_patch._blueprint.messages import Message, answer, messages_of, said
from promptlayer_patch._blueprint.reading import Json, as_json, mapping, mappings, string
from promptlayer_patch._blueprint.templates import Template, chat, completion

__all__ = ["template_answered"]

_ASSISTANT = "assistant"


def template_answered(response: Any, *, as_completion: bool) -> Template:
    """What came back; `as_completion` says that what was sent was a completion template."""
    if isinstance(response, dict) and isinstance(response.get("output"), dict):
        return logged_template(response["output"])
    made = _messages(response)
    if as_completion and made and not any(one.get("tool_calls") for one in made):
        return completion([block for one in made for block in one["content"]])
    return chat(made)


def _messages(response: Any) -> list[Message]:
    if isinstance(response, str):
        return [_text(response)] if response else []
    if isinstance(response, list):
        return _list(response)
    if not isinstance(response, dict):
        return []
    for key, reader in _READERS.items():
        if key in response and (made := reader(response)) is not None:
            return made
    return [_text(as_json(response, indent=2))] if response else []


def _text(words: str) -> Message:
    return answer([blocks.text(words)])


def _list(given: list[Any]) -> list[Message]:
    """LangChain's and LlamaIndex's answers: message dicts or texts."""
    made = []
    for entry in given:
        if isinstance(entry, dict):
            made += said(entry, _ASSISTANT) if "content" in entry else [_text(as_json(entry, indent=2))]
        elif isinstance(entry, str):
            made.append(_text(entry))
    return made


def _choices(response: Json) -> list[Message] | None:
    """Chat completions whole, flattened, or as the last chunk of a stream; and completions."""
    choices = response["choices"]
    if not isinstance(choices, list):
        return None
    return [made for choice in mappings(choices) for made in _choice(choice)]


def _choice(choice: Json) -> list[Message]:
    if isinstance(whole := choice.get("message"), dict) and whole:
        return said(whole, _ASSISTANT)
    if isinstance(words := choice.get("text"), str):
        return [_text(words)]
    if isinstance(delta := choice.get("delta"), dict):
        return said(delta, _ASSISTANT) if any(delta.get(key) for key in _SAID) else []
    return said(choice, _ASSISTANT) if "content" in choice or "tool_calls" in choice else []


_SAID = ("content", "tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning")


def _output(response: Json) -> list[Message] | None:
    given = response["output"]
    if isinstance(given, str):
        return [_text(given)]
    return messages_of_items(given, _ASSISTANT) if isinstance(given, list) else None


def _content(response: Json) -> list[Message] | None:
    given = response["content"]
    return said(response, _ASSISTANT) if isinstance(given, (str, list)) else None


def _words(key: str) -> Callable[[Json], list[Message] | None]:
    def read(response: Json) -> list[Message] | None:
        return [_text(response[key])] if isinstance(response[key], str) else None

    return read


def _data(response: Json) -> list[Message] | None:
    """Images, messages of a thread; of embeddings nothing, for nobody reads vectors."""
    found: list[Any] = []
    made: list[Message] = []
    listed = mappings(response["data"])
    for entry in listed:
        if "b64_json" in entry or "url" in entry:
            found += image_of(entry, entry.get("b64_json"), {**response, **entry})
        elif "content" in entry and "role" in entry:
            made += said(entry, _ASSISTANT)
    if found:
        made.append(answer(found))
    return made if made or not listed or "embedding" in listed[0] else None


def _moderation(response: Json) -> list[Message] | None:
    results = mappings(response["results"])
    if not any("flagged" in result for result in results):
        return None
    return [answer([blocks.text(_verdict(result)) for result in results])]


def _verdict(result: Json) -> str:
    named = [name for name, holds in mapping(result.get("categories")).items() if holds is True]
    verdict = "flagged" if result.get("flagged") else "not flagged"
    return f"{verdict}: {', '.join(named)}" if named else verdict


def _run(response: Json) -> list[Message] | None:
    """A run of an assistant, with the messages and steps that its stream brought along."""
    if response["object"] not in ("thread.run", "thread.run.step"):
        return None
    steps = (mapping(step.get("step_details")) for step in (*mappings(response.get("steps")), response))
    calls = [call for step in steps for call in mappings(step.get("tool_calls"))]
    wanted = mapping(mapping(response.get("required_action")).get("submit_tool_outputs"))
    items = [_item(call) for call in calls or mappings(wanted.get("tool_calls"))]
    return messages_of_items(items, _ASSISTANT) + messages_of(response.get("messages"), _ASSISTANT)


def _item(call: Json) -> dict[str, Any]:
    """A call in a run, as the Responses API has it."""
    kind = string(call.get("type"))
    told = mapping(call.get(kind))
    if kind == "function":
        return {**told, "type": "function_call", "call_id": call.get("id")}
    return {**told, "type": f"{kind}_call", "id": call.get("id"), "code": told.get("input")}


def _sound(response: Json) -> list[Message] | None:
    """What our records keep of binary answers and streamed speech: kind and size."""
    if "id" in response:
        return None  # a file's account of itself
    kind = string(response.get("content_type")) or "audio"
    return [answer([blocks.media(f"{as_json(response['bytes'])} bytes", kind)])]


def _nothing(response: Json) -> list[Message]:
    return []


_READERS: dict[str, Callable[[Json], list[Message] | None]] = {
    "choices": _choices,
    "output": _output,
    "object": _run,
    "content": _content,
    "completion": _words("completion"),
    "text": _words("text"),
    "data": _data,
    "results": _moderation,
    "bytes": _sound,
    "error": _nothing,
}
"""By the first key a response has; `None` from a reader means that it is something else after all."""
