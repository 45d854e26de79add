"""How a delta is added to what was assembled so far.

The rule of the OpenAI SDK, made safe for servers that are only compatible with it: text is appended, objects
are merged, list entries that have an `index` are merged with the entry of that index, other list entries are
appended.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Pieces", "merge", "settle", "substantial"]

# Some servers repeat these in every delta; appending would give "assistantassistant".
_IDENTITY = frozenset({"format", "id", "index", "object", "role", "type"})
# Content parts that go on in the next delta although they have no index: so Mistral streams its thoughts.
_GROWING = frozenset({"text", "thinking"})


class Pieces:
    """Text that is still growing; joined once, because appending to a string copies it each time."""

    __slots__ = ("parts",)

    def __init__(self, *parts: str) -> None:
        self.parts = list(parts)

    def __str__(self) -> str:
        return _paired("".join(self.parts))


class _Indexed(list[Any]):
    """A list whose entries are found by their `index`."""

    def __init__(self, entries: list[Any]) -> None:
        super().__init__(entries)
        self._latest: dict[int, dict[str, Any]] = {}
        for position, entry in enumerate(entries):
            if isinstance(entry, dict):
                index = entry.get("index")
                self._latest[index if isinstance(index, int) else position] = entry

    def place(self, index: int, entry: dict[str, Any]) -> None:
        known = self._latest.get(index)
        # Through OpenRouter the readable and the encrypted part of a thought can have the same index.
        if known is None or (entry.get("type") and known.get("type") and entry["type"] != known["type"]):
            self.append(entry)
            self._latest[index] = entry
        else:
            merge(known, entry)


def merge(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add `delta` to `into`, which then holds growing text: `settle` it before use."""
    for key, value in delta.items():
        old = into.get(key)
        if type(old) is Pieces and type(value) is str and key not in _IDENTITY:
            old.parts.append(value)
        elif value is None:
            into.setdefault(key, None)
        elif old is None:
            into[key] = _merged_lists([], value) if isinstance(value, list) else value
        elif key in _IDENTITY and old != "":
            pass
        elif key == "name" and value == old:
            pass  # repeated, not continued
        else:
            into[key] = _combined(old, value)


def settle(root: dict[str, Any], *, drop_index: bool = False) -> dict[str, Any]:
    """Turn `root`, assembled by `merge`, into plain JSON data, in place. Not recursive: data may be deep.

    Args:
        drop_index: leave `index` out of list entries that were found by it.
    """
    nodes: list[dict[str, Any] | list[Any]] = [root]
    while nodes:
        node: Any = nodes.pop()
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if isinstance(value, Pieces):
                node[key] = str(value)
            elif isinstance(value, _Indexed):
                if drop_index:
                    _drop_index(value)
                node[key] = value = list(value)
                nodes.append(value)
            elif isinstance(value, (dict, list)):
                nodes.append(value)
    return root


def substantial(value: Any) -> bool:
    """Whether a delta brings any text, as opposed to ids, roles, counts and empty strings."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, str) and value:
            return True
        if isinstance(value, dict):
            values.extend(entry for key, entry in value.items() if key not in _IDENTITY)
        elif isinstance(value, list):
            values.extend(value)
    return False


def _combined(old: Any, value: Any) -> Any:
    if isinstance(old, Pieces) and isinstance(value, str):
        old.parts.append(value)
        return old
    if isinstance(old, str) and isinstance(value, str):
        return Pieces(old, value)
    if isinstance(old, dict) and isinstance(value, dict):
        merge(old, value)
        return old
    if isinstance(old, list):
        return _merged_lists(old, _as_parts(value))
    if isinstance(value, list) and isinstance(old, (str, Pieces)):
        return _merged_lists(_as_parts(str(old)), value)
    # Numbers in deltas are positions and times, never counts: the SDK's sum of two expiry times helps nobody.
    return value


def _merged_lists(old: list[Any], new: list[Any]) -> list[Any]:
    for entry in new:
        if isinstance(entry, dict) and isinstance(index := entry.get("index"), int):
            if not isinstance(old, _Indexed):
                old = _Indexed(old)
            old.place(index, entry)
        elif old and _continues(old[-1], entry):
            merge(old[-1], entry)
        else:
            old.append(entry)
    return old


def _as_parts(value: Any) -> list[Any]:
    """What a list goes on with: plain text beside parts is a part too."""
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [{"type": "text", "text": value}] if value else []
    return [value]


def _continues(last: Any, entry: Any) -> bool:
    if not isinstance(last, dict) or not isinstance(entry, dict):
        return False
    kind = entry.get("type")
    return isinstance(kind, str) and kind in _GROWING and kind == last.get("type")


def _drop_index(entries: list[Any]) -> None:
    for entry in entries:
        if isinstance(entry, dict):
            entry.pop("index", None)


def _paired(text: str) -> str:
    """`text`, with the halves of a surrogate pair that came in two deltas put together."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
