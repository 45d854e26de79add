"""The state of one intercepted call while it is under way, on the caller's thread.

Everything kept here already exists and is immutable (bytes, URLs, headers), so that keeping it costs the
caller nothing; `_decoding` turns it into a `Record` on the worker's thread.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Ending, Failure, Receipt, Rejected

_NOT_IN_THE_BODY = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})

_NONE_YET: Any = ()
"""For a list that only a stream needs."""
_NOTHING: Mapping[str, str] = {}

LOST = Rejected("lost to a fault of promptlayer_patch, see its log")
FORKED = Rejected("the call belongs to the process this one was forked from")

_LIGHT = 65_536
"""Bytes of a body that may be held until the worker knows whether it is text."""

_process = object()
"""This process; a forked child is another."""


def _in_forked_child() -> None:
    global _process
    _process = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)

_current: ContextVar[Call | None] = ContextVar("promptlayer_patch_call", default=None)
"""The call that the code running now belongs to."""

# Looked up once: each call asks several times.
current_call, enter, leave = _current.get, _current.set, _current.reset


class Call:
    """One call of a create method, from its start until its ending."""

    # Defaults of the class, not set anew for each call: most calls need few of them.
    group_id: int | None = None
    prompt: PromptLink | None = None
    claimed = False
    sampled = True
    shared = False
    left_out = 0
    streaming = False
    raw_encoded = False
    in_finalizer = False
    keeps_base64 = False
    client_type: type | None = None
    options: Any = None
    passed: Mapping[str, Any] | None = None
    request: Any = None
    """The HTTP request under way; not kept longer, since it may hold files."""
    url: Any = None
    headers: Any = None
    request_body: bytes | None = None
    fields: Any = None
    files: Sequence[tuple[str, str | None, str | None, int | None]] = ()
    body: bytes | None = None
    chunks: list[bytes] = _NONE_YET
    output_size = 0
    downloaded = 0
    """Bytes of a stream, where the HTTP library has counted what it handed over."""
    stamps: list[float] = _NONE_YET
    result: Any = None
    status: int | None = None
    attempts = 0
    ending = Ending.COMPLETE
    failure: Failure | None = None
    ended = 0.0
    coroutine: Any = None
    """The client's, until ours is awaited, see `unawaited`."""
    outer_error: tuple[int, type] | None = None
    """An exception that was being handled before the stream began: it says nothing about the stream."""

    def __init__(
        self,
        name: str,
        kind: tuple[str, str],
        sink: Callable[[Call], None],
        receipt: Receipt,
        tags: tuple[str, ...] = (),
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        self.name = name
        self.kind = kind
        self.sink = sink
        self.receipt = receipt
        self.tags = tags
        self.metadata = metadata
        self.process = _process
        self.unsettled = [True]
        self.started_at = time.time()
        self.started = time.perf_counter()

    def start(self) -> None:
        """Start the clock (again): a coroutine begins when it is awaited, not when it is made."""
        self.started_at = time.time()
        self.started = time.perf_counter()

    def claim(self, client: Any, options: Any) -> None:
        """Take this call for the request that is about to go out."""
        self.claimed = True
        self.passed = None
        self.client_type = type(client)
        self.options = options

    def keep(self, response: Any) -> None:
        """Keep what was sent and how it was answered; the body follows by itself."""
        if self.request is None:
            self.request = response.request
        self._keep_sent()
        self.headers = response.headers
        self.status = response.status_code

    def keep_body(self, body: bytes) -> None:
        self.output_size = len(body)
        # To look up its type takes longer than to keep it; the worker looks.
        if len(body) <= _LIGHT or is_text(self.content_type):
            self.body = body

    def stream(self) -> None:
        """The body will come in chunks, while the application reads it."""
        self.chunks, self.stamps = [], []
        error = sys.exc_info()[1]
        if error is not None:
            self.outer_error = id(error), type(error)
        self.streaming = True

    def backdate(self, response: Any) -> None:
        """Take the start from the HTTP library, for a call that was noticed only at its end."""
        elapsed = response.elapsed.total_seconds()
        self.started -= elapsed
        self.started_at -= elapsed

    def untapped(self, client: Any, arguments: Mapping[str, Any]) -> None:
        """Take the request from the arguments of the call, where the tap beneath is missing."""
        self.claimed = True
        self.client_type = type(client)
        body = {key: value for key, value in arguments.items() if key not in _NOT_IN_THE_BODY}
        self.fields = copied({**body, **(arguments.get("extra_body") or {})})

    def fail(self, error: BaseException) -> None:
        """End the call because the client raised `error`."""
        if not self.open:
            return
        if self.request is None and self.url is None:
            self.request = getattr(error, "request", None)
        response = getattr(error, "response", None)
        if response is not None and self.status is None:
            self.status = getattr(response, "status_code", None)
            self.headers = getattr(response, "headers", None)
            self.keep_body(getattr(response, "_content", b""))
        self.finish(ending_of(error), failure_of(error))

    def finish(self, ending: Ending, failure: Failure | None = None) -> None:
        """End the call, once; whoever comes later changes nothing."""
        try:
            self.unsettled.pop()
        except IndexError:
            return
        self.ended = time.perf_counter()
        self.ending = ending
        self.failure = failure
        if self.process is not _process:
            self.receipt.settle(FORKED)
        elif not self.claimed:
            self.receipt.settle(Rejected("the call ended before a request was made"))
        else:
            try:
                if self.options is not None or self.request is not None:
                    self._keep_sent()
                self.sink(self)
            except Exception:
                self.receipt.settle(LOST)
                raise

    def __del__(self) -> None:
        # A call under way is held by its context; this one nobody will finish any more. Of a stream the
        # collector may come here first: its `Watch` ends the call.
        try:
            if self.coroutine is not None:
                self.coroutine.close()
                self.unused()
            elif self.unsettled and not self.streaming:
                self.receipt.settle(LOST)
        except Exception:  # `__init__` may not have come this far
            pass

    def unused(self) -> None:
        """The coroutine of this call was never awaited."""
        self.finish(Ending.CANCELLED)

    @property
    def open(self) -> bool:
        return bool(self.unsettled)

    @property
    def content_type(self) -> str:
        return header(self.headers, "content-type")

    @property
    def size(self) -> int:
        """About how many bytes this call holds in memory until it is delivered."""
        # To look at every chunk takes longer than all else that the end of a stream has to do.
        held = (self.downloaded or sum(map(len, self.chunks))) if self.chunks else 0
        return 1024 + held + len(self.request_body or b"") + len(self.body or b"")

    def lighten(self) -> bool:
        """Give up the largest part of what is kept; false if there is none, or others still want it."""
        parts = {
            "request_body": len(self.request_body or b""),
            "body": len(self.body or b""),
            "chunks": sum(map(len, self.chunks)),
        }
        largest = max(parts, key=lambda name: parts[name])
        if self.shared or not parts[largest]:
            return False
        self.left_out += parts[largest]
        setattr(self, largest, () if largest == "chunks" else None)
        return True

    def _keep_sent(self) -> None:
        """Keep what was sent; without its bytes (multipart, cancelled) the fields that were about to be."""
        request, self.request = self.request, None
        if request is not None:
            self.url = request.url
            content = getattr(request, "_content", None)
            # A multipart body begins with its boundary; it holds files, so only its fields are kept.
            if content is not None and not content.startswith(b"--"):
                self.request_body = content
        options, self.options = self.options, None
        if self.request_body is None and options is not None:
            extra = getattr(options, "extra_json", None) or {}  # what `extra_body` adds
            self.fields = copied({**(getattr(options, "json_data", None) or {}), **extra})
            self.files = described_files(getattr(options, "files", None))
            if self.url is None:
                self.url = getattr(options, "url", None)


def ending_of(error: BaseException) -> Ending:
    """`CANCELLED` for a cancellation or interrupt, `PROVIDER_ERROR` for everything else."""
    return Ending.CANCELLED if is_cancellation(error) else Ending.PROVIDER_ERROR


def is_cancellation(error: BaseException) -> bool:
    # asyncio's and trio's cancellations, Ctrl-C, sys.exit() and a closed coroutine are the ones that
    # are not an `Exception`; so is every other way of telling a call to stop.
    return not isinstance(error, Exception)


def failure_of(error: BaseException) -> Failure:
    """What `error` says, as plain strings: the exception itself would keep the caller's frames alive."""
    try:
        message = str(error)
    except Exception:
        message = ""
    status = getattr(error, "status_code", None)
    return Failure(type(error).__name__, message, status if isinstance(status, int) else None)


def copied(value: Any, depth: int = 64) -> Any:
    """`value` with containers of its own and the leaves shared: later edits by the caller do not show."""
    if depth and isinstance(value, Mapping):
        return {key: copied(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [copied(item, depth - 1) for item in value]
    return value


def described_files(files: Any) -> list[tuple[str, str | None, str | None, int | None]]:
    """`(field, file name, content type, bytes)` of every file of a multipart body; never its contents."""
    pairs = files.items() if isinstance(files, Mapping) else files or ()
    return [_described(field, file) for field, file in pairs]


def _described(field: str, file: Any) -> tuple[str, str | None, str | None, int | None]:
    name = kind = None
    content = file
    if isinstance(file, tuple):
        name, content = file[0], file[1]
        kind = file[2] if len(file) > 2 else None
    if name is None and isinstance(getattr(content, "name", None), str):
        name = os.path.basename(content.name)
    return field, name, kind, _size(content)


def _size(content: Any) -> int | None:
    if isinstance(content, (bytes, bytearray, str)):
        return len(content)
    try:
        if hasattr(content, "getbuffer"):
            return int(content.getbuffer().nbytes)
        return os.fstat(content.fileno()).st_size
    except Exception:
        return None  # a pipe or a file-like object that cannot say


@lru_cache(64)
def is_text(content_type: str) -> bool:
    """Whether a body of this type is kept; of anything else only the size is."""
    return not content_type or any(part in content_type for part in ("event-stream", "json", "text/"))


def header(headers: Any, name: str) -> str:
    """The value of a header, or an empty string."""
    value = headers.get(name) if headers is not None else None
    return value if isinstance(value, str) else ""
