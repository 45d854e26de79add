"""The text of a query bar, taken apart into the pieces that a query is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promptlayer_patch._query.model import InvalidQuery

__all__ = ["KEYWORDS", "Part", "Token", "quoted", "tokens"]

KEYWORDS = ("OR", "AND", "NOT")

_BLANKS = re.compile(r"\s*")
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
_NAME = re.compile(r'([A-Za-z_][\w-]*)(?:\.(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s:"()]+)))?:', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One value as it was written: `>2s`, `gpt-4*`, `^"two words"`."""

    before: str
    """What stands before the quotes, or all of it where there are none."""
    quoted: str | None
    after: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """`(`, `)`, `-`, one of `KEYWORDS`, or `term`."""
    span: tuple[int, int]
    name: str = ""
    """What stands before the colon of a term; without one, the term is words."""
    key: str | None = None
    parts: tuple[Part, ...] = ()


def quoted(text: str) -> str:
    """`text` in quotes, so that it is read as it is."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def tokens(text: str) -> Iterator[Token]:
    """The pieces of `text`, one after the other. Raises `InvalidQuery` where there is none."""
    at = _after_blanks(text, 0)
    while at < len(text):
        token = _token(text, at)
        yield token
        at = _after_blanks(text, token.span[1])


def _token(text: str, at: int) -> Token:
    if text[at] in "()":
        return Token(text[at], (at, at + 1))
    if text[at] == "-" and at + 1 < len(text) and not text[at + 1].isspace():
        return Token("-", (at, at + 1))
    named = _NAME.match(text, at)
    if named and not text.startswith("//", named.end()):  # that is an address
        return _term(text, named)
    part = _part(text, at, in_list=False)
    if part.quoted is None and part.before in KEYWORDS:
        return Token(part.before, part.span)
    return Token("term", part.span, parts=(part,))


def _term(text: str, named: re.Match[str]) -> Token:
    parts: list[Part] = []
    at = named.end()
    while not parts or text.startswith(",", at):
        part = _part(text, at + bool(parts), in_list=True)
        if part.span[0] == part.span[1]:
            raise InvalidQuery(f"a value is missing after {named[0][:40]}", (named.start(), part.span[1]))
        parts.append(part)
        at = part.span[1]
    key = named[3] if named[2] is None else _unescaped(named[2])
    return Token("term", (named.start(), at), named[1].lower(), key, tuple(parts))


def _part(text: str, at: int, *, in_list: bool) -> Part:
    opening = _end_of_word(text, at, in_list)
    if not text.startswith('"', opening) or (opening > at and not in_list):
        return Part(text[at:opening], None, "", (at, opening))
    found = _QUOTED.match(text, opening)
    if found is None:
        raise InvalidQuery("the quotation mark is not closed", (opening, len(text)))
    end = _end_of_word(text, found.end(), in_list) if in_list else found.end()
    return Part(text[at:opening], _unescaped(found[1]), text[found.end() : end], (at, end))


def _end_of_word(text: str, at: int, in_list: bool) -> int:
    """Where the word ends that begins at `at`. A bracket that was opened in a word is closed in it."""
    depth = 0
    for place in range(at, len(text)):
        character = text[place]
        if character.isspace() or character == '"' or (in_list and character == ","):
            return place
        if character == ")" and depth == 0:
            return place
        depth += (character == "(") - (character == ")")
    return len(text)


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)
