"""What a span says about a request beside the call: metadata, and the prompt template it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._spans.model import Span
from promptlayer_patch._spans.values import as_text, count, first_text

__all__ = ["PromptReference", "metadata_of", "prompt_of"]

_METADATA = "promptlayer.metadata."
_KEY_MAX_CHARS = 1024
_WELL_KNOWN = {
    "user_id": ("user.id", "enduser.id"),
    "conversation_id": ("gen_ai.conversation.id", "session.id"),
}


@dataclass(frozen=True, slots=True)
class PromptReference:
    """A prompt template of the registry, by name or by id; without version and label the newest one."""

    name: str | None = None
    id: int | None = None
    version: int | None = None
    label: str | None = None


def metadata_of(span: Span) -> dict[str, str]:
    """What is said of the span wins over what is said of its program, and what is named over what is known.

    Keys that are longer than PromptLayer takes stay with the span.
    """
    places = (span.resource, span.attributes)
    metadata: dict[str, str] = {}
    for attributes in places:
        for key, names in _WELL_KNOWN.items():
            if (found := _first(attributes, names)) is not None:
                metadata[key] = found
    for attributes in places:
        metadata |= {
            key[len(_METADATA) :]: as_text(value)
            for key, value in attributes.items()
            if key.startswith(_METADATA) and 0 < len(key) - len(_METADATA) <= _KEY_MAX_CHARS
        }
    return metadata


def prompt_of(attributes: Mapping[str, Any]) -> PromptReference | None:
    """The template that the span names."""
    name = first_text(attributes, "promptlayer.prompt.name")
    prompt_id = count(attributes.get("promptlayer.prompt.id"))
    if name is None and prompt_id is None:
        return None
    version = count(attributes.get("promptlayer.prompt.version"))
    # Clients say both: the version that they got, and the label, at which another version may stand by now.
    label = None if version else first_text(attributes, "promptlayer.prompt.label")
    return PromptReference(name, prompt_id, version or None, label)


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((as_text(attributes[name]) for name in names if attributes.get(name) not in (None, "")), None)
