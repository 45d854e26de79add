"""Parts of the values of a number, of which the full-text index can tell what lies in them."""

from __future__ import annotations

import math
from itertools import pairwise

from promptlayer_patch._query import Order, SortKey
from promptlayer_patch.store.indexing.facets import between
from promptlayer_patch.store.searching.plans import EVERYTHING, NOTHING, Plan, Sql, with_all

__all__ = ["SLICED", "slices"]

SLICED = {
    SortKey.INPUT_TOKENS: ("input_tokens", "input_tokens", 1),
    SortKey.OUTPUT_TOKENS: ("output_tokens", "output_tokens", 1),
    SortKey.COST: ("cost", "cost", 1),
    SortKey.LATENCY: ("latency_ms", "duration_s", 1000),
}
"""The field whose buckets are in the index, the column, and how many of the field's units one of its are."""

_LEAST = math.ulp(0.0)
"""The smallest number above zero."""
_SMALL, _LARGE = 2.0**-80, 2.0**80
"""Far outside of the buckets, and far from where powers of two end."""


def slices(
    order: Order, near: float | str | None, ends: tuple[float, float], *, begun: bool = False
) -> list[Plan]:
    """Plans that together find every request with a value, and one after the other find them in order.

    The first one ends where the bucket of `near` begins; with `begun` it is left out, since nothing of it is
    asked for. Two more are a bucket wide, and the last one has the rest; if it is not known what is near,
    one has them all. `ends` are the smallest and the largest value that there are.
    """
    if not isinstance(near, (int, float)):
        return [_slice(order.key, -math.inf, math.inf, ends)]
    if not (near == 0 or _SMALL < near < _LARGE):
        return [EVERYTHING]
    edges = [-math.inf, *_cuts(order, near), math.inf]
    rising = [_slice(order.key, low, high, ends) for low, high in pairwise(edges)]
    ordered = rising[::-1] if order.descending else rising
    return ordered[1:] if begun else ordered


def _cuts(order: Order, near: float) -> list[float]:
    """Where the bucket of `near` and those beside it begin and end, in rising order."""
    if near == 0:
        return [_LEAST] if order.descending else [0.0, _LEAST]
    scale = SLICED[order.key][2]
    _, end = math.frexp(near * scale)
    first = end - 2 if order.descending else end - 1
    return [_edge(exponent, scale) for exponent in range(first, first + 3)]


def _edge(exponent: int, scale: int) -> float:
    """The smallest value that, in the units of the field, is not below this power of two."""
    power = math.ldexp(1.0, exponent)
    edge = power / scale
    while edge * scale < power:
        edge = math.nextafter(edge, math.inf)
    while math.nextafter(edge, -math.inf) * scale >= power:
        edge = math.nextafter(edge, -math.inf)
    return edge


def _slice(key: SortKey, low: float, high: float, ends: tuple[float, float]) -> Plan:
    """Requests whose value is not below `low`, but below `high`."""
    field, column, scale = SLICED[key]
    first, last = max(low, ends[0]), min(math.nextafter(high, -math.inf), ends[1])
    if first > last:
        return NOTHING
    buckets = between(field, first * scale, last * scale)
    tests = [Sql(f"{column} IS NOT NULL")]
    tests += [Sql(f"{column} >= ?", (low,))] if low > -math.inf else []
    tests += [Sql(f"{column} < ?", (high,))] if high < math.inf else []
    within = with_all(tests)
    # In any column, which is less to look at. A text with such a word does no harm: the value decides.
    return Plan(f"({' OR '.join(buckets)})", within, within)
