"""Whatever the endpoint does, calls go on as ever, every record arrives once, and no key is left behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import promptlayer_patch
from promptlayer_patch.errors import RequestIdUnavailable
from tests.faults import behaviours as b
from tests.faults.children import MODEL, client
from tests.faults.endpoint import Endpoint

OLD_KEY = "pl_secret_old_key"
NEW_KEY = "pl_secret_new_key"
ENOUGH_S = 40.0
"""For a delivery; longer than a request that is not answered is waited for."""
A_WHILE_S = 1.5
"""In which something would come, if it came."""
CALLS = 12
PATHS = {"single": "/track-request", "batch": "/spans-bulk"}

Faults = dict[str, b.Behaviour]
FAULTS: Faults = {
    "resets the request": b.reset(10),
    "resets the answer": b.reset(10, of="answer"),
    "hangs": b.hang(),
    "is busy": b.busy(0.3),
    "is in a storm": b.storm(),
    "is a bad gateway": b.storm(502),
    "is flaky": b.flaky(0.5, seed=7),
    "drops every second connection": b.flaky(0.5, seed=8, failing=b.store_then_drop),
    "answers nonsense": b.nonsense,
    "answers in another shape": b.wrong(),
    "answers with a list": b.wrong([1, 2, 3]),
    "redirects": b.redirect,
    "answers at length": b.huge,
    "trickles": b.trickle(0.002),
    "answers half": b.truncated,
    "stores and drops": b.store_then_drop,
}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(dedupe=True) as made:
        yield made


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture(params=["single", "batch"])
def form(request: pytest.FixtureRequest) -> str:
    """One record a request, or what waits in one."""
    form: str = request.param
    return form


@pytest.fixture(autouse=True)
def _environment(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    endpoint: Endpoint,
    outbox: Path,
    form: str,
) -> None:
    monkeypatch.setenv("PROMPTLAYER_BATCH", str(int(form == "batch")))
    monkeypatch.setenv("PROMPTLAYER_API_KEY", OLD_KEY)
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", endpoint.base_url)
    monkeypatch.setenv("PROMPTLAYER_OUTBOX_DIR", str(outbox))
    monkeypatch.setenv("PROMPTLAYER_SHUTDOWN_TIMEOUT_S", "0.5")
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "openai")  # which says a lot of its own


def ask(text: str) -> Any:
    return client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])


def texts(calls: int, *, begin: int = 0) -> list[str]:
    return [f"call {at}" for at in range(begin, begin + calls)]


def assert_no_key_is_left(outbox: Path, caplog: pytest.LogCaptureFixture) -> None:
    left = [path for path in outbox.rglob("*") if path.is_file() and b"pl_secret" in path.read_bytes()]
    assert left == []
    assert "pl_secret" not in caplog.text


def assert_all_delivered(endpoint: Endpoint, expected: Sequence[str]) -> None:
    assert promptlayer_patch.flush(ENOUGH_S)
    assert sorted(endpoint.texts) == sorted(expected)
    found = promptlayer_patch.stats()
    assert (found.delivered, kept(), found.rejected, found.dropped) == (len(expected), 0, 0, 0)


def kept() -> int:
    """How many records wait, in memory or on disk."""
    found = promptlayer_patch.stats()
    return found.queued + found.outbox


def settled(endpoint: Endpoint) -> int:
    """How many requests have come in when no more do."""
    endpoint.wait_for_arrivals(1)
    while endpoint.wait_until(_more_than(endpoint, found := len(endpoint.arrivals)), A_WHILE_S):
        assert found < 100, "requests do not stop coming"
    return len(endpoint.arrivals)


def _more_than(endpoint: Endpoint, requests: int) -> Callable[[], bool]:
    return lambda: len(endpoint.arrivals) > requests


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_no_call_is_affected_when_it(
    endpoint: Endpoint, outbox: Path, caplog: pytest.LogCaptureFixture, fault: str, form: str
) -> None:
    bare = ask("bare")
    endpoint.behave(FAULTS[fault])
    promptlayer_patch.install()
    began = time.monotonic()
    answers = [ask(text) for text in texts(CALLS)]
    took_s = time.monotonic() - began
    endpoint.wait_for_arrivals(1)
    assert_no_key_is_left(outbox, caplog)
    assert [answer.to_json() for answer in answers] == [bare.to_json()] * CALLS
    # Somebody who waited for the endpoint would take as long as it hangs.
    assert took_s < 5.0
    endpoint.behave(b.ok)
    endpoint.let_go()
    assert_all_delivered(endpoint, texts(CALLS))
    assert_no_key_is_left(outbox, caplog)
    assert {arrival.path for arrival in endpoint.arrivals} <= {"/track-request", PATHS[form]}


def test_nothing_is_lost_while_nobody_listens(
    endpoint: Endpoint, outbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.refuse()
    promptlayer_patch.install()
    for text in texts(CALLS):
        ask(text)
    assert not promptlayer_patch.flush(0.5)
    assert kept() == CALLS
    assert_no_key_is_left(outbox, caplog)
    endpoint.behave(b.ok)
    assert_all_delivered(endpoint, texts(CALLS))
    assert_no_key_is_left(outbox, caplog)


def test_it_comes_back_and_goes_away_again(endpoint: Endpoint) -> None:
    promptlayer_patch.install()
    for at in range(4):
        endpoint.refuse()
        for text in texts(3, begin=3 * at):
            ask(text)
        endpoint.behave(b.ok)
        assert promptlayer_patch.flush(ENOUGH_S)
    assert_all_delivered(endpoint, texts(CALLS))


def test_what_it_stored_before_it_dropped_the_connection_is_stored_once(
    endpoint: Endpoint, form: str
) -> None:
    endpoint.script(*[b.store_then_drop] * 5)
    promptlayer_patch.install()
    for text in texts(CALLS):
        ask(text)
    assert_all_delivered(endpoint, texts(CALLS))
    assert endpoint.resends == 5 or (form == "batch" and endpoint.resends > 5)


@pytest.mark.parametrize(
    ("busy", "at_least_s"),
    [(b.busy(1), 0.95), (b.busy(3, date=True), 1.8)],
    ids=["seconds", "date"],
)
def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_says(
    endpoint: Endpoint, busy: b.Behaviour, at_least_s: float
) -> None:
    endpoint.script(busy)
    promptlayer_patch.install()
    ask("patient")
    endpoint.wait_for_stored(1)
    first, second = endpoint.arrivals
    assert second.at - first.at >= at_least_s


@pytest.mark.parametrize("refusing", [b.unauthorized, b.forbidden])
def test_a_key_that_is_refused_is_not_tried_again_and_a_new_one_delivers_everything(
    endpoint: Endpoint, outbox: Path, caplog: pytest.LogCaptureFixture, refusing: Any
) -> None:
    endpoint.behave(refusing(accepted=NEW_KEY))
    promptlayer_patch.install()
    for text in texts(3):
        ask(text)
    requests = settled(endpoint)
    for text in texts(20, begin=3):
        ask(text)
    assert not endpoint.wait_until(_more_than(endpoint, requests), A_WHILE_S)
    found = promptlayer_patch.stats()
    assert (kept(), found.rejected, found.dropped) == (23, 0, 0)
    warnings = [entry for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert len(warnings) == 1, [entry.getMessage() for entry in warnings]
    promptlayer_patch.install(api_key=NEW_KEY)
    assert promptlayer_patch.flush(ENOUGH_S)
    endpoint.wait_for_stored(23)
    assert sorted(endpoint.texts) == sorted(texts(23))
    assert_no_key_is_left(outbox, caplog)


def test_a_record_that_is_rejected_keeps_the_servers_words_and_holds_up_nobody(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.behave(b.for_text("bad", b.rejects("kwargs.model: unheard of")))
    promptlayer_patch.install()
    ask("good before")
    with promptlayer_patch.scope() as calls:
        ask("bad")
    ask("good after")
    assert promptlayer_patch.flush(ENOUGH_S)
    assert sorted(endpoint.texts) == ["good after", "good before"]
    found = promptlayer_patch.stats()
    assert (found.delivered, found.rejected, found.dropped) == (2, 1, 0)
    with pytest.raises(RequestIdUnavailable, match=r"kwargs\.model: unheard of"):
        calls.request_id()
    assert "kwargs.model: unheard of" in caplog.text
