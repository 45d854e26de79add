"""Every field that requests may be found by, and what may be asked of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from promptlayer_patch._query.model import Condition, InvalidQuery, Operator, Value

__all__ = ["FIELDS", "Field", "Kind", "condition"]


_MEMBERSHIP = frozenset({Operator.EQUALS, Operator.ONE_OF, Operator.EXISTS})
_NAMING = _MEMBERSHIP | {Operator.PREFIX}
_COMPARISON = frozenset(
    {
        Operator.EQUALS,
        Operator.LESS,
        Operator.AT_MOST,
        Operator.MORE,
        Operator.AT_LEAST,
        Operator.BETWEEN,
        Operator.EXISTS,
    }
)


class Kind(Enum):
    """What a field holds, and so what may be asked of it."""

    WORD = ("word", _NAMING)
    """One text from a small set, or a number that is a name."""
    WORDS = ("words", _NAMING)
    """Any number of texts: met if one of them meets it."""
    TEXT = ("text", frozenset({Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH}))
    NUMBER = ("number", _COMPARISON)
    TIME = ("time", _COMPARISON)
    """Seconds since the epoch."""
    FLAG = ("flag", frozenset({Operator.EQUALS}))
    NESTED = ("nested", _MEMBERSHIP | {Operator.CONTAINS})
    """Texts by key; `Condition.key` says which key."""
    NESTED_NUMBER = ("nested number", _COMPARISON)
    """Numbers by key."""

    @property
    def operators(self) -> frozenset[Operator]:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is known of every request."""

    kind: Kind
    says: str
    """For whoever writes a query."""


FIELDS: dict[str, Field] = {
    # PromptLayer's
    "engine": Field(Kind.WORD, "the model that answered"),
    "provider_type": Field(Kind.WORD, "openai, openai.azure, anthropic, ..."),
    "status": Field(Kind.WORD, "SUCCESS, WARNING or ERROR"),
    "pl_id": Field(Kind.WORD, "the request id"),
    "prompt_id": Field(Kind.WORD, "id of the prompt template"),
    "prompt_version_number": Field(Kind.NUMBER, "version of the prompt template"),
    "input_text": Field(Kind.TEXT, "what was sent"),
    "output_text": Field(Kind.TEXT, "what came back"),
    "cost": Field(Kind.NUMBER, "US dollars"),
    "latency_ms": Field(Kind.NUMBER, "milliseconds from start to end"),
    "input_tokens": Field(Kind.NUMBER, "as the provider counted them"),
    "output_tokens": Field(Kind.NUMBER, "as the provider counted them"),
    "request_start_time": Field(Kind.TIME, "when the call began"),
    "request_end_time": Field(Kind.TIME, "when the call ended"),
    "is_json": Field(Kind.FLAG, "the output is a JSON object"),
    "is_tool_call": Field(Kind.FLAG, "the output calls tools"),
    "is_plain_text": Field(Kind.FLAG, "the output is neither"),
    "tags": Field(Kind.WORDS, "its tags"),
    "metadata_keys": Field(Kind.WORDS, "keys of its metadata"),
    "tool_names": Field(Kind.WORDS, "tools that the output calls"),
    "output_keys": Field(Kind.WORDS, "dotted paths in an output that is a JSON object"),
    "input_variable_keys": Field(Kind.WORDS, "names of the prompt template's variables"),
    "metadata": Field(Kind.NESTED, "a metadata value by its key"),
    "output": Field(Kind.NESTED, "a value in an output that is a JSON object, by its dotted path"),
    "input_variables": Field(Kind.NESTED, "a prompt template's variable by its name"),
    "user_intent": Field(
        Kind.WORD, "frustrated, satisfied or curious, going by phrases in English and Chinese"
    ),
    "agent_intent": Field(
        Kind.WORD, "apologetic, refusal or uncertain, going by phrases in English and Chinese"
    ),
    # ours
    "text": Field(Kind.TEXT, "what was sent or what came back"),
    "function_name": Field(Kind.WORD, "the method that was called"),
    "ending": Field(Kind.WORD, "complete, closed_early, abandoned, provider_error, ..."),
    "error_type": Field(Kind.WORD, "PROVIDER_RATE_LIMIT, PROVIDER_TIMEOUT, ..."),
    "http_status": Field(Kind.NUMBER, "HTTP status of the provider's answer"),
    "record_id": Field(Kind.WORD, "the record's own id"),
    "trace_id": Field(Kind.WORD, "the trace it belongs to"),
    "group": Field(Kind.WORDS, "ids of its groups"),
    "prompt": Field(Kind.WORD, "name of the prompt template"),
    "prompt_label": Field(Kind.WORD, "release label of the prompt template"),
    "score_names": Field(Kind.WORDS, "names of its scores"),
    "score": Field(Kind.NESTED_NUMBER, "a score, 0 to 100, by its name"),
    "first_token_ms": Field(Kind.NUMBER, "milliseconds from start to the first output of a stream"),
    "total_tokens": Field(Kind.NUMBER, "input and output tokens together"),
    "cached_tokens": Field(Kind.NUMBER, "input tokens that came from the provider's cache"),
    "thinking_tokens": Field(Kind.NUMBER, "output tokens spent on reasoning"),
    "attempts": Field(Kind.NUMBER, "HTTP requests made for the call"),
}
"""By name. PromptLayer's own names where it has one."""

_NESTED = (Kind.NESTED, Kind.NESTED_NUMBER)
_NUMBERS = (Kind.NUMBER, Kind.TIME, Kind.NESTED_NUMBER)
_VALUE_MAX_CHARS = 10_000


def condition(field: str, operator: Operator, value: object = None, key: str | None = None) -> Condition:
    """A condition that can be asked, or `InvalidQuery` with the reason."""
    known = FIELDS.get(field)
    if known is None:
        raise InvalidQuery(f"there is no field {field[:80]!r}")
    if operator not in known.kind.operators:
        raise InvalidQuery(f"{field} cannot be asked for {operator.value!r}")
    if known.kind in _NESTED and not key:
        raise InvalidQuery(f"{field} needs a key")
    if known.kind not in _NESTED and key:
        raise InvalidQuery(f"{field} has no keys")
    checked = _value(field, known.kind, operator, value)
    # One spelling for each thing that may be asked.
    if operator is Operator.ONE_OF and isinstance(checked, tuple) and len(checked) == 1:
        operator, checked = Operator.EQUALS, checked[0]
    if operator is Operator.PREFIX and checked == "":
        operator, checked = Operator.EXISTS, None
    return Condition(field, operator, checked, key or None)


def _value(field: str, kind: Kind, operator: Operator, value: object) -> Value:
    if operator is Operator.EXISTS:
        return None
    if operator is Operator.BETWEEN:
        return _range(field, value)
    if operator is Operator.ONE_OF:
        if not isinstance(value, (list, tuple)) or not value:
            raise InvalidQuery(f"{field} needs a list of values")
        return tuple(dict.fromkeys(_text(field, one) for one in value))
    if kind in _NUMBERS:
        return _number(field, value)
    if kind is Kind.FLAG:
        if not isinstance(value, bool):
            raise InvalidQuery(f"{field} is true or false")
        return value
    return _text(field, value)


def _range(field: str, value: object) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InvalidQuery(f"{field} needs two values, the first and the last")
    return _number(field, value[0]), _number(field, value[1])


def _number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidQuery(f"{field} needs a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidQuery(f"{field} needs a number of ordinary size")
    return number


def _text(field: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**20 else "?"
    if not isinstance(value, str):
        raise InvalidQuery(f"{field} needs a text")
    if len(value) > _VALUE_MAX_CHARS:
        raise InvalidQuery(f"{field}: a text of {len(value)} characters is too long")
    return value
