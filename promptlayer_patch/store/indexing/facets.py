"""The tokens by which the inverted index finds what is not text: one for each thing to find a request by.

A token is a hash, so no tokenizer can change it and no two values fall together; what it stands for is in
`token`'s arguments and nowhere else. They are the words of the column `facets`:

    token                           stands for
    EVERY                           any request
    token(field)                    has one: for kinds WORD, WORDS and NUMBER, and for flags that are true;
                                    the same as EVERY for fields that every request has
    token(field, value)             WORD, WORDS: has exactly this value; not of `pl_id` and `record_id`, by
                                    which a request is found without the index
    token(field, key, value)        NESTED: has exactly this value under the key. That there is one under it:
                                    token("metadata_keys", key), token("output_keys", path),
                                    token("input_variable_keys", name), token("score_names", name)
    token(field + " word", key, w)  NESTED: a value under the key has this word, see `containing`
    token(field + " word", key)     NESTED: values under the key have too many words to say which
    token(field + " long")          WORD, WORDS: has a value that is too long for the table `terms`
    token(field + " long", key)     NESTED: has such a value under the key
    token(field + " in", n)         NUMBER: lies in the nth bucket, see `between`
    token(field + " in", n, key)    NESTED_NUMBER: the same under a key

Fields of kind TEXT are the columns `input` and `output`. Those of kind TIME follow from the request id, or
need a look at the row; the same is true of numbers, of which a token says the bucket and no more.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from promptlayer_patch.store.indexing.indexed import Indexed
from promptlayer_patch.store.indexing.segments import words

__all__ = ["EVERY", "Term", "between", "containing", "described", "token", "unlisted"]

_SEPARATOR = b"\xff"  # in no UTF-8 text, so that no value can pass for a key and a value
_MOST_WORDS = 24
_ALWAYS = frozenset(
    {"provider_type", "status", "pl_id", "record_id", "function_name", "ending", "latency_ms", "attempts"}
)
_TERM_CHARS = 200
"""What is longer is no suggestion to anybody."""
_LOWEST, _HIGHEST = -24, 40
"""Buckets of powers of two: from less than a millionth of a dollar to more tokens than there are."""
_LARGE = 2.0 ** (_HIGHEST - 1)

Term = tuple[str, str, str]
"""Field, key (empty where there is none) and value, as in the table `terms`."""
_Named = tuple[tuple[str, ...], tuple[Term, ...]]
"""The tokens and the terms of some values."""


def token(field: str, *said: str) -> str:
    """The token of a field of `_query.FIELDS`; the table above says of what."""
    if said:
        name = _before(field, said[:-1]) + said[-1].encode("utf-8", "backslashreplace")
    else:
        name = b"" if field in _ALWAYS else field.encode()  # as `EVERY`, which the request has in any case
    # 64 bits written in letters and digits only, which every tokenizer takes for one word.
    return hashlib.blake2b(name, digest_size=8).hexdigest()


@lru_cache(maxsize=512)
def _before(field: str, said: tuple[str, ...]) -> bytes:
    parts = [part.encode("utf-8", "backslashreplace") for part in (field, *said, "")]
    return _SEPARATOR.join(parts)


EVERY = token("")


def containing(field: str, key: str, text: str) -> str:
    """The full-text expression, for column `facets`, that no value under `key` which contains `text` misses.

    It finds more: the words need not stand next to each other, and the last one, which may be only begun, is
    not looked for.
    """
    present = token(_KEYS[field], key)
    whole = words(text)[:-1]
    if not whole:
        return present
    each = " AND ".join(token(f"{field} word", key, word) for word in whole)
    return f"(({each}) OR {token(f'{field} word', key)})"


def is_listed(key: str | None, value: str) -> bool:
    """Whether a value is short enough for the table `terms`."""
    return len(value) <= _TERM_CHARS and (key is None or len(key) <= _TERM_CHARS)


def unlisted(field: str, key: str | None = None) -> str:
    """The token of what has a value, under the key of a nested field, that is not in the table `terms`."""
    return token(f"{field} long", *(() if key is None else (key,)))


def between(field: str, low: float = -math.inf, high: float = math.inf, key: str | None = None) -> list[str]:
    """Tokens of which every request has one whose number lies between the two; others may have one too."""
    return [_in_bucket(field, bucket, key) for bucket in range(_bucket(low), _bucket(high) + 1)]


def described(request: Indexed) -> tuple[set[str], set[Term]]:
    """All tokens of a request, and its values that are worth suggesting to whoever writes a query."""
    found, terms = {EVERY}, set[Term]()
    for tokens, listed in _named(request):
        found.update(tokens)
        terms.update(listed)
    if request.trace_id is not None:
        found.add(_presence("trace_id"))
        found.add(token("trace_id", request.trace_id))
    for field, key, number in _numbers(request):
        found.update(_of_bucket(field, key, _bucket(number)))
    if request.shape is not None:
        found.add(_presence(_FLAGS[request.shape]))
    return found, terms


def _named(request: Indexed) -> Iterator[_Named]:
    yield _of_words(_words_of(request))
    for field, many in _sets_of(request):
        if many:
            yield _of_set(field, tuple(many))
    for key, value in request.metadata.items():
        yield _of_text("metadata", key, value)
    for key, value in request.input_variables.items():
        yield _of_text("input_variables", key, value)
    for path, texts in request.output_values.items():
        yield _of_texts("output", path, texts)


# Most requests have the same values as those before them.


@lru_cache(maxsize=2048)
def _of_words(values: tuple[str | None, ...]) -> _Named:
    known = zip(_WORDS, values, strict=True)
    return _together(_of_value(field, None, value) for field, value in known if value is not None)


@lru_cache(maxsize=2048)
def _of_set(field: str, values: tuple[str, ...]) -> _Named:
    return _together(_of_value(field, None, value) for value in values)


@lru_cache(maxsize=8192)
def _of_text(field: str, key: str, text: str) -> _Named:
    return _of_texts(field, key, (text,))


def _of_texts(field: str, key: str, texts: tuple[str, ...]) -> _Named:
    tokens, terms = _together(_of_value(field, key, text) for text in texts)
    return (*tokens, *_words(field, key, texts)), terms


@lru_cache(maxsize=8192)
def _of_value(field: str, key: str | None, value: str) -> _Named:
    own = (token(field), token(field, value)) if key is None else (token(field, key, value),)
    if is_listed(key, value):
        return own, ((field, key or "", value),)
    return (*own, unlisted(field, key)), ()


def _together(named: Iterable[_Named]) -> _Named:
    both = tuple(named)
    return tuple(token for tokens, _ in both for token in tokens), tuple(
        term for _, terms in both for term in terms
    )


@lru_cache(maxsize=2048)
def _of_bucket(field: str, key: str | None, bucket: int) -> tuple[str, str]:
    return token(field), _in_bucket(field, bucket, key)


@lru_cache(maxsize=64)
def _presence(field: str) -> str:
    return token(field)


_FLAGS = {"json": "is_json", "tool_call": "is_tool_call", "plain_text": "is_plain_text"}
_KEYS = {
    "metadata": "metadata_keys",
    "output": "output_keys",
    "input_variables": "input_variable_keys",
}
_WORDS = (
    "engine",
    "provider_type",
    "status",
    "function_name",
    "ending",
    "error_type",
    "prompt",
    "prompt_id",
    "prompt_label",
    "user_intent",
    "agent_intent",
)


def _words_of(request: Indexed) -> tuple[str | None, ...]:
    """Of the fields `_WORDS`."""
    prompt_id = request.prompt_id
    return (
        request.model,
        request.provider,
        request.pl_status,
        request.function_name,
        request.ending,
        request.pl_error_type,
        request.prompt_name,
        None if prompt_id is None else str(prompt_id),
        request.prompt_label,
        request.user_intent,
        request.agent_intent,
    )


def _sets_of(request: Indexed) -> tuple[tuple[str, Collection[str]], ...]:
    return (
        ("tags", request.tags),
        ("metadata_keys", request.metadata),
        ("tool_names", request.tool_names),
        ("output_keys", request.output_values),
        ("input_variable_keys", request.input_variables),
        ("group", tuple(map(str, request.groups))),
        ("score_names", request.scores),
    )


def _numbers(request: Indexed) -> Iterator[tuple[str, str | None, float]]:
    first_token_s = request.first_token_s
    tokens = [count for count in (request.input_tokens, request.output_tokens) if count is not None]
    for field, number in (
        ("cost", request.cost),
        ("latency_ms", request.duration_s * 1000),
        ("input_tokens", request.input_tokens),
        ("output_tokens", request.output_tokens),
        ("total_tokens", sum(tokens) if tokens else None),
        ("cached_tokens", request.cached_tokens),
        ("thinking_tokens", request.thinking_tokens),
        ("first_token_ms", None if first_token_s is None else first_token_s * 1000),
        ("http_status", request.http_status),
        ("attempts", request.attempts),
        ("prompt_version_number", request.prompt_version),
    ):
        if number is not None:
            yield field, None, number
    for name, score in request.scores.items():
        yield "score", name, score


def _in_bucket(field: str, bucket: int, key: str | None) -> str:
    return token(f"{field} in", str(bucket), *(() if key is None else (key,)))


def _bucket(number: float) -> int:
    """Rises with the number."""
    if 1 <= number < _LARGE:
        return math.frexp(number)[1]
    if math.isinf(number):
        return _HIGHEST if number > 0 else _LOWEST - 2
    if number <= 0:
        return _LOWEST - 1 if number == 0 else _LOWEST - 2
    return min(max(math.frexp(number)[1], _LOWEST), _HIGHEST)


def _words(field: str, key: str, texts: Iterable[str]) -> Iterator[str]:
    found = {word for text in texts for word in words(text)}
    if len(found) > _MOST_WORDS:
        yield token(f"{field} word", key)
    else:
        for word in found:
            yield token(f"{field} word", key, word)
