"""Going through all strings and keys of a record, and copying only what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from promptlayer_patch.records import Failure, Record

DEPTH = 64
"""Deeper than this nobody looks, and nothing is recorded."""
PLAIN = frozenset({int, float, bool, type(None)})
BODIES = ("request", "response")
CONTENT = (*BODIES, "metadata")
"""The parts of a record that hold what was said."""

Entry: TypeAlias = Callable[[Any, Any, Mapping[Any, Any]], Any]
"""Of a key, its value and the mapping they stand in: the value, or what takes its place."""


@dataclass(slots=True)
class Walk:
    text: Callable[[str], str]
    entry: Entry | None
    seen: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    """By id what became of a container; with the container, so that no other gets its id meanwhile."""

    def of(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if type(value) in PLAIN:
            return value
        if not isinstance(value, (Mapping, list, tuple)):
            return self._foreign(value)
        if id(value) not in self.seen:
            self.seen[id(value)] = value, "[circular]"
            inside = "[nested too deeply]" if depth > DEPTH else self._inside(value, depth + 1)
            self.seen[id(value)] = value, inside
        return self.seen[id(value)][1]

    def _inside(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        items = [item if type(item) in PLAIN else self.of(item, depth) for item in value]
        if all(map(is_same, items, value)):
            return value
        return tuple(items) if isinstance(value, tuple) else items

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Mapping[Any, Any]:
        entry, changed, new = self.entry, False, {}
        for key, item in value.items():
            into = new[key] = self.of(entry(key, item, value) if entry else item, depth)
            changed = changed or into is not item
        return new if changed else value

    def _foreign(self, value: Any) -> Any:
        # It is delivered as its text, so it is the text that must not tell anything.
        text = str(value)
        new = self.text(text)
        return value if new == text else new


def is_same(one: object, other: object) -> bool:
    return one is other


def rewritten(
    record: Record,
    text: Callable[[str], str],
    entry: Entry | None = None,
    *,
    parts: Iterable[str] = CONTENT,
    message: bool = False,
) -> Record:
    """`record` with each string of the named parts passed through `text`, each entry of a mapping through
    `entry`; on demand the message of its error too. The same where nothing changed.
    """
    walk = Walk(text, entry)
    new = {part: walk.of(getattr(record, part)) for part in parts}
    if message and record.error is not None:
        new["error"] = said(record.error, text(record.error.message))
    return with_changes(record, new)


def said(error: Failure, message: str) -> Failure:
    return error if message is error.message else Failure(error.type, message, error.status)


def with_changes(record: Record, new: dict[str, Any]) -> Record:
    changed = {name: value for name, value in new.items() if value is not getattr(record, name)}
    return replace(record, **changed) if changed else record


def emptied(record: Record, reason: str) -> Record:
    """`record` as a bare fact: without request, response, metadata and the words of its error."""
    return replace(
        record,
        request={},
        response=None,
        metadata={"promptlayer_patch.content": f"dropped: {reason}"},
        error=record.error and Failure(record.error.type, "", record.error.status),
    )


def under(names: set[str], mask: str, kind: type | tuple[type, ...]) -> Entry:
    def entry(key: Any, value: Any, _: Mapping[Any, Any]) -> Any:
        hit = isinstance(key, str) and key.casefold() in names and isinstance(value, kind)
        return value if not hit or (isinstance(value, str) and value in ("", mask)) else mask

    return entry
