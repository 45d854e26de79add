"""Whether a span tells of a call to a model, and the record that it becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._spans.labels import PromptReference, metadata_of, prompt_of
from promptlayer_patch._spans.messages import chat, completion, tools
from promptlayer_patch._spans.model import Span
from promptlayer_patch._spans.naming import api_type_of, function_name, provider_of
from promptlayer_patch._spans.spoken import input_messages, output_messages
from promptlayer_patch._spans.usage import usage_of
from promptlayer_patch._spans.values import count, first_text, number, parsed
from promptlayer_patch.records import Ending, Failure, Record

__all__ = ["SpanRequest", "managed_by", "record_id_of", "request_of"]

_CALLS = frozenset({"chat", "embeddings", "generate_content", "text_completion"})
_NO_CALLS = frozenset({"create_agent", "execute_tool", "invoke_agent", "invoke_workflow", "plan"})
"""Operations around calls. They carry models and tokens too, but of calls with spans of their own."""

_PARAMETERS = ("gen_ai.request.", "gen_ai.openai.request.", "openai.request.")
_PARAMETER_NAMES = {"choice.count": "n", "stop_sequences": "stop"}


@dataclass(frozen=True, slots=True)
class SpanRequest:
    """The request that a span tells of."""

    record: Record
    api_type: str | None
    prompt: PromptReference | None
    """Still to be looked up in the registry."""


def managed_by(span: Span) -> str | None:
    """The span whose request this one belongs to: the client has logged that itself."""
    if span.attributes.get("promptlayer.request_log.managed") not in (True, "true"):
        return None
    return first_text(span.attributes, "promptlayer.request_log.span_id") or span.span_id


def request_of(span: Span) -> SpanRequest | None:
    """The request that `span` tells of, unless it tells of something else, or the client logs it itself."""
    if not _is_call(span):
        return None
    attributes = span.attributes
    provider, operation = provider_of(attributes), _operation(attributes)
    api_type = api_type_of(attributes, provider, operation)
    first_chunk = number(attributes.get("gen_ai.response.time_to_first_chunk"))
    started_at = span.start_ns / 1e9
    record = Record(
        id=record_id_of(span),
        function_name=function_name(provider, operation, api_type),
        provider=provider,
        request=_request(span, operation),
        response=_response(span, operation),
        streamed=attributes.get("gen_ai.request.stream") is True,
        started_at=started_at,
        ended_at=span.end_ns / 1e9,
        first_token_at=None if first_chunk is None else started_at + first_chunk,
        ending=Ending.PROVIDER_ERROR if span.status_code == 2 else Ending.COMPLETE,
        error=_failure(span) if span.status_code == 2 else None,
        metadata=metadata_of(span),
        sdk=first_text(attributes, "promptlayer.telemetry.source") or span.scope_name,
        sdk_version=first_text(attributes, "promptlayer.telemetry.source_version")
        or span.scope_version
        or None,
    )
    return SpanRequest(record, api_type, prompt_of(attributes))


def record_id_of(span: Span) -> str:
    """The id of the record that a span becomes: the same one however often the span is sent."""
    name = f"span {span.trace_id} {span.span_id}".encode()
    return hashlib.blake2b(name, digest_size=16).hexdigest()


def _is_call(span: Span) -> bool:
    attributes, operation = span.attributes, _operation(span.attributes)
    if managed_by(span) or operation in _NO_CALLS:
        return False
    # PromptLayer's plugins give their calls different kinds, but none of them that of what is around calls.
    kind = attributes.get("node_type")
    if kind == "LLM_SESSION":
        return False
    return kind == "LLM_CALL" or operation in _CALLS or _model(attributes) is not None


def _operation(attributes: Mapping[str, Any]) -> str:
    return first_text(attributes, "gen_ai.operation.name") or ""


def _model(attributes: Mapping[str, Any]) -> str | None:
    return first_text(attributes, "gen_ai.request.model", "gen_ai.response.model")


def _request(span: Span, operation: str) -> dict[str, Any]:
    said = input_messages(span)
    more = {}
    if definitions := tools(span.attributes.get("gen_ai.tool.definitions")):
        more["tools"] = definitions
    template = completion(said) if operation == "text_completion" else chat(said, **more)
    return {"model": _model(span.attributes), "input": template, "parameters": _parameters(span.attributes)}


def _response(span: Span, operation: str) -> dict[str, Any]:
    """The answer, with what is known of it in the fields of OpenAI's responses."""
    attributes = span.attributes
    said = output_messages(span)
    response: dict[str, Any] = {"output": completion(said) if operation == "text_completion" else chat(said)}
    if answer_id := first_text(attributes, "gen_ai.response.id"):
        response["id"] = answer_id
    if reasons := attributes.get("gen_ai.response.finish_reasons"):
        response["finish_reasons"] = parsed(reasons)
    if usage := usage_of(attributes):
        response["usage"] = usage
    return response


def _parameters(attributes: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    said = [(key, value) for key, value in attributes.items() if key.startswith(_PARAMETERS)]
    for prefix in _PARAMETERS:
        for key, value in said:
            name = key[len(prefix) :]
            if key.startswith(prefix) and name and name != "model":
                parameters.setdefault(_PARAMETER_NAMES.get(name, name), value)
    return parameters


def _failure(span: Span) -> Failure:
    """What went wrong, as the span says it or as the exception that it recorded does."""
    thrown: Mapping[str, Any] = next(
        (event.attributes for event in reversed(span.events) if event.name == "exception"), {}
    )
    return Failure(
        first_text(span.attributes, "error.type") or first_text(thrown, "exception.type") or "Error",
        span.status_message or first_text(thrown, "exception.message") or "",
        count(span.attributes.get("http.response.status_code")),
    )
