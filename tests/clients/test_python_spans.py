"""PromptLayer's Python SDK of before OpenTelemetry's protocol: it posts spans in PromptLayer's own form."""

from __future__ import annotations

import openai
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from promptlayer import PromptLayer

from promptlayer_patch.demo.standin import UNKNOWN_MODEL
from tests.clients.conftest import Kept
from tests.clients.desk import ADA, HELLO, MODEL, template


class Traced:
    """A client that traces, and what the server has of its one trace."""

    def __init__(self) -> None:
        self.promptlayer = PromptLayer(enable_tracing=True)
        self._sent = InMemorySpanExporter()
        self.promptlayer.tracer_provider.add_span_processor(SimpleSpanProcessor(self._sent))

    def linked(self, kept: Kept) -> dict[str, int | None]:
        """The request of each span, by the span's name."""
        assert self.promptlayer.tracer_provider.force_flush()
        (trace_id,) = {span.context.trace_id for span in self._sent.get_finished_spans()}
        spans = kept.client.get(f"/api/public/v2/traces/{trace_id:032x}").json()["spans"]
        return {one["name"]: one["request_log_id"] for one in spans}


@pytest.fixture
def traced() -> Traced:
    return Traced()


def test_a_run_is_one_request_in_one_trace(traced: Traced, kept: Kept) -> None:
    PromptLayer().templates.publish(template("run with spans"))
    before = kept.store.count()
    ran = traced.promptlayer.run("run with spans", input_variables=ADA)
    assert traced.linked(kept)["PromptLayer Run"] == ran["request_id"]
    assert kept.store.count() == before + 1


def test_a_run_that_fails_is_in_its_trace(traced: Traced, kept: Kept) -> None:
    PromptLayer().templates.publish(template("failure with spans", model=UNKNOWN_MODEL))
    with pytest.raises(openai.NotFoundError):
        traced.promptlayer.run("failure with spans", input_variables=ADA)
    (stored,) = kept.newest()
    assert traced.linked(kept)["PromptLayer Run"] == stored.request_id


def test_a_proxied_call_within_a_traced_function_is_below_it(traced: Traced, kept: Kept) -> None:
    asked: list[int] = []

    @traced.promptlayer.traceable(name="support desk")
    def desk() -> None:
        client = traced.promptlayer.openai.OpenAI()
        answer = client.chat.completions.create(model=MODEL, messages=HELLO, return_pl_id=True)
        asked.append(answer[1])

    desk()
    linked = traced.linked(kept)
    assert linked["support desk"] is None
    assert linked["openai.OpenAI.chat.completions.create"] == asked[0]
