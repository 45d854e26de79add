"""What a search gives: pages, totals, and values with how often they occur. Nothing of any storage engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptlayer_patch._query import Cursor
from promptlayer_patch.store.reading import Summary

__all__ = ["FacetCounts", "Page", "Suggestion", "Total"]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search."""

    items: tuple[Summary, ...]
    next: Cursor | None
    """Where the next page begins; `None` behind the last one."""


@dataclass(frozen=True, slots=True)
class Total:
    """How many requests there are."""

    count: int
    exact: bool
    """False if they were only counted up to here."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One value of a field."""

    value: str
    count: int
    """How many requests have it, among those that were looked at."""


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """What the requests of a filter have in each of several fields."""

    values: Mapping[str, tuple[Suggestion, ...]]
    """By field; the most frequent first."""
    counted: Total
    """How many requests were looked at: the newest ones, and not `exact` if there are more."""
