"""What a burst of calls leaves in memory, and how long a process takes to end right after one.

With a server that takes everything, with none that listens, and with one that never answers.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from benchmarks.overhead.figures import Figures
from benchmarks.overhead.processes import Failed, Process
from benchmarks.overhead.variants import Variant

CALLS = 10_000
CALLS_BEFORE_THE_END = 1_000
WITHIN_S = 40.0
"""A burst is cut short after this; the table says how many calls were made."""
PATIENCE_S = 60.0
"""A process that is still there is killed after this."""
WARMING = 200

Environments = list[tuple[Variant, Path]]


def memory(variants: Environments, urls: dict[str, str], folder: Path, wait_s: float) -> Figures:
    """Megabytes more than before the burst: right after it, and so many seconds later."""
    figures: Figures = {variant.name: {} for variant, _ in variants}
    places = itertools.count()
    waiting: list[tuple[Process, str, float, float]] = []
    for (variant, python), mode in ((found, mode) for found in variants for mode in ("healthy", "dead")):
        process = Process(variant, python, urls[mode], folder / str(next(places)))
        try:
            process.ready()
            process.ask("burst", PATIENCE_S, calls=WARMING, first=1, within_s=WITHIN_S)
            before = process.ask("memory")["mb"]
            burst = process.ask("burst", PATIENCE_S, calls=CALLS, first=WARMING, within_s=WITHIN_S)
        except Failed as failed:
            print(f"LEFT OUT of memory, {mode}: {failed}", file=sys.stderr)
            continue
        figures[variant.name][f"memory: {mode}, calls made"] = burst["made"]
        figures[variant.name][f"memory: {mode}, MB"] = burst["mb"] - before
        waiting.append((process, mode, before, time.monotonic()))
    for process, mode, before, ended in waiting:
        threading.Event().wait(max(0.0, ended + wait_s - time.monotonic()))
        try:
            later = process.ask("memory", PATIENCE_S)["mb"] - before
        except Failed as failed:
            print(f"LEFT OUT of memory later, {mode}: {failed}", file=sys.stderr)
            continue
        figures[process.variant.name][f"memory: {mode}, MB later"] = later
        process.kill()
    for found in figures.values():
        if {"memory: healthy, MB later", "memory: dead, MB later"} <= set(found):
            dead, healthy = (_most(found, mode) for mode in ("dead", "healthy"))
            found["memory: dead over healthy, MB"] = dead - healthy
    return figures


def _most(figures: dict[str, float], mode: str) -> float:
    return max(figures[f"memory: {mode}, MB"], figures[f"memory: {mode}, MB later"])


def exits(variants: Environments, urls: dict[str, str], folder: Path, times: int) -> Figures:
    """Milliseconds from the last line of the program to the end of its process."""
    figures: Figures = {variant.name: {} for variant, _ in variants}
    taken: dict[tuple[str, str], list[Future[float]]] = {}
    places = itertools.count()
    wanted = [(variant, python, mode) for variant, python in variants for mode in urls]
    with ThreadPoolExecutor(len(wanted) * times) as waiting:
        for _ in range(times):
            for variant, python, mode in list(wanted):
                place = folder / str(next(places))
                try:
                    process = _called(Process(variant, python, urls[mode], place))
                except Failed as failed:
                    print(f"LEFT OUT of exit, {mode}: {failed}", file=sys.stderr)
                    wanted.remove((variant, python, mode))
                    continue
                ending = waiting.submit(_ending(process))
                taken.setdefault((variant.name, mode), []).append(ending)
                # Who waits for a dead server does nothing meanwhile; who delivers is left alone.
                if mode == "healthy":
                    ending.result()
        for (name, mode), many in taken.items():
            figures[name][f"exit: {mode} ms"] = statistics.median(one.result() for one in many)
    return figures


def _called(process: Process) -> Process:
    process.ready()
    process.ask("burst", PATIENCE_S, calls=CALLS_BEFORE_THE_END, first=1, within_s=WITHIN_S)
    return process


def _ending(process: Process) -> Callable[[], float]:
    def end() -> float:
        began = time.monotonic()
        process.end(PATIENCE_S)
        return (time.monotonic() - began) * 1e3

    return end
