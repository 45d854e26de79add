"""One stretch of time as a whole, to be held against another."""

from __future__ import annotations

from dataclasses import dataclass

from promptlayer_patch.store.charting.rollups import Dimension
from promptlayer_patch.store.charting.source import Source
from promptlayer_patch.store.charting.totals import Tally, Totals

__all__ = ["Period", "period"]


@dataclass(frozen=True, slots=True)
class Period:
    """All requests of a time."""

    totals: Totals
    errors: int


def period(source: Source) -> Period:
    """The source's requests."""
    whole, errors = Tally(), 0
    for ((_, _, status), _), tally in source.grid(Dimension.BASE, histograms=True).items():
        whole.add(tally)
        errors += tally.values[0] if status == "ERROR" else 0
    return Period(whole.totals(), errors)
