"""PromptLayer's filters over traces: from JSON to what tells whether a trace is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from promptlayer_patch._query import InvalidQuery
from promptlayer_patch._query.moments import instant
from promptlayer_patch.store.charting.ranges import Range
from promptlayer_patch.store.charting.traces import (
    SPAN_GROUPS,
    SPAN_NUMBERS,
    TRACE_GROUPS,
    TRACE_NUMBERS,
    SpanFacts,
    Trace,
)

__all__ = ["TraceFilter", "trace_filter"]

_MAX_DEPTH = 8
_MAX_FILTERS = 200
_MAX_VALUES = 1000
_MOST_NUMBER = 10**300

_Test: TypeAlias = "Callable[[Any], bool]"
_Values: TypeAlias = "Callable[[Any], Iterable[Any]]"


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which traces are meant."""

    meets: Callable[[Trace], bool]
    range: Range
    """No trace without a span that begins here is meant; seconds since the epoch."""


def trace_filter(group: object) -> TraceFilter:
    """The filter that a `filter_group` is; all traces without one. Raises `InvalidQuery` with the place."""
    if group is None:
        return TraceFilter(lambda trace: True, Range())
    reader = _Reader()
    return TraceFilter(reader.group(group, "filter_group", 1).on_trace, reader.range)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A filter in both of its roles: what it says of a trace and, of span fields alone, of one span."""

    on_trace: _Test
    on_span: _Test | None


class _Reader:
    """Reads one filter, and counts how much of it there is."""

    def __init__(self) -> None:
        self.range = Range()
        self._members = 0

    def group(self, data: object, at: str, depth: int, *, required: bool = True) -> _Meaning:
        if depth > _MAX_DEPTH:
            raise InvalidQuery(f"{at}: groups may be nested {_MAX_DEPTH} deep")
        group = _object(data, at, ("logic", "filters"))
        logic, members = group.get("logic", "AND"), group.get("filters")
        if logic not in ("AND", "OR", "SPAN_AND", "SPAN_OR"):
            raise InvalidQuery(f"{at}.logic: it is none of AND, OR, SPAN_AND, SPAN_OR")
        if not isinstance(members, list):
            raise InvalidQuery(f"{at}.filters: a list is needed")
        required = required and logic in ("AND", "SPAN_AND")
        read = [
            self._member(member, f"{at}.filters[{place}]", depth, required)
            for place, member in enumerate(members)
        ]
        return _combined(read, str(logic), at)

    def _member(self, data: object, at: str, depth: int, required: bool) -> _Meaning:
        self._members += 1
        if self._members > _MAX_FILTERS:
            raise InvalidQuery(f"{at}: more than {_MAX_FILTERS} filters")
        if isinstance(data, Mapping) and "field" not in data:
            return self.group(data, at, depth + 1, required=required)
        return self._condition(_object(data, at, ("field", "operator", "value", "nested_key")), at, required)

    def _condition(self, data: Mapping[str, object], at: str, required: bool) -> _Meaning:
        field, name, key = data.get("field"), data.get("operator"), data.get("nested_key")
        known = _FIELDS.get(field) if isinstance(field, str) else None
        if known is None:
            raise InvalidQuery(f"{at}.field: there is no such field of traces or spans")
        operators = _OPERATORS[known.kind]
        asked = operators.get(name) if isinstance(name, str) else None
        if asked is None:
            raise InvalidQuery(f"{at}.operator: it is none of {', '.join(operators)}, which {field} has")
        if known.kind == "nested" and not isinstance(key, str):
            raise InvalidQuery(f"{at}.nested_key: a text is needed")
        value = _asked(known.kind, str(name), asked, data.get("value"), at)
        if required and field in ("trace_start", "span_start"):
            self.range &= _range(str(name), value)
        return _meaning(known, asked, value, key)


@dataclass(frozen=True, slots=True)
class _Field:
    kind: str
    of_span: bool
    values: _Values | None = None
    """Of a nested field, the mapping instead."""
    mapping: Callable[[SpanFacts], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class _Operator:
    """How a value is compared with what is asked."""

    compare: Callable[[Any, Any], bool]
    negative: bool = False
    wants: str = "one"
    """One value, `many`, a `pair`, or `nothing`."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _fields() -> dict[str, _Field]:
    found: dict[str, _Field] = {
        "trace_id": _Field("text", False, lambda trace: (trace.id,)),
        "trace_start": _Field("time", False, lambda trace: (trace.start_s,)),
        "trace_end": _Field("time", False, lambda trace: (trace.end_s,)),
        "span_id": _Field("text", True, lambda span: (span.span_id,)),
        "span_start": _Field("time", True, lambda span: (span.start_s,)),
        "span_end": _Field("time", True, lambda span: (span.end_s,)),
        "span_model": _Field("text", True, lambda span: (span.model,)),
        "span_attributes": _Field("nested", True, mapping=lambda span: span.span.attributes),
        "span_resource": _Field("nested", True, mapping=lambda span: span.span.resource),
    }
    for trace_name, trace_group in TRACE_GROUPS.items():
        found[trace_name] = _Field("text", False, trace_group)
    for span_name, span_group in SPAN_GROUPS.items():
        found[span_name] = _Field("text", True, span_group)
    for trace_name, of_trace in TRACE_NUMBERS.items():
        found[trace_name] = _Field("number", False, _only(of_trace))
    for span_name, of_span in SPAN_NUMBERS.items():
        found[span_name] = _Field("number", True, _only(of_span))
    return found


def _only(number: Callable[[Any], Any]) -> _Values:
    return lambda item: (number(item),)


_FIELDS = _fields()
_PRESENT = {
    "is_not_null": _Operator(lambda value, asked: True, wants="nothing"),
    "is_null": _Operator(lambda value, asked: True, negative=True, wants="nothing"),
    "is_not_empty": _Operator(lambda value, asked: True, wants="nothing"),
    "is_empty": _Operator(lambda value, asked: True, negative=True, wants="nothing"),
}
_EQUAL = {
    "is": _Operator(lambda value, asked: bool(value == asked)),
    "is_not": _Operator(lambda value, asked: bool(value == asked), negative=True),
    "in": _Operator(lambda value, asked: value in asked, wants="many"),
    "not_in": _Operator(lambda value, asked: value in asked, negative=True, wants="many"),
}
_TEXTS = {
    **_EQUAL,
    "contains": _Operator(lambda value, asked: asked.casefold() in value.casefold()),
    "not_contains": _Operator(lambda value, asked: asked.casefold() in value.casefold(), negative=True),
    "starts_with": _Operator(lambda value, asked: value.casefold().startswith(asked.casefold())),
    "ends_with": _Operator(lambda value, asked: value.casefold().endswith(asked.casefold())),
    **_PRESENT,
}
_BETWEEN = _Operator(lambda value, asked: bool(asked[0] <= value <= asked[1]), wants="pair")
_OPERATORS: dict[str, dict[str, _Operator]] = {
    "text": _TEXTS,
    "number": {
        "eq": _Operator(lambda value, asked: bool(value == asked)),
        "neq": _Operator(lambda value, asked: bool(value == asked), negative=True),
        "gt": _Operator(lambda value, asked: bool(value > asked)),
        "gte": _Operator(lambda value, asked: bool(value >= asked)),
        "lt": _Operator(lambda value, asked: bool(value < asked)),
        "lte": _Operator(lambda value, asked: bool(value <= asked)),
        "between": _BETWEEN,
        **_PRESENT,
    },
    "time": {
        "is": _Operator(lambda value, asked: bool(value == asked)),
        "before": _Operator(lambda value, asked: bool(value < asked)),
        "after": _Operator(lambda value, asked: bool(value > asked)),
        "between": _BETWEEN,
    },
    "nested": {
        "key_equals": _EQUAL["is"],
        "key_not_equals": _EQUAL["is_not"],
        "key_contains": _TEXTS["contains"],
        "in": _EQUAL["in"],
        "not_in": _EQUAL["not_in"],
        **_PRESENT,
    },
}


def _meaning(field: _Field, operator: _Operator, asked: Any, key: object) -> _Meaning:
    def values(item: Any) -> Iterable[Any]:
        if field.mapping is not None:
            return (field.mapping(item).get(str(key)),)
        return field.values(item) if field.values is not None else ()

    def found(item: Any) -> bool:
        known = (value for value in values(item) if value is not None)
        if field.kind in ("text", "nested"):
            known = (_text(value) for value in known)
        return any(operator.compare(value, asked) for value in known)

    if not field.of_span:
        return _Meaning(lambda trace: found(trace) is not operator.negative, None)
    return _Meaning(
        lambda trace: any(map(found, trace.spans)) is not operator.negative,
        lambda span: found(span) is not operator.negative,
    )


def _combined(members: list[_Meaning], logic: str, at: str) -> _Meaning:
    combine = all if logic.endswith("AND") or not members else any
    on_spans = [member.on_span for member in members if member.on_span is not None]

    def on_span(span: SpanFacts) -> bool:
        return combine(test(span) for test in on_spans)

    of_spans = len(on_spans) == len(members)
    if not logic.startswith("SPAN_"):
        return _Meaning(
            lambda trace: combine(member.on_trace(trace) for member in members), on_span if of_spans else None
        )
    if not of_spans:
        raise InvalidQuery(f"{at}: {logic} is for fields of spans")
    return _Meaning(lambda trace: any(map(on_span, trace.spans)), on_span)


def _asked(kind: str, name: str, operator: _Operator, value: object, at: str) -> Any:
    if operator.wants == "nothing":
        return None
    if operator.wants == "one":
        return _one(kind, value, at)
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_VALUES:
        raise InvalidQuery(f"{at}.value: {name} needs a list of values")
    if operator.wants == "pair" and len(value) != 2:
        raise InvalidQuery(f"{at}.value: {name} needs two values")
    return [_one(kind, one, at) for one in value]


def _one(kind: str, value: object, at: str) -> Any:
    if kind in ("text", "nested"):
        if isinstance(value, (str, int, float)):
            return _text(value)
        raise InvalidQuery(f"{at}.value: a text is needed")
    if kind == "time" and isinstance(value, str):
        try:
            return instant(value)
        except ValueError as problem:
            raise InvalidQuery(f"{at}.value: {problem}") from problem
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _MOST_NUMBER:
        raise InvalidQuery(f"{at}.value: a number of ordinary size is needed")
    return float(value)


def _range(name: str, value: Any) -> Range:
    if name == "between":
        return Range(float(value[0]), float(value[1]))
    return {"is": Range(value, value), "before": Range(until=value), "after": Range(since=value)}[name]


def _object(data: object, at: str, known: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(data, Mapping):
        raise InvalidQuery(f"{at}: an object is needed")
    for name in data:
        if name not in known:
            raise InvalidQuery(f"{at}: there is something in it that is none of {', '.join(known)}")
    return data
