"""Children are killed while they call as fast as they can; what is lost then, and how old it was.

python -m tests.faults.kills [--kills N] [--exits N] [--pause S]

Without a pause the calls wait for no network, which no real program does: then the interpreter is never free,
and every thread of ours has to wait for its turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.faults.accounting import NS_PER_MS, Returned, duplicated, lost, read_notes
from tests.faults.cells import environment_of, replayed
from tests.faults.endpoint import Endpoint
from tests.faults.running import run
from tests.support.programs import FORKS, Ended

KILLS = 200
EXITS = 50
NURSERIES = 2
REPLAYS = 5
"""How often the replay is begun anew at most while something is left."""
GROUP = 50
"""Children of one nursery process: more would take longer than a program may."""


@dataclass(frozen=True)
class Figures:
    how: str
    ends: int
    returned: int
    lost: int
    worst: int
    """The most calls that one end has lost."""
    oldest_ms: float
    """Before its end the oldest lost call had returned so long ago."""
    older_than_500_ms: int
    duplicated: int
    resends: int
    replays: Sequence[Ended]
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.ends} times {self.how}: {self.returned} calls returned, {self.lost} lost, "
            f"{self.worst} by the worst, the oldest {self.oldest_ms:.1f} ms before the end, "
            f"{self.older_than_500_ms} older than 500 ms; {self.duplicated} duplicated, "
            f"{self.resends} resent; {len(self.replays)} replays ending with "
            f"{self.replays[-1].code}; {self.seconds:.0f} s"
        )


def run_kills(how: str, ends: int, pause_s: float = 0.0) -> Figures:
    """End so many children in this way, replay what they have left, and count."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as made, Endpoint(dedupe=True) as endpoint:
        where = Path(made)
        environment = environment_of(endpoint.base_url, where, outbox=True)
        notes = where / "notes"
        ended_ns = _raise_and_end(how, ends, pause_s, notes, environment)
        endpoint.wait_until_quiet()
        replays = _replay(environment)
        calls = read_notes(notes).calls
        missing = lost(calls, endpoint.texts)
        ages = [_age_ms(call, ended_ns) for call in missing]
        return Figures(
            how=how,
            ends=len(ended_ns),
            returned=len(calls),
            lost=len(missing),
            worst=max(Counter(call.process for call in missing).values(), default=0),
            oldest_ms=max(ages, default=0.0),
            older_than_500_ms=sum(1 for age in ages if age > 500),
            duplicated=max(endpoint.duplicated, duplicated(endpoint.texts)),
            resends=endpoint.resends,
            replays=replays,
            seconds=time.monotonic() - began,
        )


def _age_ms(call: Returned, ended_ns: Mapping[str, int]) -> float:
    return (ended_ns[call.process] - call.at_ns) / NS_PER_MS


def _raise_and_end(
    how: str, ends: int, pause_s: float, notes: Path, environment: Mapping[str, str]
) -> dict[str, int]:
    """When each child ended, by name."""
    groups = [min(GROUP, ends - begin) for begin in range(0, ends, GROUP)]
    if len(groups) < NURSERIES:
        groups = [ends // NURSERIES, ends - ends // NURSERIES]

    def one(group: tuple[int, int]) -> Ended:
        at, count = group
        arguments = [how, "--count", str(count), "--prefix", f"{how}{at}x", "--notes", str(notes)]
        arguments += ["--pause", str(pause_s)]
        return run([sys.executable, *FORKS, "-m", "tests.faults.nursery", *arguments], environment)

    with ThreadPoolExecutor(NURSERIES) as workers:
        found = list(workers.map(one, enumerate(groups)))
    for nursery in found:
        if nursery.code:
            raise AssertionError(f"a nursery ended with {nursery.code}: {nursery.err[-1000:]}")
    return {name: int(at) for nursery in found for name, at in map(str.split, nursery.out.splitlines())}


def _replay(environment: Mapping[str, str]) -> list[Ended]:
    replays: list[Ended] = []
    while len(replays) < REPLAYS and not (replays and replays[-1].code == 0):
        replays.append(replayed(environment))
    return replays


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--exits", type=int, default=EXITS)
    parser.add_argument("--pause", type=float, help="between calls, in seconds (none, then 0.005)")
    found = parser.parse_args()
    began = time.monotonic()
    for pause_s in (0.0, 0.005) if found.pause is None else (found.pause,):
        print(f"{pause_s * 1000:g} ms between calls")
        print(run_kills("kill", found.kills, pause_s), flush=True)
        print(run_kills("exit", found.exits, pause_s), flush=True)
    print(f"{time.monotonic() - began:.0f} s in total")


if __name__ == "__main__":
    main()
