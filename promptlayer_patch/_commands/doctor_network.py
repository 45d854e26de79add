"""Whether the destination answers, takes the key, and has the same time. Nothing is recorded there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from promptlayer_patch._commands.checking import Check, failed, ok, warning
from promptlayer_patch._http import Answer, Connection
from promptlayer_patch._options import shown_url
from promptlayer_patch.exporters import Remote

__all__ = ["checks"]

_HARMLESS = "/prompt-templates?per_page=1"
"""Reads one page of a list: it needs a key, and leaves nothing behind."""
_STEP_S = 4.0
_ALL_S = 8.0
_SKEW_S, _GREAT_SKEW_S = 30.0, 300.0

_SILENCES = {
    "ConnectionRefusedError": "refuses the connection: nothing listens there",
    "gaierror": "is not known: its name cannot be resolved",
    "ConnectTimeout": f"does not take a connection within {_STEP_S:g} s",
    "ReadTimeout": f"takes the request and does not answer within {_STEP_S:g} s",
    "TimeoutError": f"does not answer within {_STEP_S:g} s",
    "ProxyError": "cannot be reached: the proxy of the environment does not let us through",
    "SSLCertVerificationError": "shows a certificate that is not trusted here",
    "SSLError": "does not speak TLS as it should",
    "RemoteDisconnected": "hangs up without an answer",
    "ConnectionResetError": "hangs up without an answer",
}


def checks(remote: Remote) -> list[Check]:
    before = time.time()
    answer = _within(_ALL_S, lambda: _asked(remote))
    middle = (before + time.time()) / 2
    if answer is None:
        answer = Answer(None, reason="TimeoutError")
    name = shown_url(remote.url)
    if answer.status is None:
        why = _SILENCES.get(answer.reason, f"cannot be reached: {answer.reason}")
        return [failed("destination", f"{name} {why}")]
    return [_reachable(name, answer), *_key(answer), *_clock(answer.headers, middle)]


def _asked(remote: Remote) -> Answer:
    connection = Connection(remote.url, remote.api_key)
    try:
        return connection.get(_HARMLESS, {"X-API-KEY": remote.api_key}, timeout_s=_STEP_S)
    finally:
        connection.close()


def _reachable(name: str, answer: Answer) -> Check:
    status, ours = answer.status or 0, isinstance(answer.data, dict)
    if 300 <= status < 400:
        to = shown_url(answer.headers.get("Location", "")) or "somewhere else"
        return failed("destination", f"{name} redirects to {to}, and records are not sent after it")
    if status in (404, 405, 501):
        text = "it is not PromptLayer itself, and may take records all the same"
        return warning("destination", f"{name} answers HTTP {status}: {text}")
    if status == 429 or status >= 500:
        return warning("destination", f"{name} answers {answer.reason}: records wait until it is well")
    if not ours or (status == 200 and "items" not in answer.data):
        return failed("destination", f"{name} answers HTTP {status}, but not as PromptLayer does")
    return ok("destination", f"{name} answers")


def _key(answer: Answer) -> list[Check]:
    if not isinstance(answer.data, dict):
        return []
    if answer.status in (401, 403):
        return [failed("key", f"is not accepted: {answer.reason}")]
    if answer.status == 200 and "items" in answer.data:
        return [ok("key", "is accepted")]
    return [warning("key", f"could not be tried: {answer.reason}")]


def _clock(headers: Mapping[str, str], now: float) -> list[Check]:
    try:
        # Dates have whole seconds, cut off.
        skew = now - parsedate_to_datetime(headers.get("Date", "")).timestamp() - 0.5
    except (TypeError, ValueError, OverflowError, IndexError):
        return []
    text = f"this clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the destination's"
    if abs(skew) > _GREAT_SKEW_S:
        return [failed("clock", text)]
    if abs(skew) > _SKEW_S:
        return [warning("clock", text)]
    return [ok("clock", "agrees with the destination's")]


def _within(seconds: float, ask: Callable[[], Answer]) -> Answer | None:
    """The answer, or `None` if it takes longer: resolving a name has no timeout of its own."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), name="promptlayer-doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
