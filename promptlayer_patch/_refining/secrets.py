"""API keys, tokens and the like: they are taken out of everything that is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from promptlayer_patch._imports import importing
from promptlayer_patch._refining.rewriting import CONTENT, DEPTH, PLAIN, Walk, rewritten, under
from promptlayer_patch.records import Record

_SECRET = "***"
_MANY = {"eyJ": 500, "-----BEGIN": 200}
"""Beginnings of long secrets in one text that are looked at; `re` holds up the whole process meanwhile."""
_MANY_VALUES = 50_000


def scrubbed(record: Record, parts: Sequence[str] = CONTENT) -> Record:
    """`record` without secrets in the parts of its content that are named, in its tags and in its error."""
    if _is_clean(record, parts):
        return record
    record = rewritten(record, _clean, _NAMED_SECRET, parts=parts, message=True)
    tags = tuple(_clean(tag) for tag in record.tags)
    return record if tags == record.tags else replace(record, tags=tags)


def scrubbed_value(value: Any) -> Any:
    """Data such as JSON knows, without secrets; the same where there are none."""
    return Walk(_clean, _NAMED_SECRET).of(value)


def _clean(text: str) -> str:
    if not _is_suspect(text):
        return text
    new = text
    for anchors, pattern, mask in _SECRETS:
        if not any(anchor in new for anchor in anchors):
            continue
        if any(new.count(anchor) > _MANY.get(anchor, len(new)) for anchor in anchors):
            return "[redacted: more beginnings of secrets than can be looked at]"
        new = pattern.sub(mask, new)
    return text if new == text else new


def _is_suspect(text: str) -> bool:
    """Whether something in it may begin a secret."""
    if len(text) < 10:
        return False
    for rare, anchors in _ANCHORS:
        if rare in text:
            for anchor in anchors:
                if anchor in text:
                    return True
    return False


def _is_clean(record: Record, parts: Iterable[str]) -> bool:
    """Whether all of it is plain data in which nothing looks like a secret, as nearly always.

    A look costs a third of what it costs to rewrite what needs no change.
    """
    texts = (*record.tags, "" if record.error is None else record.error.message)
    if any(type(text) is not str or _is_suspect(text) for text in texts):
        return False
    return _holds_no_secret([getattr(record, part) for part in parts])


def _holds_no_secret(level: list[Any]) -> bool:
    keys: set[Any] = set()
    for _ in range(DEPTH):
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is str:
                if _is_suspect(value):
                    return False
            elif kind is dict or kind is list:
                if kind is dict:
                    keys.update(value)
                    value = value.values()
                below += value
                if len(below) > _MANY_VALUES:
                    return False  # a list that holds itself, twice, is endless before it is deep
            elif kind not in PLAIN:
                return False
        if not below:
            return all(type(key) is str and key.casefold() not in _SPELLED for key in keys)
        level = below
    return False


def _basic(found: re.Match[str]) -> str:
    """Without the credentials, if that is what the word after "Basic" is."""
    with importing():
        import binascii

    token = found["token"]
    try:
        text = binascii.a2b_base64(token + "=" * (-len(token) % 4)).decode()
        secret = ":" in text and text.isprintable()
    except ValueError:
        secret = False
    mixed = len(token) >= 16 and all(re.search(kind, token) for kind in ("[0-9]", "[A-Z]", "[a-z]"))
    return f"{found['kept']}{_SECRET}" if secret or mixed else found[0]


def _secret(prefix: str, rest: str) -> re.Pattern[str]:
    # The prefix comes first, so that `re` searches for it as for a word; what precedes it is looked at then.
    return re.compile(f"{prefix}(?<![A-Za-z0-9]{prefix}){rest}")


_NAMES = (
    *("apikey", "api-key", "x-api-key", "authorization", "proxy-authorization"),
    *("access-token", "refresh-token", "client-secret"),
)
SPELLED = tuple(sorted({*_NAMES, *(name.replace("-", "_") for name in _NAMES)}))
"""Keys under which there is a secret, whatever it looks like; in small letters."""
_SPELLED = frozenset(SPELLED)
_NAMED_SECRET = under({*SPELLED}, _SECRET, (str, bytes))
_QUOTED = "|".join(rf'(?<=(?i:{name})")|(?<=(?i:{name})\\")' for name in SPELLED)

# A hyphenated word of prose has no long run of letters and digits, and few digits.
_DASHED = (
    r"(?=[A-Za-z0-9_*-]{0,200}?[A-Za-z0-9*]{12}|(?=[A-Za-z0-9_*-]{20})(?:[a-z_-]{0,99}[A-Z0-9*]){3})"
    r"[A-Za-z0-9_*-]{12,}"
)
# Nor do the names of variables.
_UNDERSCORED = r"(?:[a-z]{2,8}_)?(?=[A-Za-z]{20}|[A-Za-z]{0,20}[0-9*])[A-Za-z0-9*]{12,}[A-Za-z0-9_*-]*"
_KEY_BLOCK = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

_SECRETS: tuple[tuple[tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (("sk-",), _secret("sk-", _DASHED), _SECRET),
    (("sk_",), _secret("sk_", _UNDERSCORED), _SECRET),
    (("pl_",), _secret("pl_", _UNDERSCORED), _SECRET),
    (("rk_",), _secret("rk_", _UNDERSCORED), _SECRET),
    (("eyJ",), _secret("eyJ", r"[\w-]{8,2048}\.(?:[\w-]{4,}\.[\w-]*|eyJ[\w-]{8,})"), _SECRET),
    (("AKIA",), _secret("AKIA", r"[A-Z0-9]{16,}"), _SECRET),
    (("ASIA",), _secret("ASIA", r"[A-Z0-9]{16,}"), _SECRET),
    (("AIza",), _secret("AIza", r"[A-Za-z0-9_-]{30,}"), _SECRET),
    (("ghp_", "gho_", "ghs_", "ghu_", "ghr_"), _secret("gh[oprsu]_", r"[A-Za-z0-9]{20,}"), _SECRET),
    (("github_pat_",), _secret("github_pat_", r"[A-Za-z0-9_]{20,}"), _SECRET),
    (("xox",), _secret("xox[abeprs]-", r"[A-Za-z0-9-]{10,}"), _SECRET),
    (
        ("earer",),
        re.compile(
            r"(earer(?<=[Bb]earer)\s+)"
            r"(?=[A-Za-z._~+/*-]{0,400}?(?:[0-9=*]|[a-z][A-Z]|[A-Za-z]{16}))[A-Za-z0-9._~+/=*-]{12,}"
        ),
        rf"\1{_SECRET}",
    ),
    (
        ("asic",),
        re.compile(r"(?P<kept>asic(?<=[Bb]asic)\s+)(?P<token>[A-Za-z0-9+/]{4,})={0,2}"),
        _basic,
    ),
    (
        ("-----BEGIN",),
        re.compile(
            rf"-----BEGIN {_KEY_BLOCK}(?:.{{0,12000}}?-----END {_KEY_BLOCK}"
            r"|(?:[A-Za-z0-9+/=]{16,}|\s|\\[nr])*)",
            re.DOTALL,
        ),
        _SECRET,
    ),
    (
        # The same names in JSON within a string: the arguments of tools.
        ('":', '" :'),
        re.compile(rf'("(?=\s*:)(?:{_QUOTED})\s*:\s*\\*")[^"\\]+'),
        rf"\1{_SECRET}",
    ),
)
"""What has to be in a text for the pattern to be tried, the pattern, and what takes the secret's place.

Looking for one literal after another is quicker than one pattern with all of them."""

_RARE = '_"-JAx'
"""Looking for a character is ten times as quick as looking for a word; most texts lack most of these."""


def _anchors() -> Iterator[tuple[str, tuple[str, ...]]]:
    left = list(dict.fromkeys(anchor for anchors, _, _ in _SECRETS for anchor in anchors))
    for rare in _RARE:
        yield rare, tuple(anchor for anchor in left if rare in anchor)
        left = [anchor for anchor in left if rare not in anchor]
    yield from ((anchor, (anchor,)) for anchor in left)


_ANCHORS = tuple(_anchors())
"""All of them by what has to be in a text first: nearly every text is let through by this look alone."""
