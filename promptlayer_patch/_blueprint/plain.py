"""Chats of texts alone, as nearly all are: what was said in one, without making a template of it first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from promptlayer_patch._blueprint.reading import Json
from promptlayer_patch._blueprint.texts import TEXT_CHARS, joined_text, turn

__all__ = ["Exchange", "plain_exchange"]


class Exchange(NamedTuple):
    """A chat and its answer, as the templates made of them would say it."""

    input_text: str
    output_text: str
    turn_count: int


_BESIDE = (
    *("tool_calls", "function_call", "refusal", "audio", "annotations"),
    *("reasoning_content", "reasoning"),
)
"""Where a message of the assistant's says more than its content does."""


def plain_exchange(request: Json, response: Any) -> Exchange | None:
    """What was said, if it is a chat in which every message is one text, and the answer is prose.

    `request` is one of chat completions. `None` sends whoever asks to the templates, which read everything.
    """
    said = _answer(response)
    messages = request.get("messages")
    if said is None or type(messages) is not list or not all(map(_is_plain, messages)):
        return None
    roles = [message["role"] for message in messages]
    return Exchange(
        joined_text(_turns(messages), "\n\n"),
        said[:TEXT_CHARS],
        roles.count("user"),
    )


def _turns(messages: Iterable[Json]) -> Iterator[str]:
    return (turn(message["role"], message["content"][:TEXT_CHARS]) for message in messages)


def _is_plain(message: Any) -> bool:
    if type(message) is not dict or type(message.get("content")) is not str:
        return False
    role = message.get("role")
    if role == "assistant":
        return not any(map(message.get, _BESIDE))
    return type(role) is str and role != ""


def _answer(response: Any) -> str | None:
    """The text of the only choice; of no response none, and `None` of everything else."""
    if response is None:
        return ""
    if type(response) is not dict or isinstance(response.get("output"), dict):
        return None
    choices = response.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return None
    message = choices[0].get("message")
    if type(message) is not dict or not _is_plain(message) or message["role"] != "assistant":
        return None
    said: str = message["content"]
    # What begins so may be an object, and is read as one.
    return None if said[:64].lstrip().startswith("{") else said
