"""Promise 1 on the way to PromptLayer: whatever fails between the queue and the endpoint, nobody notices.

Every function of the outbox and of what empties it is made to fail, one at a time, while calls are made and
delivered to an endpoint that has its own troubles.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import promptlayer_patch
from tests.support.fake_promptlayer import Answer, FakePromptLayer, refused
from tests.support.faults import failing, places
from tests.support.faults_watching import Outcome, Run, observe, our_log, our_threads
from tests.test_promise_01_never_in_the_way import FAULTS, Failing

MODULES = [
    "_delivery.booking",
    "_delivery.circuit",
    "_delivery.courier",
    "_delivery.dispatch",
    "_encoding",
    "_refining.refining",
    "_delivery.outcomes",
    "_delivery.pace",
    "_delivery.room",
    "_delivery.spooling",
    "_symlinks",
    "_outbox.database",
    "_outbox.directory",
    "_outbox.file",
    "_outbox.items",
    "_outbox.ledger",
    "_outbox.locking",
    "_outbox.memory",
    "_outbox.rejected",
]
LEFT_OUT = {
    "the bottom of a thread, nothing but guarded steps": ("_delivery.courier.Courier._run",),
    "called by the garbage collector; one step of a dict": (
        "_delivery.outcomes.Outcomes.expect.<locals>.<lambda>",
    ),
    "after a fork: tests/faults": ("*fork*", "_outbox.locking.FileLock.abandon"),
    "the command line's": ("_outbox.rejected.RejectedItems.all", "_outbox.rejected.RejectedItems.drop"),
}
_AT_THE_LANE = {
    name: place
    for name, place in places(["_delivery.lane"]).items()
    if name.startswith("_delivery.lane.Lane.batch")
}
PLACES = {
    name: place
    for name, place in {**places(MODULES), **_AT_THE_LANE}.items()
    if not any(fnmatchcase(name, pattern) for patterns in LEFT_OUT.values() for pattern in patterns)
}
RUNS: list[Run] = [("scoped_calls", False), ("whole_stream", True), ("refused_call", False)]
SECRET = "pl_secret_0123456789abcdef"


@pytest.fixture(scope="module")
def bare() -> dict[Run, Outcome]:
    for run in RUNS:
        observe(run, installed=False)  # openai imports some things late
    gc.freeze()  # which the many collections of these tests need not look at
    return {run: observe(run, installed=False) for run in RUNS}


@pytest.fixture(scope="module")
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as server:
        yield server


@pytest.mark.parametrize(("number", "name"), list(enumerate(PLACES)), ids=str)
def test_a_fault_between_queue_and_endpoint_is_not_noticed(
    number: int, name: str, bare: dict[Run, Outcome], promptlayer: FakePromptLayer
) -> None:
    failures: list[str] = []
    for outbox in (True, False):
        run = RUNS[(number + outbox) % len(RUNS)]
        fault = [*FAULTS][(number + outbox) % len(FAULTS)]
        promptlayer.next_answers.clear()
        promptlayer.next_answers += [refused(503), refused(400, "no good"), Answer(200, b"?")]
        promptlayer_patch.install(
            to="promptlayer:",
            api_key=SECRET,
            base_url=promptlayer.base_url,
            outbox=outbox,
            batch=outbox == bool(number % 2),
            shutdown_timeout_s=0.1,
        )
        with our_log() as log, failing(PLACES[name], Failing(FAULTS[fault])):
            outcome = observe(run, installed=True)
            promptlayer_patch.flush(0.05)
            promptlayer_patch.stats()
            promptlayer_patch.uninstall()
        failures += [f"{run}, {fault}: {what}" for what in outcome.differences(bare[run])]
        failures += [f"logged {text}" for text in tactless(log)]
    assert failures == []
    end_threads()
    assert still_works(promptlayer)


def tactless(log: list[logging.LogRecord]) -> list[str]:
    """What tells of prompts or keys."""
    return [text for record in log if "spät" in (text := record.getMessage()) or SECRET in text]


def end_threads() -> None:
    """Close what a fault has kept from being closed."""
    for thread in our_threads():
        owner = getattr(getattr(thread, "_target", None), "__self__", None)
        if owner is not None:
            owner.close(5.0)
        thread.join(5.0)
        assert not thread.is_alive(), thread


def still_works(promptlayer: FakePromptLayer) -> bool:
    """The next installation, in which nothing fails, delivers."""
    promptlayer.next_answers.clear()
    promptlayer_patch.install(to="promptlayer:", api_key=SECRET, base_url=promptlayer.base_url)
    observe(RUNS[0], installed=True)
    done = promptlayer_patch.flush(10.0)
    promptlayer_patch.uninstall()
    return done


def test_no_key_is_on_disk(
    promptlayer: FakePromptLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_OUTBOX_DIR", str(tmp_path / "outbox"))
    promptlayer.next_answers.clear()
    promptlayer.answer = refused(503)
    promptlayer_patch.install(to="promptlayer:", api_key=SECRET, base_url=promptlayer.base_url)
    observe(RUNS[0], installed=True)
    promptlayer_patch.uninstall()
    promptlayer.answer = Answer()
    files = [path.read_bytes() for path in (tmp_path / "outbox").iterdir()]
    assert any(b"openai.chat.completions.create" in content for content in files)
    assert not any(SECRET.encode() in content for content in files)
