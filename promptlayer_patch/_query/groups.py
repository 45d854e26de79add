"""PromptLayer's filters, as JSON has them, turned into the tree of a query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from promptlayer_patch._query.fields import FIELDS, Kind, condition
from promptlayer_patch._query.model import (
    Filter,
    InvalidQuery,
    Operator,
    Order,
    SortKey,
    all_of,
    any_of,
    negated,
)
from promptlayer_patch._query.moments import instant

__all__ = ["filter_from_json", "order_from_json", "text_filter"]

_MAX_DEPTH = 8
_MAX_CONDITIONS = 200
_MAX_VALUES = 1000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one of PromptLayer's operators asks."""

    operator: Operator
    negative: bool = False
    value: object = None
    """The value, where the operator itself says it."""

    @property
    def wants_value(self) -> bool:
        return self.operator is not Operator.EXISTS and self.value is None


def _pair(positive: str, negative: str, operator: Operator) -> dict[str, _Asked]:
    return {positive: _Asked(operator), negative: _Asked(operator, negative=True)}


_IN = _pair("in", "not_in", Operator.ONE_OF)
_EMPTY = _pair("is_not_empty", "is_empty", Operator.EXISTS)
_COMPARISONS = {
    "gt": _Asked(Operator.MORE),
    "gte": _Asked(Operator.AT_LEAST),
    "lt": _Asked(Operator.LESS),
    "lte": _Asked(Operator.AT_MOST),
    "between": _Asked(Operator.BETWEEN),
    **_pair("eq", "neq", Operator.EQUALS),
    **_pair("is_not_null", "is_null", Operator.EXISTS),
}
_OPERATORS: dict[Kind, dict[str, _Asked]] = {
    Kind.WORD: {**_pair("is", "is_not", Operator.EQUALS), **_IN},
    Kind.TEXT: {
        **_pair("contains", "not_contains", Operator.CONTAINS),
        "starts_with": _Asked(Operator.STARTS_WITH),
        "ends_with": _Asked(Operator.ENDS_WITH),
    },
    Kind.NUMBER: _COMPARISONS,
    Kind.NESTED_NUMBER: _COMPARISONS,
    Kind.TIME: {
        "is": _Asked(Operator.EQUALS),
        "before": _Asked(Operator.LESS),
        "after": _Asked(Operator.MORE),
        "between": _Asked(Operator.BETWEEN),
    },
    Kind.FLAG: {
        "is_true": _Asked(Operator.EQUALS, value=True),
        "is_false": _Asked(Operator.EQUALS, value=False),
    },
    Kind.WORDS: {**_pair("contains", "not_contains", Operator.EQUALS), **_IN, **_EMPTY},
    Kind.NESTED: {
        **_pair("key_equals", "key_not_equals", Operator.EQUALS),
        "key_contains": _Asked(Operator.CONTAINS),
        **_IN,
        **_EMPTY,
    },
}
_LOGIC: dict[object, Callable[[list[Filter]], Filter]] = {"AND": all_of, "OR": any_of}


def filter_from_json(filter_group: object, filters: object = None) -> Filter:
    """The filter that a `filter_group` and a flat list of `filters`, all of them to be met, make together."""
    reader = _Reader()
    found: list[Filter] = []
    if filter_group is not None:
        found.extend(reader.group(filter_group, "filter_group", 1))
    if filters is not None:
        found.extend(reader.group({"filters": filters}, "", 1))
    return all_of(found)


def text_filter(q: object) -> Filter:
    """Requests with these words in what was sent or what came back; with no `q`, all."""
    if q is None or q == "":
        return all_of(())
    try:
        return condition("text", Operator.CONTAINS, q)
    except InvalidQuery as problem:
        raise InvalidQuery(f"q: {problem}") from problem


def order_from_json(sort_by: object, sort_order: object) -> Order:
    """The order that PromptLayer's two parameters ask for; with neither, newest first."""
    if sort_by is None and sort_order is None:
        return Order()
    if sort_by is None or sort_order is None:
        raise InvalidQuery("sort_by and sort_order come together")
    keys = [key.value for key in SortKey]
    if sort_by not in keys:
        raise InvalidQuery(f"sort_by: {_shown(sort_by)} is none of {', '.join(keys)}")
    if sort_order not in ("asc", "desc"):
        raise InvalidQuery(f"sort_order: {_shown(sort_order)} is none of asc, desc")
    return Order(SortKey(sort_by), descending=sort_order == "desc")


class _Reader:
    """Reads one filter, and counts how much of it there is."""

    def __init__(self) -> None:
        self._members = 0

    def group(self, data: object, at: str, depth: int) -> list[Filter]:
        """The group as a list of one filter, or of none: an empty group asks for nothing."""
        if depth > _MAX_DEPTH:
            raise InvalidQuery(f"{at}: groups may be nested {_MAX_DEPTH} deep")
        group = _object(data, at, ("logic", "filters"))
        logic = group.get("logic", "AND")
        combine = _LOGIC.get(logic) if isinstance(logic, str) else None
        if combine is None:
            raise InvalidQuery(f"{_inside(at, 'logic')}: {_shown(logic)} is neither AND nor OR")
        members = group.get("filters")
        if not isinstance(members, list):
            raise InvalidQuery(f"{_inside(at, 'filters')}: a list is needed")
        found: list[Filter] = []
        for number, member in enumerate(members):
            found.extend(self._member(member, f"{_inside(at, 'filters')}[{number}]", depth))
        return [combine(found)] if found else []

    def _member(self, data: object, at: str, depth: int) -> list[Filter]:
        self._members += 1
        if self._members > _MAX_CONDITIONS:
            raise InvalidQuery(f"{at}: more than {_MAX_CONDITIONS} filters")
        if isinstance(data, Mapping) and "field" not in data and ("filters" in data or "logic" in data):
            return self.group(data, at, depth + 1)
        return [_condition(data, at)]


def _condition(data: object, at: str) -> Filter:
    parts = _object(data, at, ("field", "operator", "value", "nested_key"))
    field, name, key = parts.get("field"), parts.get("operator"), parts.get("nested_key")
    if not isinstance(field, str) or field not in FIELDS:
        raise InvalidQuery(f"{at}.field: there is no field {_shown(field)}")
    operators = _OPERATORS[FIELDS[field].kind]
    asked = operators.get(name) if isinstance(name, str) else None
    if asked is None:
        raise InvalidQuery(
            f"{at}.operator: {_shown(name)} is none of {', '.join(operators)}, which {field} has"
        )
    if key is not None and not isinstance(key, str):
        raise InvalidQuery(f"{at}.nested_key: a text is needed")
    try:
        made = condition(field, asked.operator, _value(field, asked, parts.get("value")), key)
    except InvalidQuery as problem:
        raise InvalidQuery(f"{at}: {problem}") from problem
    return negated(made) if asked.negative else made


def _value(field: str, asked: _Asked, value: object) -> object:
    if not asked.wants_value:
        return asked.value
    if isinstance(value, list) and len(value) > _MAX_VALUES:
        raise InvalidQuery(f"{field}: more than {_MAX_VALUES} values")
    if FIELDS[field].kind is not Kind.TIME:
        return value
    return [_moment(field, one) for one in value] if isinstance(value, list) else _moment(field, value)


def _moment(field: str, value: object) -> object:
    """Seconds since the epoch for ISO text; what is a number already is one."""
    if not isinstance(value, str):
        return value
    try:
        return instant(value)
    except ValueError as problem:
        raise InvalidQuery(f"{field}: {problem}") from problem


def _object(data: object, at: str, known: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(data, Mapping):
        raise InvalidQuery(f"{at}: an object is needed")
    for name in data:
        if name not in known:
            raise InvalidQuery(f"{at}: {_shown(name)} is none of {', '.join(known)}")
    return data


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _shown(value: object) -> str:
    """Little of a value: a caller sees what is meant, and nothing long comes back."""
    if isinstance(value, str):
        return repr(value[:80])
    return "null" if value is None else f"a value of type {type(value).__name__}"
