"""The process of a variant: `python -m benchmarks.overhead.worker SETUP URL FOLDER`.

Told by lines of JSON what to do, it answers with one line each.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from importlib import import_module
from typing import Any

_LOOK_S, _QUIET_S, _PATIENCE_S = 0.02, 0.0006, 3.0


def resident_mb() -> float:
    """Of this process; 0 where there is no /proc."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


class Worker:
    def __init__(self, setup: str, url: str, folder: str) -> None:
        module, function = setup.split(".")
        self._ready = getattr(import_module(f"benchmarks.overhead.{module}"), function)(url, folder)
        # Only now: what is switched on may have to be there before openai is imported.
        from benchmarks.overhead.calls import Caller

        self._caller = Caller(self._ready)
        self._rest = threading.Event()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        return getattr(self, f"_{asked.pop('do')}")(**asked)  # type: ignore[no-any-return]

    def _block(self, kind: str, calls: int, first: int) -> dict[str, Any]:
        """A block of calls, and all the work that it makes in the background."""
        process, began = time.process_time_ns(), time.perf_counter_ns()
        block = self._caller.block(kind, calls, first)
        self._ready.flush()
        took = time.perf_counter_ns() - began
        self._come_to_rest()
        process = time.process_time_ns() - process
        return {"times": block.times, "process": process / calls, "flushed": took / calls}

    def _burst(self, calls: int, first: int, within_s: float) -> dict[str, Any]:
        """Calls without a flush, for so long at most."""
        deadline, made = time.monotonic() + within_s, 0
        while made < calls and time.monotonic() < deadline:
            step = min(20, calls - made)
            self._caller.block("chat-1k", step, first + made)
            made += step
        return {"made": made, "mb": resident_mb()}

    def _memory(self) -> dict[str, Any]:
        return {"mb": resident_mb()}

    def _come_to_rest(self) -> None:
        """Until the threads in the background have nothing more to do."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            before = time.process_time()
            self._rest.wait(_LOOK_S)
            if time.process_time() - before < _QUIET_S:
                return


def main() -> None:
    setup, url, folder = sys.argv[1:]
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(setup, url, folder)
    answers.write("{}\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
