"""All that the page of one request shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from promptlayer_patch._blueprint import facts_of
from promptlayer_patch._blueprint.apis import Api, api_of
from promptlayer_patch._blueprint.reading import as_json, mapping, mappings, string
from promptlayer_patch._query import Condition, Operator
from promptlayer_patch._query.language import format
from promptlayer_patch.records import Ending, Record
from promptlayer_patch.server.dashboard.request_chat import Conversation, conversation
from promptlayer_patch.server.dashboard.request_finding import Found
from promptlayer_patch.server.dashboard.request_kinds import Vector, Verdict, vectors, verdicts
from promptlayer_patch.server.dashboard.request_repeat import Repeat, repeat
from promptlayer_patch.server.dashboard.request_texts import Room
from promptlayer_patch.server.dashboard.request_timing import Timing, timing
from promptlayer_patch.server.dashboard.request_tree import Node, tree
from promptlayer_patch.server.dashboard.visible import visible

__all__ = ["ENDINGS", "View", "address_of", "parameters", "searching", "view"]

ENDINGS = {
    Ending.COMPLETE: "The response arrived whole.",
    Ending.CLOSED_EARLY: "The application closed the stream before its end.",
    Ending.ABANDONED: "The application stopped reading and dropped the stream.",
    Ending.NEVER_READ: "The response was streamed and the application read none of it.",
    Ending.PROVIDER_ERROR: "The request failed, or the stream broke on the way.",
    Ending.CONSUMER_ERROR: "The application raised an error while it was reading the stream.",
    Ending.CANCELLED: "The task was cancelled, or the program interrupted, before the end.",
}
"""What each means, in the words of the interface."""

_TEMPLATES = frozenset({Api.CHAT, Api.RESPONSES, Api.COMPLETIONS, Api.MESSAGES, Api.LOGGED, Api.POSITIONAL})
"""What is made of messages or of a prompt for a completion, as prompt templates are."""
_KINDS = {
    Api.EMBEDDINGS: "embeddings",
    Api.MODERATIONS: "moderations",
    Api.OTHER: "other",
}


@dataclass(frozen=True, slots=True)
class View:
    kind: str
    """`chat`, or what else there is a view of its own for."""
    is_template: bool
    """Whether a prompt template can be made of it."""
    meaning: str
    """Of the ending."""
    conversation: Conversation
    timing: Timing
    finish: str
    """Why the model stopped, in the provider's words; empty where it does not say."""
    total_tokens: int | None
    parameters: dict[str, str]
    variables: dict[str, str]
    """What the prompt template was filled with."""
    vectors: tuple[Vector, ...]
    vector_count: int
    verdicts: tuple[Verdict, ...]
    sent: Node
    received: Node
    repeat: Repeat | None


def view(found: Found) -> View:
    record, summary = found.stored.record, found.summary
    api = api_of(record.function_name, mapping(dict(record.request)), record.response)
    pictures, count = vectors(record.response)
    return View(
        kind=_kind(api, count),
        is_template=api in _TEMPLATES,
        meaning=ENDINGS[record.ending],
        conversation=conversation(record, Room()),
        timing=timing(record),
        finish=visible(_finish(record.response)),
        total_tokens=_sum(summary.input_tokens, summary.output_tokens),
        parameters=parameters(record),
        variables=_texts(found.stored.prompt.variables) if found.stored.prompt else {},
        vectors=pictures,
        vector_count=count,
        verdicts=verdicts(record.response),
        sent=tree(dict(record.request)),
        received=tree(record.response),
        repeat=repeat(record, summary.request_id),
    )


def parameters(record: Record) -> dict[str, str]:
    """The arguments that are neither content nor tools, by name."""
    return _texts(facts_of(record).parameters)


def address_of(request_id: int, q: str) -> str:
    """Where the page of a request is, for somebody who comes from the query `q`."""
    return f"/requests/{request_id}" + (f"?{urlencode({'q': q})}" if q else "")


def searching(field: str, value: str, key: str | None = None) -> str:
    """Where the list of all requests with this value is."""
    return "/?" + urlencode({"q": format(Condition(field, Operator.EQUALS, value, key))})


def _kind(api: Api, vectors: int) -> str:
    if vectors and api is not Api.EMBEDDINGS:
        return "embeddings"
    return _KINDS.get(api, "chat")


def _finish(response: Any) -> str:
    body = mapping(response)
    reasons = [string(choice.get("finish_reason")) for choice in mappings(body.get("choices"))]
    # Of the Responses API and of runs; of Anthropic.
    incomplete = string(mapping(body.get("incomplete_details")).get("reason"))
    reasons += [string(body.get("status")), incomplete, string(body.get("stop_reason"))]
    return ", ".join(dict.fromkeys(filter(None, reasons)))


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Each as it is read: texts without quotes, objects on lines."""
    return {str(name): _as_text(value) for name, value in values.items()}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return as_json(value, 2 if isinstance(value, dict) else None)


def _sum(*numbers: int | None) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
