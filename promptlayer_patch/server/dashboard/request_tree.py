"""Any JSON as a tree that can be opened step by step, of bounded size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from promptlayer_patch.server.dashboard.visible import visible

__all__ = ["Node", "tree"]

_NODES = 1_500
_ENTRIES = 200
_DEPTH = 24
_CHARS = 4_000
"""Of one text; the others are cut."""
_ALL_CHARS = 60_000

Kind = Literal["object", "list", "text", "number", "word"]


@dataclass(frozen=True, slots=True)
class Node:
    key: str
    kind: Kind
    text: str = ""
    """Of what has no entries."""
    children: tuple[Node, ...] = ()
    entries: int = 0
    """How many there are, shown or not."""
    level: int = 0


def tree(value: Any) -> Node:
    """`value`, and below it what it holds as far as there is room."""
    return _Growing().node("", value, 0)


class _Growing:
    def __init__(self) -> None:
        self._left = _NODES
        self._chars = _ALL_CHARS

    def node(self, key: str, value: Any, level: int) -> Node:
        self._left -= 1
        shown = visible(key[:_CHARS])
        if isinstance(value, dict):
            named = ((str(name), one) for name, one in value.items())
            return Node(shown, "object", "", self._children(named, level), len(value), level)
        if isinstance(value, (list, tuple)):
            numbered = ((str(number), one) for number, one in enumerate(value))
            return Node(shown, "list", "", self._children(numbered, level), len(value), level)
        kind, text = _scalar(value, min(_CHARS, self._chars))
        self._chars -= len(shown) + len(text)
        return Node(shown, kind, text, level=level)

    def _children(self, entries: Iterable[tuple[str, Any]], level: int) -> tuple[Node, ...]:
        made: list[Node] = []
        for key, value in entries:
            if min(self._left, self._chars) <= 0 or len(made) == _ENTRIES or level == _DEPTH:
                break
            made.append(self.node(key, value, level + 1))
        return tuple(made)


def _scalar(value: Any, chars: int) -> tuple[Kind, str]:
    if isinstance(value, str):
        cut = f"… ({len(value):,})" if len(value) > chars else ""
        return "text", visible(value[: max(0, chars)]) + cut
    if value is None or isinstance(value, bool):
        return "word", {None: "null", True: "true", False: "false"}[value]
    try:
        return "number", repr(value)
    except ValueError:
        return "number", "…"  # Python refuses to write out thousands of digits
