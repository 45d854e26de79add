"""The table of what is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Role(Enum):
    REFERENCE = "reference"
    OURS = "ours"
    PEER = "peer"


@dataclass(frozen=True)
class Variant:
    name: str
    setup: str
    """The function of `setups`."""
    role: Role
    environment: str
    """Whose packages it needs: a name of `PACKAGES`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of its documentation; `{url}` is where it sends."""


_OTEL = {"OTEL_PYTHON_LOG_LEVEL": "error"}

PACKAGES: dict[str, tuple[str, ...]] = {
    "bare": ("openai",),
    "wrapt": ("openai", "wrapt"),
    # Last, and no wheel: what is measured is the source as it stands.
    "promptlayer_patch": ("openai", "--editable", "."),
}

VARIANTS: tuple[Variant, ...] = (
    Variant("bare", "bare", Role.REFERENCE, "bare"),
    # What two processes of one kind differ by: no figure is better than that.
    Variant("bare, again", "bare", Role.REFERENCE, "bare"),
    Variant("wrapt, no-op", "wrapper", Role.REFERENCE, "wrapt"),
    Variant("local:", "local", Role.OURS, "promptlayer_patch"),
    Variant("promptlayer:", "promptlayer", Role.OURS, "promptlayer_patch"),
    Variant("promptlayer: no outbox", "promptlayer_without_outbox", Role.OURS, "promptlayer_patch"),
    Variant("jsonl:", "jsonl", Role.OURS, "promptlayer_patch"),
    Variant("own exporter", "program", Role.OURS, "promptlayer_patch"),
)
