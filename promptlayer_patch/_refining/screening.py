"""What can be told of a record from the bytes that it was decoded from, without going through its data.

That takes many times longer than decoding did, and nearly every body is small and has no secret in it. What
is called clean here is left as it came by `secrets`, which a property-based test holds the two to; what is
not may be clean all the same.
"""

from __future__ import annotations

import math
import re
import string
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from promptlayer_patch._refining.rewriting import BODIES, CONTENT
from promptlayer_patch._refining.secrets import SPELLED
from promptlayer_patch.records import Record

_WIDENED = 12
"""One character of a text is at most so many bytes as `json.dumps` writes it: as two numbers."""
_WIDENS = 6
"""One byte of JSON is at most so many as `json.dumps` writes it: a letter as its number, a float in full."""

# A quote of JSON, or one in a string of JSON, behind the last letters of a name; one of JSON in a string of
# JSON in a string of JSON, or deeper, behind anything.
_LAST = rb"(?:[eE][yntYNT]|[oO][nN])"
_KEY_END = re.compile(
    rb'"(?:(?<=%b")|(?<=%b\\")|(?<=\\\\"))(?:[\s\x80-\xff]|\\u....|\\[bfnrt])*:' % (_LAST, _LAST)
)
_LONGEST_NAME = 3 * max(map(len, SPELLED)) + 8
"""In bytes, with letters that casefold to those of a name, and backslashes between the name and its quote."""

# In a string a line break is a backslash and a letter, and a letter of another script may be spelled as a
# number: neither is part of the word that follows it.
_BEGINS = rb"(?:(?<![A-Za-z0-9]%b)|(?<=\\[bfnrt]%b)|(?<=\\u[0-9A-Fa-f]{4}%b))"
_SPACE = rb"[\s\\\x80-\xff]"
"""May be white space of any script, be it spelled."""


def _word(prefix: bytes) -> bytes:
    """The end of `prefix`, seen from behind, where it begins a word."""
    return rb"(?<=%b)" % prefix + _BEGINS % (prefix, prefix, prefix)


def _words(*prefixes: bytes) -> bytes:
    """The end of a word that begins with one of the prefixes, and goes on as no word of prose."""
    return rb"(?:%b)[A-Za-z0-9_*-]{8}" % b"|".join(map(_word, prefixes))


_GITHUB = tuple(b"gh%c_" % kind for kind in b"oprsu")
# Each begins with a byte that stands in it for certain, since that a byte is not there is found thirty times
# faster than that a word is not. What is looked at next tells nearly all of its places from a secret.
_BEGINNINGS = tuple(
    (pattern[:1], re.compile(pattern))
    for pattern in (
        rb"-(?<=(?:sk|x[abeprs]|--)-)(?:%b|(?<=xox[abeprs]-)|(?<=-----)BEGIN )" % _words(b"sk-"),
        rb"_(?<=(?:[sr]k|pl|h[oprsu]|at)_)" + _words(b"sk_", b"pl_", b"rk_", *_GITHUB, b"github_pat_"),
        b"J" + _word(b"eyJ"),
        rb"I(?:A(?<=A[KS]IA)|za(?<=AIza))[A-Za-z0-9_-]{16}",
        # One word after the other would be looked for twice as long: in most scripts this letter is rare.
        b"B(?:earer|asic)" + _SPACE,
        b"b(?:earer|asic)" + _SPACE,
        # A letter or a sign of ASCII, spelled: anything may stand there.
        rb"\\u00[2-7]",
    )
)
"""The byte that must be there, and the pattern."""
_APART = 4096
"""Where a byte is no more often than once in so many, it is quicker to look for it alone and to try the
pattern at each of its places than to let `re` go through all of them."""


_VECTOR = re.compile(rb'"embedding": *"')
_SHORTEST_VECTOR = 256
_BASE64 = string.ascii_letters.encode() + string.digits.encode() + b"+/"


def is_clean(body: bytes) -> bool:
    """Whether nothing in the strings and keys of `body`, which is JSON, has to be taken out."""
    is_long = len(body) >= _APART
    for byte, beginning in _BEGINNINGS:
        if byte in body and (_is_in(body, byte, beginning) if is_long else beginning.search(body)):
            return False
    names = _every(body, b'"', _KEY_END) if is_long else _KEY_END.finditer(body)
    return not any(_ends_name(body, found.start()) for found in names)


def _is_in(body: bytes, byte: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Whether a pattern that begins with this byte is found."""
    at = body.find(byte)
    for _ in range(len(body) // _APART):
        if at < 0:
            return False
        if pattern.match(body, at):
            return True
        at = body.find(byte, at + 1)
    return at >= 0 and pattern.search(body, at) is not None


def _every(body: bytes, byte: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """Wherever a pattern that begins with this byte is found."""
    at = body.find(byte)
    for _ in range(len(body) // _APART):
        if at < 0:
            return
        if found := pattern.match(body, at):
            yield found
        at = body.find(byte, at + 1)
    if at >= 0:
        yield from pattern.finditer(body, at)


def _ends_name(body: bytes, end: int) -> bool:
    """Whether there may be, before this quote, the name of something secret."""
    name = body[max(0, end - _LONGEST_NAME) : end].rstrip(b"\\")
    return b"\\u" in name or name.decode("utf-8", "replace").casefold().endswith(SPELLED)


def suspects(record: Record) -> list[str]:
    """The parts of a record's content in which there may be a secret."""
    return [part for part in CONTENT if (body := _told(record, part)) is None or not is_clean(body)]


def _told(record: Record, part: str) -> bytes | None:
    """As `_body`, without the vectors: in the record they are floats, and spell nothing."""
    body = _body(record, part)
    if body is None or record.bodies is None or not (part == "response" and record.bodies.vectors):
        return body
    kept, at = [], 0
    for found in _VECTOR.finditer(body):
        end = body.find(b'"', found.end())
        if end >= 0 and _is_vector(body[found.end() : end]):
            kept.append(body[at : found.end()])
            at = end
    return b"".join([*kept, body[at:]])


def _is_vector(text: bytes) -> bool:
    """Whether these are floats in base64, and so many that nothing else can be meant."""
    digits = text.rstrip(b"=")
    padding = len(text) - len(digits)
    size, odd = divmod(len(text), 4)
    is_whole = not odd and padding < 3 and (size * 3 - padding) % 4 == 0
    return is_whole and len(text) >= _SHORTEST_VECTOR and not digits.translate(None, _BASE64)


def longest(record: Record, part: str) -> int:
    """No text in this part of the record has more characters."""
    body = _body(record, part)
    return sys.maxsize if body is None else len(body)


def is_small(record: Record, limit: int) -> bool:
    """Whether the content of a record is certainly no more than `limit` bytes of JSON."""
    size = len("nullnull") + _metadata_size(record.metadata)
    for part in BODIES:
        body = _body(record, part)
        if body is not None:
            size += len(body) * _WIDENS
        elif getattr(record, part) is not None:  # looked at last: it may be left in its bytes
            return False
    return size <= limit


def _metadata_size(metadata: Mapping[Any, Any]) -> float:
    """No more bytes of JSON than these are in it."""
    texts = [text for pair in metadata.items() for text in pair]
    if not all(isinstance(text, str) for text in texts):
        return math.inf
    return len("{}") + sum(len(text) * _WIDENED + len('"", ') for text in texts)


def _body(record: Record, part: str) -> bytes | None:
    """The JSON that this part was decoded from, if it was."""
    return None if record.bodies is None else getattr(record.bodies, part, None)
