"""Where records go: one module for each destination, named by its scheme.

`open_exporter("jsonl:calls.jsonl", settings)` finds `exporters/jsonl.py` by the name before the colon. An
exporter sends or writes, and tells for each record what became of it; queueing, retrying, ordering and
flushing are the worker's.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.records import Delivery, Record

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings

__all__ = ["Exporter", "open_exporter", "schemes", "split"]


class Exporter(Protocol):
    """A destination. Made, used and closed by one thread.

    An attribute `connections` above 1 asks the worker for that many exporters side by side, each with its
    own share of a batch; for destinations that take one record at a time.
    """

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        """Hand over a batch; answers one delivery for each record, in order."""

    def close(self) -> None:
        """Release what is held; nothing is exported after this."""


def schemes() -> list[str]:
    """The known destinations, by the name that stands before the colon."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def split(destination: str, argument: str = "to") -> tuple[str, str]:
    """`scheme:target` in two. Raises `InvalidArgument` for a scheme that does not exist."""
    scheme, colon, target = destination.partition(":")
    if not colon or scheme not in schemes():
        known = ", ".join(f"{name}:" for name in schemes())
        raise InvalidArgument(argument, f"unknown destination {destination!r}; there are {known}")
    return scheme, target


def open_exporter(destination: str, settings: Settings) -> Exporter:
    """Open the exporter for `scheme:target`."""
    scheme, target = split(destination)
    module = importlib.import_module(f"{__name__}.{scheme}")
    exporter: Exporter = module.open_exporter(target, settings)
    return exporter
