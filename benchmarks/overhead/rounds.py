"""Blocks of calls, in turn: in every round each variant makes one block of each kind, and is compared with
what the bare library took in the same round.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.overhead.processes import Failed, Process, arrived

BLOCKS = {
    # kind: calls in a block
    "chat-1k": 100,
    "chat-100k": 60,
    "responses": 100,
    "embeddings": 100,
    "embeddings-floats": 100,
    "async-50": 200,
    "stream-500": 10,
}

_numbers = itertools.count(1)


@dataclass
class Blocks:
    """What one variant took for one kind of call, a value for each round."""

    medians: dict[str, list[float]] = field(default_factory=dict)
    """Nanoseconds, by the name of what was timed."""
    p99: list[float] = field(default_factory=list)
    calls: int = 0
    arrived: int = 0

    def add(self, name: str, value: float) -> None:
        self.medians.setdefault(name, []).append(value)


Measured = dict[str, dict[str, Blocks]]
"""By variant and kind."""


def measure(
    processes: Sequence[Process], kinds: Iterable[str], rounds: int, sink: str, measured: Measured
) -> None:
    """Add more rounds to what was measured; a variant that fails is told about and left out."""
    alive = list(processes)
    for process in alive:
        measured.setdefault(process.variant.name, {})
    for kind in kinds:
        for turn in range(-1, rounds):
            # Nobody is always the one that runs after the same other.
            shift = turn % len(alive)
            for process in alive[shift:] + alive[:shift]:
                try:
                    _block(process, kind, sink, measured[process.variant.name], warming=turn < 0)
                except Failed as failed:
                    print(f"LEFT OUT, failed at {kind}: {failed}", file=sys.stderr)
                    alive.remove(process)
                    del measured[process.variant.name]


def _block(process: Process, kind: str, sink: str, measured: dict[str, Blocks], *, warming: bool) -> None:
    calls = BLOCKS[kind]
    first = next(_numbers) * 1_000
    answer = process.ask("block", kind=kind, calls=calls, first=first)
    seen = arrived(sink, first, first + calls - 1)
    if warming:
        return
    blocks = measured.setdefault(kind, Blocks())
    for name, times in answer["times"].items():
        # What else runs on the machine spoils caches, and only ever adds: least in the fastest tenth.
        undisturbed = sorted(times)[len(times) // 10]
        blocks.add(name, undisturbed if name == "cpu" else statistics.median(times))
    for name in ("process", "flushed"):
        blocks.add(name, answer[name])
    blocks.p99.append(sorted(answer["times"]["call"])[int(len(answer["times"]["call"]) * 0.99) - 1])
    blocks.calls += calls
    blocks.arrived += seen
