"""The sidebar of the list: what the requests have in common, with counts; and what fits in the query bar."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from promptlayer_patch._query import FIELDS, Filter, Kind, Operator, all_of, condition, negated
from promptlayer_patch._query.editing import with_term, without, without_field, written
from promptlayer_patch._query.language import complete, quoted
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.requests_asking import Asked, AskedQuery, ListQuery, asked
from promptlayer_patch.server.dashboard.words import language_of, words
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store import QueryTooSlow, Store, StoreUnavailable, Suggestion

__all__ = ["ENDPOINTS"]

_TITLES = {
    "engine": "Model",
    "tags": "Tags",
    "status": "Status",
    "ending": "Ending",
    "function_name": "Function",
    "prompt": "Template",
    "score_names": "Scores",
    "group": "Groups",
    "metadata": "User",
}
_USER_KEY = "user_id"
_LISTED = tuple(name for name in _TITLES if name != "metadata")
_SHOWN = 12
_LONGEST = 500
_STORED = 8
_PLAIN = re.compile(r"[^\W_][\w.@/+-]*")


class CompleteQuery(AskedQuery):
    at: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class Value:
    """One value to click on."""

    value: str
    count: int
    chosen: bool
    toggled: str
    """The query after a click."""
    excluded: str
    """The query of all requests without it."""


@dataclass(frozen=True, slots=True)
class Facet:
    field: str
    title: str
    values: tuple[Value, ...]


def _facets(call: Call[None, ListQuery]) -> Answer:
    bar = asked(call.query.q)
    facets: list[Facet] = []
    counted = None
    if bar.filter is not None:
        try:
            with call.workspace.reading() as store:
                counts = store.facet_counts(bar.filter, _LISTED, _SHOWN)
                found = dict(counts.values)
                found["metadata"] = store.suggest("metadata", "", _USER_KEY, bar.filter, _SHOWN)
                found |= _others(store, bar)
            counted = counts.counted
            facets = [facet for name in _TITLES if (facet := _facet(bar, name, found[name])).values]
        except (QueryTooSlow, StoreUnavailable):
            pass  # the list says so
    data: dict[str, Any] = {"q": call.query.q, "facets": facets, "counted": counted}
    if call.query.format != "json":
        data |= {"section": "Requests", "query": call.query}
    return page(call, "requests_facets.html", data, title="Filters")


def _others(store: Store, bar: Asked) -> Mapping[str, tuple[Suggestion, ...]]:
    """Of what a request has one of, and one is chosen: the others as well, so that one may change to them."""
    found: dict[str, tuple[Suggestion, ...]] = {}
    for name in _LISTED:
        if FIELDS[name].kind is Kind.WORD and any(term.field == name for term in bar.terms):
            rest = all_of(term.filter for term in without_field(bar.terms, name))
            found |= store.facet_counts(rest, [name], _SHOWN).values
    return found


def _facet(bar: Asked, name: str, found: Sequence[Suggestion]) -> Facet:
    # What is longer fits neither the sidebar nor the query bar.
    short = [one for one in found if len(one.value) <= _LONGEST]
    return Facet(name, _TITLES[name], tuple(_value(bar, name, one) for one in short))


def _value(bar: Asked, name: str, found: Suggestion) -> Value:
    asks = _condition(name, found.value)
    others = without(bar.terms, asks)
    chosen = len(others) < len(bar.terms)
    kept = without_field(bar.terms, name) if FIELDS[name].kind is Kind.WORD else bar.terms
    toggled = others if chosen else with_term(kept, asks)
    return Value(
        found.value, found.count, chosen, written(toggled), written(with_term(others, negated(asks)))
    )


def _condition(name: str, value: str) -> Filter:
    return condition(name, Operator.EQUALS, value, _USER_KEY if name == "metadata" else None)


def _complete(call: Call[None, CompleteQuery]) -> dict[str, Any]:
    text = call.query.q
    completion = complete(text, call.query.at)
    t = words(language_of(call.headers))
    offered: list[dict[str, Any]] = [
        {"text": one.text, "says": t(one.says), "count": None} for one in completion.suggestions
    ]
    if completion.stored is not None:
        field, key = completion.stored
        is_key = text[: completion.span[0]].endswith(".")
        stored = _stored(call.workspace, field, key, completion.prefix)
        values = [
            {"text": _written(one.value) + (":" if is_key else ""), "says": "", "count": one.count}
            for one in stored
        ]
        offered = values + offered
    return {"span": completion.span, "suggestions": offered[:30]}


def _stored(workspace: Workspace, field: str, key: str | None, prefix: str) -> tuple[Suggestion, ...]:
    try:
        with workspace.reading() as store:
            return store.suggest(field, prefix, key, limit=_STORED)
    except (QueryTooSlow, StoreUnavailable):
        return ()


def _written(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quoted(value)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/requests/facets",
        handler=_facets,
        summary="what the requests of a query have in common",
        auth=Auth.SESSION,
        query=ListQuery,
    ),
    Endpoint(
        method="GET",
        path="/complete",
        handler=_complete,
        summary="what may be typed next in the query bar",
        auth=Auth.SESSION,
        query=CompleteQuery,
    ),
)
