"""OpenTelemetry's own exporter, with instrumentations of openai that know nothing of PromptLayer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai import OpenAIInstrumentor as OpenLLMetry
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor as OpenTelemetry
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from promptlayer_patch.demo.standin import UNKNOWN_MODEL
from promptlayer_patch.records import Ending
from promptlayer_patch.store.reading import StoredRequest
from tests.clients.conftest import Kept
from tests.clients.desk import HELLO, MODEL
from tests.support.serving_process import ServerProcess

INSTRUMENTATIONS = {"opentelemetry": OpenTelemetry, "openllmetry": OpenLLMetry}
DESK_TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "order_status",
            "description": "Where an order is.",
            "parameters": {"type": "object", "properties": {"order": {"type": "string"}}},
        },
    }
]


class Checked(OTLPSpanExporter):
    """The exporter, which keeps what became of each export."""

    results: list[SpanExportResult]

    def export(self, *args: Any, **options: Any) -> SpanExportResult:
        result = super().export(*args, **options)
        self.results = [*getattr(self, "results", []), result]
        return result


@dataclass
class Traced:
    """A program whose calls are traced."""

    provider: TracerProvider
    exporter: Checked
    kept: Kept

    def made(self, call: Callable[[], Any]) -> tuple[Any, StoredRequest, int]:
        """What the call gave, the request that its span told of, and the trace it was in."""
        before = self.kept.store.count()
        with self.provider.get_tracer(__name__).start_as_current_span("handle") as span:
            trace_id = span.get_span_context().trace_id
            given = call()
        assert set(self.exporter.results) == {SpanExportResult.SUCCESS}
        assert self.kept.store.count() == before + 1
        (stored,) = self.kept.newest()
        return given, stored, trace_id

    def spans(self, trace_id: int) -> list[dict[str, Any]]:
        trace = self.kept.client.get(f"/api/public/v2/traces/{trace_id:032x}").json()
        found: list[dict[str, Any]] = trace["spans"]
        return found


# One of them leaves something behind when it is taken off, so each is put on once.
@pytest.fixture(scope="module", params=INSTRUMENTATIONS)
def tracing(
    request: pytest.FixtureRequest, process: ServerProcess
) -> Iterator[tuple[TracerProvider, Checked]]:
    exporter = Checked(
        endpoint=f"{process.url}/v1/traces",
        headers={"X-API-KEY": process.api_key},
        compression=Compression.Gzip,
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "desk", "user.id": "ada"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = INSTRUMENTATIONS[request.param]()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
        environment.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        instrumentor.instrument(tracer_provider=provider)
        yield provider, exporter
        instrumentor.uninstrument()
    provider.shutdown()


@pytest.fixture
def traced(tracing: tuple[TracerProvider, Checked], kept: Kept) -> Traced:
    return Traced(*tracing, kept)


def said(template: dict[str, Any]) -> str:
    """The text of the last message."""
    return "".join(block.get("text", "") for block in template["messages"][-1]["content"])


def test_a_call_is_a_request_with_model_messages_and_tokens(traced: Traced) -> None:
    answer, stored, trace_id = traced.made(
        lambda: openai.OpenAI().chat.completions.create(model=MODEL, messages=HELLO, temperature=0.5)
    )
    assert stored.record.provider == "openai"
    assert stored.record.request["model"] == MODEL
    assert stored.record.request["parameters"]["temperature"] == 0.5
    assert said(stored.record.request["input"]) == "Where is my order?"
    assert said(stored.record.response["output"]) == answer.choices[0].message.content
    assert (stored.input_tokens, stored.output_tokens) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert stored.metadata["user_id"] == "ada"
    linked = [one for one in traced.spans(trace_id) if one["request_log_id"] is not None]
    assert [one["request_log_id"] for one in linked] == [stored.request_id]
    assert linked[0]["parent_id"] in {one["span_id"] for one in traced.spans(trace_id)}


def test_an_awaited_call_is_a_request(traced: Traced) -> None:
    async def call() -> Any:
        async with openai.AsyncOpenAI() as client:
            return await client.chat.completions.create(model=MODEL, messages=HELLO)

    answer, stored, _ = traced.made(lambda: asyncio.run(call()))
    assert said(stored.record.response["output"]) == answer.choices[0].message.content


def test_a_stream_is_a_request_with_its_whole_text(traced: Traced) -> None:
    chunks, stored, _ = traced.made(
        lambda: list(openai.OpenAI().chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said(stored.record.response["output"]) == text


def test_a_call_of_a_tool_is_told_with_its_arguments(traced: Traced) -> None:
    asked: list[Any] = [{"role": "user", "content": "Where is order 1042?"}]
    answer, stored, _ = traced.made(
        lambda: openai.OpenAI().chat.completions.create(
            model=MODEL, messages=asked, tools=DESK_TOOLS, tool_choice="required"
        )
    )
    (called,) = answer.choices[0].message.tool_calls
    (told,) = stored.record.response["output"]["messages"][-1]["tool_calls"]
    assert told["function"]["name"] == "order_status"
    assert json.loads(told["function"]["arguments"]) == json.loads(called.function.arguments)


def test_a_refused_call_is_a_request_that_failed(traced: Traced) -> None:
    def call() -> None:
        with pytest.raises(openai.NotFoundError):
            openai.OpenAI().chat.completions.create(model=UNKNOWN_MODEL, messages=HELLO)

    _, stored, _ = traced.made(call)
    assert stored.record.request["model"] == UNKNOWN_MODEL
    assert stored.record.ending is Ending.PROVIDER_ERROR
    assert stored.record.error is not None
