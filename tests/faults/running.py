"""Programs that may fork and may hang, run to their end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from tests.support.programs import ROOT, TOO_LONG_S, Ended


def run(command: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run a program in a session of its own, so that it and all it forks can be ended together."""
    began = time.monotonic()
    program = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = program.communicate(timeout=TOO_LONG_S)
    except subprocess.TimeoutExpired:
        _end(program)
        out, err = program.communicate()
        err += f"\nended by force after {TOO_LONG_S} s"
    return Ended(program.returncode, out, err, time.monotonic() - began)


def _end(program: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(program.pid, signal.SIGKILL)
    else:
        program.kill()
