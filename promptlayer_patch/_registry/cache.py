"""Templates that were fetched, kept unrendered for a while, so that a call need not wait for PromptLayer."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from promptlayer_patch._guard import log
from promptlayer_patch.errors import APIConnectionError, APITimeoutError, RateLimited, ServerError

Wire = dict[str, Any]

_ENTRIES = 512
_SPARED_S = 10.0
"""After a failure the old entry is served for so long before PromptLayer is asked again."""
_OUT_OF_ORDER = (APIConnectionError, RateLimited, ServerError)


@dataclass(frozen=True, slots=True)
class Key:
    """What was asked for: two that are equal get the same answer."""

    account: Any = field(repr=False)
    identifier: str
    arguments: str
    """What else was sent."""


@dataclass(slots=True)
class _Entry:
    wire: Wire
    fetched_at: float
    spared_until: float = 0.0
    warned: bool = False

    def names(self, key: Key) -> set[str]:
        """All that it can be called by."""
        told = (self.wire.get("id"), self.wire.get("prompt_name"))
        return {key.identifier, *(str(name) for name in told if name)}


class _Fetch:
    """One request under way, which others wait for. Without either, whoever made it was interrupted."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.done = threading.Event()
        self.wire: Wire | None = None
        self.error: Exception | None = None


class TemplateCache:
    """Bounded, and safe for threads: those that miss the same entry at a time wait for one request."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._begin()
        if hasattr(os, "register_at_fork"):
            # Nobody in a child goes on with what another thread of the parent was at.
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._fetches: dict[Key, _Fetch] = {}
        self._generation = 0

    def get(self, key: Key, ttl_s: float, timeout_s: float, fetch: Callable[[], Wire]) -> Wire:
        """The template for `key`; older than `ttl_s` only while PromptLayer is out of reach or out of order.

        The caller's own copy. Raises what `fetch` raises, and `APITimeoutError` if another's takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                known = self._fresh(key, ttl_s)
                if known is not None:
                    return copy.deepcopy(known)
                fetch_of_another = self._fetches.get(key)
                if fetch_of_another is None:
                    ours = self._fetches[key] = _Fetch(self._generation)
            if fetch_of_another is None:
                return copy.deepcopy(self._fetched(key, ours, fetch))
            if not fetch_of_another.done.wait(max(0.0, deadline - time.monotonic())):
                raise APITimeoutError(
                    f"the same template, asked for before, was not there in {timeout_s:g} s"
                )
            if fetch_of_another.error is not None:
                raise copy.copy(fetch_of_another.error)
            if fetch_of_another.wire is not None:
                return copy.deepcopy(fetch_of_another.wire)

    def invalidate(self, identifier: str) -> None:
        """Forget a template in all its forms: by its name, by its id, by every version and label."""
        with self._lock:
            self._abandon_fetches()
            names = {identifier}.union(
                *(names for key, entry in self._entries.items() if identifier in (names := entry.names(key)))
            )
            for key, entry in list(self._entries.items()):
                if names & entry.names(key):
                    del self._entries[key]

    def clear(self) -> None:
        with self._lock:
            self._abandon_fetches()
            self._entries.clear()

    def _abandon_fetches(self) -> None:
        """What is under way may have been answered before the change, and must not be kept."""
        self._generation += 1
        self._fetches.clear()

    def _fresh(self, key: Key, ttl_s: float) -> Wire | None:
        entry, now = self._entries.get(key), time.monotonic()
        if entry is None or (now - entry.fetched_at >= ttl_s and now >= entry.spared_until):
            return None
        self._entries.move_to_end(key)
        return entry.wire

    def _fetched(self, key: Key, ours: _Fetch, fetch: Callable[[], Wire]) -> Wire:
        try:
            try:
                ours.wire = fetch()
                self._keep(key, ours.wire, ours.generation)
            except _OUT_OF_ORDER as error:
                ours.wire = self._stale(key, error)
                if ours.wire is None:
                    raise
            return ours.wire
        except Exception as error:
            ours.error = error
            raise
        finally:
            with self._lock:
                if self._fetches.get(key) is ours:
                    del self._fetches[key]
            ours.done.set()

    def _keep(self, key: Key, wire: Wire, generation: int) -> None:
        with self._lock:
            if generation == self._generation:
                self._entries[key] = _Entry(wire, time.monotonic())
                self._entries.move_to_end(key)
                while len(self._entries) > _ENTRIES:
                    self._entries.popitem(last=False)

    def _stale(self, key: Key, error: Exception) -> Wire | None:
        """What there was, for a while without asking again; told once for each outage."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            now = time.monotonic()
            entry.spared_until = now + _SPARED_S
            told, entry.warned = entry.warned, True
            age_s = now - entry.fetched_at
        if not told:
            log.warning(
                "the prompt template %s is served from memory, %.0f s old: %s",
                key.identifier,
                age_s,
                type(error).__name__,
            )
        return entry.wire
