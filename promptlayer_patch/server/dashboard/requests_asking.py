"""What the address of a list or a chart asks for: the text of the query bar, and the times about it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from promptlayer_patch._query import Cursor, Filter, InvalidQuery, SortKey, all_of
from promptlayer_patch._query.editing import Term, is_time, terms, without_time, written
from promptlayer_patch._query.language import parse
from promptlayer_patch.server.endpoints import Answer
from promptlayer_patch.store.charting.ranges import split

__all__ = [
    "TOO_SLOW",
    "Asked",
    "AskedQuery",
    "ListQuery",
    "Problem",
    "address_of",
    "asked",
    "elsewhere",
    "parsed",
]

TOO_SLOW = "This takes too long. Ask for less time, or for fewer things at once."
_PRESETS = (
    ("Last hour", "since:1h"),
    ("Last 24 hours", "since:24h"),
    ("Last 7 days", "since:7d"),
    ("Last 30 days", "since:30d"),
    ("All time", ""),
)
_MOMENT = re.compile(r"[\w:.+-]{1,40}")


class AskedQuery(BaseModel):
    """Parameters that every page has that shows the requests of a query."""

    model_config = ConfigDict(populate_by_name=True)

    q: str = Field(default="", max_length=20_000)
    since: str | None = Field(default=None, alias="from", max_length=40)
    until: str | None = Field(default=None, alias="to", max_length=40)
    format: str | None = None


class ListQuery(AskedQuery):
    """And those of the list of requests."""

    sort: SortKey = SortKey.STARTED
    order: Literal["desc", "asc"] = "desc"
    after: int | None = None
    """The id of the last request of the page before."""
    value: str | None = Field(default=None, max_length=1000)
    """And what it was sorted by, in JSON."""
    columns: str | None = Field(default=None, max_length=1000)
    known: str | None = None
    """The mark of the rows that the browser has: nothing is sent if they are the same."""

    @property
    def kept(self) -> dict[str, str]:
        """What stays the same when another query is asked, where it is not as usual."""
        said = {
            "sort": "" if self.sort is SortKey.STARTED else self.sort.value,
            "order": "" if self.order == "desc" else self.order,
            "columns": self.columns or "",
        }
        return {name: value for name, value in said.items() if value}

    def address(self, path: str, **changed: object) -> str:
        """The address of the same list, but for what is changed."""
        return address_of(path, **{"q": self.q, **self.kept, **changed})

    @property
    def cursor(self) -> Cursor | None:
        if self.after is None:
            return None
        try:
            value = json.loads(self.value or "null")
        except (ValueError, RecursionError):
            value = None
        return Cursor(self.after, value if isinstance(value, (int, float, str)) else None)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a query cannot be answered, and the text around the place."""

    says: str
    before: str = ""
    marked: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """One of the times to choose from."""

    name: str
    text: str
    """The query of that time."""
    current: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that was read, or the reason why it cannot be."""

    text: str
    filter: Filter | None
    terms: tuple[Term, ...] = ()
    problem: Problem | None = None
    presets: tuple[Preset, ...] = field(default=())

    @property
    def range(self) -> tuple[float | None, float | None]:
        """From when and until when, in seconds since the epoch, as far as the query says."""
        named = split(all_of(term.filter for term in self.terms))[0]
        return named.since if isfinite(named.since) else None, named.until if isfinite(named.until) else None


def parsed(text: str) -> Filter:
    """The filter of a query; days begin at this machine's midnight. Raises `InvalidQuery`."""
    return parse(text, now=time.time(), zone=None)


def asked(text: str) -> Asked:
    """The query in the bar."""
    now = time.time()
    try:
        filter = parse(text, now=now, zone=None)
        known = tuple(terms(text, now=now, zone=None))
    except InvalidQuery as fault:
        return Asked(text, None, problem=_problem(fault, text))
    chosen = written(term for term in known if is_time(term.filter))
    timeless = without_time(known)
    presets = tuple(Preset(name, written(timeless, said), said == chosen) for name, said in _PRESETS)
    return Asked(text, filter, known, None, presets)


def elsewhere(path: str, query: AskedQuery, others: Mapping[str, object]) -> Answer | None:
    """The way to the one address of a query, where its times were given apart from it, as forms do."""
    if query.since is None and query.until is None:
        return None
    times = [
        f"{name}:{value}"
        for name, value in (("since", query.since), ("before", query.until))
        if value and _MOMENT.fullmatch(value)
    ]
    try:
        known = terms(query.q, now=time.time(), zone=None)
    except InvalidQuery:
        text = query.q  # what is wrong with it is said there
    else:
        text = written(without_time(known), *times)
    return Answer(b"", 303, {"Location": address_of(path, q=text, **others)}, "text/html; charset=utf-8")


def address_of(path: str, **parameters: object) -> str:
    """`path` with those of the parameters that say something."""
    said = {name: value for name, value in parameters.items() if value not in (None, "", ())}
    return f"{path}?{urlencode(said)}" if said else path


def _problem(fault: InvalidQuery, text: str) -> Problem:
    if fault.span is None:
        return Problem(fault.problem)
    first, last = fault.span
    return Problem(
        fault.problem, text[max(0, first - 60) : first], text[first:last][:200], text[last : last + 60]
    )
