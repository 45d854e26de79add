"""Who is to be told what becomes of which record."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TypeAlias

from promptlayer_patch.records import Outcome, Receipt

Settle: TypeAlias = Callable[[Outcome], None]


class Outcomes:
    """By the id of the record. Entered from any thread; each step is one operation of a dict."""

    def __init__(self) -> None:
        self._settles: dict[str, Settle | weakref.WeakMethod[Settle]] = {}

    def expect(self, key: str, settle: Settle) -> None:
        """`settle` is to be told what becomes of the record with this id."""
        # Weakly where it can be: of a hundred thousand records that wait, only the receipts that somebody
        # holds are of interest.
        if isinstance(getattr(settle, "__self__", None), Receipt):
            self._settles[key] = weakref.WeakMethod(settle, lambda _: self._settles.pop(key, None))
        else:
            self._settles[key] = settle

    def settle(self, key: str, outcome: Outcome) -> None:
        """Tell who expects it, if somebody does."""
        found = self._settles.pop(key, None)
        settle = found() if isinstance(found, weakref.WeakMethod) else found
        if settle is not None:
            settle(outcome)

    def settle_all(self, outcome: Outcome) -> None:
        for key in list(self._settles):
            self.settle(key, outcome)
