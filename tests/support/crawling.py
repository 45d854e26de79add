"""Going through a site by its links."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, urljoin, urlsplit

__all__ = ["crawl", "kind_of"]

_DISTINCT = re.compile(r"\d+|[0-9a-f]{16,}")


def crawl(visit: Callable[[str], Iterable[str]], starts: Iterable[str], most_of_a_kind: int) -> list[str]:
    """Visit the starts and what they link to, of each kind of page so many; the addresses in that order.

    `visit` opens a path with its query, and gives what stands in its links. Those elsewhere are not followed.
    """
    waiting = deque(starts)
    known = set(waiting)
    seen: Counter[str] = Counter(map(kind_of, waiting))
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
            kind = kind_of(there)
            seen[kind] += 1
            if seen[kind] <= most_of_a_kind:
                waiting.append(there)
    return visited


def kind_of(address: str) -> str:
    """What pages have in common that differ only in whose they are: the path without ids, the parameters."""
    parts = urlsplit(address)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    return _DISTINCT.sub("N", parts.path) + ("?" + "&".join(names) if names else "")
