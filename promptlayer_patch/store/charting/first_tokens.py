"""How long streams took until their first output, by time."""

from __future__ import annotations

from dataclasses import dataclass

from promptlayer_patch.store.charting.histograms import Histogram, unpacked
from promptlayer_patch.store.charting.rows import Grouping
from promptlayer_patch.store.charting.source import Source

__all__ = ["FirstTokens", "first_tokens"]

_WAIT_US = "CAST(max(first.first_token_at - charted.started_at, 0.0) * 1e6 + 0.5 AS INTEGER)"
# Not the table itself: it has a time of its own, which would be taken for the charted one.
_STREAMED = Grouping(
    (),
    "JOIN (SELECT request_id, first_token_at FROM requests) AS first USING (request_id)",
    "first.first_token_at IS NOT NULL",
)


@dataclass(frozen=True, slots=True)
class FirstTokens:
    """The waits of the streams that began in one point of a chart."""

    at: int
    """When the point begins, in seconds since the epoch."""
    waits: Histogram

    def percentile_s(self, percent: float) -> float | None:
        """At most 4 % away from the wait of that rank."""
        return self.waits.latency_s(percent)


def first_tokens(source: Source) -> tuple[FirstTokens, ...]:
    """Of every point that has streams. No rollup knows them, so of many requests only the newest count."""
    rows = source.rows().select(
        _STREAMED, source.interval, f"histogram(latency_bucket({_WAIT_US}))", "GROUP BY 1 ORDER BY 1"
    )
    return tuple(FirstTokens(at, Histogram(unpacked(waits))) for at, waits in rows)
