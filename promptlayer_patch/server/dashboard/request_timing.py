"""Where the time of a request went, as a bar."""

from __future__ import annotations

from dataclasses import dataclass

from promptlayer_patch.records import Record

__all__ = ["WIDTH", "Timing", "timing"]

WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds."""

    total: float
    first_token: float | None
    """From the start to the first output; `None` if it is not known."""
    generation: float | None
    """From the first output to the end."""
    waited: int
    """Of `WIDTH`: how much of the bar is waiting; all of it if nobody knows when output began."""


def timing(record: Record) -> Timing:
    total = max(0.0, record.duration_s)
    if record.first_token_at is None or not 0 <= record.first_token_at - record.started_at <= total:
        return Timing(total, None, None, WIDTH)
    first = record.first_token_at - record.started_at
    share = round(first / total * WIDTH) if total else 0
    return Timing(total, first, total - first, share)
