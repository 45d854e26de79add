"""The tree of a query, checked and in one spelling: what a storage engine gets to see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias
from unicodedata import combining, east_asian_width

from promptlayer_patch.errors import PromptLayerError

__all__ = [
    "And",
    "Condition",
    "Cursor",
    "Filter",
    "InvalidQuery",
    "Not",
    "Operator",
    "Or",
    "Order",
    "Query",
    "SortKey",
    "Value",
    "all_of",
    "any_of",
    "negated",
]

Value: TypeAlias = "str | int | float | bool | tuple[str, ...] | tuple[float, float] | None"


class InvalidQuery(PromptLayerError):
    """A query that cannot be answered; the message says which part of it, and why.

    Attributes:
        problem: what is wrong, on one line.
        span: where it is in the text of the query, first and behind last character, if it was one.
    """

    def __init__(self, problem: str, span: tuple[int, int] | None = None, text: str = "") -> None:
        super().__init__(problem, span, text)
        self.problem = problem
        self.span = span
        self._text = text

    def __str__(self) -> str:
        return self.problem if self.span is None else f"{self.problem}\n{_marked(self._text, *self.span)}"


class Operator(str, Enum):
    """What is asked of a field. Every negative form is `Not` around one of these.

    The values are texts (`EQUALS`, `CONTAINS`, ...), numbers in the field's unit (`LESS`, ...), or nothing.
    """

    EQUALS = "equals"
    """The field, or one of its values, is exactly this text (case counts), number or truth value."""
    ONE_OF = "one_of"
    """`EQUALS` one of several texts."""
    PREFIX = "prefix"
    """The field, or one of its values, begins with this text (case counts)."""
    CONTAINS = "contains"
    """The words of the text stand in the field one after the other, the last one perhaps only begun.

    A text without a letter or digit has no words, and is in every field that there is.
    """
    STARTS_WITH = "starts_with"
    """`CONTAINS`, at the beginning of the field."""
    ENDS_WITH = "ends_with"
    """The words of the text are the field's last ones, each whole."""
    LESS = "less"
    AT_MOST = "at_most"
    MORE = "more"
    AT_LEAST = "at_least"
    BETWEEN = "between"
    """Both ends belong to it."""
    EXISTS = "exists"
    """There is a value: not null, or at least one of them."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing asked of one field. Made by `fields.condition`, which checks that it can be asked."""

    field: str
    """A name in `fields.FIELDS`."""
    operator: Operator
    value: Value = None
    key: str | None = None
    """Of a nested field: the metadata key, the dotted path in the output, the name of the score."""


@dataclass(frozen=True, slots=True)
class And:
    """All of them; of none, everything."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them; of none, nothing."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Every request that `filter` does not match, those without a value included."""

    filter: Filter


Filter: TypeAlias = "And | Or | Not | Condition"


def all_of(filters: Iterable[Filter]) -> Filter:
    """All the filters, in the one spelling for it: no `And` in an `And`, nor an `And` of one."""
    members = tuple(_members(And, filters))
    if Or(()) in members:
        return Or(())
    return members[0] if len(members) == 1 else And(members)


def any_of(filters: Iterable[Filter]) -> Filter:
    """At least one of the filters, in the one spelling for it."""
    members = tuple(_members(Or, filters))
    if And(()) in members:
        return And(())
    return members[0] if len(members) == 1 else Or(members)


def negated(filter: Filter) -> Filter:
    """What `filter` does not match, in the one spelling for it: no `Not` of a `Not`, of all or of nothing."""
    match filter:
        case Not(inner):
            return inner
        case And(()):
            return Or(())
        case Or(()):
            return And(())
    return Not(filter)


def _members(kind: type[And] | type[Or], filters: Iterable[Filter]) -> Iterator[Filter]:
    for one in filters:
        if isinstance(one, kind):
            yield from one.filters
        else:
            yield one


class SortKey(str, Enum):
    """What a list may be ordered by; the values are PromptLayer's names."""

    STARTED = "request_start_time"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    COST = "cost"
    LATENCY = "latency_ms"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Order:
    """Requests that are equal in the key follow each other by id, in the same direction; nulls come last."""

    key: SortKey = SortKey.STARTED
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """Which requests, in which order."""

    filter: Filter = field(default_factory=lambda: And(()))
    order: Order = field(default_factory=Order)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the next one begins behind it, whatever was added meanwhile."""

    request_id: int
    value: float | str | None = None
    """The last request's value of the sort key, where that is not the time of its start."""


_MARGIN = 30


def _marked(text: str, start: int, end: int) -> str:
    """The part of a text that lies around a place, and carets under the place."""
    first, last = max(0, start - _MARGIN), min(len(text), end, start + _MARGIN) + _MARGIN
    before, marked = _flat(text[first:start]), _flat(text[start : min(end, last)])
    line = before + marked + _flat(text[min(end, last) : last])
    return f"  {line}\n  {' ' * _cells(before)}{'^' * max(1, _cells(marked))}"


def _flat(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _cells(text: str) -> int:
    """How many cells of a terminal the text takes, near enough to put carets under it."""
    return sum(2 if east_asian_width(character) in "WF" else not combining(character) for character in text)
