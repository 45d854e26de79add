"""What may be typed next in the query bar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promptlayer_patch._query.fields import FIELDS, Kind
from promptlayer_patch._query.model import InvalidQuery, Operator
from promptlayer_patch._query.names import BASES, CANONICAL, CHOICES, NAMES, WORDINGS, Name, resolve

__all__ = ["Completion", "Suggestion", "complete"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to put in, and what it means."""

    text: str
    says: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What may stand where the cursor is."""

    span: tuple[int, int]
    """What a suggestion replaces."""
    prefix: str
    """What of it has been typed."""
    suggestions: tuple[Suggestion, ...]
    stored: tuple[str, str | None] | None = None
    """The field, and of a nested one the key, whose stored values fit here too. They go in with `quoted`."""


_NAMED = re.compile(r'([A-Za-z_][\w-]*)(?:\.("[^"\\]*(?:\\.[^"\\]*)*"?|[^\s:"]*))?(:)?', re.DOTALL)
_KEYS = {
    "metadata": "metadata_keys",
    "output": "output_keys",
    "input_variables": "input_variable_keys",
    "score": "score_names",
}
_WITH_STORED = (Kind.WORD, Kind.WORDS, Kind.NESTED)
_IDENTITIES = ("pl_id", "record_id", "trace_id")
"""Nearly every request has one of its own: a list of them helps nobody."""
_TIMES = {
    "1h": "an hour ago",
    "24h": "a day ago",
    "7d": "a week ago",
    "30d": "30 days ago",
    "today": "since midnight",
    "yesterday": "the day before",
}
_COMPARISONS = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most"}


def complete(text: str, cursor: int) -> Completion:
    """What fits at `cursor`: names of fields, comparisons, values. Never raises."""
    typed = text[: max(0, cursor)]
    start = _start(typed)
    found = _NAMED.match(typed, start)
    if found is None:
        whole = typed[start:]
        return Completion((start, len(typed)), whole, () if whole else tuple(_names("")))
    if found[3]:
        return _value(typed, found)
    if found.end() < len(typed):
        return Completion((start, len(typed)), typed[start:], ())
    if found[2] is not None:
        return _key(typed, found)
    return Completion((start, len(typed)), found[1], tuple(_names(found[1].lower())))


def _start(typed: str) -> int:
    """Where the term begins that ends where `typed` does."""
    start = 0
    for place, character in _outside_quotes(typed, 0):
        if character.isspace() or (character in "(-" and place == start):
            start = place + 1
    return start


def _outside_quotes(typed: str, start: int) -> Iterator[tuple[int, str]]:
    in_quotes, escaped = False, False
    for place in range(start, len(typed)):
        character = typed[place]
        if character == '"' and not escaped:
            in_quotes = not in_quotes
        elif not in_quotes:
            yield place, character
        escaped = in_quotes and character == "\\" and not escaped


def _names(prefix: str) -> Iterator[Suggestion]:
    """Each field by its usual name or, once something has been typed, by any."""
    for word, name in NAMES.items():
        usual = name.operator or name.key or CANONICAL[name.field] == word
        if word.startswith(prefix) and (prefix or usual):
            yield Suggestion(f"{word}:", name.says)
    for word, field in BASES.items():
        if word.startswith(prefix) and (prefix or CANONICAL[field] == word):
            yield Suggestion(f"{word}.", FIELDS[field].says)
    for word, choices in CHOICES.items():
        if word.startswith(prefix):
            yield Suggestion(f"{word}:", ", ".join(choices))


def _key(typed: str, found: re.Match[str]) -> Completion:
    field = BASES.get(found[1].lower())
    stored = (_KEYS[field], None) if field else None
    return Completion((found.start(2), len(typed)), found[2].strip('"'), (), stored)


def _value(typed: str, found: re.Match[str]) -> Completion:
    commas = [place for place, character in _outside_quotes(typed, found.end()) if character == ","]
    start = commas[-1] + 1 if commas else found.end()
    prefix = typed[start:].lstrip('"')
    name, key = found[1].lower(), found[2] and found[2].strip('"')
    if name in CHOICES:
        fitting = tuple(Suggestion(word, "") for word in CHOICES[name] if word.startswith(prefix.lower()))
        return Completion((start, len(typed)), prefix, fitting)
    try:
        resolved = resolve(name, key)
    except InvalidQuery:
        return Completion((start, len(typed)), prefix, ())
    kind = FIELDS[resolved.field].kind
    fitting = tuple(one for one in _of_kind(kind, resolved) if one.text.startswith(prefix.lower()))
    listed = kind in _WITH_STORED and resolved.field not in _IDENTITIES
    stored = (resolved.field, resolved.key) if listed else None
    return Completion((start, len(typed)), prefix, fitting, stored)


def _of_kind(kind: Kind, name: Name) -> Iterator[Suggestion]:
    """What may be written for any field of this kind."""
    if kind is Kind.TIME:
        yield from (Suggestion(word, says) for word, says in _TIMES.items())
    if kind in (Kind.NUMBER, Kind.NESTED_NUMBER):
        yield from (Suggestion(sign, says) for sign, says in _COMPARISONS.items())
    if kind is Kind.FLAG:
        yield from (Suggestion(word, "") for word in ("true", "false"))
    for word in dict.fromkeys(WORDINGS.get(name.field, {}).values()):
        yield Suggestion(word.lower(), "")
    if Operator.EXISTS in kind.operators and not name.operator:
        yield Suggestion("*", "anything")
