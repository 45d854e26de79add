"""Python programs run in processes of their own, to see how they end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
TOO_LONG_S = 60.0
FORKS = ("-W", "ignore::DeprecationWarning")
"""Options of a program that forks: newer Pythons warn of it, and that it works is what is tested."""

_ASKS = """\
import openai, promptlayer_patch
client = openai.OpenAI(max_retries=0)
def ask(text, **options):
    return client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": text}], **options
    )
"""


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str
    seconds: float


def asking(source: str) -> str:
    """`source` with a function `ask(text)` before it that calls OpenAI where the environment says."""
    return _ASKS + dedent(source)


def run_program(source: str | Path, *arguments: object, options: Sequence[str] = ()) -> Ended:
    """Run `source`, or the program in that file, to its end, in the environment of this test."""
    program = [source] if isinstance(source, Path) else ["-c", dedent(source)]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *options, *program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,  # where -c finds the package
        timeout=TOO_LONG_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def printed(source: str | Path, *arguments: object, options: Sequence[str] = ()) -> list[str]:
    """The lines that `source` prints; it must end well and say nothing else."""
    ended = run_program(source, *arguments, options=options)
    assert (ended.code, ended.err) == (0, ""), ended
    return ended.out.splitlines()
