"""Images, audio and files within JSON are large, and nobody reads them: a digest stands for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptlayer_patch._imports import importing
from promptlayer_patch._refining.rewriting import BODIES, rewritten
from promptlayer_patch._refining.screening import longest
from promptlayer_patch.records import Record

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*?);base64,([A-Za-z0-9+/_-]{16,}={0,2})")
_WHOLE_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*?);base64,([A-Za-z0-9+/_=\s-]+)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_WRAPPED_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]+(?:=\s*){0,2}")
"""Base64 in lines, which only the name of its field tells from prose."""

_FIELDS = frozenset({"b64_json", "data", "file_data", "partial_image_b64"})
_SURELY = 1024
"""So many characters without a space are no word, whatever field they stand in."""


def with_digests(record: Record, limit: int) -> Record:
    """`record` with the base64 media of more than `limit` bytes replaced by their type, size and SHA-256.

    The digest is that of the decoded bytes. The same record if it has none.
    """
    shortest = limit * 4 // 3
    parts = [part for part in BODIES if longest(record, part) > shortest]
    if not parts:
        return record

    def text(value: str) -> str:
        if len(value) <= shortest:
            return value
        if ";base64," in value:
            whole = _WHOLE_DATA_URL.fullmatch(value)
            return _url(whole, limit) if whole else _DATA_URL.sub(lambda found: _url(found, limit), value)
        if len(value) >= _SURELY and _BASE64.fullmatch(value):
            return _raw(value, limit, None)
        return value

    def entry(key: Any, value: Any, beside: Mapping[Any, Any]) -> Any:
        if not isinstance(value, str) or len(value) <= shortest:
            return value
        known = key in _FIELDS or (key == "result" and beside.get("type") == "image_generation_call")
        if not known or not _WRAPPED_BASE64.fullmatch(value):
            return value
        return _raw(value, limit, beside.get("format") or beside.get("output_format"))

    return rewritten(record, text, entry, parts=parts)


def _url(found: re.Match[str], limit: int) -> str:
    digest = _digest(found[2], limit)
    return f"data:{found[1]};{digest}" if digest else found[0]


def _raw(value: str, limit: int, kind: Any) -> str:
    digest = _digest(value, limit)
    if digest is None:
        return value
    return f"base64;format={kind};{digest}" if isinstance(kind, str) else f"base64;{digest}"


def _digest(encoded: str, limit: int) -> str | None:
    """Size and SHA-256 of what `encoded` stands for; `None` if that is no more than `limit`, or no base64."""
    with importing():
        import base64
        import hashlib

    plain = "".join(encoded.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4))
    except ValueError:
        return None
    return f"bytes={len(data)};sha256={hashlib.sha256(data).hexdigest()}" if len(data) > limit else None
