"""How long streams took until their first output, by time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from promptlayer_patch.store.charting.histograms import Histogram, counted, latency_bucket
from promptlayer_patch.store.charting.rows import point_of
from promptlayer_patch.store.charting.source import Source

__all__ = ["FirstTokens", "first_tokens"]

_WAIT_US = "CAST(max(first_token_at - started_at, 0.0) * 1e6 + 0.5 AS INTEGER)"


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
    waits: defaultdict[int, int] = defaultdict(int)
    for at, wait_us in source.newest((point_of(source.interval), _WAIT_US)):
        if wait_us is not None:
            waits[at] += counted(latency_bucket(wait_us))
    return tuple(FirstTokens(at, Histogram(waits[at])) for at in sorted(waits))
