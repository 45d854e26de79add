"""What requests with the same metadata cost."""

from __future__ import annotations

from dataclasses import dataclass

from promptlayer_patch.store.charting.rows import Grouping
from promptlayer_patch.store.charting.source import Source

__all__ = ["MetadataValue", "metadata_values"]


@dataclass(frozen=True, slots=True)
class MetadataValue:
    """The requests that have one value under one key."""

    key: str
    value: str
    requests: int
    cost: float
    """US dollars."""


def metadata_values(source: Source, key: str | None, limit: int) -> list[MetadataValue]:
    """The values with the highest cost, of one key or of all."""
    grouping = Grouping(
        ("request_metadata.key", "request_metadata.value"),
        "CROSS JOIN request_metadata USING (request_id)",
        "1" if key is None else "request_metadata.key = ?",
        () if key is None else (key,),
    )
    rows = source.rows().select(
        grouping,
        None,
        "sum(charted.requests), sum(charted.cost_nanos)",
        f"GROUP BY 2, 3 ORDER BY 5 DESC, 4 DESC, 2, 3 LIMIT {int(limit)}",
    )
    return [MetadataValue(name, value, requests, nanos / 1e9) for _, name, value, requests, nanos in rows]
