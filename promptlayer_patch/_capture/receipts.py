"""Which receipt belongs to which response object."""

from __future__ import annotations

import weakref
from typing import Any

from promptlayer_patch.records import Receipt


class _Remembered(weakref.ref[Any]):
    """A response that is remembered, and its receipt."""

    __slots__ = ("key", "receipt")

    key: int
    receipt: Receipt


_by_identity: dict[int, _Remembered] = {}


def remember(response: Any, receipt: Receipt) -> None:
    """Let `receipt_of(response)` find `receipt` for as long as `response` lives."""
    # Responses compare by value and have no hash, so their identity is the key. The callback removes the
    # entry before the address can be used again.
    try:
        remembered = _Remembered(response, _forget)
    except TypeError:
        return  # a plain string (a transcript) cannot be followed
    remembered.receipt = receipt
    remembered.key = key = id(response)
    _by_identity[key] = remembered


def _forget(remembered: _Remembered) -> None:
    _by_identity.pop(remembered.key, None)


def receipt_of(response: Any) -> Receipt | None:
    """The receipt of the call that returned `response`: a response, a stream or a raw response.

    It exists before the first chunk of a stream is read. `None` if the object did not come from a recorded
    call, and for text responses, which are plain strings.
    """
    for candidate in (response, getattr(response, "_raw_stream", None)):
        found = _by_identity.get(id(candidate))
        if found is not None and found() is candidate:
            return found.receipt
    return None
