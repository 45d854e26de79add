"""The table of what is compared."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class Role(Enum):
    REFERENCE = "reference"
    OURS = "ours"
    PEER = "peer"


@dataclass(frozen=True)
class Variant:
    name: str
    setup: str
    """A function of `setups` or `peers`."""
    role: Role
    environment: str
    """Whose packages it needs: a name of `PACKAGES`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of its documentation; `{url}` is where it sends."""


_OTEL_V2 = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
}
_LANGFUSE = {
    "LANGFUSE_PUBLIC_KEY": "pk-lf-none",
    "LANGFUSE_SECRET_KEY": "sk-lf-none",
    "LANGFUSE_BASE_URL": "{url}",
}
# Its own error reports would leave the machine.
_OPIK = {"OPIK_URL_OVERRIDE": "{url}/api", "OPIK_WORKSPACE": "default", "OPIK_SENTRY_ENABLE": "false"}


def _requirements() -> tuple[str, ...]:
    """What our base install brings along. We ourselves are imported from the source as it stands."""
    parser = configparser.ConfigParser()
    parser.read(Path(__file__).resolve().parents[2] / "setup.cfg", encoding="utf-8")
    lines = parser["options"]["install_requires"].splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


PACKAGES: dict[str, tuple[str, ...]] = {
    "bare": ("openai",),
    "wrapt": ("openai", "wrapt"),
    "promptlayer_patch": _requirements(),
    "official": ("openai", "promptlayer"),
    "otel-v2": (
        "openai",
        # It imports this, and openai 3 no longer brings it along.
        "httpx",
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry-instrumentation-openai-v2",
        # Newer ones lack a module that it imports.
        "opentelemetry-util-genai<=1.0b0",
    ),
    "openinference": (
        "openai",
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
        "openinference-instrumentation-openai",
    ),
    "langfuse": ("openai", "langfuse"),
    "logfire": ("openai", "logfire"),
    "braintrust": ("openai", "braintrust"),
    "opik": ("openai", "opik"),
    # No variant: `beside_phoenix.py` starts its server.
    "phoenix": ("arize-phoenix>=20.26,<21",),
}

VARIANTS: tuple[Variant, ...] = (
    Variant("bare", "setups.bare", Role.REFERENCE, "bare"),
    # What two processes of one kind differ by: no figure is better than that.
    Variant("bare, again", "setups.bare", Role.REFERENCE, "bare"),
    Variant("wrapt, no-op", "setups.wrapper", Role.REFERENCE, "wrapt"),
    Variant("local:", "setups.local", Role.OURS, "promptlayer_patch"),
    Variant("promptlayer:", "setups.promptlayer", Role.OURS, "promptlayer_patch"),
    Variant("promptlayer: no outbox", "setups.promptlayer_without_outbox", Role.OURS, "promptlayer_patch"),
    Variant("jsonl:", "setups.jsonl", Role.OURS, "promptlayer_patch"),
    Variant("own exporter", "setups.program", Role.OURS, "promptlayer_patch"),
    Variant("official", "peers.official", Role.PEER, "official"),
    Variant("otel-v2", "peers.otel_v2", Role.PEER, "otel-v2", _OTEL_V2),
    Variant("openinference", "peers.openinference", Role.PEER, "openinference"),
    Variant("langfuse", "peers.langfuse", Role.PEER, "langfuse", _LANGFUSE),
    Variant("logfire", "peers.logfire", Role.PEER, "logfire"),
    Variant("braintrust", "peers.braintrust", Role.PEER, "braintrust"),
    Variant("opik", "peers.opik", Role.PEER, "opik", _OPIK),
)
