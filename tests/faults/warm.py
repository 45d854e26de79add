"""An interpreter that has openai loaded, and forks a child for each set of arguments it is sent.

    python -m tests.faults.warm DESCRIPTOR

Loading openai is most of what a child takes. What follows is as in an interpreter begun anew: the child has
its own environment, session, standard output and error, it loads promptlayer_patch itself, and it ends as the
main program does.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from tests.faults.children import Child
from tests.faults.children import main as main_of_child
from tests.faults.running import run
from tests.support.programs import FORKS, ROOT, TOO_LONG_S, Ended

_PIECE_BYTES = 1 << 16


class Interpreters:
    """As many as children run at a time; they are kept for the next ones until they are closed."""

    def __init__(self) -> None:
        self._idle: list[_Warm] = []

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
        """Run a child until everything that it has forked is over too."""
        if not hasattr(os, "fork"):
            return run([sys.executable, "-m", "tests.faults.children", *arguments], environment)
        try:
            warm = self._idle.pop()
        except IndexError:
            warm = _Warm()
        ended = warm.run(arguments, environment)
        self._idle.append(warm)
        return ended

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Interpreters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Warm:
    """One of them, as who wants children sees it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, *FORKS, "-m", "tests.faults.warm", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        self._answers = self._line.makefile("r")

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
        began = time.monotonic()
        (out, child_out), (err, child_err) = os.pipe(), os.pipe()
        asked = json.dumps({"arguments": arguments, "environment": environment}).encode()
        socket.send_fds(self._line, [b"+"], [child_out, child_err])
        self._line.sendall(asked + b"\n")
        os.close(child_out)
        os.close(child_err)
        pid = int(self._answers.readline())
        said = _read([out, err], pid)
        return Ended(int(self._answers.readline()), *said, time.monotonic() - began)

    def close(self) -> None:
        self._line.shutdown(socket.SHUT_RDWR)
        self._answers.close()
        self._line.close()
        self._process.wait()


def _read(descriptors: Sequence[int], pid: int) -> tuple[str, str]:
    """What comes through these pipes until nobody holds them; who does so for too long is ended by force."""
    said = dict.fromkeys(descriptors, b"")
    deadline = time.monotonic() + TOO_LONG_S
    with selectors.DefaultSelector() as pipes:
        for descriptor in descriptors:
            pipes.register(descriptor, selectors.EVENT_READ)
        while pipes.get_map():
            readable = pipes.select(max(0.0, deadline - time.monotonic()))
            if not readable:
                os.killpg(pid, signal.SIGKILL)
                said[descriptors[-1]] += f"\nended by force after {TOO_LONG_S} s".encode()
                deadline += TOO_LONG_S
            for key, _ in readable:
                piece = os.read(key.fd, _PIECE_BYTES)
                said[key.fd] += piece
                if not piece:
                    pipes.unregister(key.fd)
                    os.close(key.fd)
    out, err = (said[descriptor].decode() for descriptor in descriptors)
    return out, err


def main() -> None:
    Child("warm", os.devnull, bare=True).call()
    gc.freeze()  # a child that collected it would copy it all first
    with socket.socket(fileno=int(sys.argv[1])) as line:
        arguments = _serve(line)
    main_of_child(arguments)


def _serve(line: socket.socket) -> Sequence[str]:
    """Fork until nobody asks any more; in a child, its arguments."""
    while True:
        begun, descriptors, _, _ = socket.recv_fds(line, 1, 2)
        if not begun:
            os._exit(0)  # at once: there is nothing to be tidied up
        asked = b""
        while not asked.endswith(b"\n"):
            asked += line.recv(_PIECE_BYTES)
        pid = os.fork()
        if not pid:
            return _become(descriptors, **json.loads(asked))
        for descriptor in descriptors:
            os.close(descriptor)
        line.sendall(f"{pid}\n".encode())
        line.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())


def _become(
    descriptors: Sequence[int], arguments: Sequence[str], environment: Mapping[str, str]
) -> Sequence[str]:
    os.setsid()
    for standard, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.environ.clear()  # noqa: TID251  the child has its own
    os.environ.update(environment)  # noqa: TID251
    return arguments


if __name__ == "__main__":
    main()
