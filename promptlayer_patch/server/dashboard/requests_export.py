"""Downloading requests: exactly those of a query, or those that are selected."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Literal

from promptlayer_patch._exported import FORMATS, Format
from promptlayer_patch._query import Cursor, Filter, InvalidQuery, Operator, Order, Query, condition
from promptlayer_patch.server.dashboard.requests_asking import parsed
from promptlayer_patch.server.dashboard.requests_bulk import Selection
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint, Stream
from promptlayer_patch.server.refusals import BadRequest
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store import Store, Summary

__all__ = ["ENDPOINTS"]

_PAGE = 200
_PIECE_BYTES = 64 * 1024
# Texts, whatever is in them: no browser shows a download as a page.
_TYPES = {"jsonl": "application/jsonl; charset=utf-8", "csv": "text/csv; charset=utf-8"}


class ExportBody(Selection):
    kind: Literal["jsonl", "csv"] = "jsonl"


def _export(call: Call[Any, Any]) -> Answer:
    said: ExportBody = call.body or call.query
    try:
        filter = _filter(said)
    except InvalidQuery as fault:
        raise BadRequest(fault.problem) from None
    headers = {"Content-Disposition": f'attachment; filename="requests.{said.kind}"'}
    pieces = _pieces(call.workspace, filter, FORMATS[said.kind])
    return Answer(Stream(pieces), 200, headers, _TYPES[said.kind])


def _filter(said: ExportBody) -> Filter:
    if said.id and said.all != "yes":
        return condition("pl_id", Operator.ONE_OF, [str(one) for one in said.id])
    return parsed(said.q)


def _pieces(workspace: Workspace, filter: Filter, form: Format) -> Generator[bytes, None, None]:
    """The file, some requests at a time: any number of them in little memory."""
    piece = bytearray(form.header)
    # Oldest first: what begins while this runs comes behind.
    query = Query(filter, Order(descending=False))
    with workspace.reading() as store:
        for summary in _summaries(store, query):
            stored = store.get(summary.request_id)
            if stored is None:
                continue  # deleted a moment ago
            piece += form.row(summary, stored)
            if len(piece) >= _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def _summaries(store: Store, query: Query) -> Iterator[Summary]:
    after: Cursor | None = None
    while True:
        found = store.search(query, _PAGE, after)
        yield from found.items
        after = found.next
        if after is None:
            return


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/requests/export",
        handler=_export,
        summary="download the requests of a query",
        auth=Auth.SESSION,
        query=ExportBody,
    ),
    Endpoint(
        method="POST",
        path="/requests/export",
        handler=_export,
        summary="download selected requests",
        auth=Auth.SESSION,
        form=True,
        body=ExportBody,
    ),
)
