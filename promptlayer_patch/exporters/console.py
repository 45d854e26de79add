"""`console:` prints one line for each request to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptlayer_patch.annotations import Annotation, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Delivered, Delivery, Record

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings


class ConsoleExporter:
    """Prints when a request began, what it called, how long it took, its tokens, tags and ending."""

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        for record in batch:
            print(_line(record), file=sys.stderr, flush=True)
        return [Delivered()] * len(batch)

    def annotate(self, annotation: Annotation) -> Delivery:
        print(_annotation_line(annotation), file=sys.stderr, flush=True)
        return Delivered()

    def close(self) -> None:
        """Standard error is not ours to close."""


def open_exporter(target: str, settings: Settings) -> ConsoleExporter:
    return ConsoleExporter()


def _line(record: Record) -> str:
    began = time.strftime("%H:%M:%S", time.localtime(record.started_at))
    parts = [began, record.function_name, record.model or "-", f"{record.duration_s * 1000:.0f} ms"]
    parts += [_tokens(record), ",".join(record.tags), record.ending.value]
    if record.error is not None:
        parts.append(record.error.type)
    return "  ".join(part for part in parts if part)


def _annotation_line(annotation: Annotation) -> str:
    said = time.strftime("%H:%M:%S", time.localtime(annotation.made_at))
    about = annotation.record_id if annotation.request_id is None else f"request {annotation.request_id}"
    match annotation.content:
        case Score(value, name):
            what = f"score {value}" + (f" {name}" if name else "")
        case MetadataUpdate(metadata):
            what = f"metadata {','.join(metadata)}"
        case PromptLink(name, version, label):
            what = "  ".join(["prompt", name, *(str(part) for part in (version, label) if part is not None)])
        case GroupLink(group_id):
            what = f"group {group_id}"
    return f"{said}  {about}  {what}"


def _tokens(record: Record) -> str:
    usage = record.response.get("usage") if isinstance(record.response, Mapping) else None
    if not isinstance(usage, Mapping):
        return ""
    sent = usage.get("prompt_tokens", usage.get("input_tokens"))
    received = usage.get("completion_tokens", usage.get("output_tokens"))
    return f"{sent}+{received or 0} tokens" if isinstance(sent, int) else ""
