"""Which request each span of a body becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promptlayer_patch._secrets import scrubbed
from promptlayer_patch._spans.genai import record_id_of, request_of
from promptlayer_patch._spans.labels import PromptReference
from promptlayer_patch._spans.model import Span
from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.server.bodies import checked
from promptlayer_patch.server.tracking import LogRequest, entry_of
from promptlayer_patch.store import Entry
from promptlayer_patch.store.registry.models import UnknownPrompt
from promptlayer_patch.store.registry.registry import Registry
from promptlayer_patch.store.spans.spans import SpanEntry

__all__ = ["Requests"]


class Requests:
    """Makes the requests of one body, whose spans often name the same few prompt templates."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[int | None, str, int | None, str | None], PromptLink | None] = {}

    def told(self, span: Span) -> SpanEntry:
        """A span of OpenTelemetry, and the call to a model that its attributes tell of.

        A prompt template that is not here costs no request: it is kept as the span names it.
        """
        request = request_of(span)
        if request is None:
            return SpanEntry(span)
        link = _link(request.prompt)
        if link is not None:
            link = self._exact(link) or (link if link.name else None)
        record = scrubbed(replace(request.record, prompt=link))
        entry = Entry.of(record)
        entry = replace(entry, api_type=request.api_type, span_id=span.span_id, trace_id=span.trace_id)
        return SpanEntry(span, entry)

    def logged(self, span: Span, log_request: Mapping[str, Any] | None, place: str) -> SpanEntry:
        """A span of PromptLayer's own form, and the request that the client has put into it.

        Times that it does not say are the span's. As in PromptLayer, a prompt template that is not here
        costs the request, and not the span. Raises `Invalid` for a request that is not in order.
        """
        if log_request is None:
            return SpanEntry(span)
        times = {"request_start_time": span.start_ns / 1e9, "request_end_time": span.end_ns / 1e9}
        said = {key: value for key, value in log_request.items() if value is not None or key not in times}
        entry = entry_of(checked(LogRequest, {**times, **said}, place), record_id_of(span), span.span_id)
        record = entry.record
        if record.prompt is not None:
            link = self._exact(record.prompt)
            if link is None:
                return SpanEntry(span)
            record = replace(record, prompt=link)
        return SpanEntry(span, replace(entry, record=record, trace_id=span.trace_id))

    def _exact(self, said: PromptLink) -> PromptLink | None:
        """The version that is meant, with the values of this call; `None` if it is not here."""
        key = (said.id, said.name, said.version, said.label)
        if key not in self._known:
            try:
                self._known[key] = self._registry.resolve(said)
            except UnknownPrompt:
                self._known[key] = None
        known = self._known[key]
        return None if known is None else replace(known, variables=said.variables)


def _link(said: PromptReference | None) -> PromptLink | None:
    return None if said is None else PromptLink(said.name or "", said.version, said.label, id=said.id)
