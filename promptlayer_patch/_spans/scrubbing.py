"""Taking secrets out of spans, before anything is made of them."""

from __future__ import annotations

from dataclasses import replace

from promptlayer_patch._refining.secrets import scrubbed_value
from promptlayer_patch._spans.model import Span

__all__ = ["scrubbed_span"]

_FIELDS = ("name", "status_message", "trace_state", "attributes", "resource")


def scrubbed_span(span: Span) -> Span:
    """`span` without API keys and the like in its texts and attributes."""
    cleaned = {name: scrubbed_value(getattr(span, name)) for name in _FIELDS}
    events = tuple(replace(event, attributes=scrubbed_value(event.attributes)) for event in span.events)
    links = tuple(replace(link, attributes=scrubbed_value(link.attributes)) for link in span.links)
    return replace(span, **cleaned, events=events, links=links)
