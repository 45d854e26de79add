"""Numbers and times: buckets or ids that find them, and SQL that tells exactly."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from typing import cast

from promptlayer_patch._query import Condition, Operator
from promptlayer_patch.store.indexing.facets import between, token
from promptlayer_patch.store.searching import columns
from promptlayer_patch.store.searching.plans import EVERYTHING, NOTHING, Plan, Sql
from promptlayer_patch.store.text import writable
from promptlayer_patch.store.writing import first_id

__all__ = ["number_plan", "time_plan"]

# Only after thousands of requests in one millisecond is an id later than its request, see `writing`.
_LATER_S = 3600.0
_DURATION = "SELECT {}(duration_s) FROM requests WHERE turn_count IS NOT NULL"


@dataclass(frozen=True, slots=True)
class _Range:
    """The numbers that are meant."""

    low: float
    high: float
    test: str
    arguments: tuple[float, ...]


def number_plan(asked: Condition) -> Plan:
    field = asked.field
    key = None if asked.key is None else writable(asked.key)
    if asked.operator is Operator.EXISTS:
        one = token(field) if key is None else token(columns.KEYS[field], key)
        return Plan(f"(facets:{one})", None, _told(field, key, "IS NOT NULL"))
    meant = _range(asked)
    buckets = between(field, meant.low, meant.high, key)
    if not buckets:
        return NOTHING
    alone = _told(field, key, meant.test, *meant.arguments)
    return Plan(f"(facets:({' OR '.join(buckets)}))", alone, alone)


def time_plan(connection: sqlite3.Connection, asked: Condition) -> Plan:
    if asked.operator is Operator.EXISTS:
        return EVERYTHING
    meant = _range(asked)
    low, high = meant.low, meant.high
    if asked.field == "request_end_time":
        # The ids say when requests began, and both ends of the index on durations are at hand.
        (shortest,) = connection.execute(_DURATION.format("min")).fetchone()
        (longest,) = connection.execute(_DURATION.format("max")).fetchone()
        low, high = low - (longest or 0.0), high - (shortest or 0.0)
    told = _told(asked.field, None, meant.test, *meant.arguments)
    first = 0 if low == -math.inf else first_id(low)
    last = EVERYTHING.last if high == math.inf else first_id(high + _LATER_S)
    return Plan(None, told, told, first, last) if first <= last else NOTHING


def _told(field: str, key: str | None, test: str, *arguments: float) -> Sql:
    if key is not None:
        return columns.score(key, test, *arguments)
    return Sql(f"{columns.NUMBERS[field]} {test}", arguments)


def _range(asked: Condition) -> _Range:
    if asked.operator is Operator.BETWEEN:
        low, high = cast("tuple[float, float]", asked.value)
        return _Range(low, high, "BETWEEN ? AND ?", (low, high))
    value = cast("float", asked.value)
    match asked.operator:
        case Operator.LESS:
            return _Range(-math.inf, value, "< ?", (value,))
        case Operator.AT_MOST:
            return _Range(-math.inf, value, "<= ?", (value,))
        case Operator.MORE:
            return _Range(value, math.inf, "> ?", (value,))
        case Operator.AT_LEAST:
            return _Range(value, math.inf, ">= ?", (value,))
    return _Range(value, value, "= ?", (value,))
