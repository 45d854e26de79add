"""The server in a process of its own, which can be killed and started again at the same address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
TOO_LONG_S = 60.0

_URL = re.compile(r"^ +URL +(http://127\.0\.0\.1:(\d+))$")
_KEY = re.compile(r"^ +API key +(pl_\S+)$")
_READY = "Ctrl-C ends it."


class ServerProcess:
    """A server over one store. Its address and its key stay the same whenever it is started."""

    def __init__(self, db: Path, log: Path) -> None:
        self.db = db
        self._log = log
        self._port = 0
        self.api_key = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        """Everything that the processes have written to their stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Returns once it listens."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "promptlayer_patch",
                    "serve",
                    "--db",
                    self.db,
                    "--port",
                    str(self._port),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251  the test's own, handed on
            )
        assert self._process.stdout is not None
        said = list(takewhile(lambda line: _READY not in line, self._process.stdout))
        self._port = int(self._said(_URL, said)[2])
        self.api_key = self._said(_KEY, said)[1]

    def _said(self, what: re.Pattern[str], lines: list[str]) -> re.Match[str]:
        found = next(filter(None, map(what.match, lines)), None)
        assert found, f"the server did not start: {lines} {self.log}"
        return found

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and wait until it has; gives its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        code = process.wait(TOO_LONG_S)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
