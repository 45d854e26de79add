"""Which API a request was made of: its name says so, unless its shape says otherwise."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Any

from promptlayer_patch._blueprint.reading import Json, mapping, mappings

__all__ = ["Api", "api_of"]


class Api(Enum):
    """The forms that requests have."""

    CHAT = "chat-completions"
    RESPONSES = "responses"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    IMAGES = "images"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    MODERATIONS = "moderations"
    ASSISTANTS = "assistants"
    MESSAGES = "messages"
    """Anthropic's."""
    LOGGED = "logged"
    """A blueprint already: what `/log-request` takes."""
    POSITIONAL = "positional"
    """LangChain's and LlamaIndex's: prompts or messages in `args`."""
    OTHER = "other"

    @property
    def wire_name(self) -> str | None:
        """What PromptLayer calls it; `None` where it has no word for it."""
        if self in (Api.SPEECH, Api.TRANSCRIPTION):
            return "audio"
        return None if self in (Api.MESSAGES, Api.LOGGED, Api.POSITIONAL, Api.OTHER) else self.value


_NAMES = (
    ("thread", Api.ASSISTANTS),
    ("chat.completions", Api.CHAT),
    ("chatcompletion", Api.CHAT),
    ("anthropic", Api.MESSAGES),
    ("responses", Api.RESPONSES),
    ("embedding", Api.EMBEDDINGS),
    ("image", Api.IMAGES),
    ("speech", Api.SPEECH),
    ("transcription", Api.TRANSCRIPTION),
    ("transcribe", Api.TRANSCRIPTION),
    ("translat", Api.TRANSCRIPTION),
    ("moderation", Api.MODERATIONS),
    ("completion", Api.COMPLETIONS),
)
"""Parts of the names of methods, old and new; the first that fits counts."""

_NAME_CHARS = 200
"""What is read of a name: whoever sends one may send a long one, and the last ones are remembered."""

_NEEDED = {
    Api.CHAT: ("messages",),
    Api.MESSAGES: ("messages",),
    Api.RESPONSES: ("input", "instructions", "prompt", "previous_response_id", "conversation"),
    Api.COMPLETIONS: ("prompt",),
    Api.EMBEDDINGS: ("input",),
    Api.IMAGES: ("prompt", "image"),
    Api.SPEECH: ("input",),
    Api.TRANSCRIPTION: ("file", "prompt"),
    Api.MODERATIONS: ("input",),
}
"""What a request of that API holds one of, at least; without it, the name is odd."""


def api_of(function_name: str, request: Json, response: Any) -> Api:
    """The API of a request with the arguments `request`, which was answered with `response`."""
    template = request.get("input")
    if isinstance(template, dict) and ("messages" in template or "content" in template):
        return Api.LOGGED
    named = _named(function_name[:_NAME_CHARS])
    if named is not None and (named not in _NEEDED or any(key in request for key in _NEEDED[named])):
        return named
    return _shaped(request, mapping(response)) or named or Api.OTHER


@lru_cache(maxsize=256)
def _named(function_name: str) -> Api | None:
    lowered = function_name.lower()
    return next((api for part, api in _NAMES if part in lowered), None)


def _shaped(request: Json, response: Json) -> Api | None:
    if request.get("messages"):
        return Api.MESSAGES if response.get("type") == "message" or "system" in request else Api.CHAT
    if request.get("args"):
        return Api.POSITIONAL
    if "prompt" in request:
        return Api.IMAGES if isinstance(response.get("data"), list) else Api.COMPLETIONS
    if "input" in request:
        return _by_what_came_back(request, response)
    if any(key in request for key in ("thread", "tool_outputs", "assistant_id")):
        return Api.ASSISTANTS
    return Api.RESPONSES if "instructions" in request else None


def _by_what_came_back(request: Json, response: Json) -> Api | None:
    if "voice" in request:
        return Api.SPEECH
    if isinstance(response.get("data"), list):
        return Api.EMBEDDINGS
    if isinstance(response.get("results"), list):
        return Api.MODERATIONS
    said = isinstance(response.get("output"), list) or mappings(request["input"]) or "instructions" in request
    return Api.RESPONSES if said else None
