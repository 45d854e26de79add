"""Sums by hour and by day that are kept while requests are indexed, so that no chart has to count them.

A row stands for one hour or day of one value of one dimension. Requests are added to it and taken from it in
whole numbers, so after any number of changes it holds what counting anew would give.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache

from promptlayer_patch.store.charting.functions import register
from promptlayer_patch.store.charting.histograms import counted, latency_bucket, packed
from promptlayer_patch.store.charting.totals import MEASURES, Tally, summed
from promptlayer_patch.store.indexing.indexed import Indexed
from promptlayer_patch.store.multirow import insertion, run

__all__ = [
    "DAY_S",
    "HOUR_S",
    "IN_OUTPUTS",
    "LAST_TIME",
    "MOST_COST",
    "MOST_SECONDS",
    "MOST_TOKENS",
    "MOST_TOOL_CALLS",
    "TABLES",
    "Dimension",
    "Value",
    "add",
    "remove",
]

HOUR_S = 3600
DAY_S = 86400

# What is more than this came from no provider; it must not make a sum overflow.
MOST_TOKENS = 10**12
MOST_COST = 1e4
MOST_SECONDS = 1e6
MOST_TOOL_CALLS = 1000
LAST_TIME = 2**33  # the year 2242

Value = tuple[str | None, ...]
"""What a dimension tells requests apart by."""


class Dimension(IntEnum):
    """What requests are counted by. The numbers are in files: they never change."""

    BASE = 1
    """Model, provider and status together."""
    TAG = 2
    PROMPT = 3
    """Id and name of the prompt template."""
    ERROR_TYPE = 4
    TOOL = 5
    METADATA_KEY = 6
    OUTPUT_KEY = 7
    VARIABLE_KEY = 8


IN_OUTPUTS = (Dimension.TOOL, Dimension.OUTPUT_KEY, Dimension.VARIABLE_KEY)
"""What no other table says of a request."""


TABLES = {
    # Values are written once; `requests` says when nobody needs one any more.
    "rollup_values": """
        CREATE TABLE rollup_values (
            value_id INTEGER PRIMARY KEY,
            dimension INTEGER NOT NULL,
            value TEXT NOT NULL,
            requests INTEGER NOT NULL,
            UNIQUE (dimension, value)
        )
    """,
    "rollups": f"""
        CREATE TABLE rollups (
            length_s INTEGER NOT NULL,
            dimension INTEGER NOT NULL,
            begins_at INTEGER NOT NULL,
            value_id INTEGER NOT NULL,
            {", ".join(f"{name} INTEGER NOT NULL" for name in MEASURES)},
            latencies BLOB NOT NULL,
            tool_call_counts BLOB NOT NULL,
            PRIMARY KEY (length_s, dimension, begins_at, value_id)
        ) WITHOUT ROWID
    """,
    # The values of a request in the dimensions `IN_OUTPUTS`, for charts that have to count.
    "request_values": """
        CREATE TABLE request_values (
            request_id INTEGER NOT NULL,
            value_id INTEGER NOT NULL,
            PRIMARY KEY (request_id, value_id)
        ) WITHOUT ROWID
    """,
}
"""Derived: dropped and made anew whenever the index is."""

_KEY = ("length_s", "dimension", "begins_at", "value_id")
_HISTOGRAMS = ("latencies", "tool_call_counts")
_COLUMNS = (*_KEY, *MEASURES, *_HISTOGRAMS)
_NUMBERED = {name: f"?{place}" for place, name in enumerate(_COLUMNS, 1)}
_ADD = f"""
    INSERT INTO rollups ({", ".join(_COLUMNS)}) SELECT * FROM {{rows}} WHERE column1 IS NOT NULL
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET
    {", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURES)},
    {", ".join(f"{name} = added_histogram({name}, excluded.{name})" for name in _HISTOGRAMS)}
"""
_TAKE = f"""
    UPDATE rollups SET
    {", ".join(f"{name} = {name} - {_NUMBERED[name]}" for name in MEASURES)},
    {", ".join(f"{name} = taken_histogram({name}, {_NUMBERED[name]})" for name in _HISTOGRAMS)}
    WHERE {" AND ".join(f"{name} = {_NUMBERED[name]}" for name in _KEY)}
"""
_FORGET = f"DELETE FROM rollups WHERE {' AND '.join(f'{name} = ?' for name in _KEY)} AND requests <= 0"
_ADD_VALUE = """
    INSERT INTO rollup_values (dimension, value, requests) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (dimension, value) DO UPDATE SET requests = requests + excluded.requests
"""
# In one row: to be handed many gives the interpreter's lock away as often.
_VALUE_IDS = """
    SELECT json_group_array(json_array(dimension, value, value_id))
    FROM {rows} CROSS JOIN rollup_values ON dimension = column1 AND value = column2
"""
_ADD_REQUEST_VALUES = insertion("request_values", ("request_id", "value_id"))
_TAKE_VALUE = "UPDATE rollup_values SET requests = requests - ? WHERE value_id = ?"
_FORGET_VALUE = "DELETE FROM rollup_values WHERE value_id = ? AND requests <= 0"

_BASE = Dimension.BASE
_Named = tuple[Dimension, Value]
_Tallies = dict[tuple[Dimension, Value, int], Tally]


def add(connection: sqlite3.Connection, rows: Sequence[Indexed]) -> None:
    """Count requests; to be called in the transaction that indexes them."""
    if not rows:
        return
    register(connection)
    hours = _tallies(rows)
    uses = [(int(named[0]), _text(named[1]), count) for named, count in _uses(hours).items()]
    run(connection, _ADD_VALUE, uses)
    ids = _value_ids(connection, hours)
    run(connection, _ADD, _changes(hours, ids))
    run(
        connection,
        _ADD_REQUEST_VALUES,
        [
            (row.request_id, ids[named])
            for row in rows
            for named in dict.fromkeys(_values(row))
            if named[0] in IN_OUTPUTS
        ],
    )


def remove(connection: sqlite3.Connection, rows: Sequence[Indexed]) -> None:
    """Count requests no longer; they must be what `add` was given."""
    if not rows:
        return
    register(connection)
    hours = _tallies(rows)
    ids = _value_ids(connection, hours)
    changes = _changes(hours, ids)
    connection.executemany(_TAKE, changes)
    connection.executemany(_FORGET, [change[: len(_KEY)] for change in changes])
    connection.executemany(_TAKE_VALUE, [(count, ids[named]) for named, count in _uses(hours).items()])
    connection.executemany(_FORGET_VALUE, [(value_id,) for value_id in ids.values()])
    connection.executemany(
        "DELETE FROM request_values WHERE request_id = ?", [(row.request_id,) for row in rows]
    )


def _tallies(rows: Iterable[Indexed]) -> _Tallies:
    """By dimension, value and hour."""
    tallies: defaultdict[tuple[Dimension, Value, int], Tally] = defaultdict(Tally)
    for row in rows:
        hour, own = _hour_of(row.started_at), _tally(row)
        for dimension, value in _values(row):
            tallies[dimension, value, hour].add(own)
    return dict(tallies)


def _tally(row: Indexed) -> Tally:
    calls = 0 if row.tool_call_count is None else counted(min(row.tool_call_count, MOST_TOOL_CALLS))
    return Tally(summed(_measures(row)), counted(latency_bucket(_microseconds(row.duration_s))), calls)


def _hour_of(started_at: float) -> int:
    """When the hour began in which a request did."""
    return math.floor(min(max(started_at, 0.0), LAST_TIME)) // HOUR_S * HOUR_S


def _values(row: Indexed) -> Iterator[_Named]:
    yield _BASE, (row.model, row.provider, row.pl_status)
    if row.prompt_name is not None:
        prompt_id = None if row.prompt_id is None else str(row.prompt_id)
        yield Dimension.PROMPT, (prompt_id, row.prompt_name)
    if row.pl_error_type is not None:
        yield Dimension.ERROR_TYPE, (row.pl_error_type,)
    if row.tags:
        yield from _each(Dimension.TAG, row.tags)
    if row.tool_names:
        yield from _each(Dimension.TOOL, row.tool_names)
    if row.metadata:
        yield from _each(Dimension.METADATA_KEY, tuple(row.metadata))
    if row.output_values:
        yield from _each(Dimension.OUTPUT_KEY, tuple(row.output_values))
    if row.input_variables:
        yield from _each(Dimension.VARIABLE_KEY, tuple(row.input_variables))


@lru_cache(maxsize=2048)
def _each(dimension: Dimension, names: tuple[str, ...]) -> tuple[_Named, ...]:
    """Most requests have the same names as those before them."""
    return tuple((dimension, (name,)) for name in dict.fromkeys(names))


def _measures(row: Indexed) -> tuple[int, ...]:
    tokens = [row.input_tokens, row.output_tokens, row.cached_tokens, row.thinking_tokens]
    return (
        1,
        *[_capped(count) for count in tokens],
        math.floor(min(max(row.cost or 0.0, 0.0), MOST_COST) * 1e9 + 0.5),
        _microseconds(row.duration_s),
        _capped(row.turn_count),
        _capped(row.tool_call_count),
        *[count is not None for count in tokens],
        row.cost is not None,
        row.turn_count is not None,
        row.tool_call_count is not None,
        row.trace_id is not None,
        row.shape == "json",
        row.shape == "tool_call",
        row.shape == "plain_text",
    )


def _capped(count: int | None) -> int:
    return 0 if count is None or count < 0 else count if count < MOST_TOKENS else MOST_TOKENS


def _microseconds(seconds: float) -> int:
    return math.floor(min(max(seconds, 0.0), MOST_SECONDS) * 1e6 + 0.5)


def _uses(tallies: _Tallies) -> Counter[_Named]:
    uses: Counter[_Named] = Counter()
    for (dimension, value, _), tally in tallies.items():
        uses[dimension, value] += tally.values[0]
    return uses


@lru_cache(maxsize=4096)
def _text(value: Value) -> str:
    return json.dumps(value)


def _value_ids(connection: sqlite3.Connection, tallies: _Tallies) -> dict[_Named, int]:
    named = {(int(dimension), _text(value)): (dimension, value) for dimension, value, _ in tallies}
    groups = run(connection, _VALUE_IDS, list(named))
    return {
        named[dimension, value]: value_id
        for (text,) in groups
        for dimension, value, value_id in json.loads(text)
    }


def _changes(hours: _Tallies, ids: Mapping[_Named, int]) -> list[tuple[object, ...]]:
    """What is to be added to rows of `rollups`, or taken from them; in the order of the table."""
    days: defaultdict[tuple[Dimension, Value, int], Tally] = defaultdict(Tally)
    for (dimension, value, hour), tally in hours.items():
        days[dimension, value, hour // DAY_S * DAY_S].add(tally)
    return sorted(
        (
            length,
            int(dimension),
            begins_at,
            ids[dimension, value],
            *tally.values,
            packed(tally.latencies),
            packed(tally.tool_call_counts),
        )
        for length, tallies in ((HOUR_S, hours), (DAY_S, days))
        for (dimension, value, begins_at), tally in tallies.items()
    )
