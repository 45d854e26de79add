"""Promise 1: no fault of ours raises, warns, blocks or changes anything in the user's call.

Every function on the way of a call is made to fail, one at a time, while users' programs run. What they can
notice has to be what they notice without us.
"""

from __future__ import annotations

import gc
import pkgutil
from collections.abc import Callable, Iterator

import pytest

import promptlayer_patch
from promptlayer_patch import _call_options
from promptlayer_patch.exporters.memory import MemoryExporter
from tests.support.faults import Place, failing, places, reached
from tests.support.faults_watching import RUNS, Outcome, observe, our_log, put_right

BESIDE_THE_WAY = {
    "__main__": "the command line",
    "cli": "the command line",
    "_http": "exporters' own, on the worker's thread",
    "_wire": "exporters' own, on the worker's thread",
}
MODULES = sorted(
    module.name
    for module in pkgutil.iter_modules(promptlayer_patch.__path__)
    if not module.ispkg and module.name not in BESIDE_THE_WAY
)
PLACES = places(MODULES)

SHELLS: dict[str, str] = {
    name: why
    for why, names in {
        "the wrapper itself: it calls the library's method and hands over what comes of it": (
            "_capture.Capture._around.<locals>.wrapper",
            "_capture.Capture._call",
            "_capture.Capture._announce",
            "_following.follow",
            "_following._follow_async",
            "_capture.Capture.around_request",
            "_capture.Capture.around_attempt",
            "_capture.Capture.around_response",
            "_call_options._InScope.__call__",
            "_call_options._in_scope",
            "_call_options._async_with_id",
            "_patching._stepping_over.<locals>.stepping_over",
            "_streams._tee",
            "_streams._async_tee",
            "_streams._Watched.iter_bytes",
            "_streams._Watched.aiter_bytes",
            "_streams._Watched.iter_raw",
            "_streams._Watched.aiter_raw",
            "_streams._Watched.close",
            "_streams._Watched.aclose",
            "_streams._Watched.__reduce_ex__",
        ),
        "finalizers, in which the last resort stands": (
            "_streams.Watch.__del__",
            "_unawaited.Unawaited.__del__",
            "_call_options._InScope.__del__",
            "_receipts.remember.<locals>.<lambda>",
        ),
        "the body of a thread, in which the last resort stands": ("_worker.Worker._run", "_lanes.Lane._run"),
        "the last resort": ("_guard.report",),
        "called by the user": (
            "_install.install",
            "_install.uninstall",
            "_install.flush",
            "_install.stats",
            "_receipts.receipt_of",
            "_scope.suppress",
            "_scope.scope.__init__",
            "_scope.scope.__enter__",
            "_scope.scope.__exit__",
        ),
    }.items()
    for name in names
}
NOT_REACHED: dict[str, str] = {}


class Odd(Exception):
    """As unhelpful as an exception can be."""

    def __str__(self) -> str:
        raise ValueError("I do not say")

    __repr__ = __str__


FAULTS: dict[str, Callable[[], Exception]] = {
    "RuntimeError": lambda: RuntimeError("of ours"),
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("too deep"),
    "Odd": Odd,
}
Bare = dict[tuple[str, bool], Outcome]


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for an id that a fault keeps from coming."""
    monkeypatch.setattr(_call_options, "_ID_TIMEOUT_S", 0.01)


@pytest.fixture(scope="module")
def bare() -> Bare:
    """What the programs come to without us."""
    return {run: observe(run, installed=False) for run in RUNS}


@pytest.fixture(scope="module")
def visits() -> dict[tuple[str, bool], set[str]]:
    """Which functions of ours each program comes by."""
    by_code = {place.code: name for name, place in PLACES.items()}
    found = {}
    for run in RUNS:
        promptlayer_patch.install(to=MemoryExporter())
        with reached() as codes:
            observe(run, installed=True)
        found[run] = {by_code[code] for code in codes if code in by_code}
    return found


class Failing:
    """Raises, and counts how often."""

    def __init__(self, make: Callable[[], Exception]) -> None:
        self.make = make
        self.times = 0

    def __call__(self) -> None:
        self.times += 1
        raise self.make()


@pytest.mark.parametrize("fault", ["RuntimeError", "Odd"])
@pytest.mark.parametrize("name", [name for name in PLACES if name not in SHELLS | NOT_REACHED])
def test_a_function_that_fails_is_not_noticed(name: str, fault: str, bare: Bare, visits: dict) -> None:
    failures = []
    times = 0
    for run in RUNS:
        if name not in visits[run]:
            continue
        promptlayer_patch.install(to=MemoryExporter(), shutdown_timeout_s=0.2)
        fail = Failing(FAULTS[fault])
        with our_log() as log, failing(PLACES[name], fail):
            outcome = observe(run, installed=True)
        put_right()
        times += fail.times
        failures += [f"{run}: {difference}" for difference in outcome.differences(bare[run])]
    assert failures == []
    assert times
