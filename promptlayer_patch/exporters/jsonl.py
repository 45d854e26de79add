"""`jsonl:path` appends one JSON object a line to a file, in PromptLayer's own shape."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from promptlayer_patch._wire import track_request
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings


class JsonlExporter:
    """Appends to a file that only its owner can read; it holds prompts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        try:
            file = self._opened()
            deliveries = [self._written(file, record) for record in batch]
            file.flush()
        except OSError as error:
            self.close()
            return [TryLater(reason=f"{type(error).__name__}: {error.strerror}")] * len(batch)
        return deliveries

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._file = os.fdopen(descriptor, "ab")
        return self._file

    def _written(self, file: IO[bytes], record: Record) -> Delivery:
        try:
            line = json.dumps(track_request(record), ensure_ascii=True, default=str)
        except (TypeError, ValueError, RecursionError) as error:
            return Rejected(f"cannot be written as JSON: {type(error).__name__}")
        file.write(line.encode() + b"\n")
        return Delivered()


def open_exporter(target: str, settings: Settings) -> JsonlExporter:
    return JsonlExporter(Path(target).expanduser())


def check(target: str, settings: Settings) -> None:
    """Refuse `jsonl:` without a path."""
    if not target:
        raise InvalidArgument("to", "jsonl: needs a path, for example jsonl:calls.jsonl")
