"""Sending in tests, where a cassette of vcrpy may be in use.

vcrpy patches the whole process: whatever any thread asks for while a cassette is in use goes into it, and
afterwards out to the network. So a record is sent under the cassette that was in use when its call began, or
not at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from promptlayer_patch.exporters import open_exporter
from promptlayer_patch.records import Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings
    from promptlayer_patch.annotations import Annotation

_CLOSED = "the cassette that was in use when the call began is closed"
_OPENED = "a cassette is in use that was not when the call began"


class Cassettes:
    """Which cassette was in use when a call began."""

    def __init__(self) -> None:
        self._noted: dict[str, object | None] = {}

    def note(self, record_id: str) -> None:
        """The call of this record begins now, if it has not before."""
        self._noted.setdefault(record_id, in_use())

    def forget(self) -> None:
        self._noted.clear()

    def refusal(self, record_id: str) -> str | None:
        """Why the record may not be sent now."""
        noted, now = self._noted.get(record_id), in_use()
        if noted is now:
            return None
        return _OPENED if noted is None else _CLOSED


cassettes = Cassettes()


def vcrpy_is_there() -> bool:
    """Whether there may be cassettes in this process."""
    return "vcr" in sys.modules


class Sender:
    """Sends each record once: a test has an end, and nothing may be sent after it."""

    def __init__(self, destination: str, settings: Settings) -> None:
        self._destination = destination
        self._settings = settings

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        return [self._sent(record) for record in batch]

    def close(self) -> None:
        """Nothing is held."""

    def _sent(self, record: Record) -> Delivery:
        return self._once(record.id, lambda exporter: exporter.export([record])[0])

    def annotate(self, annotation: Annotation) -> Delivery:
        return self._once(annotation.record_id, lambda exporter: exporter.annotate(annotation))

    def _once(self, record_id: str | None, send: Callable[[Any], Delivery]) -> Delivery:
        # About a request that is known by its number only, it is sent at once, under whatever is in use.
        refusal = None if record_id is None else cassettes.refusal(record_id)
        if refusal is not None:
            return Rejected(refusal)
        # A connection of its own: one that was opened under a cassette belongs to that cassette.
        exporter = open_exporter(self._destination, self._settings)
        try:
            delivery = send(exporter)
        finally:
            exporter.close()
        return Rejected(delivery.reason) if isinstance(delivery, TryLater) else delivery


def in_use() -> object | None:
    """The cassette that requests go into now: vcrpy's connection classes carry theirs."""
    pools = sys.modules.get("urllib3.connectionpool")
    connection = getattr(getattr(pools, "HTTPConnectionPool", None), "ConnectionCls", None)
    cassette: object | None = getattr(connection, "cassette", None)
    return cassette
