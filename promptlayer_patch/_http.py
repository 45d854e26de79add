"""One kept-alive connection to PromptLayer. The only user of requests, imported when it first posts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._imports import importing
from promptlayer_patch._version import __version__
from promptlayer_patch._wire import message_in

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 15.0
_ANSWER_LIMIT = 1_000_000
"""Bytes of an answer that are read; PromptLayer's are a few hundred."""
_REASON_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` is `None` when nothing did."""

    status: int | None
    data: Any = None
    reason: str = ""
    retry_after_s: float | None = None


class Connection:
    """Posts JSON and never raises; `secret` is blotted out of what the server says."""

    def __init__(self, base_url: str, secret: str) -> None:
        self._base_url = base_url
        self._secret = secret
        self._session: Any = None

    def post(self, path: str, body: bytes) -> Answer:
        """Post `body`, which is JSON, and tell what came back."""
        with importing():
            import requests

        if self._session is None:
            self._session = requests.Session()
            self._session.headers["User-Agent"] = f"promptlayer_patch/{__version__}"
        try:
            # A redirected POST would arrive as a GET, so redirects are answers like others.
            response = self._session.post(
                self._base_url + path,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
            )
            with response:
                raw = response.raw.read(_ANSWER_LIMIT, decode_content=True)
        except Exception as error:  # of requests, and urllib3's own while the body is read
            return Answer(None, reason=type(error).__name__)
        return self._answer(response, raw)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _answer(self, response: Any, raw: bytes) -> Answer:
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError):
            data = None
        words = message_in(data).replace(self._secret or "\0", "***")[:_REASON_LIMIT]
        reason = f"HTTP {response.status_code}" + (f": {words}" if words else "")
        return Answer(response.status_code, data, reason, _retry_after(response.headers.get("Retry-After")))


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
