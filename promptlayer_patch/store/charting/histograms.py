"""Histograms: how many requests fell into which bucket, in one number that is added to others in one step.

The number has 32 bits for every bucket, the lowest for bucket 0. A chart adds up thousands of histograms, and
Python adds such numbers many times as fast as it adds dictionaries.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BUCKET_WIDTH", "Histogram", "added", "counted", "latency_bucket", "packed", "taken", "unpacked"]

BUCKET_WIDTH = 1.08
"""A bucket of latencies ends at this many times its beginning."""

_FIRST_US = 100
_LAST_US = 10**13  # four months
# Whole numbers and a search instead of a logarithm: the same bucket on every machine.
_BOUNDS = tuple(
    math.ceil(_FIRST_US * BUCKET_WIDTH**step)
    for step in range(math.ceil(math.log(_LAST_US / _FIRST_US, BUCKET_WIDTH)))
)
_BITS = 32


def latency_bucket(microseconds: int) -> int:
    """The bucket of a latency; 0 is for those below a tenth of a millisecond."""
    return bisect_right(_BOUNDS, microseconds)


def counted(bucket: int, count: int = 1) -> int:
    """The number of a histogram with so many requests in one bucket."""
    return count << (bucket * _BITS)


def packed(number: int) -> bytes:
    """A histogram as the store keeps it: its first bucket, and the counts from there on."""
    if not number:
        return b""
    first = ((number & -number).bit_length() - 1) // _BITS
    number >>= first * _BITS
    length = -(-number.bit_length() // _BITS)
    return struct.pack("<H", first) + number.to_bytes(length * 4, "little")


def unpacked(data: bytes) -> int:
    """The number that `packed` was given."""
    if not data:
        return 0
    return int.from_bytes(data[2:], "little") << (int.from_bytes(data[:2], "little") * _BITS)


def added(one: bytes, other: bytes) -> bytes:
    """Both histograms in one."""
    return packed(unpacked(one) + unpacked(other))


def taken(whole: bytes, part: bytes) -> bytes:
    """What is left of a histogram when `part`, which was added to it, is taken away."""
    return packed(max(0, unpacked(whole) - unpacked(part)))


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram to look at; two of them can be added."""

    number: int = 0

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.number + other.number)

    def counts(self) -> Iterator[tuple[int, int]]:
        """Buckets that are not empty, in order, and how many requests fell into each."""
        length = -(-self.number.bit_length() // _BITS)
        counts = struct.unpack(f"<{length}I", self.number.to_bytes(length * 4, "little"))
        return ((bucket, count) for bucket, count in enumerate(counts) if count)

    def percentile(self, percent: float) -> int | None:
        """The bucket that holds the request of that rank (the nearest one); `None` of no requests."""
        counts = list(self.counts())
        rank = max(1, math.ceil(percent * sum(count for _, count in counts) / 100))
        for bucket, count in counts:
            rank -= count
            if rank <= 0:
                return bucket
        return None

    def latency_s(self, percent: float) -> float | None:
        """A latency at most 4 % away from that of the rank; 0 for less than a tenth of a millisecond."""
        bucket = self.percentile(percent)
        if not bucket:
            return None if bucket is None else 0.0
        return _BOUNDS[bucket - 1] * math.sqrt(BUCKET_WIDTH) / 1e6
