"""Waiting until what was put so far is done."""

from __future__ import annotations

import threading

from promptlayer_patch._delivery.parcels import Parcel


class Wait:
    """Until some parcels are done. Two are never equal, whatever they wait for."""

    def __init__(self, parcels: list[Parcel]) -> None:
        self.over = threading.Event()
        self._left = parcels

    def is_over(self) -> bool:
        """Looks at each parcel once it is done, so that asking after every batch costs little."""
        while self._left and self._left[-1].is_done:
            self._left.pop()
        return not self._left
