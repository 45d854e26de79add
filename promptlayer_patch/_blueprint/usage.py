"""Tokens as the provider counted them, in whichever words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptlayer_patch._blueprint.reading import Json, count, mapping

__all__ = ["Usage", "usage_of"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of tokens; `None` where the provider did not say."""

    input_tokens: int | None = None
    """All of the input, cached tokens included."""
    output_tokens: int | None = None
    """All of the output, thoughts included."""
    cached_tokens: int | None = None
    """Of the input, what was read from a cache."""
    cache_write_tokens: int | None = None
    """Of the input, what was written to a cache (Anthropic counts and prices it)."""
    thinking_tokens: int | None = None
    """Of the output, what was thought and not said."""
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None


_NOTHING = Usage()


def usage_of(response: Any) -> Usage:
    """What `response` says it cost."""
    body = mapping(response)
    usage = mapping(body.get("usage")) or mapping(mapping(body.get("llm_output")).get("token_usage"))
    if not usage:
        return _NOTHING
    sent = _details(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    received = _details(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    cached = _first(sent, "cached_tokens")
    input_tokens = _first(usage, "prompt_tokens", "input_tokens")
    read, written = _first(usage, "cache_read_input_tokens"), _first(usage, "cache_creation_input_tokens")
    if "prompt_tokens" not in usage and input_tokens is not None:
        # Anthropic counts apart what came from its cache and what went into it.
        input_tokens += (read or 0) + (written or 0)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=_first(usage, "completion_tokens", "output_tokens"),
        cached_tokens=cached if cached is not None else read or _first(usage, "prompt_cache_hit_tokens"),
        cache_write_tokens=written,
        thinking_tokens=_first(received, "reasoning_tokens"),
        input_audio_tokens=_first(sent, "audio_tokens"),
        output_audio_tokens=_first(received, "audio_tokens"),
    )


def _details(usage: Json, *names: str) -> Json:
    for name in names:
        if isinstance(found := usage.get(name), dict):
            return found
    return {}


def _first(counts: Json, *names: str) -> int | None:
    for name in names:
        if (found := count(counts.get(name))) is not None:
            return found
    return None
