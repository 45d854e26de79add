"""How a child may end. Each one makes the child's calls, and then it is over."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.faults.children import Child

Ending = Callable[[Child], None]

HARD_PACE_S = 0.03
"""Between two calls of a child that is killed: it must live longer than what may be lost is old."""
FORKS = 3


def normal(child: Child) -> None:
    child.call(child.calls)
    child.ends()


def uncaught(child: Child) -> None:
    normal(child)
    raise LookupError("uncaught")


def sys_exit(child: Child) -> None:
    normal(child)
    sys.exit(3)


def os_exit(child: Child) -> None:
    child.call(child.calls, every_s=HARD_PACE_S)
    child.ends()
    os._exit(5)


def kill_9(child: Child) -> None:
    child.call(child.calls, every_s=HARD_PACE_S)
    child.ends()
    _kill(signal.SIGKILL)


# Signals


def sigterm_default(child: Child) -> None:
    normal(child)
    _kill(signal.SIGTERM)
    _wait_for_the_end()


def handles_sigterm(child: Child) -> None:
    signal.signal(signal.SIGTERM, lambda *_: _leave(child))


def sigterm_handled(child: Child) -> None:
    sigterm_default(child)


def sigterm_handled_later(child: Child) -> None:
    handles_sigterm(child)
    sigterm_default(child)


def notices_sigterm(child: Child) -> None:
    signal.signal(signal.SIGTERM, lambda *_: child.say("noticed"))


def sigterm_noticed(child: Child) -> None:
    child.call(child.calls // 2)
    _kill(signal.SIGTERM)
    child.call(child.calls - child.calls // 2)
    child.ends()


def ignores_sigterm(_: Child) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def sigterm_ignored(child: Child) -> None:
    sigterm_noticed(child)
    child.say("went on")


def sigterm_asyncio(child: Child) -> None:
    async def serve() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        await child.acall(child.calls)
        child.ends()
        _kill(signal.SIGTERM)
        await stopping.wait()
        child.say("stopped")

    asyncio.run(serve())


def sigint_default(child: Child) -> None:
    normal(child)
    _kill(signal.SIGINT)
    _wait_for_the_end()


def sigint_asyncio(child: Child) -> None:
    async def serve() -> None:
        await child.acall(child.calls)
        child.ends()
        _kill(signal.SIGINT)
        await asyncio.Event().wait()

    asyncio.run(serve())


# Threads


def threads(child: Child) -> None:
    """Main is over while they still call."""
    _start_calling(child, daemon=False)
    child.ends()


def daemon_threads(child: Child) -> None:
    """They call for as long as there is an interpreter."""
    _start_calling(child, daemon=True)
    child.ends()


def pool(child: Child) -> None:
    workers = ThreadPoolExecutor(4)
    for _ in range(child.calls):
        workers.submit(child.call)
    child.ends()


# Processes


def fork(child: Child) -> None:
    child.call(child.calls // 2)
    pid = _forked(child, "f")
    child.call(child.calls - child.calls // 2)
    _reap(child, pid)
    child.ends()


def fork_threads(child: Child) -> None:
    """Some call while the main thread forks."""
    _start_calling(child, daemon=False)
    pids = [_forked(child, f"f{at}") for at in range(FORKS)]
    _reap(child, *pids)
    child.ends()


def mp_fork(child: Child) -> None:
    child.call(child.calls // 2)
    _run(child, multiprocessing.get_context("fork").Process(target=_called_in_fork, args=(child,)))
    child.call(child.calls - child.calls // 2)
    child.ends()


def mp_spawn(child: Child) -> None:
    _runs_anew(child, "spawn")


def mp_forkserver(child: Child) -> None:
    _runs_anew(child, "forkserver")


def _runs_anew(child: Child, method: str) -> None:
    child.call(child.calls // 2)
    arguments = (f"{child.name}s", child.notes, child.calls, child.bare)
    context: Any = multiprocessing.get_context(method)
    _run(child, context.Process(target=_called_anew, args=arguments))
    child.call(child.calls - child.calls // 2)
    child.ends()


def prefork(child: Child) -> None:
    """As gunicorn does: workers serve until their parent sends them SIGTERM."""
    child.call()
    ready, tell = os.pipe()
    pids = [_forked(child, f"w{at}", lambda: _serve(child, tell)) for at in range(FORKS)]
    for _ in pids:
        os.read(ready, 1)
    child.ends()
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    _reap(child, *pids)


def _serve(child: Child, tell: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    child.call(child.calls)
    os.write(tell, b"r")
    while True:
        select.select([], [], [], 0.1)


def _kill(number: int) -> None:
    os.kill(os.getpid(), number)


def _wait_for_the_end() -> None:
    while True:
        select.select([], [], [], 0.1)


def _leave(child: Child) -> None:
    child.say("handled")
    sys.exit(7)


def _start_calling(child: Child, *, daemon: bool) -> None:
    """Three threads that call; returns when each has begun to."""
    begun = [threading.Event() for _ in range(3)]

    def serve(first: threading.Event) -> None:
        share = child.calls // len(begun)
        child.call()
        first.set()
        child.call(share - 1)
        while daemon:
            child.call(every_s=0.001)

    for first in begun:
        threading.Thread(target=serve, args=(first,), daemon=daemon).start()
    for first in begun:
        first.wait()


def _forked(child: Child, suffix: str, serve: Callable[[], None] | None = None) -> int:
    pid = os.fork()
    if pid:
        return pid
    child.become(child.name + suffix)
    if serve is not None:
        serve()
    child.call(child.calls)
    sys.exit(0)


def _reap(child: Child, *pids: int) -> None:
    for pid in pids:
        child.say(f"forked: {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")


def _run(child: Child, process: Any) -> None:
    process.start()
    process.join()
    child.say(f"forked: {process.exitcode}")


def _called_in_fork(child: Child) -> None:
    child.become(f"{child.name}m")
    child.call(child.calls)


def _called_anew(name: str, notes: str, calls: int, bare: bool) -> None:
    child = Child(name, notes, calls=calls, bare=bare)
    child.install()
    child.call(calls)


ENDINGS: Mapping[str, Ending] = {
    ending.__name__: ending
    for ending in (
        normal,
        uncaught,
        sys_exit,
        sigterm_default,
        sigterm_handled,
        sigterm_handled_later,
        sigterm_noticed,
        sigterm_ignored,
        sigterm_asyncio,
        sigint_default,
        sigint_asyncio,
        os_exit,
        kill_9,
        threads,
        daemon_threads,
        pool,
        fork,
        fork_threads,
        mp_fork,
        mp_spawn,
        mp_forkserver,
        prefork,
    )
}
BEFORE_INSTALL: Mapping[str, Ending] = {
    "sigterm_handled": handles_sigterm,
    "sigterm_noticed": notices_sigterm,
    "sigterm_ignored": ignores_sigterm,
}
HARD = frozenset({"os_exit", "kill_9"})
"""No code runs at these ends."""
POSIX_ONLY = frozenset(
    name for name in ENDINGS if name.startswith("sig") or "fork" in name or name == "kill_9"
)
