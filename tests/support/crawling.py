"""Going through a site by its links."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, urljoin, urlsplit

__all__ = ["crawl", "kinds_of"]

_DISTINCT = re.compile(r"[0-9a-f]{16,}|\d+")


def crawl(visit: Callable[[str], Iterable[str]], starts: Iterable[str], most_of_a_kind: int) -> list[str]:
    """Visit the starts and what they link to, so many of each kind at least; the addresses in that order.

    `visit` opens a path with its query, and gives what stands in its links. Those elsewhere are not followed.
    """
    waiting = deque(starts)
    known = set(waiting)
    seen = Counter(kind for start in waiting for kind in kinds_of(start))
    visited = []
    while waiting:
        here = waiting.popleft()
        visited.append(here)
        for link in visit(here):
            address = urlsplit(urljoin(f"http://here{here}", link))
            there = address.path + (f"?{address.query}" if address.query else "")
            if address.netloc != "here" or there in known:
                continue
            known.add(there)
            kinds = kinds_of(there)
            if any(seen[kind] < most_of_a_kind for kind in kinds):
                seen.update(kinds)
                waiting.append(there)
    return visited


def kinds_of(address: str) -> set[str]:
    """What pages that differ only in whose they are have in common: the path without ids, each parameter."""
    parts = urlsplit(address)
    path = _DISTINCT.sub("N", parts.path)
    return {path, *(f"{path}?{name}" for name, _ in parse_qsl(parts.query, keep_blank_values=True))}
