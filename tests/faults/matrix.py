"""Every ending under every state of the endpoint, with the outbox and without it.

python -m tests.faults.matrix [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

from tests.faults.cells import STATES, Outcome, run_bare, run_cell
from tests.faults.endings import ENDINGS, HARD
from tests.faults.warm import Interpreters
from tests.support.programs import Ended

AT_A_TIME = 2
"""Where it counts how long a process took to end, and what it has lost."""
ORDERLY_AT_A_TIME = 3
"""Where code runs at the end: much of that is waiting for the endpoint, and nothing may be lost anyway."""
QUICK_ENDINGS = ("normal", "sys_exit", "sigterm_default", "kill_9", "daemon_threads", "fork", "prefork")
QUICK_STATES = ("ok", "refuse")
Key = tuple[str, str, bool]


def run_matrix(
    interpreters: Interpreters,
    endings: Iterable[str],
    states: Iterable[str] = tuple(STATES),
    outbox: Iterable[bool] = (True, False),
    *,
    batch: bool = False,
    at_a_time: int = AT_A_TIME,
) -> Iterator[Outcome]:
    """The outcomes, in order, of cells that are run `at_a_time`."""
    with ThreadPoolExecutor(at_a_time) as workers:
        yield from workers.map(
            partial(_in_a_directory, interpreters, batch), product(endings, states, outbox)
        )


def _in_a_directory(interpreters: Interpreters, batch: bool, key: Key) -> Outcome:
    ending, state, outbox = key
    with tempfile.TemporaryDirectory() as where:
        return run_cell(interpreters, ending, state, outbox=outbox, where=Path(where), batch=batch)


def run_all_bare(interpreters: Interpreters, endings: Iterable[str]) -> Iterator[Ended]:
    with ThreadPoolExecutor(AT_A_TIME) as workers:
        yield from workers.map(partial(_bare, interpreters), endings)


def _bare(interpreters: Interpreters, ending: str) -> Ended:
    with tempfile.TemporaryDirectory() as where:
        return run_bare(interpreters, ending, Path(where))


def same_end(outcome: Outcome, bare: Ended) -> bool:
    """Whether the host saw and said the same as without promptlayer_patch."""
    last = bare.err.splitlines()[-1:]
    found = (outcome.child.code, outcome.child.out, set(last) <= set(outcome.child.err.splitlines()))
    return found == (bare.code, bare.out, True)


def table(outcomes: Sequence[Outcome]) -> str:
    """Two numbers of calls, lost and duplicated, the seconds that ending took, and the displacement."""
    cells = {(found.ending, found.state, found.outbox): found for found in outcomes}
    states = list(dict.fromkeys(found.state for found in outcomes))
    endings = list(dict.fromkeys(found.ending for found in outcomes))
    head = ["ending", "calls", *(f"{state} {side}" for state in states for side in ("on", "off"))]
    rows = [head]
    for ending in endings:
        row = [cells[ending, state, side] for state in states for side in (True, False)]
        rows.append([ending, str(max(found.returned for found in row)), *map(_shown, row)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _shown(found: Outcome) -> str:
    order = f" ~{found.displacement}" if found.displacement else ""
    return f"{len(found.lost)}/{found.duplicated}/{found.exit_s:.1f}{order}"


def troubles(outcomes: Iterable[Outcome], bare: Mapping[str, Ended]) -> dict[str, list[str]]:
    """What is not as it should be, and in which cells."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        side = "on" if outcome.outbox else "off"
        for trouble in _troubles(outcome, bare[outcome.ending]):
            found.setdefault(trouble, []).append(f"{outcome.ending}/{outcome.state}/{side}")
    return found


def _troubles(outcome: Outcome, bare: Ended) -> Iterator[str]:
    child, replay = outcome.child, outcome.replay
    if not same_end(outcome, bare):
        said = f"{child.out[-100:]!r} {child.err[-300:]!r}"
        yield f"ended with {child.code}, without us with {bare.code} {bare.out!r}: {said}"
    if replay is not None and replay.code:
        yield f"the replay ended with {replay.code}: {replay.err[-100:]!r}"
    if outcome.outbox and outcome.duplicated:
        yield f"{outcome.duplicated} duplicated"
    if outcome.outbox and outcome.lost:
        recent = f", {outcome.recent} were allowed to be" if outcome.ending in HARD else ""
        yield f"{len(outcome.lost)} lost, the oldest {outcome.oldest_lost_ms:.0f} ms old{recent}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few endings, two states")
    quick = parser.parse_args().quick
    endings = QUICK_ENDINGS if quick else tuple(ENDINGS)
    began = time.monotonic()
    with Interpreters() as interpreters:
        bare = dict(zip(endings, run_all_bare(interpreters, endings), strict=True))
        outcomes = list(run_matrix(interpreters, endings, QUICK_STATES if quick else tuple(STATES)))
    print("lost/duplicated/seconds to end, ~ largest displacement; outbox on and off\n")
    print(table(outcomes))
    print()
    for trouble, cells in troubles(outcomes, bare).items():
        print(f"{trouble}\n    in {', '.join(cells)}")
    print(f"\n{len(outcomes)} cells in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
