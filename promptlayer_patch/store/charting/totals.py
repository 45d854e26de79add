"""What charts are made of: counts, sums and histograms of requests, which can be added to each other."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields

from promptlayer_patch.store.charting.histograms import Histogram

__all__ = ["MEASURES", "Tally", "Totals", "summed"]

_EMPTY = Histogram()


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over some requests. Those of several stores added up are those of all their requests."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    thinking_tokens: int = 0
    cost_nanos: int = 0
    """Billionths of a US dollar: whole numbers, so that taking away is exact."""
    latency_us: int = 0
    turns: int = 0
    tool_calls: int = 0
    # How many requests say what is summed above; a request that does not is no 0.
    with_input_tokens: int = 0
    with_output_tokens: int = 0
    with_cached_tokens: int = 0
    with_thinking_tokens: int = 0
    with_cost: int = 0
    with_turns: int = 0
    with_tool_calls: int = 0
    traced: int = 0
    json: int = 0
    tool_call: int = 0
    plain_text: int = 0
    latencies: Histogram = _EMPTY
    tool_call_counts: Histogram = _EMPTY

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, field) + getattr(other, field) for field in _FIELDS))

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cost(self) -> float:
        """US dollars, of the requests whose price is known."""
        return self.cost_nanos / 1e9

    @property
    def average_latency_s(self) -> float | None:
        return self.latency_us / self.requests / 1e6 if self.requests else None

    @property
    def cached_share(self) -> float | None:
        """Of the input tokens, how many came from the provider's cache."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else None

    def latency_percentile_s(self, percent: float) -> float | None:
        """At most 4 % away from the latency of that rank; 0 for less than a tenth of a millisecond."""
        return self.latencies.latency_s(percent)

    def tool_call_percentile(self, percent: float) -> int | None:
        return self.tool_call_counts.percentile(percent)


_FIELDS = tuple(field.name for field in fields(Totals))
MEASURES = _FIELDS[:-2]
"""What is counted and summed, in the order in which everybody passes it on."""

# Like a histogram, the sums of a tally are one number: 128 bits for each, of which 64 are ever needed.
_SUMS = struct.Struct("<" + len(MEASURES) * "Q8x")


def summed(values: Iterable[int]) -> int:
    """The number of these sums, which are those in `MEASURES`; two of them can be added."""
    return int.from_bytes(_SUMS.pack(*values), "little")


class Tally:
    """`Totals` in the making."""

    __slots__ = ("_sums", "latencies", "tool_call_counts")

    def __init__(self, sums: int = 0, latencies: int = 0, tool_call_counts: int = 0) -> None:
        self._sums = sums
        """As `summed` makes it of what is in `MEASURES`."""
        self.latencies = latencies
        """The number of a histogram, and so are the counts of tool calls."""
        self.tool_call_counts = tool_call_counts

    def add(self, other: Tally) -> None:
        self._sums += other._sums
        self.latencies += other.latencies
        self.tool_call_counts += other.tool_call_counts

    @property
    def values(self) -> tuple[int, ...]:
        """What is in `MEASURES`."""
        return _SUMS.unpack(self._sums.to_bytes(_SUMS.size, "little"))

    def totals(self) -> Totals:
        return Totals(
            **dict(zip(MEASURES, self.values, strict=True)),
            latencies=Histogram(self.latencies),
            tool_call_counts=Histogram(self.tool_call_counts),
        )
