"""What an endpoint may do with a request. Whatever sends a success answer has stored the record before."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.serving import Exchange

Behaviour = Callable[["Exchange"], None]

HUGE_BYTES = 10_000_000


def ok(exchange: Exchange) -> None:
    exchange.answer(200, exchange.store())


def reset(after: int = 10, *, of: str = "request") -> Behaviour:
    """RST after so many bytes of the body of the `request`, or of the `answer`."""

    def behave(exchange: Exchange) -> None:
        if of == "request":
            exchange.read(after)
        else:
            exchange.answer(200, exchange.store(), send=after)
        exchange.reset()

    return behave


def hang(then: Behaviour = ok) -> Behaviour:
    """Say nothing until the endpoint is told to `let_go`; then go on with who is still there."""

    def behave(exchange: Exchange) -> None:
        exchange.wait()
        if exchange.client_left():
            exchange.drop()
        else:
            then(exchange)

    return behave


def busy(after_s: float, *, date: bool = False) -> Behaviour:
    """429 with a `Retry-After`; a date has whole seconds, so it is up to one second early."""

    def behave(exchange: Exchange) -> None:
        value = formatdate(time.time() + after_s, usegmt=True) if date else f"{after_s:g}"
        exchange.answer(429, _failure("slow down"), {"Retry-After": value})

    return behave


def storm(status: int = 500) -> Behaviour:
    return _failing(status, "everything is on fire")


def flaky(p: float, seed: int, failing: Behaviour | None = None) -> Behaviour:
    """Fail with probability `p`, the same way in every run."""
    chance = random.Random(seed)
    lock = threading.Lock()
    otherwise = failing or storm(503)

    def behave(exchange: Exchange) -> None:
        with lock:
            fails = chance.random() < p
        (otherwise if fails else ok)(exchange)

    return behave


def nonsense(exchange: Exchange) -> None:
    """Another's success, such as the page of a hotel's network."""
    exchange.answer(200, b"<html>Please accept our terms.</html>", {"Content-Type": "text/html"})


def wrong(data: Any = None) -> Behaviour:
    """A success in JSON of another shape."""
    body = {"status": "fine", "data": []} if data is None else data
    return lambda exchange: exchange.answer(200, body)


def redirect(exchange: Exchange) -> None:
    exchange.answer(302, b"", {"Location": "/elsewhere"})


def huge(exchange: Exchange) -> None:
    exchange.answer(200, {**exchange.store(), "padding": "x" * HUGE_BYTES})


def trickle(pause_s: float = 0.005) -> Behaviour:
    """One byte of the answer at a time."""
    return lambda exchange: exchange.answer(200, exchange.store(), pause_s=pause_s)


def truncated(exchange: Exchange) -> None:
    """Announce more than is sent."""
    exchange.answer(200, exchange.store(), announce_more=100)
    exchange.drop()


def store_then_drop(exchange: Exchange) -> None:
    exchange.store()
    exchange.drop()


def unauthorized(accepted: str | None = None) -> Behaviour:
    """401, except for the accepted key."""
    return _unless_key(accepted, _failing(401, "Invalid API key"))


def forbidden(accepted: str | None = None) -> Behaviour:
    return _unless_key(accepted, _failing(403, "This key may not write"))


def rejects(message: str, status: int = 400) -> Behaviour:
    return _failing(status, message)


def for_text(word: str, behaviour: Behaviour, otherwise: Behaviour = ok) -> Behaviour:
    """Treat the records whose prompt contains `word` in one way and the others in another."""
    return lambda exchange: (behaviour if word in exchange.text else otherwise)(exchange)


def _failing(status: int, message: str) -> Behaviour:
    return lambda exchange: exchange.answer(status, _failure(message))


def _unless_key(accepted: str | None, refusing: Behaviour) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        known = accepted is not None and accepted in exchange.keys
        (ok if known else refusing)(exchange)

    return behave


def _failure(message: str) -> Mapping[str, Any]:
    return {"success": False, "message": message}


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
