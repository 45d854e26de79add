"""How the requests of a filter are found: what the inverted index is asked, and what each row is asked then.

A plan never loses a request. The index may find too many (a bucket of costs is wider than "more than 3");
then SQL says which of them are meant. `NOT` turns the index's answer round only where that answer is exact,
for the opposite of too many would be too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "Plan",
    "Sql",
    "all_of",
    "any_of",
    "asks_index",
    "by_ids",
    "opposite",
    "with_all",
]

_LAST_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition on a row of `requests`; null counts as false."""

    text: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to look for the requests of a filter, and how to tell that one is meant."""

    match: str | None = None
    """An FTS5 expression over `documents` that all of them meet; `None`: it may be any request."""
    rest: Sql | None = None
    """What is to be asked of rows that `match` finds between `first` and `last`; `None`: all are meant."""
    alone: Sql | None = None
    """Tells without `match`; `None` where only the index can tell."""
    first: int = 0
    last: int = _LAST_ID
    """No id outside of these is meant."""
    model: str | None = None
    """The one model that all of them are of, as far as it is known."""

    @property
    def empty(self) -> bool:
        return self.first > self.last

    @property
    def whole(self) -> Sql:
        """Tells of any row whether it is meant."""
        return self.alone or _in_index(self.match)


EVERYTHING = Plan(alone=Sql("1"))
NOTHING = Plan(rest=Sql("0"), alone=Sql("0"), first=1, last=0)


def all_of(plans: Sequence[Plan]) -> Plan:
    """What all the plans find."""
    asked = [plan for plan in plans if plan != EVERYTHING]
    if len(asked) < 2:
        return asked[0] if asked else EVERYTHING
    first, last = max(plan.first for plan in asked), min(plan.last for plan in asked)
    if first > last:
        return NOTHING
    match = _joined(" AND ", [plan.match for plan in asked if plan.match is not None])
    rest = [plan.rest for plan in asked if plan.rest is not None]
    model = next((plan.model for plan in asked if plan.model is not None), None)
    return Plan(match, with_all(rest) if rest else None, _alone(" AND ", asked), first, last, model)


def any_of(plans: Sequence[Plan]) -> Plan:
    """What at least one of the plans finds."""
    asked = [plan for plan in plans if not plan.empty]
    if EVERYTHING in asked:
        return EVERYTHING
    if len(asked) < 2:
        return asked[0] if asked else NOTHING
    alone = _alone(" OR ", asked)
    matches = [plan.match for plan in asked if plan.match is not None]
    return Plan(
        # One side that the index knows nothing of, and it cannot say where not to look.
        _joined(" OR ", matches) if len(matches) == len(asked) else None,
        alone if any(plan.rest for plan in asked) else None,
        alone,
        min(plan.first for plan in asked),
        max(plan.last for plan in asked),
    )


def opposite(plan: Plan, everything: str) -> Plan:
    """All that the plan does not find; `everything` is the expression that every indexed request meets."""
    if plan == EVERYTHING:
        return NOTHING
    alone = plan.alone and Sql(f"({plan.alone.text}) IS NOT TRUE", plan.alone.arguments)
    if plan.rest is None:
        return Plan(f"({everything} NOT {plan.match})", None, alone)
    return Plan(None, alone, alone)


def by_ids(plan: Plan) -> Sql:
    """Tells of any row between `first` and `last` by its id first, and by its columns only if it must."""
    if plan.match is None:
        return plan.whole
    found = _in_index(plan.match)
    return found if plan.rest is None else with_all((found, plan.rest))


def asks_index(condition: Sql) -> bool:
    """Whether a condition reads all that an expression finds, which a few rows are not worth."""
    return "MATCH" in condition.text


def with_all(conditions: Sequence[Sql]) -> Sql:
    """One condition of several."""
    return _conditions(" AND ", conditions)


def _alone(operator: str, plans: Sequence[Plan]) -> Sql | None:
    """What tells of a row, with one question to the index for all that only the index can tell."""
    rows = [plan.alone for plan in plans if plan.alone is not None]
    if not rows:
        return None
    index = _joined(operator, [plan.match for plan in plans if plan.alone is None and plan.match is not None])
    return _conditions(operator, [*rows, _in_index(index)] if index else rows)


def _in_index(match: str | None) -> Sql:
    # All its ids at once: asked about a single id, the index looks for the first match from its beginning on.
    # The plus keeps the planner from reading the rows in the order of these ids.
    return Sql("+requests.request_id IN (SELECT rowid FROM documents WHERE documents MATCH ?)", (match,))


def _conditions(operator: str, conditions: Sequence[Sql]) -> Sql:
    text = operator.join(f"({one.text})" for one in conditions)
    return Sql(text, tuple(argument for one in conditions for argument in one.arguments))


def _joined(operator: str, expressions: Sequence[str]) -> str | None:
    if len(expressions) < 2:
        return expressions[0] if expressions else None
    return f"({operator.join(expressions)})"
