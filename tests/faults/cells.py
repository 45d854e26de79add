"""One child under one endpoint, from its first call to the replay of what it has left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.accounting import NS_PER_MS, Notes, Returned, displacement, duplicated, lost, read_notes
from tests.faults.behaviours import Behaviour, hang, ok, store_then_drop, storm
from tests.faults.endpoint import Endpoint
from tests.faults.running import run
from tests.faults.warm import Interpreters
from tests.support.programs import Ended

API_KEY = "pl_secret_of_the_faults"
SHUTDOWN_TIMEOUT_S = 2.0
REPLAY_TIMEOUT_S = 30

STATES: Mapping[str, Behaviour | None] = {
    "ok": ok,
    "refuse": None,
    "hang": hang(),
    "storm": storm(),
    "store_then_drop": store_then_drop,
}
"""What the endpoint does while the child lives; after that it is well. `None` is a closed port."""
DEDUPES = frozenset({"store_then_drop"})


@dataclass(frozen=True)
class Outcome:
    ending: str
    state: str
    outbox: bool
    child: Ended
    exit_s: float
    """From the beginning of the ending to the end of the process."""
    returned: int
    lost: Sequence[Returned]
    recent: int
    """How many calls had returned within the last 250 ms."""
    oldest_lost_ms: float
    duplicated: int
    displacement: int
    replay: Ended | None


def run_cell(
    interpreters: Interpreters, ending: str, state: str, *, outbox: bool, where: Path, batch: bool = False
) -> Outcome:
    """Run a child in the empty directory `where`."""
    with Endpoint(STATES[state] or ok, dedupe=state in DEDUPES) as endpoint:
        if STATES[state] is None:
            endpoint.refuse()
        environment = environment_of(endpoint.base_url, where, outbox=outbox, batch=batch)
        child, ended_ns = run_child(interpreters, ending, where, environment)
        endpoint.behave(ok)
        endpoint.let_go()
        endpoint.wait_until_quiet()
        replay = replayed(environment) if outbox else None
        texts = endpoint.texts
    return _outcome(ending, state, outbox, child, ended_ns, read_notes(where / "notes"), texts, replay)


def _outcome(
    ending: str,
    state: str,
    outbox: bool,
    child: Ended,
    ended_ns: int,
    notes: Notes,
    texts: Sequence[str],
    replay: Ended | None,
) -> Outcome:
    missing = lost(notes.calls, texts)
    began_ns = notes.ended_ns or ended_ns
    return Outcome(
        ending=ending,
        state=state,
        outbox=outbox,
        child=child,
        exit_s=(ended_ns - began_ns) / 1e9,
        returned=len(notes.calls),
        lost=missing,
        recent=sum(1 for call in notes.calls if call.at_ns > began_ns - 250 * NS_PER_MS),
        oldest_lost_ms=max(((began_ns - call.at_ns) / NS_PER_MS for call in missing), default=0.0),
        duplicated=duplicated(texts),
        displacement=displacement(texts),
        replay=replay,
    )


def run_bare(interpreters: Interpreters, ending: str, where: Path) -> Ended:
    """The same child without promptlayer_patch."""
    return run_child(interpreters, ending, where, environment_of("", where, outbox=False), "--bare")[0]


def run_child(
    interpreters: Interpreters, ending: str, where: Path, environment: Mapping[str, str], *options: str
) -> tuple[Ended, int]:
    """How the child ended, and when, by the monotonic clock."""
    arguments = [ending, "--id", "1", "--notes", str(where / "notes"), *options]
    ended = interpreters.run(arguments, environment)
    return ended, time.monotonic_ns()


def replayed(environment: Mapping[str, str]) -> Ended:
    """What a later process does with what is left."""
    command = ["-m", "promptlayer_patch", "outbox", "flush", "--timeout", str(REPLAY_TIMEOUT_S)]
    return run([sys.executable, *command], environment)


def environment_of(base_url: str, where: Path, *, outbox: bool, batch: bool = False) -> dict[str, str]:
    ours = ("PROMPTLAYER_", "OPENAI_")
    inherited = os.environ.items()  # noqa: TID251  a program needs the rest of it
    return {
        **{name: value for name, value in inherited if not name.startswith(ours)},
        "XDG_DATA_HOME": str(where / "data"),
        "PROMPTLAYER_API_KEY": API_KEY,
        "PROMPTLAYER_BASE_URL": base_url,
        "PROMPTLAYER_OUTBOX_DIR": str(where / "outbox"),
        "PROMPTLAYER_OUTBOX": "1" if outbox else "0",
        "PROMPTLAYER_BATCH": "1" if batch else "0",
        "PROMPTLAYER_SHUTDOWN_TIMEOUT_S": str(SHUTDOWN_TIMEOUT_S),
    }


def is_full() -> bool:
    """Whether everything is to be run, however long it takes."""
    return os.environ.get("FULL_FAULTS") == "1"  # noqa: TID251  the tests' own switch
