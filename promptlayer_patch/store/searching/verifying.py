"""What only a look at the text itself can tell, as functions that SQL calls for candidates of a search."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from promptlayer_patch._blueprint import Facts, facts_of
from promptlayer_patch.store import annotating, reading
from promptlayer_patch.store.indexing.segments import segmented, words
from promptlayer_patch.store.searching.plans import Sql
from promptlayer_patch.store.text import writable

__all__ = ["begins", "contains", "has_phrase", "register", "words_in"]


def contains(text: str, sought: str) -> bool:
    """Whether the words of `sought` stand in `text` one after the other, the last one perhaps only begun."""
    # A space before every word, so that a word is met at its beginning.
    return _spaced(sought) in _spaced(text)


def begins(field: str, start: str) -> Sql:
    """That one of the field's texts begins with `start`, of a field that no table has a column for."""
    return Sql("names_begin(requests.request_id, ?, ?)", (field, start))


def has_phrase(field: str, key: str, sought: str) -> Sql:
    """That a value under the key of a nested field contains the words of `sought`."""
    if field == "metadata":
        return Sql(
            "EXISTS (SELECT 1 FROM request_metadata AS t WHERE t.request_id = requests.request_id"
            " AND t.key = ? AND contains_words(t.value, ?))",
            (key, sought),
        )
    return Sql("nested_contains(requests.request_id, ?, ?, ?)", (field, key, sought))


def words_in(connection: sqlite3.Connection, request_id: int) -> dict[str, str]:
    """What the index has of the texts of a request that is in it, with a space between words."""
    facts = _facts(connection, request_id)
    texts = {} if facts is None else {"input": facts.input_text, "output": facts.output_text}
    return {column: " ".join(segmented(texts.get(column, "")).split()) for column in ("input", "output")}


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to the connection."""
    connection.create_function("contains_words", 2, contains, deterministic=True)
    connection.create_function("names_begin", 3, partial(_names_begin, connection))
    connection.create_function("nested_contains", 4, partial(_nested_contains, connection))


def _names_begin(connection: sqlite3.Connection, request_id: int, field: str, start: str) -> bool:
    return any(writable(name).startswith(start) for name in _NAMES[field](connection, request_id))


def _nested_contains(
    connection: sqlite3.Connection, request_id: int, field: str, key: str, sought: str
) -> bool:
    return any(contains(writable(text), sought) for text in _NESTED[field](connection, request_id, key))


def _facts(connection: sqlite3.Connection, request_id: int) -> Facts | None:
    """`None` for a request whose body cannot be read: it has no text."""
    try:
        record = reading.record(connection, request_id)
    except Exception:
        return None
    return None if record is None else facts_of(record)


def _output_values(connection: sqlite3.Connection, request_id: int, path: str) -> Iterable[str]:
    values = _paths(connection, request_id).items()
    return [value for known, many in values if writable(known) == path for value in many]


def _paths(connection: sqlite3.Connection, request_id: int) -> Mapping[str, Iterable[str]]:
    facts = _facts(connection, request_id)
    return facts.output_values if facts else {}


def _tool_names(connection: sqlite3.Connection, request_id: int) -> Iterable[str]:
    facts = _facts(connection, request_id)
    return facts.tool_names if facts else ()


def _input_variables(connection: sqlite3.Connection, request_id: int, name: str) -> Iterable[str]:
    values = [value for known, value in _variables(connection, request_id).items() if writable(known) == name]
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]


def _variables(connection: sqlite3.Connection, request_id: int) -> Mapping[str, Any]:
    prompt = annotating.prompt(connection, request_id)
    return prompt.variables if prompt else {}


def _spaced(text: str) -> str:
    return "".join(f" {word}" for word in words(text))


# The names of what sounds in a text are few and short, so nobody asks here.
_NAMES: dict[str, Callable[[sqlite3.Connection, int], Iterable[str]]] = {
    "tool_names": _tool_names,
    "output_keys": _paths,
    "input_variable_keys": _variables,
    "user_intent": lambda connection, request_id: (),
    "agent_intent": lambda connection, request_id: (),
}
_NESTED: dict[str, Callable[[sqlite3.Connection, int, str], Iterable[str]]] = {
    "output": _output_values,
    "input_variables": _input_variables,
}
