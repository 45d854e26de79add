"""Which request each span of a body becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promptlayer_patch._bulk import RESPONSE
from promptlayer_patch._refining.secrets import scrubbed
from promptlayer_patch._spans.genai import record_id_of, request_of
from promptlayer_patch._spans.labels import PromptReference
from promptlayer_patch._spans.model import Span
from promptlayer_patch._wire import RECORD_ID, record_in
from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Record
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
        record, link = request.record, _link(request.prompt)
        if link is not None:
            record = replace(record, prompt=self._exact(link) or (link if link.name else None))
        record = scrubbed(record)
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
        record = scrubbed(_of_our_client(entry, span))
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


def _of_our_client(entry: Entry, span: Span) -> Record:
    """What promptlayer_patch says of a record where PromptLayer has no field: as in `/track-request`.

    So it is the same request, whichever way it comes, and however often.
    """
    record = entry.record
    if RECORD_ID not in record.metadata:
        return record
    found = record_in(
        {
            "function_name": record.function_name,
            "provider_type": record.provider,
            "kwargs": {**record.request, **({"api_type": entry.api_type} if entry.api_type else {})},
            "request_response": {**_beside_the_content(span), **record.response},
            "request_start_time": record.started_at,
            "request_end_time": record.ended_at,
            "tags": record.tags,
            "metadata": record.metadata,
            "status": entry.status,
            "error_type": entry.error_type,
            "error_message": entry.error_message,
        }
    )
    if found.id != record.metadata[RECORD_ID]:
        return record
    streamed = record.request["parameters"].get("stream") is True
    return replace(found, streamed=streamed, prompt=record.prompt)


def _beside_the_content(span: Span) -> dict[str, Any]:
    try:
        found = json.loads(span.attributes.get(RESPONSE, "{}"))
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _link(said: PromptReference | None) -> PromptLink | None:
    return None if said is None else PromptLink(said.name or "", said.version, said.label, id=said.id)
