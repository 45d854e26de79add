"""A PromptLayer on a loopback port that misbehaves as it is told, and keeps what it has stored."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any

from tests.faults.behaviours import Behaviour, ok
from tests.faults.serving import Server, bound, text_of

PATIENCE_S = 60.0
"""How long is waited for what must come."""
RECORD_ID = "promptlayer_patch.record_id"


@dataclass(frozen=True)
class Arrival:
    """A request whose headers have come in."""

    at: float
    """By the monotonic clock."""
    path: str


@dataclass(frozen=True)
class Stored:
    record_id: str
    text: str
    body: Mapping[str, Any]


class Endpoint:
    """Follows the behaviours of `script`, one for each request, and then one for all, until told otherwise.

    With `dedupe` a record it knows is answered with the id it has, and not stored again.
    """

    def __init__(self, behaviour: Behaviour = ok, *, dedupe: bool = False) -> None:
        self.dedupe = dedupe
        self.arrivals: list[Arrival] = []
        self.stored: list[Stored] = []
        """In the order of arrival."""
        self.resends = 0
        """How often a record came that was stored already."""
        self.waiting = 0
        """How many requests hang."""
        self.active = 0
        """How many requests are being answered, those that hang included."""
        self._changed = threading.Condition()
        self._ids: dict[str, int] = {}
        self._next_id = count(501)
        self._behaviour = behaviour
        self._script: deque[Behaviour] = deque()
        self._gate = threading.Event()
        self._held = bound(0)
        self.port: int = self._held.getsockname()[1]
        self._server: Server | None = None
        self._open()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        return [stored.text for stored in list(self.stored)]

    @property
    def duplicated(self) -> int:
        """How many records are stored more than once."""
        times = Counter(stored.record_id for stored in list(self.stored))
        return sum(1 for found in times.values() if found > 1)

    def behave(self, behaviour: Behaviour) -> None:
        """Do this from now on, on an open port."""
        with self._changed:
            self._behaviour = behaviour
        if self._server is None:
            self._open()

    def script(self, *behaviours: Behaviour) -> None:
        """Treat the next requests so, one after the other."""
        with self._changed:
            self._script.extend(behaviours)

    def refuse(self) -> None:
        """Close the port and every connection; `behave` opens it again."""
        if self._server is not None:
            self._server.stop()
            self._server = None
            self._held = bound(self.port)

    def let_go(self) -> None:
        """Go on with the requests that hang."""
        with self._changed:
            gate, self._gate = self._gate, threading.Event()
        gate.set()

    def wait_until(self, true: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
        """Wait until something is true of what came in; whether it became so."""
        with self._changed:
            return self._changed.wait_for(true, timeout_s)

    def wait_until_quiet(self) -> None:
        assert self.wait_until(lambda: self.active == 0), f"{self.active} requests are still being answered"

    def wait_for_stored(self, records: int) -> None:
        assert self.wait_until(lambda: len(self.stored) >= records), (
            f"{len(self.stored)} records instead of {records}"
        )

    def wait_for_arrivals(self, requests: int) -> None:
        assert self.wait_until(lambda: len(self.arrivals) >= requests), (
            f"{len(self.arrivals)} requests instead of {requests}"
        )

    def arrive(self, path: str) -> Behaviour:
        with self._changed:
            self.arrivals.append(Arrival(time.monotonic(), path))
            self.active += 1
            self._changed.notify_all()
            return self._script.popleft() if self._script else self._behaviour

    def leave(self) -> None:
        with self._changed:
            self.active -= 1
            self._changed.notify_all()

    def store(self, body: Mapping[str, Any]) -> int:
        """Keep the record; the id it is known by."""
        record_id, text = body["metadata"][RECORD_ID], text_of(body)
        with self._changed:
            known = self._ids.get(record_id)
            self.resends += known is not None
            if known is not None and self.dedupe:
                return known
            self._ids[record_id] = given = next(self._next_id)
            self.stored.append(Stored(record_id, text, body))
            self._changed.notify_all()
            return given

    def hold(self) -> None:
        """Wait to be let go."""
        with self._changed:
            gate = self._gate
            self.waiting += 1
            self._changed.notify_all()
        gate.wait()
        with self._changed:
            self.waiting -= 1

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._held.close()
        self.let_go()

    def _open(self) -> None:
        self._server = Server(self, self._held)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
