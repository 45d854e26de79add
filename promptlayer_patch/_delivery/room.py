"""How much may be kept, and making a record small enough for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlayer_patch._delivery.parcels import Load, PendingAnnotation
from promptlayer_patch._outbox.items import PAGE, Item
from promptlayer_patch._refining.shortening import shortened

_FILLING = ((0.9, 2 * 1024), (0.75, 32 * 1024))
"""From which part of the room on a record may be how large, the fullest first."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be kept in one place."""

    records: int
    size: int

    def fitted(self, load: Load, used: int) -> Item:
        """The load as an item, no larger than what is left of the room suggests.

        Raises `ValueError` or `RecursionError` if it cannot be encoded.
        """
        if isinstance(load, PendingAnnotation):
            return Item.of(load.annotation, known=load.known)
        item, left = Item.of(load), self.size - used
        limit = next((limit for part, limit in _FILLING if used / self.size >= part), None)
        if item.size > left:
            limit = _FILLING[0][1]
        if limit is None or len(item.body) <= limit or left < PAGE:
            return item  # it fits, or nothing would
        return Item.of(shortened(load, limit))

    def fitting(self, items: Sequence[Item], count: int, used: int) -> list[Item]:
        """As many of the items as there is room for beside what is there, the first ones first."""
        fitting = []
        for item in items:
            if count < self.records and used + item.size <= self.size:
                fitting.append(item)
                count += 1
                used += item.size
        return fitting
