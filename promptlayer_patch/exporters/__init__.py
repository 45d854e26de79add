"""Where records go: one module for each destination, named by its scheme.

`open_exporter("jsonl:calls.jsonl", settings)` finds `exporters/jsonl.py` by the name before the colon. An
exporter sends or writes, and tells for each record what became of it; queueing, retrying, ordering and
flushing are the worker's.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from promptlayer_patch import _destinations
from promptlayer_patch.records import Delivery, Record

if TYPE_CHECKING:
    from promptlayer_patch._options import Destination
    from promptlayer_patch._settings import Settings

__all__ = [
    "Batch",
    "Exporter",
    "Remote",
    "assigns_ids",
    "checked",
    "create_group",
    "open_exporter",
    "remote",
    "schemes",
    "split",
]


class Exporter(Protocol):
    """A destination. Made, used and closed by one thread.

    One that also takes what is said about a request later has a method `annotate(annotation)`, which gets an
    `annotations.Annotation` and answers one delivery. One that sends several records in one request says in
    an attribute `batch` how many; without it, or where it is `None`, a `Remote` is given one at a time.
    """

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        """Hand over a batch; answers one delivery for each record, in order."""

    def close(self) -> None:
        """Release what is held; nothing is exported after this."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one request."""

    records: int
    size: int
    """Bytes, as the outbox has them."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A destination that may be out of reach, so that records are kept in an outbox until it has them."""

    url: str
    api_key: str = field(repr=False)
    connections: int
    """How many exporters may work side by side."""


def checked(destination: Destination, settings: Settings, argument: str = "to") -> Destination:
    """The destination, a path in it in full; one that cannot work is refused by `InvalidArgument`."""
    return _destinations.checked(destination, settings.api_key, argument)


def schemes() -> list[str]:
    """The known destinations, by the name that stands before the colon."""
    return _destinations.schemes()


def split(destination: str, argument: str = "to") -> tuple[str, str]:
    """`scheme:target` in two. Raises `InvalidArgument` for a scheme that does not exist."""
    return _destinations.split(destination, argument)


def open_exporter(destination: str, settings: Settings) -> Exporter:
    """Open the exporter for `scheme:target`."""
    scheme, target = split(destination)
    exporter: Exporter = _module(scheme).open_exporter(target, settings)
    return exporter


def remote(destination: Destination, settings: Settings) -> Remote | None:
    """Where a destination that may be out of reach is; `None` for one on this machine or of the user's."""
    if not isinstance(destination, str):
        return None
    scheme, target = split(destination)
    find = getattr(_module(scheme), "remote", None)
    found: Remote | None = None if find is None else find(target, settings)
    return found


def assigns_ids(destination: Destination) -> bool:
    """Whether the destination gives request ids; of an object of the user's that is supposed."""
    if not isinstance(destination, str):
        return True
    return bool(getattr(_module(split(destination)[0]), "ASSIGNS_IDS", False))


def create_group(destination: Destination, settings: Settings) -> int | None:
    """A new group at a destination on this machine; `None` if it makes none by itself."""
    if isinstance(destination, str):
        scheme, target = split(destination)
        create = getattr(_module(scheme), "create_group", None)
        made: int | None = None if create is None else create(target, settings)
        return made
    create = getattr(destination, "create_group", None)
    return None if create is None else int(create())


def _module(scheme: str) -> Any:
    return importlib.import_module(f"{__name__}.{scheme}")
