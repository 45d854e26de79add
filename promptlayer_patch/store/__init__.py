"""Requests kept on this machine, in one SQLite file."""

from __future__ import annotations

from promptlayer_patch.store.connection import StoreError, StoreUnavailable
from promptlayer_patch.store.encoding import Unstorable
from promptlayer_patch.store.reading import StoredRequest, Summary
from promptlayer_patch.store.sqlite import Store

__all__ = [
    "Store",
    "StoreError",
    "StoreUnavailable",
    "StoredRequest",
    "Summary",
    "Unstorable",
]
