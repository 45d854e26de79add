"""What fields are called in the query bar: people write `model`, PromptLayer says `engine`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from promptlayer_patch._query.fields import FIELDS, Kind, condition
from promptlayer_patch._query.model import Condition, InvalidQuery, Operator

__all__ = ["BASES", "CANONICAL", "CHOICES", "NAMES", "WORDINGS", "Name", "resolve"]


@dataclass(frozen=True, slots=True)
class Name:
    """One field by one of its names."""

    field: str
    key: str | None = None
    operator: str = ""
    """What is asked where the value says nothing: `since:7d` is `started:>=7d`."""
    scale: float = 1.0
    """What a number without a unit is multiplied by: `latency:2` is seconds, the field has milliseconds."""
    about: str = ""

    @property
    def says(self) -> str:
        """For whoever writes a query."""
        return self.about or FIELDS[self.field].says


_SHORT = {
    "model": Name("engine"),
    "provider": Name("provider_type"),
    "tag": Name("tags"),
    "status": Name("status"),
    "error": Name("error_type"),
    "http": Name("http_status"),
    "latency": Name("latency_ms", scale=1000.0),
    "ttft": Name("first_token_ms", scale=1000.0),
    "cost": Name("cost"),
    "tokens": Name("total_tokens"),
    "since": Name("request_start_time", operator=">=", about="began then or later: 7d, 2026-11-01"),
    "until": Name(
        "request_start_time", operator="<=", about="began then or earlier, all of that day included"
    ),
    "on": Name("request_start_time", operator="=", about="began on that day"),
    "after": Name("request_start_time", operator=">", about="began later, that day excluded"),
    "before": Name("request_start_time", operator="<", about="began earlier, that day excluded"),
    "started": Name("request_start_time"),
    "ended": Name("request_end_time"),
    "input": Name("input_text"),
    "output": Name("output_text"),
    "text": Name("text"),
    "user": Name("metadata", "user_id", about="metadata user_id"),
    "session": Name("metadata", "session_id", about="metadata session_id"),
    "prompt": Name("prompt"),
    "template": Name("prompt"),
    "version": Name("prompt_version_number"),
    "label": Name("prompt_label"),
    "group": Name("group"),
    "score": Name("score", "default", about="the score without a name, 0 to 100"),
    "trace": Name("trace_id"),
    "id": Name("pl_id"),
    "request_id": Name("pl_id"),
    "record": Name("record_id"),
    "function": Name("function_name"),
    "tool": Name("tool_names"),
}
_NESTED = (Kind.NESTED, Kind.NESTED_NUMBER)

NAMES: dict[str, Name] = {
    **_SHORT,
    **{name: Name(name) for name, field in FIELDS.items() if field.kind not in _NESTED},
}
"""Every name that may stand before a colon."""

BASES = {
    "metadata": "metadata",
    "score": "score",
    "output": "output",
    "variable": "input_variables",
    "meta": "metadata",
    "var": "input_variables",
    "input_variables": "input_variables",
}
"""Every name that may stand before a dot and a key, with its field."""

CANONICAL = {
    **{field: name for name, field in reversed(BASES.items())},
    **{name.field: word for word, name in reversed(NAMES.items()) if name.key is None and not name.operator},
}
"""The name that is written for a field."""

WORDINGS = {
    "status": {"OK": "SUCCESS", "SUCCEEDED": "SUCCESS", "FAILED": "ERROR"}
    | {word: word for word in ("SUCCESS", "WARNING", "ERROR")},
    "error_type": {
        written: word
        for word in (
            "PROVIDER_RATE_LIMIT",
            "PROVIDER_QUOTA_LIMIT",
            "PROVIDER_TIMEOUT",
            "PROVIDER_AUTH_ERROR",
            "PROVIDER_PARTIAL_RESPONSE",
            "PROVIDER_ERROR",
            "VARIABLE_MISSING_OR_EMPTY",
            "TEMPLATE_RENDER_ERROR",
            "UNKNOWN_ERROR",
        )
        for written in (word, word.removeprefix("PROVIDER_"))
    },
}
"""What people write, in capitals, for the values that a field of few values has."""

_FLAGS = {
    "json": condition("is_json", Operator.EQUALS, True),
    "tool_call": condition("is_tool_call", Operator.EQUALS, True),
    "text": condition("is_plain_text", Operator.EQUALS, True),
}
_FAILED = condition("status", Operator.EQUALS, "ERROR")

CHOICES: dict[str, dict[str, Condition]] = {
    "is": {
        **_FLAGS,
        "ok": condition("status", Operator.EQUALS, "SUCCESS"),
        "warning": condition("status", Operator.EQUALS, "WARNING"),
        "error": _FAILED,
    },
    "has": {
        "error": _FAILED,
        "score": condition("score_names", Operator.EXISTS),
        "metadata": condition("metadata_keys", Operator.EXISTS),
        "tool_call": _FLAGS["tool_call"],
        **{
            word: condition(NAMES[word].field, Operator.EXISTS, key=NAMES[word].key)
            for word in ("tag", "tool", "user", "group", "prompt", "label", "trace", "cost", "tokens", "ttft")
        },
    },
}
"""The names that may stand before a colon and have no values but these."""

_LONGEST_NAME = 40


def resolve(name: str, key: str | None) -> Name:
    """The field that `name`, or `name.key`, stands for. Raises `InvalidQuery`, which names the nearest."""
    if key is None and name in NAMES:
        return NAMES[name]
    if key is not None and name in BASES:
        return Name(BASES[name], key)
    if key is None and name in BASES:
        raise InvalidQuery(f"{name} needs a key, as in {name}.user_id:42")
    if name in NAMES or name in CHOICES:
        raise InvalidQuery(f"{name} has no keys; {', '.join(BASES)} have")
    near = get_close_matches(name[:_LONGEST_NAME], [*NAMES, *BASES, *CHOICES], 1)
    advice = f", the nearest is {near[0]}" if near else ""
    raise InvalidQuery(
        f'there is no field {name[:_LONGEST_NAME]}{advice}; put words with a colon in "quotes"'
    )
