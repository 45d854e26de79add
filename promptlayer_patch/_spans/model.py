"""A span as we know it, however it was written on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlayer_patch.errors import PromptLayerError

__all__ = ["BadExport", "BadSpan", "Event", "Export", "Link", "Span"]


class BadSpan(ValueError):
    """One span cannot be taken; the message says why, without anything of its content."""


class BadExport(PromptLayerError):
    """A body that is no export of spans at all; the message says why, without anything of its content."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during a span."""

    name: str
    time_ns: int = 0
    """Nanoseconds since the epoch; 0 where it is not said."""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that this one has to do with."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One finished step of a trace. Attribute values are what JSON can hold; bytes are base64."""

    trace_id: str
    """32 hex digits in lower case."""
    span_id: str
    """16 hex digits in lower case."""
    parent_id: str | None = None
    name: str
    kind: int = 0
    """OpenTelemetry's numbers: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer."""
    start_ns: int
    """Nanoseconds since the epoch."""
    end_ns: int
    status_code: int = 0
    """0 unset, 1 ok, 2 error."""
    status_message: str = ""
    trace_state: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the program that made it."""
    scope_name: str = ""
    """The instrumentation that made it."""
    scope_version: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """The spans of one body, in its order, and why others of it were not taken."""

    spans: tuple[Span, ...]
    rejected: tuple[str, ...] = ()
    """One reason for each span that was not taken."""
