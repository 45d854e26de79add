"""`promptlayer:` posts each request to PromptLayer, or to a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from promptlayer_patch._guard import warn_once
from promptlayer_patch._http import Answer, Connection
from promptlayer_patch._imports import importing
from promptlayer_patch._wire import (
    SPANS_BULK,
    TRACK_REQUEST,
    accepts,
    annotation_request,
    encoded,
    request_id_in,
    track_request,
)
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.exporters import Batch, Remote
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._bulk import Packed
    from promptlayer_patch._settings import Settings

_WORTH_RETRYING = frozenset({408, 425, 429})
_CONNECTIONS = 4
_NOT_KNOWN = frozenset({401, 403})
_NO_SUCH_ENDPOINT = frozenset({404, 405, 501})
_TOO_LARGE = 413
_PROOF = 4
"""Of fewer records, one that is refused can be the reason why none of them gets through together."""
_BATCH = Batch(records=64, size=1024 * 1024)

ASSIGNS_IDS = True


class PromptLayerExporter:
    """One request a POST or, with a `batch`, as many as it allows; the answer carries the request ids."""

    def __init__(self, base_url: str, api_key: str, batch: Batch | None = None) -> None:
        self.batch = batch
        self._api_key = api_key
        self._connection = Connection(base_url, secret=api_key)

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        if self.batch is None or len(batch) < 2:
            return [self._alone(record) for record in batch]
        return self._together(batch)

    def annotate(self, annotation: Annotation) -> Delivery:
        """Say it about the request of its id."""
        if annotation.request_id is None:
            return Rejected("its request was given no id")
        path, body = annotation_request(annotation.content, annotation.request_id)
        return self._post(path, lambda: body)

    def close(self) -> None:
        self._connection.close()

    def _alone(self, record: Record) -> Delivery:
        return self._post(TRACK_REQUEST, partial(track_request, record))

    def _together(self, records: Sequence[Record]) -> list[Delivery]:
        """In one request what can be, and one after the other what is left then."""
        spans = _packed(records)
        found: dict[int, Delivery] = {}
        for at, delivery in zip(spans, self._posted(list(spans.values())), strict=True):
            if delivery is not None:
                found[at] = delivery
        got_through = any(isinstance(delivery, Delivered) for delivery in found.values())
        for at, record in enumerate(records):
            if at not in found:
                # Who does not answer for one of them is not asked for the others: each may take its time.
                late = next((one for one in found.values() if isinstance(one, TryLater)), None)
                found[at] = late or self._alone(record)
        if len(spans) >= _PROOF and not got_through and all(isinstance(found[at], Delivered) for at in spans):
            self._take_no_more_batches("what is refused together is taken alone")
        return [found[at] for at in range(len(records))]

    def _posted(self, spans: list[Packed]) -> list[Delivery | None]:
        """Deliveries for `spans`, `None` for those that have to go alone.

        A batch that is refused is halved until it is clear which record is meant.
        """
        if self.batch is None or len(spans) < 2:
            return [None] * len(spans)
        with importing():
            from promptlayer_patch._bulk import body_of, request_ids_in

        body = body_of(spans)
        answer = self._connection.post(SPANS_BULK, body, {"X-API-KEY": self._api_key})
        if answer.status in (200, 201):
            given = request_ids_in(answer.data)
            if given is None:
                return [TryLater(reason=f"HTTP {answer.status}, but not PromptLayer's answer")] * len(spans)
            # A span whose request was left out, as where its prompt template is not known, has no id.
            return [Delivered(given[one.span_id]) if one.span_id in given else None for one in spans]
        if answer.status in _NO_SUCH_ENDPOINT:
            self._take_no_more_batches(answer.reason)
            return [None] * len(spans)
        delivery = delivery_of(answer)
        if not isinstance(delivery, Rejected):
            return [delivery] * len(spans)
        if answer.status == _TOO_LARGE:
            self.batch = Batch(self.batch.records, len(body) // 2)
        half = len(spans) // 2
        first = self._posted(spans[:half])
        late = next((one for one in first if isinstance(one, TryLater)), None)
        return first + ([late] * (len(spans) - half) if late else self._posted(spans[half:]))

    def _take_no_more_batches(self, reason: str) -> None:
        warn_once("batches", "records are sent one by one, batches are not taken: %s", reason)
        self.batch = None

    def _post(self, path: str, fields: Callable[[], dict[str, Any]]) -> Delivery:
        try:
            body = encoded({**fields(), "api_key": self._api_key})
        except Exception as error:  # the caller's own objects may stand in a record, and raise anything
            return Rejected(f"cannot be written as JSON: {type(error).__name__}")
        return delivery_of(self._connection.post(path, body))


def delivery_of(answer: Answer) -> Delivery:
    """What PromptLayer's answer means for the record."""
    if answer.status == 200:
        request_id = request_id_in(answer.data)
        if request_id is not None or accepts(answer.data):
            return Delivered(request_id)
        return TryLater(reason="HTTP 200, but not PromptLayer's answer")
    if answer.status is None or answer.status >= 500 or answer.status in _WORTH_RETRYING:
        return TryLater(answer.retry_after_s, reason=answer.reason)
    if answer.status in _NOT_KNOWN and isinstance(answer.data, dict):
        # In its own form, that is: a firewall that dislikes one prompt answers 403 in HTML.
        return TryLater(
            reason=f"{answer.reason}; sending stops until install() gives another key", refuses_key=True
        )
    if answer.status in _NOT_KNOWN or 300 <= answer.status < 400:
        return TryLater(reason=f"{answer.reason}, which is not PromptLayer's answer")
    return Rejected(answer.reason)


def _packed(records: Sequence[Record]) -> dict[int, Packed]:
    """Those of the records that can go together, as spans, by their place."""
    # Imported by the first batch: how a call becomes a blueprint is no part of the program's start-up time.
    with importing():
        from promptlayer_patch._bulk import packed

    found = {}
    for at, record in enumerate(records):
        try:
            span = packed(record)
        except Exception:  # the caller's own objects may stand in a record; alone, it says why
            continue
        if span is not None:
            found[at] = span
    return found


def remote(target: str, settings: Settings) -> Remote:
    return Remote(target.rstrip("/") or settings.base_url, settings.api_key or "", _CONNECTIONS)


def open_exporter(target: str, settings: Settings) -> PromptLayerExporter:
    found = remote(target, settings)
    return PromptLayerExporter(found.url, found.api_key, _BATCH if settings.batch else None)
