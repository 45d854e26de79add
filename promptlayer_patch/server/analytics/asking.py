"""From the body of an analytics request to a filter, and from its mistakes to a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from promptlayer_patch._query import And, Filter, InvalidQuery
from promptlayer_patch._query.groups import filter_from_json, text_filter
from promptlayer_patch.server.analytics.bodies import RequestsQuery
from promptlayer_patch.server.refusals import BadRequest
from promptlayer_patch.store.searching.limits import QueryTooSlow

__all__ = ["filter_of", "plainly_refused"]


@contextmanager
def plainly_refused() -> Iterator[None]:
    """Say what is wrong with a query, or that it takes too long, as the client's mistake that it is."""
    try:
        yield
    except (InvalidQuery, QueryTooSlow) as error:
        raise BadRequest(str(error)) from None


def filter_of(query: RequestsQuery) -> Filter:
    return And((filter_from_json(query.filter_group, query.filters), text_filter(query.q)))
