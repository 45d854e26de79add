"""The tokens that a span counts, in the fields of OpenAI's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlayer_patch._spans.values import count

__all__ = ["usage_of"]

_FIELDS = {
    "prompt_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "completion_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
}
"""The new name of each first, then the older ones."""
_CACHED = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached",
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
)


def usage_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the span has counted; cached tokens are part of the input, as OpenTelemetry wants it."""
    counted = {field: _first(attributes, names) for field, names in _FIELDS.items()}
    usage: dict[str, Any] = {field: tokens for field, tokens in counted.items() if tokens is not None}
    if (cached := _first(attributes, _CACHED)) is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if (thought := _first(attributes, _REASONING)) is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": thought}
    return usage


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((found for name in names if (found := count(attributes.get(name))) is not None), None)
