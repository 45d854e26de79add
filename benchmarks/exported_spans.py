"""The invented requests as instrumentations of openai export them by OTLP, in two conventions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from store_filling import records

from promptlayer_patch.records import Record

__all__ = ["Convention", "exports", "genai", "openinference"]

Convention = Callable[[Record], dict[str, Any]]
"""The attributes that tell of a request."""


def exports(rows: int, size: int, convention: Convention) -> Iterator[bytes]:
    """So many requests in bodies of so many spans, each a trace of its own."""
    made = (_span(record, convention(record)) for record in records(rows))
    while batch := list(islice(made, size)):
        export = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=batch)])]
        )
        yield export.SerializeToString()


def _span(record: Record, attributes: dict[str, Any]) -> Span:
    failure = record.error
    return Span(
        trace_id=bytes.fromhex(record.id),
        # The number of the request, which must not be zero.
        span_id=(int(record.id[-16:], 16) + 1).to_bytes(8, "big"),
        name="ChatCompletion",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=int(record.started_at * 1e9),
        end_time_unix_nano=int(record.ended_at * 1e9),
        attributes=[KeyValue(key=key, value=_value(value)) for key, value in attributes.items()],
        status=Status(code=Status.STATUS_CODE_ERROR, message=failure.message)
        if failure
        else Status(code=Status.STATUS_CODE_OK),
    )


def openinference(record: Record) -> dict[str, Any]:
    """Those of OpenInference, with the labels that a program gives a span; the texts are there twice."""
    request, response, said = _parts(record)
    messages = {"input": request["messages"], "output": said}
    found = {
        "openinference.span.kind": "LLM",
        "llm.system": "openai",
        "llm.model_name": request["model"],
        "llm.invocation_parameters": _json({key: request[key] for key in ("temperature", "max_tokens")}),
        "input.value": _json(request),
        "input.mime_type": "application/json",
        "metadata": _json(dict(record.metadata)),
        "tag.tags": list(record.tags),
        **{
            f"llm.{side}_messages.{place}.message.{field}": message[field]
            for side, group in messages.items()
            for place, message in enumerate(group)
            for field in ("role", "content")
        },
    }
    if response:
        usage = response["usage"]
        found |= {"output.value": _json(response), "output.mime_type": "application/json"}
        found |= {
            f"llm.token_count.{name}": usage[f"{name}_tokens"] for name in ("prompt", "completion", "total")
        }
    return found


def genai(record: Record) -> dict[str, Any]:
    """Those of OpenTelemetry itself, which know no tags."""
    request, response, said = _parts(record)
    found = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": request["model"],
        "gen_ai.request.temperature": str(request["temperature"]),
        "gen_ai.request.max_tokens": request["max_tokens"],
        "gen_ai.input.messages": _spoken(request["messages"]),
        "gen_ai.output.messages": _spoken(said),
        **{f"promptlayer.metadata.{key}": value for key, value in record.metadata.items()},
    }
    if response:
        usage = response["usage"]
        found |= {
            "gen_ai.response.id": response["id"],
            "gen_ai.usage.input_tokens": usage["prompt_tokens"],
            "gen_ai.usage.output_tokens": usage["completion_tokens"],
        }
    return found


def _parts(record: Record) -> tuple[Any, Any, list[Any]]:
    """What was asked, what came back, and the messages in that."""
    response: Any = record.response
    return record.request, response, [choice["message"] for choice in response["choices"]] if response else []


def _spoken(messages: list[Any]) -> str:
    return _json(
        [
            {"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]}
            for message in messages
        ]
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _value(value: str | int | list[str]) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
