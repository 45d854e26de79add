"""`promptlayer:` posts each request to PromptLayer, or to a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from promptlayer_patch._http import Answer, Connection
from promptlayer_patch._wire import (
    TRACK_REQUEST,
    accepts,
    annotation_request,
    encoded,
    request_id_in,
    track_request,
)
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.exporters import Remote
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings

_WORTH_RETRYING = frozenset({408, 425, 429})
_CONNECTIONS = 4
_NOT_KNOWN = frozenset({401, 403})

ASSIGNS_IDS = True


class PromptLayerExporter:
    """One request a POST, as PromptLayer takes them; the answer carries the request id."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._api_key = api_key
        self._connection = Connection(base_url, secret=api_key)

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        return [self._post(TRACK_REQUEST, partial(track_request, record)) for record in batch]

    def annotate(self, annotation: Annotation) -> Delivery:
        """Say it about the request of its id."""
        if annotation.request_id is None:
            return Rejected("its request was given no id")
        path, body = annotation_request(annotation.content, annotation.request_id)
        return self._post(path, lambda: body)

    def close(self) -> None:
        self._connection.close()

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


def remote(target: str, settings: Settings) -> Remote:
    return Remote(target.rstrip("/") or settings.base_url, settings.api_key or "", _CONNECTIONS)


def open_exporter(target: str, settings: Settings) -> PromptLayerExporter:
    found = remote(target, settings)
    return PromptLayerExporter(found.url, found.api_key)
