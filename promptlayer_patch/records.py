"""What one intercepted call becomes, and what became of its delivery.

A `Record` is the frozen account of one finished API request; PromptLayer calls it a *request*. A `Receipt`
exists from the moment the call starts and is told later which request id the record was given.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from promptlayer_patch._guard import report
from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.errors import RequestIdTimeout, RequestIdUnavailable

if TYPE_CHECKING:
    import asyncio

    from promptlayer_patch._bodies import Bodies

__all__ = [
    "Delivered",
    "Delivery",
    "Ending",
    "Failure",
    "Outcome",
    "Receipt",
    "Record",
    "Rejected",
    "TryLater",
    "new_record_id",
]


class Ending(str, Enum):
    """How a call ended. Exactly one of these is on every record."""

    COMPLETE = "complete"
    """The response arrived whole; a stream was read to its end."""
    CLOSED_EARLY = "closed_early"
    """The application closed the stream before its end: a `break` in a `with` block, or `close()`."""
    ABANDONED = "abandoned"
    """The application stopped reading and dropped the stream without closing it."""
    NEVER_READ = "never_read"
    """The response was streamed and the application read none of it."""
    PROVIDER_ERROR = "provider_error"
    """The request failed, or the stream broke or reported an error on the way."""
    CONSUMER_ERROR = "consumer_error"
    """The application raised while it was reading the stream."""
    CANCELLED = "cancelled"
    """The task was cancelled, or the program interrupted, before the end."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call did not end well."""

    type: str
    """Class name of the exception, or the provider's own error type."""
    message: str
    status: int | None = None
    """HTTP status of the failing response, where there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One finished API request: what was sent, what came back, when, and how it ended."""

    id: str
    """Ours: 32 hex digits, unique, ordered by time. Not PromptLayer's request id."""
    function_name: str
    """The method as the user wrote it, for example `openai.chat.completions.create`."""
    client: str | None = None
    """Class of the openai client (`OpenAI`, `AsyncAzureOpenAI`, ...); `None` for the module-level client."""
    provider: str = "openai"
    """`openai`, or `openai.azure` for the Azure clients."""
    endpoint: str = ""
    """Where the request went: scheme, host and path, without query."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """The request body. Of a multipart body, `{"file": {"name", "type", "bytes"}}` stands for each file."""
    response: Any = None
    """The response body: JSON data, the assembled object of a stream, the text of a text body, or
    `{"content_type", "bytes"}` for binary data. `None` when nothing came back."""
    streamed: bool = False
    started_at: float = 0.0
    """Seconds since the epoch."""
    ended_at: float = 0.0
    """Seconds since the epoch."""
    first_token_at: float | None = None
    """Seconds since the epoch at which the first output of a stream arrived."""
    ending: Ending = Ending.COMPLETE
    error: Failure | None = None
    status: int | None = None
    """HTTP status of the response."""
    attempts: int = 1
    """How many HTTP requests the client made for this call, retries included."""
    provider_request_id: str | None = None
    """OpenAI's `x-request-id`."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    group_id: int | None = None
    """PromptLayer's group that the request is put into."""
    prompt: PromptLink | None = None
    """The prompt template it was made from."""
    sdk: str = "openai-python"
    sdk_version: str | None = None
    shortened_from: int | None = None
    """Bytes of request, response and metadata before they were shortened; `None` if they are whole."""
    bodies: Bodies | None = field(default=None, init=False, repr=False, compare=False)
    """Ours: a copy with changes (`dataclasses.replace`) has none."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A part that was left in its bytes."""
            bodies = None if name == "bodies" else self.bodies  # which one that is being made does not have
            if bodies is None or name not in bodies.outlines:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            data = bodies.read(name)
            object.__setattr__(self, name, data)
            return data

    @property
    def model(self) -> str | None:
        """The model that answered or, where the response does not say, the one that was asked."""
        for body in (self.response, self.request):
            if isinstance(body, Mapping) and isinstance(body.get("model"), str):
                return str(body["model"])
        return None

    @property
    def duration_s(self) -> float:
        """How long the call took, in seconds; of a stream until its ending."""
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has the record; `request_id` is the id it assigned, if it assigns ids."""

    request_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The destination will never take this record."""

    reason: str


@dataclass(frozen=True, slots=True)
class TryLater:
    """The destination cannot take the record now; `after_s` is its own wish, if it had one."""

    after_s: float | None = None
    reason: str = ""
    refuses_key: bool = False
    """The destination does not know us: nothing more is sent before the next `install()`."""


Delivery: TypeAlias = Delivered | Rejected | TryLater
Outcome: TypeAlias = Delivered | Rejected
"""A delivery that nothing follows."""


# Not the system's random numbers: to ask for one gives the interpreter's lock away for a moment, and where
# another thread waits for it, waking that in vain takes longer than all else that a call costs.
_random = random.Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_record_id() -> str:
    """32 hex digits: milliseconds since the epoch, then 80 random bits."""
    return f"{time.time_ns() // 1_000_000:012x}{_random.getrandbits(80):020x}"


_NONE_YET: Any = ()
_awaited: set[Receipt] = set()
"""Those that somebody is to be told of: who registers a callback need not keep the receipt as well."""


class Receipt:
    """The promise of a request id, held from the moment a call starts.

    Whoever holds one may wait for the id, in a thread (`request_id`) or on an event loop (`arequest_id`).
    """

    # Defaults of the class, and lists are made when they are needed: most receipts nobody ever asks, but each
    # call has one, and each object more makes the garbage collector come earlier.
    _outcome: Delivered | Rejected | None = None
    _callbacks: list[Callable[..., object]] = _NONE_YET
    _filed = False
    _at_filing: list[Callable[..., object]] = _NONE_YET
    outcomes: Sequence[Outcome | None] = ()
    """What became of the request at each destination, where there are several."""
    last_annotation: str | None = None
    """Id of the last annotation that was made through this receipt."""

    def __init__(self, urge: Callable[[], object] | None = None) -> None:
        self._urge = urge

    @property
    def record_id(self) -> str:
        """Id of the record this receipt is for; also sent to PromptLayer as metadata."""
        # Made for whoever asks first, which is seldom the caller. Two who ask at once get the same one.
        known: str | None = self.__dict__.get("_record_id")
        return known or self.__dict__.setdefault("_record_id", new_record_id())

    @property
    def done(self) -> bool:
        """Whether the outcome is known, be it an id or the certainty that none will come."""
        return self._outcome is not None

    def request_id(self, timeout_s: float = 5.0) -> int:
        """Wait for PromptLayer's id of this request.

        Raises `RequestIdTimeout` after `timeout_s` seconds, and `RequestIdUnavailable` at once when the id
        can never come. On an event loop use `arequest_id`, this one blocks the thread.
        """
        if self._outcome is None:
            arrived = threading.Event()
            self.when_done(arrived.set)
            self._hurry()
            arrived.wait(min(timeout_s, threading.TIMEOUT_MAX))
            self._forget(arrived.set)
        return self._result(timeout_s)

    async def arequest_id(self, timeout_s: float = 5.0) -> int:
        """`request_id` for coroutines: waits without blocking the event loop."""
        if self._outcome is None:
            import asyncio

            loop = asyncio.get_running_loop()
            arrived: asyncio.Future[None] = loop.create_future()
            wake = partial(_wake, loop, arrived)
            self.when_done(wake)
            self._hurry()
            try:
                await asyncio.wait_for(arrived, min(timeout_s, threading.TIMEOUT_MAX))
            except (asyncio.TimeoutError, TimeoutError):
                pass  # whether the id came in the last moment is decided below
            self._forget(wake)
        return self._result(timeout_s)

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call `callback()` once the outcome is known: now, or later on the worker's thread."""
        # Append first, look second: `settle` looks after it has set the outcome, so one of the two sides
        # sees the other without a lock, which a forked child could inherit locked.
        self.__dict__.setdefault("_callbacks", []).append(callback)
        _awaited.add(self)
        if self._outcome is not None:
            self._call_back()

    def settle(self, outcome: Outcome) -> None:
        """Record what became of the request. The first outcome stands."""
        if self._outcome is None:
            self._outcome = outcome
            self.file(may_start=False)
            if self._callbacks:
                self._call_back()

    def outcome_at(self, destination: int) -> Outcome | None:
        """What became of the request at the destination of this number, as far as it is known."""
        return self.outcomes[destination] if destination < len(self.outcomes) else self._outcome

    def when_filed(self, callback: Callable[[bool], object], *, may_start: bool = True) -> None:
        """Call `callback(may_start)` once the record has been handed over for delivery, or never will be.

        It is told whether it may start a thread: not under a garbage collection, which `may_start` says of
        this moment.
        """
        self.__dict__.setdefault("_at_filing", []).append(callback)  # then look, as in `when_done`
        if self._filed:
            self.file(may_start=may_start)

    def file(self, *, may_start: bool) -> None:
        """The record has been handed over for delivery."""
        self._filed = True
        if self._at_filing:
            _drain(self._at_filing, "sending an annotation", may_start)

    def _call_back(self) -> None:
        _drain(self._callbacks, "telling of a request id")
        _awaited.discard(self)

    def _forget(self, callback: Callable[[], object]) -> None:
        # Who waits again and again through an outage must not leave something behind each time.
        try:
            self._callbacks.remove(callback)
        except ValueError:
            pass  # called already
        if not self._callbacks:
            _awaited.discard(self)

    def _hurry(self) -> None:
        if self._urge is not None:
            self._urge()

    def _result(self, timeout_s: float) -> int:
        outcome = self._outcome
        if outcome is None:
            raise RequestIdTimeout(f"no request id within {timeout_s:.3g} s for record {self.record_id}")
        if isinstance(outcome, Rejected):
            raise RequestIdUnavailable(f"record {self.record_id} has no request id: {outcome.reason}")
        if outcome.request_id is None:
            raise RequestIdUnavailable(f"record {self.record_id} went to a destination that assigns no ids")
        return outcome.request_id

    def __repr__(self) -> str:
        return f"<Receipt {self.record_id} {self._outcome or 'pending'}>"


def _drain(callbacks: list[Callable[..., object]], doing: str, *arguments: object) -> None:
    """Call each, in order, and take it out; several threads may be at it."""
    while callbacks:
        try:
            callback = callbacks.pop(0)
        except IndexError:
            return  # another thread took the last one
        try:
            callback(*arguments)
        except Exception as fault:
            report(doing, fault)  # and go on: others wait too


def _wake(loop: asyncio.AbstractEventLoop, arrived: asyncio.Future[None]) -> None:
    def finish() -> None:
        if not arrived.done():
            arrived.set_result(None)

    try:
        loop.call_soon_threadsafe(finish)
    except RuntimeError:
        pass  # the loop was closed before the id came; nobody waits any more
