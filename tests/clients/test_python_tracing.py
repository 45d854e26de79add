"""What PromptLayer's Python SDK tells by OpenTelemetry: one trace, and one request for each call in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from promptlayer import PromptLayer

from promptlayer_patch.demo.standin import UNKNOWN_MODEL
from promptlayer_patch.records import Ending
from tests.clients.conftest import Kept
from tests.clients.desk import ADA, HELLO, MODEL, template
from tests.support.serving_process import ServerProcess


@dataclass
class Traced:
    """A client that traces, and the spans that it has sent."""

    promptlayer: PromptLayer
    spans: InMemorySpanExporter

    def arrived(self, kept: Kept) -> dict[str, dict[str, Any]]:
        """The spans that the server has of the one trace that was made, by name, once all are sent."""
        assert self.promptlayer.tracer_provider.force_flush()
        (trace_id,) = {span.context.trace_id for span in self.spans.get_finished_spans()}
        answer = kept.client.get(f"/api/public/v2/traces/{trace_id:032x}")
        assert answer.status_code == 200, answer.text
        spans = answer.json()["spans"]
        assert sorted(one["name"] for one in spans) == sorted(
            one.name for one in self.spans.get_finished_spans()
        )
        return {one["name"]: one for one in spans}


@pytest.fixture(scope="module")
def tracing(process: ServerProcess) -> Traced:
    # An SDK that is instrumented stays with the provider it was instrumented with.
    provider, spans = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    promptlayer = PromptLayer(
        api_key=process.api_key,
        base_url=process.url,
        enable_tracing=True,
        tracer_provider=provider,
        tracing_providers=["openai"],
    )
    return Traced(promptlayer, spans)


@pytest.fixture
def traced(tracing: Traced) -> Traced:
    tracing.spans.clear()
    return tracing


def test_a_run_is_one_request_in_one_trace(traced: Traced, kept: Kept) -> None:
    traced.promptlayer.templates.publish(template("traced run"))
    traced.spans.clear()
    before = kept.store.count()
    ran = traced.promptlayer.run("traced run", input_variables=ADA)
    spans = traced.arrived(kept)
    assert kept.store.count() == before + 1
    assert spans["PromptLayer Run"]["request_log_id"] == ran["request_id"]
    # The library's own span tells of the same call.
    called = spans[f"chat {MODEL}"]
    assert called["request_log_id"] == ran["request_id"]
    assert called["parent_id"] == spans["PromptLayer Run"]["span_id"]
    read = kept.client.get(f"/api/public/v2/requests/{ran['request_id']}").json()
    assert read["trace_id"] == f"{traced.spans.get_finished_spans()[0].context.trace_id:032x}"


def test_a_streamed_run_is_one_request_in_one_trace(traced: Traced, kept: Kept) -> None:
    traced.promptlayer.templates.publish(template("traced stream"))
    traced.spans.clear()
    before = kept.store.count()
    parts = list(traced.promptlayer.run("traced stream", input_variables=ADA, stream=True))
    spans = traced.arrived(kept)
    assert kept.store.count() == before + 1
    assert spans["PromptLayer Run"]["request_log_id"] == parts[-1]["request_id"]


def test_a_run_that_fails_is_an_error_in_its_trace(traced: Traced, kept: Kept) -> None:
    traced.promptlayer.templates.publish(template("traced failure", model=UNKNOWN_MODEL))
    traced.spans.clear()
    with pytest.raises(openai.NotFoundError):
        traced.promptlayer.run("traced failure", input_variables=ADA)
    spans = traced.arrived(kept)
    assert spans["PromptLayer Run"]["status"]["status_code"] == "StatusCode.ERROR"
    stored = kept[spans["PromptLayer Run"]["request_log_id"]]
    assert stored.record.ending is Ending.PROVIDER_ERROR


def test_a_proxied_call_is_one_request_in_one_trace(traced: Traced, kept: Kept) -> None:
    client = traced.promptlayer.openai.OpenAI()
    traced.spans.clear()
    before = kept.store.count()
    _, request_id = client.chat.completions.create(model=MODEL, messages=HELLO, return_pl_id=True)
    spans = traced.arrived(kept)
    assert kept.store.count() == before + 1
    assert spans["openai.OpenAI.chat.completions.create"]["request_log_id"] == request_id


def test_a_call_without_promptlayer_is_a_request_made_of_its_span(traced: Traced, kept: Kept) -> None:
    """Nothing but the span tells of it: the model, the messages, the tokens."""
    before = kept.store.count()
    answer = openai.OpenAI().chat.completions.create(model=MODEL, messages=HELLO, temperature=0.5)
    spans = traced.arrived(kept)
    assert kept.store.count() == before + 1
    stored = kept[spans[f"chat {MODEL}"]["request_log_id"]]
    assert stored.record.provider == "openai"
    assert stored.record.request["model"] == MODEL
    assert stored.record.request["parameters"]["temperature"] == 0.5
    assert stored.record.request["input"]["messages"][0]["content"][0]["text"] == "Where is my order?"
    assert (
        stored.record.response["output"]["messages"][0]["content"][0]["text"]
        == answer.choices[0].message.content
    )
    assert answer.usage is not None
    assert (stored.input_tokens, stored.output_tokens) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )


def test_a_call_of_responses_without_promptlayer_is_a_request_too(traced: Traced, kept: Kept) -> None:
    answer = openai.OpenAI().responses.create(model=MODEL, input="Where is my order?")
    (span,) = traced.arrived(kept).values()
    stored = kept[span["request_log_id"]]
    assert stored.record.function_name == "openai.responses.create"
    assert stored.record.response["output"]["messages"][0]["content"][0]["text"] == answer.output_text


def test_a_traced_function_is_the_parent_of_the_call_in_it(traced: Traced, kept: Kept) -> None:
    @traced.promptlayer.traceable(name="support desk", attributes={"desk": "3"})
    def desk(question: str) -> str:
        asked: list[Any] = [{"role": "user", "content": question}]
        answer = openai.OpenAI().chat.completions.create(model=MODEL, messages=asked)
        return str(answer.choices[0].message.content)

    said = desk("Where is it?")
    spans = traced.arrived(kept)
    assert spans["support desk"]["attributes"]["desk"] == "3"
    assert spans["support desk"]["attributes"]["function_output"] == said
    assert spans["support desk"]["request_log_id"] is None
    assert spans[f"chat {MODEL}"]["parent_id"] == spans["support desk"]["span_id"]
