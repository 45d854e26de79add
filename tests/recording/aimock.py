"""The OpenAI-compatible server we record against: aimock, from npm, as package-lock.json pins it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".venvs" / "aimock"
_LOCK = "package-lock.json"
_START_S = 20.0


class NotAvailable(Exception):
    """aimock cannot be had here; the message says why."""


def install() -> Path:
    """The directory aimock is installed in; fetched by npm if it is not there in the pinned version."""
    wanted = (HERE / _LOCK).read_bytes()
    stamp = HOME / "installed.json"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return HOME
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotAvailable("recording needs node and npm")
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    for name in ("package.json", _LOCK):
        shutil.copy(HERE / name, HOME)
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
    if subprocess.run([npm, "ci", *quiet], cwd=HOME, check=False).returncode:
        raise NotAvailable("npm ci failed")
    stamp.write_bytes(wanted)
    return HOME


@contextmanager
def serving(api_key: str) -> Iterator[str]:
    """Serve our fixtures on a free port, for requests that carry `api_key`; gives the server's URL."""
    program = install() / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    command = ["node", str(program), "--port", "0", "--fixtures", str(HERE / "fixtures.json")]
    inherited = os.environ  # noqa: TID251  # handed on to a program, not read
    process = subprocess.Popen(
        [*command, "--validate-on-load"],
        env={**inherited, "AIMOCK_API_KEYS": api_key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    try:
        yield _url(process)
    finally:
        process.terminate()
        process.wait(_START_S)


def _url(process: subprocess.Popen[str]) -> str:
    """Wait until the server says where it listens; what it says afterwards is thrown away."""
    assert process.stdout is not None
    said: list[str] = []
    overdue = threading.Timer(_START_S, process.kill)
    overdue.start()
    try:
        for line in process.stdout:
            said.append(line)
            found = re.search(r"listening on (http://\S+)", line)
            if found:
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return found.group(1)
    finally:
        overdue.cancel()
    raise NotAvailable("aimock did not start:\n" + "".join(said))
