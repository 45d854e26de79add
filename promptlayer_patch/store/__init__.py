"""Requests kept on this machine, in one SQLite file."""

from __future__ import annotations

from promptlayer_patch.store.connection import StoreError, StoreUnavailable
from promptlayer_patch.store.encoding import Unstorable
from promptlayer_patch.store.entries import Entry
from promptlayer_patch.store.reading import StoredRequest, Summary
from promptlayer_patch.store.results import FacetCounts, Page, Suggestion, Total
from promptlayer_patch.store.searching.limits import QueryTooSlow
from promptlayer_patch.store.sqlite import Store

__all__ = [
    "Entry",
    "FacetCounts",
    "Page",
    "QueryTooSlow",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "StoredRequest",
    "Suggestion",
    "Summary",
    "Total",
    "Unstorable",
]
