"""Changing the text of a query as a click would: a condition more or less, another time.

The text itself is edited, not the filter it makes: `since:7d` goes on meaning the last seven days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timezone, tzinfo

from promptlayer_patch._query.language import format, parse
from promptlayer_patch._query.lexing import Token, tokens
from promptlayer_patch._query.model import And, Condition, Filter, Not, Operator, Or

__all__ = ["Term", "is_time", "terms", "with_term", "without", "without_field", "without_time", "written"]


@dataclass(frozen=True, slots=True)
class Term:
    """One of the conditions that all have to be met, as it was written and what it asks."""

    text: str
    filter: Filter

    @property
    def field(self) -> str | None:
        """The field it asks, if it asks one."""
        asked = self.filter.filter if isinstance(self.filter, Not) else self.filter
        return asked.field if isinstance(asked, Condition) else None


def terms(text: str, *, now: float, zone: tzinfo | None = timezone.utc) -> list[Term]:
    """The conditions of a query that can be read, in their order; an alternative is one condition.

    Raises `InvalidQuery` as `parse` does.
    """
    whole = parse(text, now=now, zone=zone)
    if isinstance(whole, Or) and whole.filters:
        return [Term(f"({text.strip()})", whole)]
    spans = _spans(list(tokens(text)))
    return [Term(text[first:last], parse(text[first:last], now=now, zone=zone)) for first, last in spans]


def with_term(known: Iterable[Term], asked: Filter) -> list[Term]:
    """The query that asks for `asked` too."""
    known = list(known)
    if any(term.filter == asked for term in known):
        return known
    added = format(asked)
    return [*known, Term(f"({added})" if isinstance(asked, Or) else added, asked)]


def without(known: Iterable[Term], asked: Filter) -> list[Term]:
    """The query that does not ask for `asked` any more."""
    return [term for term in known if term.filter != asked]


def without_field(known: Iterable[Term], field: str) -> list[Term]:
    """The query that does not ask for the field any more, but for what it must not be."""
    return [term for term in known if term.field != field or isinstance(term.filter, Not)]


def without_time(known: Iterable[Term]) -> list[Term]:
    """The query of all time."""
    return [term for term in known if not is_time(term.filter)]


def is_time(filter: Filter) -> bool:
    """Whether a filter is about the time of a request's start and nothing else."""
    match filter:
        case And(filters):
            return bool(filters) and all(map(is_time, filters))
        case Condition(field, operator):
            return field == "request_start_time" and operator is not Operator.EXISTS
    return False


def written(known: Iterable[Term], *others: str) -> str:
    """The text of a query; `others` are conditions that are written already."""
    return " ".join([*(term.text for term in known), *filter(None, others)])


def _spans(found: list[Token]) -> list[tuple[int, int]]:
    """Where each condition stands: a term or a bracket, with what negates it."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    depth = 0
    for token in found:
        if token.kind == "AND" and depth == 0:
            continue
        start = token.span[0] if start is None else start
        depth += (token.kind == "(") - (token.kind == ")")
        if depth == 0 and token.kind in ("term", ")"):
            spans.append((start, token.span[1]))
            start = None
    return spans
