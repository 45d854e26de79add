"""What reached the provider, side by side with what was recorded of it."""

from __future__ import annotations

from dataclasses import dataclass

import promptlayer_patch
from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Record


@dataclass
class Ledger:
    """What reached the provider, and what was recorded of it."""

    server: StandIn
    sink: MemoryExporter
    suppressed: int = 0
    """Requests that are meant to leave no record."""
    elsewhere: int = 0
    """Requests that reached another provider."""

    @property
    def records(self) -> list[Record]:
        """In the order in which the calls began."""
        promptlayer_patch.flush()
        return sorted(self.sink.records, key=lambda record: (record.started_at, record.id))

    @property
    def names(self) -> list[str]:
        return [record.function_name for record in self.records]
