"""`jsonl:path` appends one JSON object a line to a file, in PromptLayer's own shape."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlayer_patch._wire import annotation_request, encoded, track_request
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings


class JsonlExporter:
    """Appends to a file that only its owner can read; it holds prompts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._torn = False

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        return [self._appended(partial(track_request, record)) for record in batch]

    def annotate(self, annotation: Annotation) -> Delivery:
        """A line of its own: the file gives no request ids, so it names the record."""
        return self._appended(partial(_annotation_line, annotation))

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _appended(self, fields: Callable[[], dict[str, Any]]) -> Delivery:
        try:
            line = encoded(fields()) + b"\n"
        except Exception as error:  # the caller's own objects may stand in a record, and raise anything
            return Rejected(f"cannot be written as JSON: {type(error).__name__}")
        try:
            self._write(line)
        except OSError as error:
            return TryLater(reason=f"{type(error).__name__}: {error.strerror}")
        return Delivered()

    def _write(self, line: bytes) -> None:
        """One system call for each line, so that the lines of several processes do not mix."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self._torn:
            line = b"\n" + line
        written = os.write(self._file, line)
        self._torn = written < len(line)
        if self._torn:
            raise OSError(28, "the disk is full")


def _annotation_line(annotation: Annotation) -> dict[str, Any]:
    path, body = annotation_request(annotation.content, annotation.request_id or 0)
    if annotation.request_id is None:
        del body["request_id"]
        body["record_id"] = annotation.record_id
    return {"annotation": path.rpartition("/")[2], **body}


def open_exporter(target: str, settings: Settings) -> JsonlExporter:
    return JsonlExporter(Path(target))
