"""What a query means, in plain Python: every request is looked at, nothing is indexed.

A request is a plain dict with the names of `FIELDS`: a text for a word or a text, a list of texts for words,
a number, a bool; of a nested field a dict of texts, lists of texts, or numbers, by key. What is not there, or
`None`, has no value. `text` is not given: it is `input_text` and `output_text`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from promptlayer_patch._query import (
    FIELDS,
    And,
    Condition,
    Filter,
    Kind,
    Not,
    Operator,
    Or,
    Query,
    SortKey,
)

Request = Mapping[str, Any]

# Scripts that put no blanks between words, by the first word of their characters' names.
_ONE_BY_ONE = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "HALFWIDTH", "IDEOGRAPHIC")


def matches(filter: Filter, request: Request) -> bool:
    """Whether the request is one of those that the filter asks for."""
    match filter:
        case And(filters):
            return all(matches(one, request) for one in filters)
        case Or(filters):
            return any(matches(one, request) for one in filters)
        case Not(inner):
            return not matches(inner, request)
        case Condition():
            return any(_holds(filter, value) for value in _values(filter, request))
    raise AssertionError(filter)


def sorted_ids(query: Query, requests: Iterable[Request]) -> list[int]:
    """The ids (`pl_id`) of the requests that match, in the query's order; ids are ordered like the starts."""
    found = [request for request in requests if matches(query.filter, request)]
    found.sort(key=lambda request: int(request["pl_id"]), reverse=query.order.descending)
    if query.order.key is not SortKey.STARTED:
        name = query.order.key.value
        nothing = [request for request in found if request.get(name) is None]
        something = [request for request in found if request.get(name) is not None]
        something.sort(key=lambda request: request[name], reverse=query.order.descending)
        found = something + nothing
    return [int(request["pl_id"]) for request in found]


@lru_cache(maxsize=20_000)
def words_of(text: str) -> list[str]:
    """The words of a text: runs of letters and digits without case and accents; of CJK every character."""
    words: list[str] = []
    goes_on = False
    for character in _plain(text):
        alone = unicodedata.name(character, "").startswith(_ONE_BY_ONE)
        if not character.isalnum():
            goes_on = False
        elif goes_on and not alone:
            words[-1] += character
        else:
            words.append(character)
            goes_on = not alone
    return words


_SOUND_MARKS = "\u3099\u309a"
"""They are no accents: か and が are two letters."""


def _plain(text: str) -> str:
    """Without case and accents. Hangul and kana, which NFKD takes apart, are put together again."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = (c for c in apart if c in _SOUND_MARKS or unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFC", "".join(kept))


def _values(condition: Condition, request: Request) -> Iterator[Any]:
    names = ("input_text", "output_text") if condition.field == "text" else (condition.field,)
    for name in names:
        held = request.get(name)
        if condition.key is not None:
            held = (held or {}).get(condition.key)
        if held is None:
            continue
        yield from held if isinstance(held, (list, tuple, set, frozenset)) else (held,)


def _holds(condition: Condition, value: Any) -> bool:
    if FIELDS[condition.field].kind in (Kind.WORD, Kind.WORDS, Kind.NESTED):
        value = str(value)
    return _MEANINGS[condition.operator](value, condition.value)


def _contains(value: str, sought: str) -> bool:
    words, parts = words_of(value), words_of(sought)
    return any(_begins(words[at:], parts) for at in range(len(words) + 1))


def _begins(words: list[str], parts: list[str]) -> bool:
    if not parts:
        return True
    *whole, begun = parts
    return len(words) >= len(parts) and words[: len(whole)] == whole and words[len(whole)].startswith(begun)


def _ends(words: list[str], parts: list[str]) -> bool:
    return not parts or words[-len(parts) :] == parts


_MEANINGS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUALS: lambda value, sought: value == sought,
    Operator.ONE_OF: lambda value, sought: value in sought,
    Operator.PREFIX: lambda value, sought: value.startswith(sought),
    Operator.CONTAINS: _contains,
    Operator.STARTS_WITH: lambda value, sought: _begins(words_of(value), words_of(sought)),
    Operator.ENDS_WITH: lambda value, sought: _ends(words_of(value), words_of(sought)),
    Operator.LESS: lambda value, sought: value < sought,
    Operator.AT_MOST: lambda value, sought: value <= sought,
    Operator.MORE: lambda value, sought: value > sought,
    Operator.AT_LEAST: lambda value, sought: value >= sought,
    Operator.BETWEEN: lambda value, sought: sought[0] <= value <= sought[1],
    Operator.EXISTS: lambda value, sought: True,
}
