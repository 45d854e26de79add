"""Programs run as they are, and run by `promptlayer-patch run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlayer_patch._autostart import DIRECTORY
from tests.support.programs import TOO_LONG_S

COMMAND = (sys.executable, "-m", "promptlayer_patch", "run")
ASKS = """\
import openai
def ask(text):
    openai.OpenAI(max_retries=0).chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": text}]
    )
"""


@dataclass(frozen=True)
class Outcome:
    """What somebody outside of a program notices of it."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it has printed, if it ended well."""
        assert self.code == 0, self
        return json.loads(self.out)


@dataclass(frozen=True)
class Runner:
    """Runs programs in one directory, where records go into one file."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def records(self) -> Path:
        return self.home / "calls.jsonl"

    def run(self, *program: str, options: Sequence[str] = (), stdin: str = "", **environment: str) -> Outcome:
        """With recording."""
        given = ("--to", f"jsonl:{self.records}", *options)
        return self.bare(*COMMAND, *given, "--", *program, stdin=stdin, **environment)

    def bare(self, *program: str, stdin: str = "", **environment: str) -> Outcome:
        """As it is."""
        done = subprocess.run(
            program,
            cwd=self.home,
            env=self.surroundings(**environment),
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TOO_LONG_S,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def surroundings(self, **environment: str) -> dict[str, str]:
        inherited = os.environ  # noqa: TID251  for the program, not for us
        return {**inherited, "PYTHONUTF8": "1", **self.environment, **environment}

    def write(self, name: str, source: str) -> str:
        """A file in the directory; its path."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return str(path)

    def recorded(self) -> list[dict[str, Any]]:
        """What arrived, in order."""
        if not self.records.exists():
            return []
        return [json.loads(line) for line in self.records.read_text(encoding="utf-8").splitlines()]

    def asked(self) -> list[str]:
        """The prompts of what arrived."""
        return sorted(one["kwargs"]["messages"][0]["content"] for one in self.recorded())


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a program has also where it is run as it is."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PROMPTLAYER_")}
    entries = [
        entry for entry in kept.pop("PYTHONPATH", "").split(os.pathsep) if entry not in ("", DIRECTORY)
    ]
    return {**kept, "PYTHONPATH": os.pathsep.join(entries)}
