"""A filter, written in the query bar's language."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from promptlayer_patch._query.fields import FIELDS, Kind
from promptlayer_patch._query.lexing import KEYWORDS, quoted
from promptlayer_patch._query.model import And, Condition, Filter, Not, Operator, Or
from promptlayer_patch._query.moments import written
from promptlayer_patch._query.names import CANONICAL, CHOICES, WORDINGS

__all__ = ["format"]

_PLAIN = re.compile(r"[^\W_][\w.@/+-]*")
_KEY = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_SIGNS = {
    Operator.EQUALS: "",
    Operator.CONTAINS: "",
    Operator.STARTS_WITH: "^",
    Operator.LESS: "<",
    Operator.AT_MOST: "<=",
    Operator.MORE: ">",
    Operator.AT_LEAST: ">=",
}
_MARKS = {Operator.PREFIX: "*", Operator.ENDS_WITH: "$"}
_FLAGS = {made: f"{name}:{word}" for name, words in reversed(CHOICES.items()) for word, made in words.items()}


def format(filter: Filter) -> str:
    """The text that `language.parse` reads as this filter, if it is in the one spelling (see `model`)."""
    match filter:
        case And(()):
            return ""
        case Or(()):
            return "-*"
        case And(filters):
            return " ".join(map(_member, filters))
        case Or(filters):
            return " OR ".join(map(_member, filters))
        case Not(inner):
            return f"-{_member(inner)}"
        case Condition():
            return _condition(filter)


def _member(filter: Filter) -> str:
    return f"({format(filter)})" if isinstance(filter, (And, Or)) else format(filter)


def _condition(asked: Condition) -> str:
    kind = FIELDS[asked.field].kind
    if kind is Kind.FLAG:
        return _FLAGS.get(asked) or f"{asked.field}:{str(asked.value).lower()}"
    if asked.field == "text" and asked.operator is Operator.CONTAINS:
        return _bare(str(asked.value))
    return f"{_name(asked)}:{_VALUES[kind](asked)}"


def _name(asked: Condition) -> str:
    name = CANONICAL[asked.field]
    if asked.key is None:
        return name
    return f"{name}.{asked.key if _KEY.fullmatch(asked.key) else quoted(asked.key)}"


def _bare(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text not in KEYWORDS else quoted(text)


def _text(asked: Condition) -> str:
    match asked:
        case Condition(operator=Operator.EXISTS):
            return "*"
        case Condition(operator=Operator.ONE_OF, value=tuple(values)):
            return ",".join(_literal(asked, str(value)) for value in values)
    sign = "~" if FIELDS[asked.field].kind is Kind.NESTED and asked.operator is Operator.CONTAINS else ""
    value = _literal(asked, str(asked.value))
    return f"{sign or _SIGNS.get(asked.operator, '')}{value}{_MARKS.get(asked.operator, '')}"


def _literal(asked: Condition, text: str) -> str:
    """A value that is read as it is, though some fields understand more than their values."""
    wordings = WORDINGS.get(asked.field)
    if wordings is not None:
        named = asked.operator is not Operator.PREFIX and text in wordings.values()
        return text.lower() if named else quoted(text)
    return text if _PLAIN.fullmatch(text) else quoted(text)


def _amount(asked: Condition, spelled: Callable[[Condition, float], str]) -> str:
    if asked.operator is Operator.EXISTS:
        return "*"
    if asked.operator is Operator.BETWEEN:
        first, last = cast("tuple[float, float]", asked.value)
        return f"{spelled(asked, first)}..{spelled(asked, last)}"
    return f"{_SIGNS[asked.operator]}{spelled(asked, cast('float', asked.value))}"


def _number(asked: Condition, value: float) -> str:
    unit = ""
    if asked.field in ("latency_ms", "first_token_ms"):
        unit = "ms"
        if value % 1000 == 0 and abs(value) < 2**53:
            value, unit = value / 1000, "s"
    return f"{_shortest(value)}{unit}"


def _moment(asked: Condition, value: float) -> str:
    return written(value) or f"@{_shortest(value)}"


def _shortest(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


_VALUES: dict[Kind, Callable[[Condition], str]] = {
    Kind.WORD: _text,
    Kind.WORDS: _text,
    Kind.TEXT: _text,
    Kind.NESTED: _text,
    Kind.NUMBER: lambda asked: _amount(asked, _number),
    Kind.NESTED_NUMBER: lambda asked: _amount(asked, _number),
    Kind.TIME: lambda asked: _amount(asked, _moment),
}
