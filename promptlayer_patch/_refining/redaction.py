"""What must not be recorded: secrets, which always go, and what the user names with `redact=`.

Copies are made only of what changes: data in which nothing is found comes back as the same objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeAlias

from promptlayer_patch._guard import report
from promptlayer_patch._refining.rewriting import (
    DEPTH,
    Walk,
    emptied,
    is_same,
    rewritten,
    said,
    under,
    with_changes,
)
from promptlayer_patch._refining.screening import suspects
from promptlayer_patch._refining.secrets import scrubbed
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.records import Failure, Record

REDACTED = "[redacted]"


class _Any(Enum):
    CHILD = "*"
    DEPTH = "**"


@dataclass(frozen=True, slots=True)
class _Key:
    name: str


@dataclass(frozen=True, slots=True)
class _Path:
    steps: tuple[str | int | _Any, ...]
    from_record: bool
    """Whether it begins at the record; else at the request and at the response as well."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Change:
    function: Callable[[Record], object]


Rule: TypeAlias = _Key | _Path | _Pattern | _Change

_STEP = re.compile(
    r"\.(?P<any>\*\*?)(?=[.\[]|$)|\.(?P<name>[^.\[\]*]+)|\[(?P<index>-?\d{1,9}|\*)\]"
    r"|\[(?P<quote>['\"])(?P<quoted>[^'\"]+)(?P=quote)\]"
)
_ROOTS = frozenset({"request", "response", "metadata", "error", *_Any})


def rules_of(argument: str, redact: object) -> tuple[Rule, ...]:
    """What `redact` asks for, ready to be used: one rule or a list of them.

    A rule is a key ("password"), a path ("messages[*].content", "$.request.user", "**.ssn",
    "metadata['a.b']"), a compiled pattern or a function from record to record. Raises `InvalidArgument`.
    """
    if redact is None:
        return ()
    many = redact if isinstance(redact, (list, tuple)) else (redact,)
    return tuple(_rule(argument, one) for one in many)


def _rule(argument: str, one: object) -> Rule:
    if isinstance(one, str):
        if not one.strip():
            raise InvalidArgument(argument, "expected a key or a path, got an empty string")
        is_path = one[0] in "$*" or "." in one or "[" in one
        return _path(argument, one) if is_path else _Key(one.casefold())
    if isinstance(one, re.Pattern):
        if not isinstance(one.pattern, str):
            raise InvalidArgument(argument, "expected a pattern of str, got one of bytes")
        return _Pattern(one)
    if callable(one) and not isinstance(one, type):
        return _Change(one)
    raise InvalidArgument(
        argument, f"expected keys, paths, compiled patterns or functions, got {type(one).__name__}"
    )


def _path(argument: str, path: str) -> _Path:
    from_record = path.startswith("$")
    rest = path[1:] if from_record else path if path.startswith("[") else f".{path}"
    steps: list[str | int | _Any] = []
    at = 0
    while found := _STEP.match(rest, at):
        at = found.end()
        step = _step(found)
        if step is not _Any.DEPTH or steps[-1:] != [step]:
            steps.append(step)
    if at < len(rest) or not steps:
        raise InvalidArgument(argument, f"{path!r} is no path such as 'messages[*].content' or '**.ssn'")
    if from_record and steps[0] not in _ROOTS:
        raise InvalidArgument(
            argument, f"after '$' comes request, response, metadata or error, not as in {path!r}"
        )
    return _Path(tuple(steps), from_record)


def _step(found: re.Match[str]) -> str | int | _Any:
    index = found["index"]
    if index is not None:
        return _Any.CHILD if index == "*" else int(index)
    if found["any"]:
        return _Any(found["any"])
    return found["name"] or found["quoted"]


def redacted(record: Record, rules: Sequence[Rule]) -> Record:
    """`record` without secrets and without what `rules` name.

    Never raises: where a rule fails, the content is dropped and the fact of the call stays.
    """
    try:
        # Before the rules, which could cut a key into pieces that no longer look like one.
        record = scrubbed(record, suspects(record))
        if rules and record.bodies is not None:
            record = replace(record)  # a rule of the user's may change the data where they are
        for rule in rules:
            record = _applied(record, rule)
        return record
    except Exception as fault:
        report("redacting", fault)
        return emptied(record, "the redaction failed")


def _applied(record: Record, rule: Rule) -> Record:
    match rule:
        case _Key(name):
            return rewritten(record, _Json(name), under({name}, REDACTED, object))
        case _Pattern(pattern):
            return rewritten(record, _substitution(pattern), message=True)
        case _Path():
            return _without_path(record, rule)
        case _Change(function):
            return scrubbed(replace(_checked(function(record)), id=record.id))


def _checked(answer: object) -> Record:
    if not isinstance(answer, Record):
        raise TypeError("the function of a redaction returns a record")
    whole = isinstance(answer.request, Mapping) and isinstance(answer.metadata, Mapping)
    if not whole or not isinstance(answer.tags, tuple) or not isinstance(answer.error, Failure | None):
        raise TypeError("the function of a redaction returned a record with fields of other types")
    return answer


@dataclass(slots=True)
class _Json:
    """Looks for a key in strings that hold JSON, as the arguments of tools do."""

    name: str

    def __call__(self, text: str) -> str:
        if not text[:64].lstrip().startswith(("{", "[")):
            return text
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            # Arguments that were cut: where the value ends cannot be told.
            named = re.search(rf'{re.escape(self.name)}\\*"\s*:', text.casefold())
            return REDACTED if named else text
        new = Walk(self, under({self.name}, REDACTED, object)).of(data)
        return text if new is data else json.dumps(new, ensure_ascii=False)


def _substitution(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def substituted(text: str) -> str:
        new = pattern.sub(REDACTED, text)
        return text if new == text else new

    return substituted


def _without_path(record: Record, path: _Path) -> Record:
    root = {"request": record.request, "response": record.response, "metadata": record.metadata}
    if record.error is not None:
        root["error"] = {"message": record.error.message}
    new = _blanked(root, path.steps)
    new = dict(new) if isinstance(new, Mapping) else dict.fromkeys(root, REDACTED)
    for name in () if path.from_record else ("request", "response"):
        new[name] = _blanked(new[name], path.steps)
    for name in ("request", "metadata"):
        if not isinstance(new[name], Mapping):
            new[name] = {}
    error = new.pop("error", None)
    if record.error is not None:
        new["error"] = said(record.error, error["message"] if isinstance(error, Mapping) else REDACTED)
    return with_changes(record, new)


def _blanked(value: Any, steps: tuple[str | int | _Any, ...], depth: int = 0) -> Any:
    if not steps:
        return REDACTED
    if depth > DEPTH or not isinstance(value, (Mapping, list, tuple)):
        return REDACTED if steps == (_Any.DEPTH,) else value
    step, rest = steps[0], steps[1:]
    if step is _Any.DEPTH:
        value = _blanked(value, rest, depth + 1)
        if not isinstance(value, (Mapping, list, tuple)):
            return value
        rest = steps
    if isinstance(value, Mapping):
        pairs = {
            key: _blanked(item, rest, depth + 1) if isinstance(step, _Any) or step == key else item
            for key, item in value.items()
        }
        return value if all(pairs[key] is item for key, item in value.items()) else pairs
    here = step % len(value) if isinstance(step, int) and -len(value) <= step < len(value) else None
    items = [
        _blanked(item, rest, depth + 1) if isinstance(step, _Any) or number == here else item
        for number, item in enumerate(value)
    ]
    return value if all(map(is_same, items, value)) else items
