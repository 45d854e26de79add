"""The rows of the list: what is shown of each request beside its summary."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from promptlayer_patch._blueprint import facts_of
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store import Store, StoredRequest, Summary
from promptlayer_patch.store.text import writable

__all__ = ["Row", "marked", "rows_of"]

_INPUT_CHARS = 200
_PAGE_CHARS = 500_000
"""Text that is looked through for one page; of what comes after it, the beginning is not shown."""
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """One request in the list."""

    summary: Summary
    input: str
    """The beginning of what the user said last, on one line."""

    @property
    def mark(self) -> str:
        """Another one when the row looks different."""
        return f"{zlib.crc32(repr(self).encode('utf-8', 'backslashreplace')):08x}"


class _Inputs:
    """Beginnings of inputs, which never change; those that were shown last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[tuple[str, int], str] = OrderedDict()

    def get(self, key: tuple[str, int]) -> str | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: tuple[str, int], text: str) -> None:
        with self._lock:
            self._known[key] = text
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


_inputs = _Inputs()


def rows_of(workspace: Workspace, store: Store, summaries: Sequence[Summary]) -> list[Row]:
    """The rows of one page."""
    left = _PAGE_CHARS
    rows = []
    for summary in summaries:
        key = (str(workspace.path), summary.request_id)
        known = _inputs.get(key)
        if known is None and left > 0:
            text = _input(store.get(summary.request_id))
            left -= len(text)
            known = _beginning(text)
            _inputs.put(key, known)
        rows.append(Row(summary, known or ""))
    return rows


def marked(rows: Sequence[Row]) -> str:
    """Another text when the page looks different."""
    return f"{zlib.crc32(''.join(f'{row.summary.request_id}{row.mark}' for row in rows).encode()):08x}"


def _input(stored: StoredRequest | None) -> str:
    return "" if stored is None else facts_of(stored.record).input_text


def _beginning(text: str) -> str:
    """Of the last message of the user's or, where none is, of all that was sent."""
    _, role, last = text.rpartition("[user]: ")
    said = last.partition("\n\n[")[0] if role else text
    return writable(" ".join(said[: 4 * _INPUT_CHARS].split())[:_INPUT_CHARS])
