"""What the index knows of one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Indexed"]

_NOTHING: Mapping[str, Any] = {}


class Indexed(NamedTuple):
    """One request as it is found and counted; search terms, facets and rollups are made of this alone.

    What was made of it is taken back by making it once more, so it must come out the same as long as nothing
    is said about the request.
    """

    request_id: int
    record_id: str
    function_name: str
    started_at: float
    duration_s: float
    first_token_s: float | None
    """Seconds from the start to the first output of a stream."""
    model: str | None
    provider: str
    ending: str
    http_status: int | None
    attempts: int
    pl_status: str
    pl_error_type: str | None
    trace_id: str | None

    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    thinking_tokens: int | None
    cost: float | None

    # Unknown, all three, of a request whose body cannot be read.
    shape: str | None
    """`json`, `tool_call` or `plain_text`."""
    turn_count: int | None
    tool_call_count: int | None
    tool_names: tuple[str, ...] = ()
    output_values: Mapping[str, tuple[str, ...]] = _NOTHING
    """By dotted path, of an output that is a JSON object or calls tools."""
    user_intent: str | None = None
    agent_intent: str | None = None

    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = _NOTHING
    scores: Mapping[str, int] = _NOTHING
    groups: tuple[int, ...] = ()
    prompt_name: str | None = None
    prompt_id: int | None = None
    prompt_version: int | None = None
    prompt_label: str | None = None
    input_variables: Mapping[str, str] = _NOTHING
    """What the prompt template was filled with; what is not a text, as JSON."""

    @property
    def output_keys(self) -> tuple[str, ...]:
        return tuple(self.output_values)
