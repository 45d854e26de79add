"""Calls that wait for PromptLayer's answer and raise what went wrong, for who asked is there to be told."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from promptlayer_patch import errors
from promptlayer_patch._cassettes import in_use
from promptlayer_patch._http import Answer, Connection
from promptlayer_patch._options import sends, shown_url
from promptlayer_patch._process import current_settings
from promptlayer_patch._wire import encoded, message_in
from promptlayer_patch.exporters import remote

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.2
"""Doubled for each further attempt, and shortened at random by up to a half."""
_IDLE_S = 20.0
"""How long a connection is kept for the next call; servers close theirs after that."""
_IDLE_CONNECTIONS = 8
_NOT_OURS = "not PromptLayer's answer"

_CLASSES = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    422: errors.Unprocessable,
    429: errors.RateLimited,
}


@dataclass(frozen=True, slots=True)
class Account:
    """Where PromptLayer is, and with which key it is asked."""

    url: str = field(repr=False)
    api_key: str = field(repr=False)


def account() -> Account:
    """The one of the current `install()`, else of the environment. Raises `InvalidArgument` without a key."""
    settings = current_settings()
    if not settings.api_key:
        raise errors.InvalidArgument(
            "api_key", "this asks PromptLayer: pass api_key to install(), or set PROMPTLAYER_API_KEY"
        )
    for destination in settings.to:
        found = remote(destination, settings) if _is_promptlayer(destination) else None
        if found is not None:
            return Account(found.url, settings.api_key)
    return Account(settings.base_url, settings.api_key)


def ask(
    account: Account,
    method: str,
    path: str,
    *,
    query: Iterable[tuple[str, str]] = (),
    body: dict[str, Any] | None = None,
    key_in_body: bool = False,
    key_in_header: bool = True,
    repeatable: bool = True,
    timeout_s: float,
) -> Any:
    """The JSON that PromptLayer answers; `None` where it has nothing to say.

    Within `timeout_s` a call is tried up to four times: after HTTP 429 (when `Retry-After` fits into the time
    that is left) and where no connection came about; if it is `repeatable`, also after HTTP 5xx and a
    connection that broke. What is not may have been done already when the answer is lost.

    Raises the classes of `errors` for connections, timeouts and statuses.
    """
    _check_that_it_may_leave(account)
    target = path + _query_string(query)
    headers = {"X-API-KEY": account.api_key} if key_in_header else {}
    content = None
    if body is not None or key_in_body:
        headers["Content-Type"] = "application/json"
        content = encoded({**(body or {}), **({"api_key": account.api_key} if key_in_body else {})})
    deadline = time.monotonic() + timeout_s
    attempt = 0
    while True:
        attempt += 1
        left = max(0.001, deadline - time.monotonic())
        answer = _POOL.ask(account, method, target, headers, content, timeout_s=left, fresh=not repeatable)
        pause = _pause_after(answer, attempt, repeatable=repeatable)
        if pause is None or time.monotonic() + pause >= deadline:
            return _result(account, answer, timeout_s)
        # Nobody sets it: a wait that a signal can end.
        threading.Event().wait(pause)


def _check_that_it_may_leave(account: Account) -> None:
    """A test that has not asked for it must not publish a template by mistake."""
    if sends() or in_use() is not None or urlsplit(account.url).hostname in _THIS_MACHINE:
        return
    raise errors.APIConnectionError(
        f"{shown_url(account.url)} is not asked in tests: "
        "use a cassette, or mark the test with promptlayer_send"
    )


def _pause_after(answer: Answer, attempt: int, *, repeatable: bool) -> float | None:
    """Seconds until the next attempt; `None` if there shall be none."""
    if attempt >= _ATTEMPTS:
        return None
    if answer.status is None:
        worth_it = repeatable or not answer.sent
    else:
        worth_it = answer.status == 429 or (repeatable and answer.status >= 500)
    if not worth_it:
        return None
    if answer.retry_after_s is not None:
        return answer.retry_after_s
    longest: float = _FIRST_PAUSE_S * 2 ** (attempt - 1)
    return longest * random.uniform(0.5, 1.0)


def _result(account: Account, answer: Answer, timeout_s: float) -> Any:
    status, place = answer.status, shown_url(account.url)
    if status is None:
        if answer.timed_out:
            raise errors.APITimeoutError(f"{place} did not answer within {timeout_s:g} s")
        raise errors.APIConnectionError(f"{place} could not be asked: {answer.reason}")
    if status == 204:
        return None
    if 200 <= status < 300:
        if not isinstance(answer.data, (dict, list)):
            raise errors.APIStatusError(status, _NOT_OURS)
        return answer.data
    kind = _CLASSES.get(status, errors.ServerError if status >= 500 else errors.APIStatusError)
    body = _without(answer.data, account.api_key)
    raise kind(status, message_in(body) or _NOT_OURS, body, answer.retry_after_s)


def _without(data: Any, secret: str) -> Any:
    """A server may quote what it was sent."""
    if isinstance(data, str):
        return data.replace(secret, "***")
    if isinstance(data, list):
        return [_without(one, secret) for one in data]
    if isinstance(data, dict):
        return {_without(key, secret): _without(value, secret) for key, value in data.items()}
    return data


def _query_string(query: Iterable[tuple[str, str]]) -> str:
    from urllib.parse import urlencode

    text = urlencode(list(query))
    return f"?{text}" if text else ""


def _is_promptlayer(destination: object) -> bool:
    return isinstance(destination, str) and destination.startswith("promptlayer:")


class _Pool:
    """Connections between two calls; each is used by one thread at a time."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            # The sockets are the parent's, and a lock may be held by a thread that is not here.
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Account, Connection]] = []

    def ask(
        self,
        account: Account,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        timeout_s: float,
        fresh: bool,
    ) -> Answer:
        """Over a connection that is there, unless a `fresh` one is wanted.

        The server may be closing the former just now, and who must not ask twice could not ask again.
        """
        connection = None if fresh else self._taken(account)
        if connection is None:
            connection = Connection(account.url, account.api_key)
        answer = Answer(None)
        try:
            answer = connection.ask(method, path, headers, body, timeout_s=timeout_s)
        finally:
            if answer.status is None:
                connection.close()
            else:
                self._give_back(account, connection)
        return answer

    def _taken(self, account: Account) -> Connection | None:
        now = time.monotonic()
        with self._lock:
            old = [one for one in self._idle if now - one[0] > _IDLE_S]
            self._idle = [one for one in self._idle if now - one[0] <= _IDLE_S]
            ours = next((one for one in reversed(self._idle) if one[1] == account), None)
            if ours is not None:
                self._idle.remove(ours)
        for _, _, connection in old:
            connection.close()
        return None if ours is None else ours[2]

    def _give_back(self, account: Account, connection: Connection) -> None:
        with self._lock:
            self._idle.append((time.monotonic(), account, connection))
            spare = self._idle.pop(0)[2] if len(self._idle) > _IDLE_CONNECTIONS else None
        if spare is not None:
            spare.close()


_POOL = _Pool()
