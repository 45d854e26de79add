"""The processes beside this one: the sink, and one of each variant."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.overhead.environments import ROOT, variables_of
from benchmarks.overhead.variants import Variant

_PATIENCE_S = 300.0


class Failed(Exception):
    """A process of a variant ended, or did not answer."""


@contextmanager
def sink() -> Iterator[str]:
    """A server that takes everything; its address."""
    command = [sys.executable, "-m", "benchmarks.overhead.sink"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def arrived(url: str, first: int, last: int) -> int:
    """How many of the calls with these numbers the sink has seen."""
    with urllib.request.urlopen(f"{url}/marks?{first}-{last}", timeout=60) as answer:
        return int(json.load(answer))


@contextmanager
def refusing() -> Iterator[str]:
    """An address that refuses connections: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def hanging() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(4096)
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


class Process:
    """A variant, switched on and ready to be told what to do."""

    def __init__(self, variant: Variant, python: Path, url: str, folder: Path) -> None:
        self.variant = variant
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", "benchmarks.overhead.worker", variant.setup, url, str(folder)],
                cwd=ROOT,
                env=variables_of(variant, url, folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ready(self) -> None:
        self._line(_PATIENCE_S)

    def ask(self, do: str, patience_s: float = _PATIENCE_S, **options: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **options}) + "\n")
        self._process.stdin.flush()
        return self._line(patience_s)

    def end(self, timeout_s: float) -> bool:
        """Let it end by itself; false if it had to be killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _line(self, patience_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(patience_s, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            self.kill()
            raise Failed(f"{self.variant.name}: {self._log.read_text(errors='replace')[-1500:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer
