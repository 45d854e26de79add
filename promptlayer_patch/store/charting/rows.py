"""Counting requests row by row, where no rollup knows: the newest ones that a filter finds, up to a limit."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from promptlayer_patch.store.charting import rollups
from promptlayer_patch.store.charting.functions import register
from promptlayer_patch.store.charting.ranges import Interval
from promptlayer_patch.store.charting.rollups import Dimension
from promptlayer_patch.store.charting.totals import MEASURES
from promptlayer_patch.store.searching.plans import Plan, Sql
from promptlayer_patch.store.searching.scanning import selection

__all__ = ["GROUPINGS", "LABELS", "MEASURED", "Grouping", "Rows", "alike", "newest", "point_of"]


def _tokens(name: str) -> str:
    return f"min(max(ifnull({name}, 0), 0), {rollups.MOST_TOKENS})"


# The same numbers, to the last bit, that the rollups make of a request.
MEASURED = {
    "requests": "1",
    "input_tokens": _tokens("input_tokens"),
    "output_tokens": _tokens("output_tokens"),
    "cached_tokens": _tokens("cached_tokens"),
    "thinking_tokens": _tokens("thinking_tokens"),
    "cost_nanos": f"CAST(min(max(ifnull(cost, 0.0), 0.0), {rollups.MOST_COST}) * 1e9 + 0.5 AS INTEGER)",
    "latency_us": f"CAST(min(max(duration_s, 0.0), {rollups.MOST_SECONDS}) * 1e6 + 0.5 AS INTEGER)",
    "turns": _tokens("turn_count"),
    "tool_calls": _tokens("tool_call_count"),
    "with_input_tokens": "input_tokens IS NOT NULL",
    "with_output_tokens": "output_tokens IS NOT NULL",
    "with_cached_tokens": "cached_tokens IS NOT NULL",
    "with_thinking_tokens": "thinking_tokens IS NOT NULL",
    "with_cost": "cost IS NOT NULL",
    "with_turns": "turn_count IS NOT NULL",
    "with_tool_calls": "tool_call_count IS NOT NULL",
    "traced": "trace_id IS NOT NULL",
    "json": "shape IS 'json'",
    "tool_call": "shape IS 'tool_call'",
    "plain_text": "shape IS 'plain_text'",
}
LABELS = ("model", "provider", "pl_status", "pl_error_type")
_COLUMNS = (
    "request_id INTEGER PRIMARY KEY",
    "started_at",
    *LABELS,
    *MEASURES,
    "latency_bucket",
)


@dataclass(frozen=True, slots=True)
class Grouping:
    """What requests are told apart by, as a SELECT from `charted` says it."""

    columns: tuple[str, ...]
    joined: str = ""
    """With CROSS: else the planner may read all of the other table to find what is charted."""
    condition: str = "1"
    arguments: tuple[Any, ...] = ()


def _in_outputs(dimension: Dimension) -> Grouping:
    return Grouping(
        ("json_extract(rollup_values.value, '$[0]')",),
        "CROSS JOIN request_values USING (request_id) CROSS JOIN rollup_values USING (value_id)",
        "rollup_values.dimension = ?",
        (int(dimension),),
    )


GROUPINGS = {
    Dimension.BASE: Grouping(("model", "provider", "pl_status")),
    Dimension.TAG: Grouping(
        ("tags.name",),
        "CROSS JOIN request_tags USING (request_id) CROSS JOIN tags ON tags.id = request_tags.tag_id",
    ),
    Dimension.PROMPT: Grouping(
        ("CAST(request_prompts.prompt_id AS TEXT)", "request_prompts.name"),
        "CROSS JOIN request_prompts USING (request_id)",
    ),
    Dimension.ERROR_TYPE: Grouping(("pl_error_type",), condition="pl_error_type IS NOT NULL"),
    Dimension.METADATA_KEY: Grouping(
        ("request_metadata.key",), "CROSS JOIN request_metadata USING (request_id)"
    ),
    **{dimension: _in_outputs(dimension) for dimension in rollups.IN_OUTPUTS},
}


class Rows:
    """The newest requests of a plan, put aside for counting until `drop`."""

    def __init__(self, connection: sqlite3.Connection, name: str, plan: Plan, at_most: int) -> None:
        self._connection = connection
        self._table = f"temp.{name}"
        register(connection)
        connection.execute(f"DROP TABLE IF EXISTS {self._table}")
        connection.execute(f"CREATE TEMP TABLE {name} ({', '.join(_COLUMNS)})")
        found = 0 if plan.empty else self._collect(plan, at_most + 1)
        self.complete = found <= at_most
        """False if there are more, which are older."""
        if not self.complete:
            connection.execute(
                f"DELETE FROM {self._table} WHERE request_id = (SELECT min(request_id) FROM {self._table})"
            )

    def drop(self) -> None:
        self._connection.execute(f"DROP TABLE {self._table}")

    def select(
        self, grouping: Grouping, interval: Interval | None, expressions: str, end: str
    ) -> Iterator[Any]:
        """Rows of the point, the grouping's columns and the expressions."""
        columns = ", ".join((point_of(interval), *grouping.columns, expressions))
        source = f"{self._table} AS charted {grouping.joined}"
        yield from self._connection.execute(
            f"SELECT {columns} FROM {source} WHERE {grouping.condition} {end}", grouping.arguments
        )

    def _collect(self, plan: Plan, at_most: int) -> int:
        found = selection(plan, rows=True)
        measures = ", ".join(f"{expression} AS {name}" for name, expression in MEASURED.items())
        self._connection.execute(
            f"""
            INSERT INTO {self._table}
            SELECT request_id, started_at, {", ".join(LABELS)}, {", ".join(MEASURES)},
                latency_bucket(latency_us)
            FROM (
                SELECT request_id, started_at, {", ".join(LABELS)}, {measures} FROM {found.source}
                WHERE {found.condition.text} ORDER BY {found.request_id} DESC LIMIT ?
            )
            """,
            (*found.condition.arguments, at_most),
        )
        return int(self._connection.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])


def newest(
    connection: sqlite3.Connection, plan: Plan, at_most: int, expressions: Sequence[str]
) -> Iterator[Any]:
    """Expressions over so many of the newest requests of a plan: for what is asked once.

    Nothing is put aside, and nothing read but what is asked for.
    """
    if not plan.empty:
        asked = _newest(plan, at_most, expressions)
        yield from connection.execute(asked.text, asked.arguments)


def alike(
    connection: sqlite3.Connection, plan: Plan, at_most: int, expressions: Sequence[str]
) -> tuple[Counter[Any], bool]:
    """How many of the newest requests have the same of these expressions, and whether these are all."""
    if plan.empty:
        return Counter(), True
    named = [f"{expression} AS said_{place}" for place, expression in enumerate(expressions)]
    asked = _newest(plan, at_most + 1, ("requests.request_id AS id", *named))
    said = ", ".join(f"said_{place}" for place in range(len(named)))
    groups = connection.execute(
        f"SELECT count(*), min(id), {said} FROM ({asked.text}) GROUP BY {said}", asked.arguments
    ).fetchall()
    counted = Counter({tuple(group[2:]): group[0] for group in groups})
    complete = counted.total() <= at_most
    if not complete:  # the oldest one only told that there are more
        counted[min(groups, key=lambda group: group[1])[2:]] -= 1
    return counted, complete


def _newest(plan: Plan, limit: int, expressions: Sequence[str]) -> Sql:
    found = selection(plan, rows=True)
    return Sql(
        f"SELECT {', '.join(expressions)} FROM {found.source}"
        f" WHERE {found.condition.text} ORDER BY {found.request_id} DESC LIMIT ?",
        (*found.condition.arguments, limit),
    )


def point_of(interval: Interval | None) -> str:
    """The expression for when the point began that a row belongs to."""
    if interval is None:
        return "0"
    # As `Interval.begin` does it; a division of SQLite rounds towards zero, so everything is made positive.
    seconds, shift = interval.seconds, interval.begin(0.0)
    return f"(CAST(max(started_at, 0.0) AS INTEGER) - ({shift})) / {seconds} * {seconds} + ({shift})"
