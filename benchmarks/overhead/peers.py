"""How the peers are switched on: see `setups`. Each sends to the sink, and to nobody else."""

from __future__ import annotations

from benchmarks.overhead.setups import Ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def official(url: str, folder: str) -> Ready:
    """PromptLayer's own client."""
    from promptlayer import PromptLayer

    # Each call has been sent when it returns.
    return Ready(library=PromptLayer(api_key="pl_none", base_url=url).openai)


def _provider(url: str) -> Any:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    trace.set_tracer_provider(provider)
    return provider


def otel_v2(url: str, folder: str) -> Ready:
    provider = _provider(url)
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    return Ready(flush=provider.force_flush)


def openinference(url: str, folder: str) -> Ready:
    provider = _provider(url)
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return Ready(flush=provider.force_flush)


def langfuse(url: str, folder: str) -> Ready:
    import langfuse as library
    from langfuse.openai import openai  # noqa: F401  importing it is what switches it on

    return Ready(flush=library.get_client().flush)


def logfire(url: str, folder: str) -> Ready:
    import logfire as library

    advanced = library.AdvancedOptions(base_url=url)
    library.configure(
        token="none", send_to_logfire=True, console=False, inspect_arguments=False, advanced=advanced
    )
    library.instrument_openai()
    return Ready(flush=library.force_flush)


def braintrust(url: str, folder: str) -> Ready:
    import braintrust as library

    library.init_logger(project="benchmark", api_key="none", app_url=url)
    return Ready(flush=library.flush, wrap=library.wrap_openai)


def opik(url: str, folder: str) -> Ready:
    import opik as library
    from opik.integrations.openai import track_openai

    return Ready(flush=library.flush_tracker, wrap=track_openai)
