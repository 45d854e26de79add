"""The query bar: `model:gpt-4o tag:prod latency:>2s -status:error "refund policy" since:7d`.

query   = all { "OR" all }
all     = one { ["AND"] one }
one     = ("-" | "NOT") one | "(" query ")" | words | field ":" value { "," value }
field   = name | name "." key                      names: `names`
value   = [ sign ] word | [ sign ] "quoted"        signs, units, dates: `values`
"""

from __future__ import annotations

from datetime import timezone, tzinfo

from promptlayer_patch._query.completing import Completion, Suggestion, complete
from promptlayer_patch._query.fields import FIELDS, condition
from promptlayer_patch._query.formatting import format
from promptlayer_patch._query.lexing import KEYWORDS, Part, Token, quoted, tokens
from promptlayer_patch._query.model import (
    Condition,
    Filter,
    InvalidQuery,
    Operator,
    all_of,
    any_of,
    negated,
)
from promptlayer_patch._query.names import CHOICES, resolve
from promptlayer_patch._query.values import Clock, read

__all__ = ["Completion", "Suggestion", "complete", "format", "parse", "quoted"]

_MAX_CHARS = 20_000
_MAX_DEPTH = 8
_MAX_VALUES = 1000
_MAX_CONDITIONS = 200


def parse(text: str, *, now: float, zone: tzinfo | None = timezone.utc) -> Filter:
    """The filter that `text` writes; of empty text, everything.

    `now` is what `7d` is reckoned from, in seconds since the epoch; `zone` says when days begin, `None` is
    this machine's. Raises `InvalidQuery`, whose message shows the place.
    """
    try:
        if len(text) > _MAX_CHARS:
            raise InvalidQuery(f"a query may have {_MAX_CHARS} characters, this one has {len(text)}")
        return _Parser(list(tokens(text)), Clock(now, zone)).query(len(text))
    except InvalidQuery as problem:
        raise InvalidQuery(problem.problem, problem.span, text) from None


class _Parser:
    def __init__(self, tokens: list[Token], clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._at = 0
        self._depth = 0
        self._conditions = 0

    def query(self, end: int) -> Filter:
        if not self._tokens:
            return all_of(())
        found = self._any()
        if self._at < len(self._tokens):
            raise InvalidQuery("there is no ( for this )", self._tokens[self._at].span)
        return found

    def _kind(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _span(self) -> tuple[int, int]:
        """Where the next token is, or the end of the last one."""
        if self._at < len(self._tokens):
            return self._tokens[self._at].span
        end = self._tokens[-1].span[1]
        return end, end

    def _any(self) -> Filter:
        found = [self._all()]
        while self._kind() == "OR":
            self._at += 1
            found.append(self._all())
        return any_of(found)

    def _all(self) -> Filter:
        found = [self._one()]
        while self._kind() not in ("", "OR", ")"):
            if self._kind() == "AND":
                self._at += 1
            found.append(self._one())
        return all_of(found)

    def _one(self) -> Filter:
        negative = False
        while self._kind() in ("-", "NOT"):
            self._at += 1
            negative = not negative
        found = self._group() if self._kind() == "(" else self._term()
        return negated(found) if negative else found

    def _group(self) -> Filter:
        opening = self._span()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise InvalidQuery(f"brackets may be nested {_MAX_DEPTH} deep", opening)
        self._at += 1
        found = self._any()
        if self._kind() != ")":
            raise InvalidQuery("the bracket is not closed", opening)
        self._at += 1
        self._depth -= 1
        return found

    def _term(self) -> Filter:
        if self._kind() != "term":
            raise InvalidQuery(_missing(self._kind()), self._span())
        token = self._tokens[self._at]
        self._at += 1
        self._conditions += 1
        if self._conditions > _MAX_CONDITIONS:
            raise InvalidQuery(f"a query may have {_MAX_CONDITIONS} conditions", token.span)
        if len(token.parts) > _MAX_VALUES:
            raise InvalidQuery(f"a field may have {_MAX_VALUES} values", token.span)
        return _term(token, self._clock)


def _term(token: Token, clock: Clock) -> Filter:
    if not token.name:
        return _words(token.parts[0])
    try:
        if token.name in CHOICES and token.key is None:
            return any_of(_chosen(token.name, part) for part in token.parts)
        name = resolve(token.name, token.key)
    except InvalidQuery as problem:
        start = token.span[0]
        raise InvalidQuery(problem.problem, problem.span or (start, start + len(token.name))) from None
    found = []
    for part in token.parts:
        try:
            found.append(read(name, part, clock))
        except InvalidQuery as problem:
            raise InvalidQuery(problem.problem, part.span) from None
    return _joined(found)


def _words(part: Part) -> Filter:
    if part.quoted is None and part.before == "*":
        return all_of(())
    text = part.before if part.quoted is None else part.quoted
    try:
        return condition("text", Operator.CONTAINS, text)
    except InvalidQuery as problem:
        raise InvalidQuery(problem.problem, part.span) from None


def _chosen(name: str, part: Part) -> Filter:
    choices = CHOICES[name]
    found = choices.get(part.before.lower()) if part.quoted is None else None
    if found is None:
        raise InvalidQuery(f"{name} takes {', '.join(choices)}", part.span)
    return found


def _joined(found: list[Filter]) -> Filter:
    """One of several values: one condition where the field has an operator for it."""
    if len(found) == 1:
        return found[0]
    names = [one for one in found if isinstance(one, Condition) and one.operator is Operator.EQUALS]
    first = names[0] if names else None
    if first is None or len(names) < len(found) or Operator.ONE_OF not in FIELDS[first.field].kind.operators:
        return any_of(found)
    if any(one.field != first.field for one in names):
        return any_of(found)
    return condition(first.field, Operator.ONE_OF, [one.value for one in names], first.key)


def _missing(kind: str) -> str:
    if kind in KEYWORDS:
        return f'{kind} stands between two conditions; put it in "quotes" to look for the word'
    return "something to look for is missing here"
