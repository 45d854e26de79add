"""Promise 1: no fault of ours raises, warns, blocks or changes anything in the user's call.

Every function on the way of a call is made to fail, one at a time, while users' programs run. What they can
notice has to be what they notice without us.
"""

from __future__ import annotations

import gc
import importlib
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from itertools import count, cycle
from pathlib import Path
from types import ModuleType
from typing import Any

import openai
import pytest

import promptlayer_patch
from promptlayer_patch import _capture, _delivery, _refining
from promptlayer_patch._arrival import Arrival
from promptlayer_patch._capture import call_options
from promptlayer_patch._capture.capture import Capture
from promptlayer_patch._patching import Instrumentation, Patcher, PatchPoint, Routes
from promptlayer_patch._settings import Settings
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Delivered, Delivery, Record, TryLater
from tests.support.faults import failing, fewest, places, reached
from tests.support.faults_watching import (
    RUNS,
    Outcome,
    Run,
    observe,
    our_log,
    our_threads,
    play,
    put_right,
    watched,
)
from tests.support.programs import run_program

BESIDE_THE_WAY = {
    "__main__": "the command line",
    "cli": "the command line",
    **dict.fromkeys(
        ("_cassettes", "_describing", "_diversion", "_pytest_plugin", "testing"),
        "there in tests only: tests/test_testing.py",
    ),
    "_bulk": "exporters' own: tests/test_batches.py",
    "_http": "exporters' own: what they raise is tested below",
    "_wire": "exporters' own: what they raise is tested below",
    "_symlinks": "asked where an outbox or a store is opened: tests/test_promise_01_delivering.py",
    **dict.fromkeys(("_api", "group"), "calls that the user makes, and that raise"),
    **dict.fromkeys(
        ("_exported", "_pricing", "_told"),
        "what readers of the local store do: tests/test_pricing.py, tests/test_command_export.py",
    ),
    **dict.fromkeys(
        ("_destinations", "_options", "_settings"),
        "check the arguments of install() and scope(), which are refused by raising",
    ),
    **dict.fromkeys(
        (
            "_delivery.booking",
            "_delivery.circuit",
            "_delivery.courier",
            "_delivery.dispatch",
            "_encoding",
            "_delivery.outcomes",
            "_delivery.pace",
            "_delivery.room",
            "_signals",
            "_delivery.spooling",
        ),
        "on the way to PromptLayer: tests/test_promise_01_delivering.py",
    ),
    **dict.fromkeys(
        (
            "_refining.content",
            "_refining.media",
            "_refining.redaction",
            "_refining.rewriting",
            "_refining.screening",
            "_refining.secrets",
            "_refining.shortening",
            "_vectors",
        ),
        "on the worker's thread, beneath `_refining.refined`, which is made to fail",
    ),
}
MODULES = sorted(
    name
    for name in (
        *(module.name for module in pkgutil.iter_modules(promptlayer_patch.__path__) if not module.ispkg),
        *(
            f"{room.__name__.rpartition('.')[2]}.{module.name}"
            for room in (_capture, _delivery, _refining)
            for module in pkgutil.iter_modules(room.__path__)
        ),
    )
    if name not in BESIDE_THE_WAY
)
PLACES = places(MODULES)

# By what they are left out, as patterns.
SHELLS = {
    "the wrapper itself: it makes the library's call and hands over what comes of it": (
        "_capture.capture.Capture._around.<locals>.wrapper",
        "_capture.capture.Capture.around_call.<locals>.wrapper",
        "_capture.capture.Capture._call",
        "_capture.capture.Capture._announce",
        "_capture.capture.Capture.around_request.<locals>.wrapper",
        "_capture.capture.Capture.around_attempt",
        "_capture.capture.Capture.around_response",
        "_capture.following.follow",
        "_capture.following._follow_async",
        "_capture.following.accompany",
        "_capture.following.accompany_async",
        "_capture.call_options._InScope.__call__",
        "_capture.call_options._in_scope",
        "_capture.call_options._async_with_id",
        "_capture.call_options._without_id",
        "_capture.call_options._leave",
        "_capture.unawaited.standing_for",
        "_patching._stepping_over.<locals>.stepping_over",
        "_patching._CreateType.__call__",
        "_capture.streams._tee",
        "_capture.streams._async_tee",
        "_capture.streams._Watched.*",
    ),
    "called by the garbage collector; each holds nothing but a guarded step": (
        "_capture.call.Call.__del__",
        "_capture.streams.Watch.__del__",
        "_capture.unawaited.Unawaited.__del__",
        "_capture.call_options._InScope.__del__",
        "_capture.receipts._forget",
    ),
    "the bottom of a thread or of an event loop; each holds nothing but guarded steps": (
        "_delivery.worker.Worker._run",
        "records._wake.<locals>.finish",
    ),
    "the guard itself": (
        "_guard.report",
        "_guard.quietly",
        "_guard.warn_once",
        "_capture.call_options.explain_none",
    ),
    "asked by who delivers to PromptLayer: tests/test_promise_01_delivering.py": (
        "_delivery.lane.Lane.batch*",
    ),
    "what an exporter asks a record for, within its own `export`: what it raises is tested below": (
        "_bodies.Bodies.read",
        "_bodies.outline",
    ),
    "the hook itself, called by the import system; each holds nothing but guarded steps": (
        "_arrival.Arrival.find_spec",
        "_patching.Patcher._imported",
    ),
    "a method that the user calls, and not openai's": (
        "_install.install",
        "_install.uninstall",
        "_process.Process.uninstall",
        "_installation.Installation.__init__",
        "_install.flush",
        "_install.stats",
        "_process.current_settings",
        "_process.Process.settings",
        "_capture.receipts.receipt_of",
        "_scope.suppress",
        "_scope.scope.__init__",
        "_scope.scope.__enter__",
        "_scope.scope.__exit__",
        "_annotating.*",
    ),
}
INSTALLING = (
    "_arrival.Arrival.forget",
    "_delivery.backlog.Backlog.__init__",
    "_delivery.backlog.Backlog.give_up",
    "_capture.capture.Capture.switch_o*",
    "_capture.opening.Opening.prepare",
    "_guard.forget_reports",
    "_installation.Installation.settings",
    "_process.Process._open",
    "_process.Process._start",
    "_process.Process._stop",
    "_process.Process._switch_on",
    "_process.Process.install",
    "_process.Process.opened",
    "_whereabouts._place",
    "_whereabouts.say_where",
    "_process.opened",
    "_delivery.lane.Lane.__init__",
    "_patching.Patcher.apply",
    "_patching.Patcher.remove",
    "_patching._chain",
    "_patching._strip",
    "_delivery.pipeline.Pipeline.__init__",
    "_delivery.pipeline.Pipeline.close",
    "_delivery.pipeline._all_in_time",
    "_delivery.pipeline._Decode.__init__",
    "_delivery.pipeline._opener*",
    "_delivery.pipeline._way",
    "_capture.streams.tell_all",
    "_delivery.rhythm.Rhythm.__init__",
    "_delivery.spent.Spent.__init__",
    "_delivery.turn.Turn.__init__",
    "_delivery.worker.Worker.__init__",
    "_delivery.worker.Worker._begin_with",
    "_delivery.worker.Worker._give_up",
    "_delivery.worker.Worker.close",
    "_delivery.worker.Worker.end",
)
"""What `install()` and `uninstall()` do."""

IMPORTING = (
    "_arrival.is_unfinished",
    "_capture.capture.Capture._around",
    "_capture.capture.Capture.around_call",
    "_capture.capture.Capture.around_helper",
    "_capture.capture.Capture.around_request",
    "_capture.capture.Capture.tapped",
    "_patching.Instrumentation.*",
    "_patching.PatchPoint.*",
    "_patching.Patcher._apply*",
    "_patching.Patcher._tap",
    "_patching.Patcher._wrap",
    "_patching._defined_in",
    "_patching._ours_in",
    "_patching._owner",
    "_patching._stepping_over",
    "_patching._Wrapper.__init__",
)
"""What happens when openai is imported after `install()`."""

NOT_REACHED = {
    "in a program that `promptlayer-patch run` has started: tests/test_command_run.py": ("*.is_undecided",),
    "where the queue is full: tests/test_what_is_kept.py": (
        "_delivery.backlog.Backlog._fits_when_lightened",
        "_capture.call.Call.lighten*",
        "_delivery.parcels.PendingAnnotation.lighten",
    ),
    "in a loop that never waits: tests/test_worker.py": ("_delivery.turn.Turn.stand_aside",),
    "when the worker wakes by itself, or soon after long bodies were delivered: tests/test_worker.py": (
        "_delivery.rhythm.Rhythm.woke",
        "_delivery.spent.Spent.give_back",
    ),
    "of calls that are not sampled: tests/test_what_is_kept.py": ("_sampling.*", "_intake._is_kept_error"),
    "a method that the user calls, and not openai's": (
        "_scope.scope.*",
        "_scope._decorated*",
        "_scope._stepwise*",
        "_scope._async_stepwise*",
        "_scope._until",
        "*.stats",
        "_delivery.pipeline.Pipeline.flush",
        "_delivery.worker.Worker.flush",
        "_delivery.parcels.Stats.__add__",
        "records.Receipt.done",
        "records.Receipt.__repr__",
        "records.Record.*",
        "errors.*.__init__",
        "errors.*.__reduce__",
    ),
    "checks the arguments of install(), which are refused by raising": ("_process.checked_options",),
    "where nobody says where records go: tests/test_featherweight.py": ("_guard.warn",),
    "after uninstall(): tests/test_worker.py": ("_delivery.backlog.Backlog.refuse",),
    "with clients and tools of other makers: tests/test_promise_06_one_call_one_record.py": (
        "_capture.capture.Capture._asks_like",
        "_capture.capture._passed",
    ),
    "looks at what is installed": ("_process.Process.pipeline", "_process.Process._settings"),
    "in tests of users only: tests/test_testing.py": (
        "_installation.Installation.end",
        "_process.Process.exchange",
    ),
    "names a method that is pickled or copied, which has nothing to do with calling it": (
        "_patching._Bound.*",
    ),
    "runs once, when this package or openai is imported": (
        "_arrival.Arrival.__init__",
        "_arrival.Arrival.wait",
        "_guard.__getattr__",
        "_arrival.Settling.*",
        "_patching.Patcher.apply.<locals>.<lambda>",
        "_capture.capture.Capture.__init__",
        "_capture.opening.Opening.__init__",
        "_process.Process.__init__",
        "_process.Process._openai_arrives",
        "_patching.Patcher.__init__",
        "_patching.Routes.__init__",
        "_patching._as_regex",
        "_patching.Routes._kind_of",
    ),
    "after a fork": (
        "*fork*",
        "_capture.streams.leave_to_parent",
        "_imports.*",
        "_delivery.backlog.Backlog.anew",
        "_delivery.backlog.Backlog.everything",
        "_delivery.lane.Lane.forget",
        "_delivery.worker.Worker.__init__.<locals>.<lambda>",
    ),
    "at the end of the process": (
        "_process.Process._end",
        "_exits.*",
        "_process.Process._at_exit_of_python",
        "_capture.streams.abandon_all",
        "_delivery.pipeline.Pipeline.end",
        "_delivery.pipeline.Pipeline.is_entered",
        "_process.Process._is_entered",
        "_delivery.worker.Worker.is_entered",
        "_delivery.worker.Worker._deliver_here",
    ),
    "with an openai whose names have moved: tests/test_without_the_tap.py": (
        "_capture.call.Call.untapped",
        "_capture.keeping.keep_result",
        "_decoding._dumped",
    ),
    "several destinations, on the worker's thread: see the exporters below": (
        "_delivery.pipeline._Votes.*",
        "_delivery.parcels.wait_before",
        "_delivery.backlog.Backlog.*put_off",
    ),
    "decodes what few answers hold; `record_of`, which calls it, is made to fail": (
        "_decoding._ends_unreadable",
        "_decoding._inflated",
        "_decoding._reported",
    ),
    "with an outbox: tests/test_promise_01_delivering.py": (
        "_delivery.parcels.Counts.settled",
        "_delivery.pipeline._spooling",
        "_delivery.pipeline._without_log",
        "_delivery.pipeline.Pipeline.look_around",
    ),
    "what is said about a request, off the way of a call: tests/test_track.py": (
        "track.*",
        "annotations.*",
        "_process.annotate",
        "_process.created_group",
        "_delivery.pipeline.Pipeline.create_group",
        "_process.Process.annotate",
        "_delivery.pipeline.Pipeline._before",
        "_delivery.pipeline._remember",
    ),
    "recording without install(): tests/test_asking.py": (
        "_asking.*",
        "_scope.asking",
        "_scope.asked",
        "_process.prepare",
        "_process.Process.prepare",
        "_intake.submit",
        "_process.submit",
        "_process.Process.submit",
        "_delivery.parcels.FinishedCall.*",
    ),
    "stands for a sink until there is one": ("_capture.opening.to_nobody",),
    "looks at what a fault was; the guard calls it": ("_guard._place",),
}


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def all_of(groups: dict[str, tuple[str, ...]]) -> list[str]:
    return [pattern for patterns in groups.values() for pattern in patterns]


IN_A_CALL = [
    name
    for name in PLACES
    if not matches(name, (*all_of(SHELLS), *all_of(NOT_REACHED), *INSTALLING, *IMPORTING))
]
SINCE_OPENAI_2 = {
    "_capture.closing._passes_through": "before that, no stream closes its response in a `finally`"
}


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
ODD_FAULTS = ("MemoryError", "RecursionError", "Odd")


class Failing:
    """Raises, and counts how often."""

    def __init__(self, make: Callable[[], Exception] = FAULTS["RuntimeError"]) -> None:
        self.make = make
        self.times = 0

    def __call__(self) -> None:
        self.times += 1
        raise self.make()


@pytest.fixture(scope="module", autouse=True)
def _all_imported(_quick_collections: None) -> None:
    """The many collections of these tests do not look at what openai imports late, either."""
    for run in RUNS:
        observe(run, installed=False)
    gc.freeze()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for an id that a fault keeps from coming."""
    monkeypatch.setattr(call_options, "ID_TIMEOUT_S", 0.01)


@pytest.fixture(scope="module")
def bare() -> dict[Run, Outcome]:
    """What the programs come to without us."""
    return {run: observe(run, installed=False) for run in RUNS}


@pytest.fixture(scope="module")
def programs(bare: dict[Run, Outcome]) -> dict[str, list[Run]]:
    """For every function that is reached, programs that come by it in every way there is."""
    ways: dict[str, dict[Run, set[Any]]] = {}
    for run in RUNS:
        promptlayer_patch.install(to=MemoryExporter())
        with reached(PLACES) as found:
            outcome = observe(run, installed=True)
        put_right()
        assert outcome.differences(bare[run]) == []
        for name, seen in found.items():
            ways.setdefault(name, {})[run] = seen
    return {name: fewest(by_run) for name, by_run in ways.items()}


def install(to: Any = None, **options: Any) -> None:
    promptlayer_patch.install(to=to or MemoryExporter(), shutdown_timeout_s=0.02, **options)


def test_nothing_is_left_out_without_a_reason() -> None:
    """A new function is made to fail while calls are made, unless somebody says here why not."""
    assert len(IN_A_CALL) > 100
    patterns = [*all_of(SHELLS), *all_of(NOT_REACHED), *INSTALLING, *IMPORTING]
    idle = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in PLACES)]
    assert idle == []


@pytest.mark.parametrize("name", IN_A_CALL)
def test_a_function_that_fails_is_not_noticed(
    name: str, bare: dict[Run, Outcome], programs: dict[str, list[Run]]
) -> None:
    """Not by what a call returns, raises, warns of or sends, nor by anything around it."""
    if name in SINCE_OPENAI_2 and int(openai.__version__.partition(".")[0]) < 2:
        pytest.skip(SINCE_OPENAI_2[name])
    assert name in programs, "no program comes by it: write one, or say above why there is none"
    runs = [(run, "RuntimeError") for run in programs[name]]
    runs += zip(cycle(programs[name]), ODD_FAULTS)
    failures, times = [], 0
    for run, fault in runs:
        install()
        fail = Failing(FAULTS[fault])
        with our_log() as log, failing(PLACES[name], fail):
            outcome = observe(run, installed=True, leaving=True)
        put_right()
        times += fail.times
        failures += [f"{run}, {fault}: {what}" for what in outcome.differences(bare[run])]
        failures += [f"{run}, {fault}: logged {text}" for text in log_too_loud(log)]
    assert failures == []
    assert times


@pytest.mark.parametrize(
    "run", [("plain_call", False), ("refused_call", False), ("whole_stream", False)], ids=str
)
@pytest.mark.parametrize(
    "name",
    [
        "_capture.call.Call.claim",
        "_capture.call.Call.fail",
        "_capture.call.Call.finish",
        "_capture.call.Call.keep",
        "_capture.following._returned",
        "_intake.put",
        "_delivery.pipeline.Pipeline.put",
        "_capture.streams.Watch.__init__",
        "_capture.streams.Watch.end",
        "_delivery.worker.Worker.put",
        "_delivery.worker.Worker._start",
    ],
)
def test_the_receipt_of_a_call_that_is_lost_says_so(name: str, run: Run) -> None:
    """Nobody waits for an id that will never come."""
    install()
    with promptlayer_patch.scope() as calls, our_log(), failing(PLACES[name], Failing()):
        observe(run, installed=True, leaving=True)
    put_right()
    gc.collect()
    assert [receipt.done for receipt in calls.receipts] == [True]


def log_too_loud(records: list[logging.LogRecord]) -> list[str]:
    """What is logged more than once, or tells what nobody should read in a log."""
    warned = [record.getMessage() for record in records if record.levelno >= logging.WARNING]
    again = {text for text in warned if warned.count(text) > 1}
    return [text for text in warned if text in again or "spät" in text or "of ours" in text]


# --- nothing fails ------------------------------------------------------------------------------------


def test_warnings_that_are_errors_are_the_same_ones(bare: dict[Run, Outcome]) -> None:
    """With `python -W error` we raise nothing that openai would not."""
    for run in RUNS:
        without = observe(run, installed=False, filtering="error")
        install()
        assert observe(run, installed=True, leaving=True, filtering="error").differences(without) == []


def test_the_debug_mode_of_asyncio_has_nothing_to_say(bare: dict[Run, Outcome]) -> None:
    for run in RUNS:
        if run[1]:
            without = observe(run, installed=False, debug=True)
            install()
            assert observe(run, installed=True, leaving=True, debug=True).differences(without) == []


def test_threads_do_not_notice_that_we_come_and_go(bare: dict[Run, Outcome]) -> None:
    """Installing and uninstalling takes a while, in which others make calls."""
    runs = [(name, is_async) for name in ("plain_call", "whole_stream") for is_async in (False, True)]

    def make_calls() -> list[str]:
        return [
            f"{run}: {outcome.error}"
            for _ in range(5)
            for run in runs
            if (outcome := play(run)).value != bare[run].value
        ]

    with our_log(), ThreadPoolExecutor(4) as pool:
        working = [pool.submit(make_calls) for _ in range(4)]
        while not all(future.done() for future in working):
            install()
            promptlayer_patch.uninstall()
    assert [future.result() for future in working] == [[]] * 4


# --- installing and uninstalling ----------------------------------------------------------------------

ORIGINAL = openai.resources.chat.completions.Completions.__dict__["create"]


@pytest.mark.parametrize("name", [name for name in PLACES if matches(name, INSTALLING)])
def test_installing_and_uninstalling_does_not_raise(name: str, bare: dict[Run, Outcome]) -> None:
    """A program whose last line is `uninstall()` ends well, whatever fails in it; so does the next one."""
    run = ("plain_call", False)
    outcome = Outcome()
    fail = Failing()
    with watched(outcome), our_log(), failing(PLACES[name], fail):
        install()
        assert observe(run, installed=True).differences(bare[run]) == []
        promptlayer_patch.uninstall()
        for thread in our_threads():
            thread.join(0.1)
    put_right()
    assert (outcome.noise, outcome.warnings) == ([], [])
    assert fail.times
    assert openai.resources.chat.completions.Completions.__dict__["create"] is ORIGINAL
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink)
    assert observe(run, installed=True).differences(bare[run]) == []
    assert promptlayer_patch.flush()
    assert len(sink.records) == 1


# --- importing openai after install() -----------------------------------------------------------------

LIBRARY = {
    "__init__.py": "from {name}._client import Client\n",
    "_client.py": """
class Base:
    def request(self, cast_to, options):
        return self._process_response(response=self._build_request(options), options=options)
    def _build_request(self, options):
        return options
    def _process_response(self, *, response, options):
        return response

class Client(Base):
    @property
    def things(self):
        from {name}.resources.things import Things
        return Things()
""",
    "resources/__init__.py": "",
    "resources/things.py": """
from typing_extensions import deprecated

class Things:
    def create(self, **kwargs):
        return kwargs
    @deprecated("do not")
    def edit(self, **kwargs):
        return kwargs
    def stream(self, **kwargs):
        return kwargs
""",
}
_serial = count()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a small library that is made like openai and has never been imported."""
    name = f"acme_{next(_serial)}"
    for path, source in LIBRARY.items():
        file = tmp_path / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source.replace("{name}", name))
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("name", [name for name in PLACES if matches(name, IMPORTING)])
def test_an_import_does_not_notice(name: str, library: str) -> None:
    """The library is there and works, recorded or not."""
    table = Instrumentation(
        library=library,
        client_module=f"{library}._client",
        clients=("Client",),
        points=(
            PatchPoint("things", "Things.create", "/things"),
            PatchPoint("things", "Things.edit", "/things/edit"),
            PatchPoint("things", "Things.stream", "/things", helper=True),
        ),
    )
    outcome, fail, patchers = Outcome(), Failing(), []

    def arrives() -> None:
        capture = Capture(Routes(table))
        patchers.append(Patcher(table, capture))
        capture.switch_on(Settings(), lambda _: None, lambda: None)
        patchers[0].apply()

    arrival = Arrival(library, arrives)
    arrival.wait()
    with watched(outcome), our_log() as log, failing(PLACES[name], fail):
        module = importlib.import_module(library)
        module.Client().things.create()
    arrival.forget()
    for patcher in patchers:
        patcher.remove()
    assert module.Client().request(None, {"method": "post"}) == {"method": "post"}
    assert module.Client().things.create(a=1) == {"a": 1}
    assert module.Client().things.stream(a=1) == {"a": 1}
    assert outcome.noise + [str(warning) for warning in outcome.warnings] + log_too_loud(log) == []
    assert fail.times


ALONE = """
import sys
from tests.support.faults import failing, places
import promptlayer_patch
from promptlayer_patch._capture import streams

def fail():
    print("failed")
    raise RuntimeError("of ours")

module = sys.argv[2]
for_good = failing(places([module])[sys.argv[1]], fail)
for_good.__enter__()
promptlayer_patch.install(to="memory:")
"""


@pytest.mark.parametrize("name", ["_arrival.Arrival.wait", "_process.Process._openai_arrives"])
def test_openai_itself_can_be_imported(name: str) -> None:
    """And all there is to see is one line in the log."""
    ended = run_program(f"{ALONE}import openai; print(openai.OpenAI.__name__)", name, PLACES[name].module)
    assert (ended.code, ended.out.split()) == (0, ["failed", "OpenAI"]), ended.err
    assert len(ended.err.splitlines()) == 1
    assert "failed: RuntimeError" in ended.err


@pytest.mark.parametrize(
    "name",
    [
        "_capture.streams.abandon_all",
        "_delivery.pipeline.Pipeline.end",
        "_delivery.pipeline._all_in_time",
        "_delivery.worker.Worker.end",
    ],
)
def test_the_end_of_the_process_is_a_quiet_one(name: str) -> None:
    ended = run_program(f"{ALONE}import openai", name, PLACES[name].module)
    assert (ended.code, ended.out.split()) == (0, ["failed"]), ended.err
    assert len(ended.err.splitlines()) == 1
    assert "failed: RuntimeError" in ended.err


# --- faults that are not ours -------------------------------------------------------------------------


class Exporting:
    """An exporter that does what it is made with."""

    def __init__(self, export: Callable[[Sequence[Record]], Any]) -> None:
        self.export = export

    def close(self) -> None:
        raise RuntimeError("cannot be closed")


def well(batch: Sequence[Record]) -> list[Delivery]:
    return [Delivered(1)] * len(batch)


def raising(make: Callable[[], BaseException]) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise make()

    return fail


EXPORTERS: dict[str, Callable[[], Exporting]] = {
    "raises": lambda: Exporting(raising(RuntimeError)),
    "raises something odd": lambda: Exporting(raising(Odd)),
    "exits": lambda: Exporting(raising(SystemExit)),
    "answers nothing": lambda: Exporting(lambda batch: None),
    "answers too little": lambda: Exporting(lambda batch: []),
    "answers too much": lambda: Exporting(lambda batch: [Delivered(1)] * 9),
    "answers nonsense": lambda: Exporting(lambda batch: ["well"] * len(batch)),
    "answers piece by piece, and breaks": lambda: Exporting(lambda batch: (1 // 0 for _ in batch)),
    "puts off for ever": lambda: Exporting(lambda batch: [TryLater(0.0)] * len(batch)),
}
SOME = [
    ("plain_call", True),
    ("stream_broken_off", False),
    ("refused_call", True),
    ("numbered_call", False),
    ("stream_dropped", True),
]


@pytest.mark.parametrize("what", EXPORTERS)
def test_an_exporter_can_do_what_it_likes(what: str, bare: dict[Run, Outcome]) -> None:
    failures = []
    for run in [*SOME, ("gathered_calls", True)]:
        with our_log():
            install(EXPORTERS[what]())
            outcome = observe(run, installed=True, leaving=True)
        put_right()
        failures += [f"{run}: {difference}" for difference in outcome.differences(bare[run])]
    assert failures == []


@pytest.mark.parametrize(
    "to", ["jsonl:/proc/no/such/place", "local:/proc/no/such/place.db", "promptlayer:"], ids=str
)
def test_a_destination_that_cannot_be_had_is_not_noticed(to: str, bare: dict[Run, Outcome]) -> None:
    failures = []
    for run in SOME:
        with our_log():
            install(to, api_key="pl_x", base_url="http://127.0.0.1:1")
            outcome = observe(run, installed=True, leaving=True)
        put_right()
        failures += [f"{run}: {difference}" for difference in outcome.differences(bare[run])]
    assert failures == []


@pytest.fixture
def hanging() -> Iterator[Exporting]:
    """An exporter that hangs until the test is over."""
    over = threading.Event()

    def export(batch: Sequence[Record]) -> list[Delivery]:
        over.wait()
        return well(batch)

    exporter = Exporting(export)
    exporter.close = lambda: None  # type: ignore[method-assign]
    yield exporter
    over.set()
    put_right()


def test_nobody_waits_for_a_destination_that_hangs(hanging: Exporting, bare: dict[Run, Outcome]) -> None:
    """Every program runs to its end while it hangs, by which nothing has been delivered."""
    install(hanging)
    runs = [run for run in RUNS if not run[0].startswith("uninstalled")]
    failures = [
        f"{run}: {difference}"
        for run in runs
        for difference in observe(run, installed=True).differences(bare[run])
    ]
    assert failures == []
    stats = promptlayer_patch.stats()
    assert stats.delivered == 0
    assert stats.queued > len(runs) / 2


def test_a_full_queue_is_not_noticed(hanging: Exporting, bare: dict[Run, Outcome]) -> None:
    with our_log() as log:
        install(hanging, queue_max_records=1)
        runs = [run for run in RUNS if not run[0].startswith("uninstalled")]
        failures = [
            f"{run}: {difference}"
            for run in runs
            for difference in observe(run, installed=True).differences(bare[run])
        ]
    assert failures == []
    stats = promptlayer_patch.stats()
    assert (stats.queued, stats.dropped) == (1, stats.recorded - 1)
    warned = [record.getMessage() for record in log if record.levelno >= logging.WARNING]
    assert [text for text in warned if text.startswith("a record was dropped")] == [
        "a record was dropped: the queue is full"
    ]


BUILT_ON = [
    (module, name)
    for module in MODULES
    for name, thing in sorted(vars(importlib.import_module(f"promptlayer_patch.{module}")).items())
    if isinstance(thing, ModuleType) and not thing.__name__.startswith("promptlayer_patch")
]


class Broken(ModuleType):
    """A module of the standard library on a bad day."""

    def __getattr__(self, name: str) -> Any:
        raise OSError(f"no {name} today")


@pytest.mark.parametrize(("module", "name"), BUILT_ON, ids=lambda part: part)
def test_what_we_are_built_on_may_break(
    module: str, name: str, bare: dict[Run, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock, the random numbers, threads, weak references, frames, logging, the interpreter's tables."""
    failures = []
    for run in SOME:
        with our_log(), monkeypatch.context() as patch:
            install()
            patch.setattr(f"promptlayer_patch.{module}.{name}", Broken(name))
            outcome = observe(run, installed=True, leaving=True)
        put_right()
        failures += [f"{run}: {difference}" for difference in outcome.differences(bare[run])]
    assert failures == []


@pytest.mark.parametrize(
    "name",
    [
        "_capture.call.Call.__init__",
        "_capture.call.Call.keep",
        "_capture.streams.Watch.keeper",
        "_capture.call.Call.fail",
    ],
)
def test_a_log_handler_that_raises_is_not_noticed(name: str, bare: dict[Run, Outcome]) -> None:
    handler = logging.Handler()
    handler.emit = raising(OSError)  # type: ignore[method-assign]
    logger = logging.getLogger("promptlayer_patch")
    failures = []
    for run in [*SOME, ("streaming_response", False), ("streaming_response", True)]:
        install()
        with our_log(), failing(PLACES[name], Failing()):
            logger.addHandler(handler)
            try:
                outcome = observe(run, installed=True, leaving=True)
            finally:
                logger.removeHandler(handler)
        put_right()
        failures += [f"{run}: {difference}" for difference in outcome.differences(bare[run])]
    assert failures == []


def test_a_log_handler_that_raises_does_not_undo_install() -> None:
    """Where records go can be said nowhere, but they go there."""
    handler = logging.Handler()
    handler.emit = raising(OSError)  # type: ignore[method-assign]
    logger = logging.getLogger("promptlayer_patch")
    sink = MemoryExporter()
    with our_log():
        logger.addHandler(handler)
        try:
            install(sink)
        finally:
            logger.removeHandler(handler)
    assert observe(("tagged_call", False), installed=True).error is None
    assert promptlayer_patch.flush()
    assert [record.tags for record in sink.records] == [("a", "b")]


def test_a_fault_is_logged_once_at_warning_and_then_quietly(bare: dict[Run, Outcome]) -> None:
    """So that nobody has to switch us off to be able to read their log."""
    run = ("plain_call", False)
    install()
    with our_log() as log, failing(PLACES["_capture.call.Call.keep"], Failing()):
        for _ in range(3):
            assert observe(run, installed=True).differences(bare[run]) == []
    assert [record.levelname for record in log] == ["WARNING", "DEBUG", "DEBUG"]
    assert "keeping a response failed: RuntimeError at" in log[0].getMessage()
