"""`memory:` keeps the records in a list, for tests and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Record

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings

ASSIGNS_IDS = True

_shared: dict[str, MemoryExporter] = {}


class MemoryExporter:
    """Keeps every record in `records` and numbers them from 1; what is said about them is in `annotations`.

    sink = MemoryExporter()
    promptlayer_patch.install(to=sink)
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.annotations: list[Annotation] = []
        self._groups = count(1)

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        first = len(self.records) + 1
        self.records.extend(batch)
        return [Delivered(first + at) for at in range(len(batch))]

    def annotate(self, annotation: Annotation) -> Delivery:
        self.annotations.append(annotation)
        return Delivered(annotation.request_id)

    def create_group(self) -> int:
        return next(self._groups)

    def close(self) -> None:
        """Nothing to release; the records stay."""


def create_group(target: str, settings: Settings) -> int:
    """A new group of the exporter of this name."""
    return open_exporter(target, settings).create_group()


def open_exporter(target: str, settings: Settings) -> MemoryExporter:
    """The exporter of this name; `memory:` is one list for the whole process."""
    return _shared.setdefault(target, MemoryExporter())
