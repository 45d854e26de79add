"""Putting the lines of a file into a store, in batches, and counting what becomes of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.import_lines import BadLine, Said, Told, read_line
from promptlayer_patch._commands.progress import Progress
from promptlayer_patch.annotations import Content, GroupLink
from promptlayer_patch.store import Store, Unstorable

__all__ = ["Import"]

_LINE_BYTES = 64 << 20
_BATCH = 100
_BATCH_BYTES = 8 << 20


class Import:
    """One run, and what became of its lines."""

    def __init__(self, store: Store, *, strict: bool) -> None:
        self.added = self.known = self.bad = 0
        self._store = store
        self._strict = strict
        self._waiting: list[tuple[int, Told]] = []
        self._waiting_bytes = 0

    def take(self, file: BinaryIO, progress: Progress) -> None:
        """Put every line into the store, in batches."""
        size = os.fstat(file.fileno()).st_size >> 10
        read = 0
        for number, line in enumerate(_lines(file), 1):
            read += len(line or b"")
            self._line(number, line)
            progress.show(read >> 10, max(size, read >> 10), "")
        self._put()

    def _line(self, number: int, line: bytes | None) -> None:
        if line is None:
            self._leave_out(number, f"it is longer than {_LINE_BYTES >> 20} MiB")
            return
        if not line.strip():
            return
        try:
            told = read_line(line)
        except BadLine as problem:
            self._leave_out(number, str(problem))
            return
        if isinstance(told, Said):
            self._put()  # its request may be among those that wait
            self._say(number, told)
            return
        self._waiting.append((number, told))
        self._waiting_bytes += len(line)
        if len(self._waiting) >= _BATCH or self._waiting_bytes >= _BATCH_BYTES:
            self._put()

    def _put(self) -> None:
        batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            self._put_all(batch)
        except Unstorable:
            for number, told in batch:
                try:
                    self._put_all([(number, told)])
                except Unstorable:
                    self._leave_out(number, "the store cannot hold it")

    def _put_all(self, batch: list[tuple[int, Told]]) -> None:
        known = sum(self._store.id_of(told.entry.record.id) is not None for _, told in batch)
        ids = self._store.add([told.entry for _, told in batch])
        for request_id, (_, told) in zip(ids, batch, strict=True):
            for content in told.said:
                self._annotate(request_id, content)
        self.known += known
        self.added += len(batch) - known

    def _say(self, number: int, said: Said) -> None:
        request_id = self._store.id_of(said.record_id)
        if request_id is None:
            self._leave_out(number, "the request that it is about is not there")
        else:
            self._annotate(request_id, said.content)

    def _annotate(self, request_id: int, content: Content) -> None:
        if isinstance(content, GroupLink):
            self._store.keep_group(content.group_id)
        self._store.annotate(request_id, content)

    def _leave_out(self, number: int, reason: str) -> None:
        if self._strict:
            self._put()
            raise CommandFailed(f"line {number}: {reason}")
        self.bad += 1
        print(f"line {number} is left out: {reason}", file=sys.stderr)


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines; in place of one that is too long for the memory, `None`."""
    while line := file.readline(_LINE_BYTES):
        if len(line) < _LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_LINE_BYTES)
        yield None
