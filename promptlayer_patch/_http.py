"""One kept-alive connection to PromptLayer. The only user of requests, imported when it first posts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlayer_patch._imports import importing
from promptlayer_patch._version import __version__
from promptlayer_patch._wire import message_in

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 15.0
_ANSWER_LIMIT = 1_000_000
"""Bytes of an answer that are read; PromptLayer's are a few hundred."""
_ANSWER_TIMEOUT_S = 30.0
_SMALL, _LARGE = 256, 65_536
"""Bytes that are read at a time: an answer that trickles in is noticed early, a long one is read quickly."""
_LONG_ANSWER_LIMIT = 64_000_000
"""Bytes of a page of prompt templates, which holds them whole."""
_REASON_LIMIT = 300
_KINDS = 16
"""So many kinds of requests are kept; the senders have six."""
_NO_HEADERS: Mapping[str, str] = {}

_UNSENT = frozenset({"NewConnectionError", "ConnectTimeout", "ConnectTimeoutError", "ProxyError", "SSLError"})
_TIMEOUTS = frozenset({"ConnectTimeout", "ReadTimeout", "ReadTimeoutError", "TimeoutError"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` is `None` when nothing did."""

    status: int | None
    data: Any = None
    reason: str = ""
    retry_after_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: bool = True
    """False if the request certainly never reached the server."""
    timed_out: bool = False


class Connection:
    """Asks and never raises; `secret` is blotted out of what the server says."""

    def __init__(self, base_url: str, secret: str) -> None:
        self._base_url = base_url
        self._secret = secret
        self._session: Any = None
        self._kinds: dict[tuple[object, ...], Any] = {}

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
        """Post `body`, which is JSON, and tell what came back."""
        headers = {"Content-Type": "application/json", **headers}
        return self._asked("POST", path, headers, body, _READ_TIMEOUT_S)

    def get(self, path: str, headers: Mapping[str, str], *, timeout_s: float = _READ_TIMEOUT_S) -> Answer:
        """Get `path` and tell what came back, or in `reason` the root of why nothing did."""
        return self._asked("GET", path, headers, None, timeout_s)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        timeout_s: float,
    ) -> Answer:
        """Make any call, whose answer may be long; `timeout_s` holds for all of it."""
        return self._asked(method, path, headers, body, timeout_s, limit=_LONG_ANSWER_LIMIT)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
            self._kinds.clear()

    def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        *,
        limit: int | None = None,
    ) -> Answer:
        """With a `limit` the answer may be so long, and has to be there within `timeout_s`."""
        deadline = time.monotonic() + (_ANSWER_TIMEOUT_S if limit is None else timeout_s)
        try:
            with importing():
                # With the codec that every look-up of a host loads: a child that is forked meanwhile would
                # find its module locked for ever.
                import encodings.idna  # noqa: F401

                import requests
        except Exception as error:  # no file can be opened, or a warning of urllib3's is an error here
            return Answer(None, reason=type(error).__name__, sent=False)
        try:
            if self._session is None:
                self._session = requests.Session()
                self._session.headers["User-Agent"] = f"promptlayer_patch/{__version__}"
                self._take_from_environment()
            # By the adapter, which follows no redirect: a POST would arrive as a GET.
            url = self._base_url + path
            prepared = self._prepared(requests.Request(method, url, headers=dict(headers), data=body))
            response = self._session.get_adapter(prepared.url).send(
                prepared,
                stream=True,
                timeout=(min(_CONNECT_TIMEOUT_S, timeout_s), timeout_s),
                verify=self._session.verify,
                proxies=self._session.proxies,
            )
            with response:
                # urllib3 1 takes half an answer for a whole one, unless it is told not to.
                response.raw.enforce_content_length = True
                raw = _read(response.raw, limit or _ANSWER_LIMIT, deadline)
            prepared.body = None  # it may be kept, and what was sent must not be
        except Exception as error:  # of requests, and urllib3's own while the body is read
            self._kinds.clear()  # and with it what was to be sent
            brief = body is not None and limit is None
            names = _chain_of(error)
            return Answer(
                None,
                reason=type(error).__name__ if brief else _root_of(error),
                sent=_UNSENT.isdisjoint(names),
                timed_out=not _TIMEOUTS.isdisjoint(names),
            )
        return self._answer(response, raw)

    def _prepared(self, request: Any) -> Any:
        """`request`, ready to be sent. Making it so takes a fifth of the time, so what has a body is kept."""
        kind = (request.method, request.url, *request.headers.items())
        prepared = self._kinds.get(kind) if request.data else None
        if prepared is None:
            prepared = self._session.prepare_request(request)
            if request.data and len(self._kinds) < _KINDS:
                self._kinds[kind] = prepared
            return prepared
        prepared.body = request.data
        prepared.headers["Content-Length"] = str(len(request.data))
        return prepared

    def _take_from_environment(self) -> None:
        """Proxies and certificates, once and not for each request; and no password from ~/.netrc."""
        found = self._session.merge_environment_settings(self._base_url, {}, None, None, None)
        self._session.proxies, self._session.verify = found["proxies"], found["verify"]
        self._session.trust_env = False

    def _answer(self, response: Any, raw: bytes) -> Answer:
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError):
            data = None
        words = message_in(data).replace(self._secret or "\0", "***")[:_REASON_LIMIT]
        reason = f"HTTP {response.status_code}" + (f": {words}" if words else "")
        headers = response.headers
        return Answer(response.status_code, data, reason, _retry_after(headers.get("Retry-After")), headers)


def _read(body: Any, limit: int, deadline: float) -> bytes:
    """The body, up to a size and a time; every single read is bounded by the timeout of the request."""
    # Where it exists, `read1` gives what is there and does not wait for as much as was asked for. Only
    # urllib3's own: what stands in for its response, as vcrpy's does, takes no keywords there.
    has_its_own = type(body).__module__.startswith("urllib3.")
    read = getattr(body, "read1", body.read) if has_its_own else body.read
    raw, piece = bytearray(), b"-"
    while piece and len(raw) < limit:
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
        piece = read(_SMALL if len(raw) < 16 * _SMALL else _LARGE, decode_content=True)
        raw += piece
    return bytes(raw)


def _chain_of(error: BaseException) -> set[str]:
    """The names of an error's class and of those of the errors it came from."""
    names: set[str] = set()
    step: BaseException | None = error
    while step is not None:
        names.add(type(step).__name__)
        step = step.__cause__ or step.__context__
    return names


def _root_of(error: BaseException) -> str:
    """The class of what lies at the bottom of an error, unless its own says more."""
    name = type(error).__name__
    if name in ("ConnectTimeout", "ReadTimeout", "ProxyError"):
        return name
    cause = error.__cause__ or error.__context__
    return name if cause is None else _root_of(cause)


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait by a `Retry-After` header, which gives seconds or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        with importing():
            from email.utils import parsedate_to_datetime

        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError, OSError):
            return None
