"""A warm process that forks children, lets them call as fast as they can, and ends them at a random moment.

    python -m tests.faults.nursery HOW --count N --prefix P --notes FILE

It has made a call before it forks, so that a child's first call takes no longer than the others. It prints
a line for each child: its name, and the moment of its end by the monotonic clock.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import signal
import sys
import threading
import time

import promptlayer_patch  # noqa: F401  loaded once for all children, each of which installs it
from tests.faults.children import Child

LIVES_S = ((0.05, 0.3),) * 3 + ((0.7, 1.2),)
"""How long children live after their first call: the long lives show whether old calls are lost as well."""
TOO_LONG_S = 30.0
HOWS = ("kill", "exit")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=HOWS)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--notes", required=True)
    parser.add_argument("--pause", type=float, default=0.0)
    found = parser.parse_args()
    warm = Child("warm", os.devnull, bare=True)
    warm.call()
    chance = random.Random(found.prefix)
    for at in range(found.count):
        name = f"{found.prefix}{at}"
        after_s = chance.uniform(*LIVES_S[at % len(LIVES_S)])
        ended_ns = _one(found.how, Child(name, found.notes), after_s, found.pause)
        print(name, ended_ns, flush=True)


def _one(how: str, child: Child, after_s: float, pause_s: float) -> int:
    """Raise one child and end it so long after its first call; when that was."""
    begun, tell = os.pipe()
    pid = os.fork()
    if not pid:
        _live(how, child, tell, after_s, pause_s)
    os.close(tell)
    _wait_for(begun)
    if how == "kill":
        threading.Event().wait(after_s)
        ended_ns = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
    else:
        ended_ns = int(_wait_for(begun))
    os.close(begun)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status not in (0, -signal.SIGKILL):
        sys.exit(f"{child.name} ended with {status}")
    return ended_ns


def _live(how: str, child: Child, tell: int, after_s: float, pause_s: float) -> None:
    try:
        child.install()
        child.call()
        os.write(tell, b"begun")
        if how == "exit":
            threading.Thread(target=_exit, args=(tell, after_s), daemon=True).start()
        pause = threading.Event()
        while True:
            child.call()
            if pause_s:
                pause.wait(pause_s)
    except BaseException as error:
        os.write(2, f"{child.name}: {error!r}\n".encode())
    finally:
        os._exit(1)


def _exit(tell: int, after_s: float) -> None:
    threading.Event().wait(after_s)
    os.write(tell, str(time.monotonic_ns()).encode())
    os._exit(0)


def _wait_for(pipe: int) -> bytes:
    if not select.select([pipe], [], [], TOO_LONG_S)[0]:
        sys.exit("a child does not call")
    return os.read(pipe, 100)


if __name__ == "__main__":
    main()
