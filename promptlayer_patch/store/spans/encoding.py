"""A span as the store keeps it, and back."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._spans.genai import managed_by
from promptlayer_patch._spans.model import Event, Link, Span
from promptlayer_patch.store.encoding import Unstorable
from promptlayer_patch.store.text import writable

__all__ = ["COLUMNS", "SpanRow", "decode_span", "encode_span"]

COLUMNS = (
    "trace_id",
    "span_id",
    "parent_id",
    "logged_as",
    "name",
    "kind",
    "start_ns",
    "end_ns",
    "status_code",
    "status_message",
    "body",
)
_PLAIN = (
    "trace_id",
    "span_id",
    "parent_id",
    "name",
    "kind",
    "start_ns",
    "end_ns",
    "status_code",
    "status_message",
)
"""Columns that are fields of a `Span` as they are."""
_IN_BODY = ("trace_state", "attributes", "resource", "scope_name", "scope_version")


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One span, ready to be written."""

    span: Span
    logged_as: str
    """The span that its request names as its own: itself, or the one whose request it belongs to."""
    values: tuple[Any, ...]
    """In the order of `COLUMNS`."""


def encode_span(span: Span) -> SpanRow:
    """Prepare a span for writing. Raises `Unstorable` for what JSON cannot hold."""
    logged_as = managed_by(span) or span.span_id
    body = {
        **{name: getattr(span, name) for name in _IN_BODY},
        "events": [[event.name, event.time_ns, event.attributes] for event in span.events],
        "links": [[link.trace_id, link.span_id, link.attributes] for link in span.links],
    }
    try:
        text = json.dumps(body, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise Unstorable(f"span {span.span_id} cannot be stored: {type(error).__name__}") from error
    columns = {
        **{name: getattr(span, name) for name in _PLAIN},
        "logged_as": writable(logged_as),
        "name": writable(span.name),
        "status_message": writable(span.status_message),
        "body": zlib.compress(text.encode(), 1),
    }
    return SpanRow(span, logged_as, tuple(columns[name] for name in COLUMNS))


def decode_span(values: tuple[Any, ...]) -> Span:
    """The span whose `COLUMNS` these are; half surrogates in its name are spelled out."""
    columns = dict(zip(COLUMNS, values, strict=True))
    body = json.loads(zlib.decompress(columns["body"]))
    body["events"] = tuple(Event(*event) for event in body["events"])
    body["links"] = tuple(Link(*link) for link in body["links"])
    return Span(**{name: columns[name] for name in _PLAIN}, **body)
