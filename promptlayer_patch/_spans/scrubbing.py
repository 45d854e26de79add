"""Taking secrets out of spans, before anything is made of them."""

from __future__ import annotations

import json
from dataclasses import replace

from promptlayer_patch._refining.screening import is_clean
from promptlayer_patch._refining.secrets import scrubbed_value
from promptlayer_patch._spans.model import Span

__all__ = ["scrubbed_span"]

_FIELDS = ("name", "status_message", "trace_state", "attributes", "resource")


def scrubbed_span(span: Span) -> Span:
    """`span` without API keys and the like in its texts and attributes; the same where there are none."""
    if _is_clean(span):
        return span
    cleaned = {name: scrubbed_value(getattr(span, name)) for name in _FIELDS}
    events = tuple(replace(event, attributes=scrubbed_value(event.attributes)) for event in span.events)
    links = tuple(replace(link, attributes=scrubbed_value(link.attributes)) for link in span.links)
    return replace(span, **cleaned, events=events, links=links)


def _is_clean(span: Span) -> bool:
    """A look at all of it at once takes a third of the time: most spans hold JSON, with many names in it."""
    said = [getattr(span, name) for name in _FIELDS]
    said += [event.attributes for event in span.events] + [link.attributes for link in span.links]
    try:
        text = json.dumps(said, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return is_clean(text.encode("utf-8", "surrogatepass"))
