"""Reading requests back: one by its id, a search, and suggestions for its filters."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from promptlayer_patch._blueprint import blueprint_of
from promptlayer_patch._query import And, Filter, InvalidQuery, Operator, Query, condition
from promptlayer_patch._query.groups import filter_from_json, order_from_json, text_filter
from promptlayer_patch.server.endpoints import Call, Endpoint
from promptlayer_patch.server.fields import iso
from promptlayer_patch.server.refusals import BadRequest, Invalid, NotFound
from promptlayer_patch.server.walks import Step
from promptlayer_patch.store import Page, QueryTooSlow, Store, Summary, Total

__all__ = ["ENDPOINTS"]

_PER_PAGE_MOST = 100
_COUNTED_MOST = 100_000
_SUGGESTIONS = 100
_REQUEST_ID = re.compile("[0-9]{1,18}")


class RequestAnswer(BaseModel):
    success: Literal[True]
    prompt_blueprint: dict[str, Any]
    request_id: int
    provider: str
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    tokens: int | None
    price: float | None
    """US dollars; null until the request is indexed, and where no price is known."""
    request_start_time: str
    request_end_time: str
    latency_ms: float
    trace_id: str | None


class SearchBody(BaseModel):
    filter_group: dict[str, Any] | None = None
    filters: list[Any] | None = None
    q: str | None = None
    sort_by: str | None = None
    sort_order: str | None = None
    page: int = Field(default=1, ge=1, le=1_000_000_000)
    per_page: int = Field(default=25, ge=1, le=_PER_PAGE_MOST)
    include_prompt_name: bool = True


class FoundRequest(BaseModel):
    id: int
    engine: str | None
    provider_type: str
    input_tokens: int | None
    output_tokens: int | None
    price: float | None
    request_start_time: str
    request_end_time: str
    latency: float
    tags_array: list[str]
    metadata: list[dict[str, str]]
    scores: list[dict[str, Any]]
    prompt_name: str | None


class SearchAnswer(BaseModel):
    success: Literal[True]
    items: list[FoundRequest]
    page: int
    pages: int
    per_page: int
    total: int
    """How many there are, counted no further than 100,000."""
    has_next: bool
    has_prev: bool
    next_num: int | None
    prev_num: int | None


SuggestedField = Literal[
    "engine",
    "provider_type",
    "prompt_id",
    "prompt",
    "tags",
    "metadata_keys",
    "status",
    "tool_names",
    "output_keys",
    "input_variable_keys",
    "metadata_values",
    "output_values",
    "input_variable_values",
]
_NESTED = {
    "metadata_values": "metadata",
    "output_values": "output",
    "input_variable_values": "input_variables",
}


class SuggestionsQuery(BaseModel):
    field: SuggestedField
    prefix: Annotated[str, Field(max_length=10_000)] = ""
    metadata_key: str | None = None
    prompt_id: str | None = None
    filter_group: str | None = None
    """JSON."""


class SuggestionsAnswer(BaseModel):
    success: Literal[True]
    values: list[str]


def _get(call: Call[None, None]) -> dict[str, Any]:
    request_id = call.path["request_id"]
    if not _REQUEST_ID.fullmatch(request_id):
        raise Invalid([(("path", "request_id"), "expected an id, which is a whole number from 1 on", "int")])
    with call.workspace.reading() as store:
        found = store.get(int(request_id))
    if found is None:
        raise NotFound(f"there is no request {request_id} in this workspace")
    record = found.record
    return {
        "success": True,
        "prompt_blueprint": blueprint_of(record),
        "request_id": found.request_id,
        "provider": record.provider,
        "model": record.model,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "tokens": _sum(found.input_tokens, found.output_tokens),
        "price": found.cost,
        "request_start_time": iso(record.started_at),
        "request_end_time": iso(record.ended_at),
        "latency_ms": _milliseconds(record.duration_s),
        "trace_id": found.trace_id,
    }


def _search(call: Call[SearchBody, None]) -> dict[str, Any]:
    body, walks = call.body, call.workspace.walks
    query = _query(body)
    before = walks.before(query, body.page, body.per_page) if body.page > 1 else None
    with call.workspace.reading() as store:
        page, total = _page(store, query, body, before)
    if page.next is not None:
        walks.remember(query, body.page + 1, body.per_page, Step(page.next, total))
    # Where counting ended before the requests did, there is one page more as long as there is one.
    pages = max(-(-total.count // body.per_page), body.page + 1 if page.next else 0)
    return {
        "success": True,
        "items": [_found(one, body.include_prompt_name) for one in page.items],
        "page": body.page,
        "pages": pages,
        "per_page": body.per_page,
        "total": total.count,
        "has_next": page.next is not None,
        "has_prev": body.page > 1,
        "next_num": body.page + 1 if page.next else None,
        "prev_num": body.page - 1 if body.page > 1 else None,
    }


def _suggestions(call: Call[None, SuggestionsQuery]) -> dict[str, Any]:
    query = call.query
    field, key = _NESTED.get(query.field, query.field), query.metadata_key
    if query.field in _NESTED and not key:
        raise BadRequest(f"metadata_key: {query.field} needs a key")
    try:
        filter = _suggestions_filter(query)
        with call.workspace.reading() as store:
            found = store.suggest(
                field, query.prefix, key if query.field in _NESTED else None, filter, _SUGGESTIONS
            )
    except (InvalidQuery, QueryTooSlow) as problem:
        raise BadRequest(str(problem)) from problem
    return {"success": True, "values": [one.value for one in found]}


def _query(body: SearchBody) -> Query:
    try:
        filters = (filter_from_json(body.filter_group, body.filters), text_filter(body.q))
        return Query(And(filters), order_from_json(body.sort_by, body.sort_order))
    except InvalidQuery as problem:
        raise BadRequest(str(problem)) from problem


def _page(store: Store, query: Query, body: SearchBody, before: Step | None) -> tuple[Page, Total]:
    try:
        if before is not None:
            return store.search(query, body.per_page, before.after), before.total
        skip = (body.page - 1) * body.per_page
        return store.search(query, body.per_page, skip=skip), store.total(query, _COUNTED_MOST)
    except (InvalidQuery, QueryTooSlow) as problem:
        raise BadRequest(str(problem)) from problem


def _found(one: Summary, with_prompt_name: bool) -> dict[str, Any]:
    return {
        "id": one.request_id,
        "engine": one.model,
        "provider_type": one.provider,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "price": one.cost,
        "request_start_time": iso(one.started_at),
        "request_end_time": iso(one.started_at + one.duration_s),
        "latency": one.duration_s,
        "tags_array": list(one.tags),
        "metadata": [{key: value} for key, value in one.metadata.items()],
        "scores": [{"name": name, "score": score} for name, score in one.scores.items()],
        "prompt_name": one.prompt_name if with_prompt_name else None,
    }


def _suggestions_filter(query: SuggestionsQuery) -> Filter:
    group = None
    if query.filter_group is not None:
        try:
            group = json.loads(query.filter_group)
        except (ValueError, RecursionError):
            raise InvalidQuery("filter_group: no JSON") from None
    filters = [filter_from_json(group)]
    if query.prompt_id is not None:
        filters.append(condition("prompt_id", Operator.EQUALS, query.prompt_id))
    return And(tuple(filters))


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/public/v2/requests/suggestions",
        handler=_suggestions,
        summary="list the values of a field that begin so",
        query=SuggestionsQuery,
        answers=SuggestionsAnswer,
    ),
    Endpoint(
        method="POST",
        path="/api/public/v2/requests/search",
        handler=_search,
        summary="find requests by a filter",
        body=SearchBody,
        answers=SearchAnswer,
    ),
    Endpoint(
        method="GET",
        path="/api/public/v2/requests/{request_id}",
        handler=_get,
        summary="one request as a prompt blueprint",
        answers=RequestAnswer,
        refuses=(404,),
    ),
)
