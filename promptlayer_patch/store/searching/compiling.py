"""From a filter to the plan by which its requests are found."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from promptlayer_patch._query import (
    FIELDS,
    And,
    Condition,
    Filter,
    InvalidQuery,
    Kind,
    Not,
    Operator,
    Or,
)
from promptlayer_patch.store.indexing.facets import EVERY, containing, token, unlisted
from promptlayer_patch.store.indexing.segments import END, phrase, words
from promptlayer_patch.store.searching import columns
from promptlayer_patch.store.searching.begun import Begun
from promptlayer_patch.store.searching.comparing import number_plan, time_plan
from promptlayer_patch.store.searching.plans import EVERYTHING, NOTHING, Plan, Sql, all_of, any_of, opposite
from promptlayer_patch.store.searching.verifying import begins, has_phrase, register
from promptlayer_patch.store.searching.vocabulary import Vocabulary
from promptlayer_patch.store.text import writable

__all__ = ["Compiler"]

# SQLite's parsers have ends, of full-text expressions sooner than of conditions.
_DEEPEST = 24
_CONDITIONS_MOST = 500
_EXPRESSIONS_MOST = 1_000
_TEXTS = {"input_text": "input", "output_text": "output", "text": "{input output}"}

_OF_RECORDS = "SELECT request_id FROM requests WHERE record_id IN (SELECT value FROM json_each(?))"
_IN_FACETS = re.compile(r"\*|\b[0-9a-f]{16}\b")
"""In an expression, what the column of tokens may have, too. All else needs no columns named, which makes the
index read a third less."""


class Compiler:
    """Plans for the store behind one connection, to be used in the transaction that they are made in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._vocabulary = Vocabulary(connection)
        self._conditions = 0
        self.unnamed: dict[Condition, Begun] = {}
        """Of what was asked so far, what begins more words than can be named: plans for it are slow."""
        register(connection)

    def plan(self, filter: Filter) -> Plan:
        """The plan for `filter`. Raises `InvalidQuery` for one that is too long, or nested too deeply."""
        return self._plan(filter, 0)

    def _plan(self, filter: Filter, depth: int) -> Plan:
        if depth > _DEEPEST:
            raise InvalidQuery(f"a query may be nested {_DEEPEST} deep")
        match filter:
            case And(filters):
                return all_of([self._plan(one, depth + 1) for one in filters])
            case Or(filters):
                return any_of([self._plan(one, depth + 1) for one in filters])
            case Not(inner):
                return opposite(self._plan(inner, depth + 1), _facet(EVERY))
            case Condition():
                return self._condition(filter)

    def _condition(self, asked: Condition) -> Plan:
        self._conditions += 1
        if self._conditions > _CONDITIONS_MOST:
            raise InvalidQuery(f"a query may have {_CONDITIONS_MOST} conditions")
        match FIELDS[asked.field].kind:
            case Kind.WORD | Kind.WORDS:
                return self._word(asked)
            case Kind.NESTED:
                return self._nested(asked)
            case Kind.TEXT:
                return self._text(asked)
            case Kind.NUMBER | Kind.NESTED_NUMBER:
                return number_plan(asked)
            case Kind.TIME:
                return time_plan(self._connection, asked)
            case Kind.FLAG:
                flag = _exact([token(asked.field)], columns.flag(asked.field))
                return flag if asked.value else opposite(flag, _facet(EVERY))

    def _word(self, asked: Condition) -> Plan:
        field = asked.field
        if field == "pl_id":
            return _by_id(asked)
        match asked.operator:
            case Operator.EXISTS:
                return _exact([token(field)], columns.present(field))
            case Operator.PREFIX:
                return self._begun(field, writable(asked.value))
        sought = _texts(asked)
        if field == "record_id":
            return self._by_records(sought)
        found = _exact([token(field, one) for one in sought], columns.one_of(field, sought))
        return replace(found, model=sought[0]) if field == "engine" and len(sought) == 1 else found

    def _by_records(self, record_ids: Sequence[str]) -> Plan:
        """By the request ids, which the table knows without the index."""
        rows = self._connection.execute(_OF_RECORDS, (json.dumps(record_ids),))
        return _among([request_id for (request_id,) in rows])

    def _begun(self, field: str, start: str) -> Plan:
        alone = columns.begins(field, start)
        if field in columns.IDENTITIES:  # of these there is no list of values
            return Plan(_facet(token(field)), alone, alone)
        known = self._vocabulary.values(field, start)
        verified = alone or begins(field, start)
        if len(known) > _EXPRESSIONS_MOST:
            return Plan(_facet(token(field)), verified, verified)
        listed = _exact([token(field, one) for one in known], alone)
        return self._with_unlisted(listed, unlisted(field), Plan(None, verified, verified))

    def _nested(self, asked: Condition) -> Plan:
        field, key = asked.field, writable(asked.key)
        match asked.operator:
            case Operator.EXISTS:
                return _exact([token(columns.KEYS[field], key)], columns.present(field, key))
            case Operator.CONTAINS:
                return self._containing(field, key, writable(asked.value))
        sought = _texts(asked)
        return _exact([token(field, key, one) for one in sought], columns.one_of(field, sought, key))

    def _containing(self, field: str, key: str, text: str) -> Plan:
        if not words(text):
            return _exact([token(columns.KEYS[field], key)], columns.present(field, key))
        verified = has_phrase(field, key, text)
        unsure = Plan(f"(facets:{containing(field, key, text)})", verified, verified)
        known = self._vocabulary.containing(field, key, text)
        if known is None or len(known) > _EXPRESSIONS_MOST:
            return unsure
        listed = _exact([token(field, key, one) for one in known], None)
        return self._with_unlisted(listed, unlisted(field, key), unsure)

    def _with_unlisted(self, listed: Plan, mark: str, unsure: Plan) -> Plan:
        """What `listed` finds, and what `unsure` finds among those that bear the mark."""
        if not self._vocabulary.holds(mark):
            return listed
        return any_of([listed, all_of([unsure, Plan(_facet(mark))])])

    def _text(self, asked: Condition) -> Plan:
        text, column = writable(asked.value), _TEXTS[asked.field]
        if asked.operator is Operator.ENDS_WITH:
            whole = phrase(text, begun=False)
            return EVERYTHING if whole is None else Plan(f'({column}:{whole[:-1]} {END}")')
        begun = phrase(text)
        if begun is None:
            return EVERYTHING
        first = "^" if asked.operator is Operator.STARTS_WITH else ""
        completed = self._vocabulary.completed(begun)
        if completed == [begun] and begun.endswith("*"):
            self.unnamed[asked] = Begun(begun, column.strip("{}").split(), bool(first))
        found = [f"{first}{one}" for one in completed]
        if not found:
            return NOTHING
        either = f"({' OR '.join(found)})"
        if asked.field == "text" and not first and not _IN_FACETS.search(either):
            return Plan(either)
        return Plan(f"({column}:{either})")


def _exact(tokens: Sequence[str], alone: Sql | None) -> Plan:
    """Requests with one of these tokens, which say all."""
    return Plan(f"(facets:({' OR '.join(tokens)}))", None, alone) if tokens else NOTHING


def _facet(one: str) -> str:
    return f"(facets:{one})"


def _by_id(asked: Condition) -> Plan:
    match asked.operator:
        case Operator.EXISTS:
            return EVERYTHING
        case Operator.PREFIX:
            alone = columns.request_id_begins(writable(asked.value))
            return Plan(None, alone, alone)
    numbers = [one for one in _texts(asked) if one.isascii() and one.isdigit() and len(one) < 19]
    return _among([int(one) for one in numbers if one == str(int(one))])


def _among(ids: Sequence[int]) -> Plan:
    alone = columns.request_id_among(ids)
    return Plan(None, alone, alone, min(ids), max(ids)) if ids else NOTHING


def _texts(asked: Condition) -> list[str]:
    values = asked.value if isinstance(asked.value, tuple) else (asked.value,)
    return [writable(value) for value in values]
