"""Records that are too large lose the ends of their longest texts and lists rather than being dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from promptlayer_patch._refining.screening import is_small
from promptlayer_patch.records import Record

_DEPTH = 64
_WHOLE = 1 << 62
_NAME = 256
_LEVELS = 256, 48
"""To how many bytes of JSON texts are cut before lists are, and after."""


def shortened(record: Record, limit: int) -> Record:
    """`record` with request, response and metadata cut to about `limit` bytes of JSON; the same if it fits.

    The largest texts are cut first, then the longest lists; names of models never. Each cut tells what was
    there, and `shortened_from` how many bytes it all was.
    """
    if is_small(record, limit) or (size := content_size(record)) <= limit:
        return record
    # As a copy: what cannot be encoded as it is has another size once it can be.
    whole = {"request": record.request, "response": record.response, "metadata": record.metadata}
    content = _fitting(_trimmed(whole, _WHOLE, _WHOLE), limit)
    return replace(
        record,
        request=content["request"],
        response=content["response"],
        metadata=content["metadata"],
        shortened_from=record.shortened_from or size,
    )


def content_size(record: Record) -> int:
    """How many bytes of JSON the request, the response and the metadata of `record` are. Never raises."""
    return sum(_size(part) for part in (record.request, record.response, record.metadata))


def _size(value: Any) -> int:
    try:
        return len(json.dumps(value, default=str))
    except Exception:
        return len(json.dumps(_cut(value, _WHOLE, _WHOLE)))


def _fitting(content: dict[str, Any], limit: int) -> dict[str, Any]:
    enough, scarce = _LEVELS
    texts = _text_level(content, _sum(content) - limit, enough)
    if _sum(tried := _trimmed(content, texts, _WHOLE)) <= limit:
        return tried
    items = _longest_list(content)
    while items > 1:
        items //= 2
        if _sum(tried := _trimmed(content, enough, items)) <= limit:
            return tried
    if _sum(tried := _trimmed(content, scarce, 1)) <= limit:
        return tried
    return _bare(tried, limit)


def _trimmed(content: dict[str, Any], texts: int, items: int) -> dict[str, Any]:
    return {name: _cut(part, texts, items) for name, part in content.items()}


def _sum(content: dict[str, Any]) -> int:
    return sum(_size(part) for part in content.values())


def _bare(content: dict[str, Any], limit: int) -> dict[str, Any]:
    """The last resort: the largest part goes, then the next, until the others fit."""
    model = content["request"].get("model")
    named = isinstance(model, str) and len(model) <= _NAME
    empty = {"request": {"model": model} if named else {}, "response": None, "metadata": {}}
    for name in sorted(content, key=lambda part: _size(content[part]), reverse=True):
        content = {**content, name: empty[name]}
        if _sum(content) <= limit:
            break
    return content


def _text_level(content: Any, excess: int, lowest: int) -> int:
    """To how many bytes of JSON the largest texts must be cut, all to the same, to save `excess` bytes."""
    sizes = sorted(
        (len(json.dumps(text)) for text in _texts(content) if len(text) * 12 > lowest), reverse=True
    )
    total = 0
    for count, size in enumerate(sizes, 1):
        total += size
        level = (total - excess) // count
        if level >= (sizes[count] if count < len(sizes) else lowest):
            return max(level, lowest)
    return lowest


def _texts(value: Any, key: Any = None) -> Iterator[str]:
    if isinstance(value, str):
        if key != "model":
            yield value
    elif isinstance(value, (dict, list)):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, (str, dict, list)):
                yield from _texts(item, name)


def _longest_list(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    items = value.values() if isinstance(value, dict) else value
    inner = max((_longest_list(item) for item in items if isinstance(item, (dict, list))), default=0)
    return max(inner, len(value)) if isinstance(value, list) else inner


def _cut(value: Any, texts: int, items: int, path: tuple[int, ...] = (), key: Any = None) -> Any:
    """A copy of `value` that JSON can hold, with texts of up to `texts` bytes and lists of up to `items`."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        return value if key == "model" else _cut_text(value, texts)
    if isinstance(value, int) and value.bit_length() < 4096:
        return value
    if not isinstance(value, (Mapping, list, tuple)):
        return _cut_text(_shown(value), texts)
    if id(value) in path or len(path) > _DEPTH:
        return "[circular]" if id(value) in path else "[nested too deeply]"
    inner = (*path, id(value))
    if isinstance(value, Mapping):
        return {_name(name): _cut(item, texts, items, inner, name) for name, item in value.items()}
    kept = [_cut(item, texts, items, inner) for item in value[:items]]
    if len(kept) < len(value):
        kept.append(f"… [shortened: {len(value)} items]")
    return kept


def _name(key: Any) -> Any:
    return key if key is None or isinstance(key, (str, float, bool)) else _shown(key)


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"[{type(value).__name__}]"


def _cut_text(text: str, limit: int) -> str:
    """The beginning of `text` that is, with the words about what is missing, `limit` bytes of JSON."""
    if len(text) * 6 + 2 <= limit or len(json.dumps(text)) <= limit:
        return text
    words = f"… [shortened: {len(text)} characters]"
    room = max(0, limit - len(json.dumps(words)))
    count = room
    while (size := len(json.dumps(text[:count])) - 2) > room:
        count = count * room // size
    # A character outside the first plane may stand here as two halves.
    if count and "\ud800" <= text[count - 1] <= "\udbff":
        count -= 1
    return text[:count] + words
