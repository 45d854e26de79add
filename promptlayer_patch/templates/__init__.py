"""PromptLayer's prompt registry: get a template, fill it in, publish a new version, move its labels.

All calls wait for PromptLayer, up to `timeout_s` seconds; those whose name begins with `a` are awaited. They
raise `InvalidArgument` before anything is sent, `APIConnectionError` or `APITimeoutError` when there is no
answer, and `APIStatusError` (`NotFound`, `AuthenticationFailed`, `RateLimited`, ...) when it is not what was
asked for.
"""

from __future__ import annotations

from promptlayer_patch.templates.getting import PromptTemplate, aget, clear_cache, get
from promptlayer_patch.templates.labelling import (
    ReleaseLabel,
    adelete_label,
    alabels,
    amove_label,
    aset_label,
    delete_label,
    labels,
    move_label,
    set_label,
)
from promptlayer_patch.templates.listing import AsyncListing, Listing, aall, all
from promptlayer_patch.templates.publishing import apatch, apublish, patch, publish

__all__ = [
    "AsyncListing",
    "Listing",
    "PromptTemplate",
    "ReleaseLabel",
    "aall",
    "adelete_label",
    "aget",
    "alabels",
    "all",
    "amove_label",
    "apatch",
    "apublish",
    "aset_label",
    "clear_cache",
    "delete_label",
    "get",
    "labels",
    "move_label",
    "patch",
    "publish",
    "set_label",
]
