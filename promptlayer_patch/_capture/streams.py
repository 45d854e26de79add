"""Watching a streamed body go by without touching it.

The HTTP response of a streamed call is moved to a subclass of its own class that keeps every chunk it hands
over and notices how the reading ends. `openai.Stream`, its iterator and every chunk stay what they are, and
nothing is read that the application does not read. When the stream has ended the response gets its own class
back.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import chain, filterfalse, islice, repeat
from types import FrameType
from typing import Any

from promptlayer_patch._capture.call import LOST, Call, ending_of, failure_of, is_cancellation, is_text
from promptlayer_patch._capture.closing import (
    GENERATORS,
    HTTP_GENERATORS,
    OWN_ENDINGS,
    error_at,
    is_raised_by_client,
)
from promptlayer_patch._guard import quietly, report
from promptlayer_patch.records import Ending, Rejected

_KEY = "_promptlayer_watch"
_STAMPS = 256
"""Chunks whose arrival is timed; the first output is among them or the stream is a strange one."""

_subclasses: dict[type, type] = {}
_under_way: dict[int, weakref.ref[Watch]] = {}


class Watch:
    """Follows one response body from the first read to the ending."""

    __slots__ = ("__weakref__", "begun", "call", "is_text", "tee")

    def __init__(self, call: Call, is_text: bool) -> None:
        self.call = call
        self.is_text = is_text
        """Whether it is known to be text; else its type has to be looked at."""
        self.begun = False
        self.tee: Callable[[], Any] | None = None
        """Gives the generator that hands over the chunks, while there is one."""
        _under_way[id(self)] = weakref.ref(self)

    @property
    def reading(self) -> bool:
        """Whether control is inside the HTTP library, waiting for the next chunk."""
        tee = self.tee and self.tee()
        # Asked of the generator: to note it down would take two more steps for every chunk.
        return bool(getattr(tee, "gi_running", False) or getattr(tee, "ag_running", False))

    def keeper(self) -> Callable[[bytes], None]:
        """Keeps a chunk or, where it is no text, its size. Never raises."""
        if self.is_text or is_text(self.call.content_type):
            return self.call.chunks.append
        return partial(quietly, "counting a chunk", self._count)

    def _count(self, chunk: bytes) -> None:
        self.call.output_size += len(chunk)

    def broke(self, error: BaseException) -> None:
        """Reading raised `error`: the connection broke, or the task was cancelled while it waited."""
        self.end(ending_of(error), error)

    def closed(self, by: FrameType) -> None:
        """The response is being closed from the frame `by`; tell why from what is going on there."""
        closer = by.f_code.co_name
        if closer in OWN_ENDINGS and sys.exc_info()[1] is None:
            self.end(Ending.COMPLETE)  # as nearly all do
            return
        if closer in HTTP_GENERATORS and self.reading:
            return  # the HTTP library closes what it has read to the end; `_tee` knows how that went
        error = error_at(by, self.call.outer_error)
        if isinstance(error, GeneratorExit):
            # A dropped generator closes the response too, and its owner may still close it properly.
            if closer not in GENERATORS:
                self.end(Ending.CLOSED_EARLY)
        elif error is None:
            self.end(Ending.COMPLETE if closer in OWN_ENDINGS else Ending.CLOSED_EARLY)
        elif is_cancellation(error):
            self.end(Ending.CANCELLED, error)
        else:
            theirs = closer in OWN_ENDINGS or is_raised_by_client(error)
            self.end(Ending.PROVIDER_ERROR if theirs else Ending.CONSUMER_ERROR, error)

    def dropped(self) -> None:
        """The iterator over the body was dropped; the response may still be closed properly."""
        # Before openai 2 nothing closes a stream that reported an error: `_decoding` reads the error.
        if self.call.unsettled and self.call.chunks and b'"error"' in self.call.chunks[-1]:
            self.end(Ending.ABANDONED)

    def end(self, ending: Ending, error: BaseException | None = None) -> None:
        _under_way.pop(id(self), None)
        if not self.begun and ending in (Ending.CLOSED_EARLY, Ending.ABANDONED):
            ending = Ending.NEVER_READ
        self.call.finish(ending, failure_of(error) if error is not None else None)

    def __del__(self) -> None:
        call = getattr(self, "call", None)
        if call is None or not call.unsettled:
            return  # `__init__` has not come this far, or the stream has ended
        try:
            call.in_finalizer = True
            self.end(Ending.ABANDONED)
        except Exception as fault:
            report("ending an abandoned stream", fault)
            call.receipt.settle(LOST)


def watch(response: Any, call: Call, *, is_text: bool = False) -> None:
    """Have `call` finished by whatever becomes of the body of `response`, an unread `httpx.Response`.

    `is_text` tells that the body is text, as far as that is known.
    """
    base = type(response)
    subclass = _subclasses.get(base)
    if subclass is None:
        named = {key: getattr(base, key) for key in ("__module__", "__qualname__", "__doc__")}
        subclass = _subclasses[base] = type(base.__name__, (_Watched, base), {"_unwatched": base, **named})
    response.__dict__[_KEY] = Watch(call, is_text)
    response.__class__ = subclass
    call.stream()


def abandon_all() -> None:
    """End every stream that is still under way; the interpreter is about to exit."""
    for reference in list(_under_way.values()):
        left = reference()
        if left is not None:
            left.end(Ending.ABANDONED)


def tell_all(reason: str) -> None:
    """Tell who waits for the id of a stream that is still under way that it will not come."""
    for reference in list(_under_way.values()):
        left = reference()
        if left is not None:
            left.call.receipt.settle(Rejected(reason))


def leave_to_parent() -> None:
    """In a forked child: the streams under way are the parent's, and no record is made of them here."""
    for reference in list(_under_way.values()):
        theirs = reference()
        if theirs is not None:
            theirs.end(Ending.ABANDONED)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leave_to_parent)


class _Watched:
    """Put in front of an HTTP library's response class: tells the `Watch` what passes.

    Each step of ours is in a `try` of its own, apart from what the library does.
    """

    # No `__slots__`: only with a `__dict__` of its own has this class the layout that lets an existing
    # response be moved to it.
    _unwatched: type

    def iter_bytes(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        chunks: Iterator[bytes] = super().iter_bytes(*args, **kwargs)  # type: ignore[misc]
        try:
            teed: Iterator[bytes] = _teed(_tee, chunks, self)
            return teed
        except Exception as fault:
            report("watching a body", fault)
            return chunks

    def aiter_bytes(self, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = super().aiter_bytes(*args, **kwargs)  # type: ignore[misc]
        try:
            teed: AsyncIterator[bytes] = _teed(_async_tee, chunks, self)
            return teed
        except Exception as fault:
            report("watching a body", fault)
            return chunks

    def iter_raw(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        chunks: Iterator[bytes] = super().iter_raw(*args, **kwargs)  # type: ignore[misc]
        try:
            teed: Iterator[bytes] = _teed(_tee, chunks, self) if _is_read_raw(self) else chunks
            return teed
        except Exception as fault:
            report("watching a raw body", fault)
            return chunks

    def aiter_raw(self, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = super().aiter_raw(*args, **kwargs)  # type: ignore[misc]
        try:
            teed: AsyncIterator[bytes] = _teed(_async_tee, chunks, self) if _is_read_raw(self) else chunks
            return teed
        except Exception as fault:
            report("watching a raw body", fault)
            return chunks

    def close(self) -> None:
        close = super().close  # type: ignore[misc]  # found first: `_closing` may give the class back
        try:
            _closing(self, sys._getframe(1))
        except Exception as fault:
            report("noticing a closed stream", fault)
        close()

    async def aclose(self) -> None:
        aclose = super().aclose  # type: ignore[misc]
        try:
            _closing(self, sys._getframe(1))
        except Exception as fault:
            report("noticing a closed stream", fault)
        await aclose()

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Pickled and copied as the class it says it is.
        reduced: Any = super().__reduce_ex__(protocol)
        _, (_, *rest), state, *more = reduced
        state = {key: value for key, value in (state or {}).items() if key != _KEY}
        return (object.__new__, (self._unwatched, *rest), state, *more)


def _teed(tee: Callable[..., Any], chunks: Any, response: Any) -> Any:
    watch: Watch = response.__dict__[_KEY]
    made = tee(chunks, response, watch, watch.keeper(), time.perf_counter)
    watch.tee = weakref.ref(made)
    return made


def _is_read_raw(response: Any) -> bool:
    """Whether the application itself reads the undecoded body; `iter_bytes` reads it too."""
    found: Watch = response.__dict__[_KEY]
    if found.begun:
        return False
    found.call.raw_encoded = True
    return True


def _closing(response: Any, by: FrameType) -> None:
    watch: Watch = response.__dict__[_KEY]
    # The headers say the same, but to look there takes as long as all the rest.
    decoder = getattr(response, "_decoder", None)
    if type(decoder).__name__ == "IdentityDecoder" or "content-encoding" not in response.headers:
        watch.call.downloaded = response.num_bytes_downloaded
    watch.closed(by)
    _give_back(response)


def _give_back(response: Any) -> None:
    """Let the response be of its own class again once its call has ended."""
    found = response.__dict__.get(_KEY)
    if found is not None and not found.call.open:
        response.__class__ = response._unwatched
        del response.__dict__[_KEY]


def _noted(
    chunks: Iterator[bytes], keep: Callable[[bytes], None], stamps: list[float], now: Callable[[], float]
) -> Iterator[bytes]:
    """The chunks as they are; each is kept as it passes, and of the first ones the moment is noted.

    Made of parts that run no Python for a chunk: what returns `None` lets it pass.
    """
    moments = map(stamps.append, iter(now, None))
    note = partial(next, chain(islice(moments, _STAMPS), repeat(None)))
    return filterfalse(note, filterfalse(keep, chunks))


def _tee(
    chunks: Iterator[bytes],
    response: Any,
    watch: Watch,
    keep: Callable[[bytes], None],
    now: Callable[[], float],
) -> Iterator[bytes]:
    watch.begun = True
    try:
        if watch.call.unsettled:  # else it is read once more after the end, and the worker has the call
            chunks = _noted(chunks, keep, watch.call.stamps, now)
    except Exception as fault:
        report("keeping chunks", fault)
    try:
        yield from chunks
    except GeneratorExit:
        try:
            watch.dropped()
        except Exception as fault:
            report("noticing a dropped stream", fault)
        raise
    except BaseException as error:
        try:
            watch.broke(error)
            _give_back(response)
        except Exception as fault:
            report("recording a broken stream", fault)
        raise
    try:
        watch.end(Ending.COMPLETE)
        _give_back(response)
    except Exception as fault:
        report("recording the end of a stream", fault)


async def _async_tee(
    chunks: AsyncIterator[bytes],
    response: Any,
    watch: Watch,
    keep: Callable[[bytes], None],
    now: Callable[[], float],
) -> AsyncIterator[bytes]:
    open_call, stamps = watch.call.unsettled, watch.call.stamps
    untimed = _STAMPS
    watch.begun = True
    try:
        async for chunk in chunks:
            try:
                if open_call:
                    keep(chunk)
                    if untimed:
                        stamps.append(now())
                        untimed -= 1
            except Exception as fault:
                report("keeping a chunk", fault)
            yield chunk
    except GeneratorExit:
        try:
            watch.dropped()
        except Exception as fault:
            report("noticing a dropped stream", fault)
        raise
    except BaseException as error:
        try:
            watch.broke(error)
            _give_back(response)
        except Exception as fault:
            report("recording a broken stream", fault)
        raise
    try:
        watch.end(Ending.COMPLETE)
        _give_back(response)
    except Exception as fault:
        report("recording the end of a stream", fault)
