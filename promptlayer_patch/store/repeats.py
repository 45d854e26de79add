"""What of a request may come again, and so is worth being stored once: `messages` does that.

The messages of a conversation come again with every turn of it, as long instructions and tools do with every
call. A question of its own does not, and is cheaper where it is.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from promptlayer_patch.records import Record

__all__ = ["Repeats", "candidates"]

# As `_encoding.encoded` writes it, or a part would not be found in what that wrote.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# What is shorter takes less place in its body than a row of its own does.
_LEAST_BYTES = 256
# Two messages are a question and how to answer it; from the third on they are history, and come again.
_QUESTION = 2
_MOST_REMEMBERED = 20_000
_NEWEST = "SELECT digest FROM messages ORDER BY message_id DESC LIMIT ?"
_UNMET = object()
_LISTS = frozenset({"messages", "input"})
_WHOLES = frozenset({"tools", "functions", "instructions", "system", "response_format", "text"})
_STANDING_ROLES = frozenset({"system", "developer"})


class Repeats:
    """Which parts have been met before; of instructions and tools nobody can tell it at first sight.

    Those that the store has are read once. To ask it for each part would cost more than all that is saved by
    what other processes have met since: what they know is met here, too, and stored once from then on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_learnt = False
        self._met: dict[bytes, None] = {}
        """Those that were met last stand last."""

    def learn(self, connection: sqlite3.Connection) -> None:
        """Read what the store has, before the first of it is asked for."""
        with self._lock:
            if self._has_learnt:
                return
            known = connection.execute(_NEWEST, (_MOST_REMEMBERED,)).fetchall()
            self._met = dict.fromkeys(digest for (digest,) in reversed(known))
            self._has_learnt = True

    def has(self, digest: bytes) -> bool:
        """Whether it is not met for the first time."""
        with self._lock:
            is_known = self._met.pop(digest, _UNMET) is not _UNMET
            self._met[digest] = None
            if len(self._met) > _MOST_REMEMBERED:
                del self._met[next(iter(self._met))]
        return is_known


def candidates(record: Record) -> Iterator[tuple[bytes, bool]]:
    """What may come again, as JSON and in its order, and whether it is history."""
    has_history = yield from _of_request(record.request)
    if has_history and isinstance(record.response, dict):
        for message in _answers(record.response):
            yield from _long_values(message, True)


def _of_request(request: Mapping[str, Any]) -> Generator[tuple[bytes, bool], None, bool]:
    has_history = False
    for key, value in request.items():
        if key in _LISTS and isinstance(value, list):
            is_history = len(value) > _QUESTION
            has_history |= is_history
            for item in value:
                if isinstance(item, dict) and (is_history or _stands(item.get("role"))):
                    yield from _long_values(item, is_history)
        elif key in _LISTS and isinstance(value, dict):  # a template, as `/log-request` brings it
            has_history |= yield from _of_request(value)
        elif key in _WHOLES:
            yield from _long_values({key: value}, False)
    return has_history


def _stands(role: Any) -> bool:
    # Asked first: whoever sends a request may send a role that has no hash.
    return isinstance(role, str) and role in _STANDING_ROLES


def _answers(response: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Messages that the next request may hold."""
    for key, inner in (("choices", "message"), ("output", None)):
        items = response.get(key)
        for item in items if isinstance(items, list) else ():
            message = item.get(inner) if inner and isinstance(item, dict) else item
            if isinstance(message, dict):
                yield message


def _long_values(message: Mapping[str, Any], is_history: bool) -> Iterator[tuple[bytes, bool]]:
    """Values, not the message: an answer's text is the same in the response and in the next request."""
    for value in message.values():
        if isinstance(value, str) and len(value) * 4 < _LEAST_BYTES:
            continue
        if isinstance(value, (str, list, dict)):
            data = _JSON.encode(value).encode("utf-8", "surrogatepass")
            if len(data) >= _LEAST_BYTES:
                yield data, is_history
