"""What stands behind the colon: from `>2s` to what is asked of a field."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import tzinfo

from promptlayer_patch._query.fields import FIELDS, Kind, condition
from promptlayer_patch._query.lexing import Part
from promptlayer_patch._query.model import Filter, InvalidQuery, Operator, all_of, negated
from promptlayer_patch._query.moments import span
from promptlayer_patch._query.names import NAMES, WORDINGS, Name

__all__ = ["Clock", "read"]

_SIGN = re.compile(r"(?:>=|<=|!=|[><=~^])?")
_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]*)", re.ASCII)
_COMPARISONS = {
    ">": Operator.MORE,
    ">=": Operator.AT_LEAST,
    "<": Operator.LESS,
    "<=": Operator.AT_MOST,
    "=": Operator.EQUALS,
    "": Operator.EQUALS,
}
_TEXT_SIGNS = {"": Operator.CONTAINS, "~": Operator.CONTAINS, "^": Operator.STARTS_WITH}
_DURATIONS = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, "min": 60_000.0, "h": 3_600_000.0}
_COUNTS = {"k": 1e3, "m": 1e6}

_UNITS = {
    "latency_ms": _DURATIONS,
    "first_token_ms": _DURATIONS,
    **{f"{kind}_tokens": _COUNTS for kind in ("input", "output", "total", "cached", "thinking")},
}
"""Units by field, in small letters, and what they are worth."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What `today` and `3h` are reckoned from."""

    now: float
    zone: tzinfo | None
    """`None` is this machine's."""


@dataclass(frozen=True, slots=True)
class _Value:
    sign: str
    """What stands before it: a comparison."""
    text: str
    marked: bool
    """Whether the kind's mark stands behind it."""
    literal: bool
    """Whether it was in quotes, and so means itself."""


_MARKS = {Kind.WORD: "*", Kind.WORDS: "*", Kind.NESTED: "*", Kind.TEXT: "$"}


def read(name: Name, part: Part, clock: Clock) -> Filter:
    """What one value asks of the field. Raises `InvalidQuery`."""
    value = _value(part, _MARKS.get(FIELDS[name.field].kind, ""))
    if name.operator and value.sign:
        raise InvalidQuery(f"the name says it already, {value.sign} is too much")
    if value.sign == "!=":
        return negated(_read(name, replace(value, sign="="), clock))
    return _read(name, replace(value, sign=value.sign or name.operator), clock)


def _read(name: Name, value: _Value, clock: Clock) -> Filter:
    if not value.literal and name.field == "status" and value.text[:1].isdigit():
        name = NAMES["http_status"]
    if not value.literal and value.text == "*" and value.sign in ("", "="):
        return condition(name.field, Operator.EXISTS, key=name.key)
    return _READERS[FIELDS[name.field].kind](name, value, clock)


def _value(part: Part, mark: str) -> _Value:
    found = _SIGN.match(part.before)
    sign = found[0] if found else ""
    text = part.before[len(sign) :]
    if part.quoted is not None:
        if text or part.after not in ("", mark):
            raise InvalidQuery("the quotation marks go around the whole value")
        return _Value(sign, part.quoted, part.after != "", literal=True)
    marked = mark != "" and text != "*" and text.endswith(mark)
    return _Value(sign, text.removesuffix(mark) if marked else text, marked, literal=False)


def _word(name: Name, value: _Value, clock: Clock) -> Filter:
    _only(name, value.sign, ("", "="))
    if value.marked:
        return condition(name.field, Operator.PREFIX, value.text)
    wordings = {} if value.literal else WORDINGS.get(name.field, {})
    return condition(name.field, Operator.EQUALS, wordings.get(value.text.upper(), value.text))


def _nested(name: Name, value: _Value, clock: Clock) -> Filter:
    _only(name, value.sign, ("", "=", "~"))
    if value.marked:
        raise InvalidQuery(
            f'{name.field} cannot be asked for beginnings; put the star in "quotes" to mean it'
        )
    operator = Operator.CONTAINS if value.sign == "~" else Operator.EQUALS
    return condition(name.field, operator, value.text, name.key)


def _text(name: Name, value: _Value, clock: Clock) -> Filter:
    _only(name, value.sign, ("", "~", "^"))
    if value.marked and value.sign == "^":
        raise InvalidQuery("a text is asked for at the beginning (^) or at the end ($)")
    operator = _TEXT_SIGNS[value.sign]
    return condition(name.field, Operator.ENDS_WITH if value.marked else operator, value.text)


def _number(name: Name, value: _Value, clock: Clock) -> Filter:
    _only(name, value.sign, tuple(_COMPARISONS))
    first, dots, last = value.text.partition("..")
    if not dots:
        return condition(name.field, _COMPARISONS[value.sign], _amount(name, first), name.key)
    _only(name, value.sign, ("", "="))
    if first and last:
        return condition(name.field, Operator.BETWEEN, (_amount(name, first), _amount(name, last)), name.key)
    operator = Operator.AT_LEAST if first else Operator.AT_MOST
    return condition(name.field, operator, _amount(name, first or last), name.key)


def _amount(name: Name, text: str) -> float:
    found = _NUMBER.fullmatch(text.removeprefix("$") if name.field == "cost" else text)
    if found is None:
        raise InvalidQuery(f"{name.field} needs a number")
    number, unit = float(found[1]), found[2].lower()
    if not unit:
        return number * name.scale
    units = _UNITS.get(name.field, {})
    if unit not in units:
        known = f", it has {', '.join(units)}" if units else ""
        raise InvalidQuery(f"{name.field} has no unit {unit[:20]}{known}")
    return number * units[unit]


def _time(name: Name, value: _Value, clock: Clock) -> Filter:
    _only(name, value.sign, tuple(_COMPARISONS))
    first, dots, last = value.text.partition("..")
    if not dots:
        return _compared(name, value.sign, _span(first, clock))
    _only(name, value.sign, ("", "="))
    if first and last:
        return _between(name, _span(first, clock), _span(last, clock))
    return _compared(name, ">=" if first else "<=", _span(first or last, clock))


def _compared(name: Name, sign: str, when: tuple[float, float]) -> Filter:
    """A day is a stretch of time: later than a day is after its end, until a day is with all of it."""
    begin, end = when
    if begin == end:
        return condition(name.field, _COMPARISONS[sign], begin)
    match sign:
        case ">":
            return condition(name.field, Operator.AT_LEAST, end)
        case ">=":
            return condition(name.field, Operator.AT_LEAST, begin)
        case "<":
            return condition(name.field, Operator.LESS, begin)
        case "<=":
            return condition(name.field, Operator.LESS, end)
    return _between(name, when, when)


def _between(name: Name, first: tuple[float, float], last: tuple[float, float]) -> Filter:
    if last[0] == last[1]:
        return condition(name.field, Operator.BETWEEN, (first[0], last[0]))
    return all_of([_compared(name, ">=", first), _compared(name, "<=", last)])


def _span(text: str, clock: Clock) -> tuple[float, float]:
    try:
        return span(text, clock.now, clock.zone)
    except ValueError as problem:
        raise InvalidQuery(f"{problem}; write 2026-11-01, today or 7d") from problem


def _flag(name: Name, value: _Value, clock: Clock) -> Filter:
    _only(name, value.sign, ("", "="))
    if value.text.lower() not in ("true", "false"):
        raise InvalidQuery(f"{name.field} is true or false")
    return condition(name.field, Operator.EQUALS, value.text.lower() == "true")


def _only(name: Name, sign: str, known: tuple[str, ...]) -> None:
    if sign not in known:
        raise InvalidQuery(f'{sign} cannot be asked of {name.field}; put it in "quotes" to mean it')


_READERS: dict[Kind, Callable[[Name, _Value, Clock], Filter]] = {
    Kind.WORD: _word,
    Kind.WORDS: _word,
    Kind.TEXT: _text,
    Kind.NESTED: _nested,
    Kind.NUMBER: _number,
    Kind.NESTED_NUMBER: _number,
    Kind.TIME: _time,
    Kind.FLAG: _flag,
}
