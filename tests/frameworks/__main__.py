"""Run the tests that need a framework or a server beside openai, each in an environment of its own.

Run by `make test-frameworks`, or as `python -m tests.frameworks [name ...] [-- pytest arguments]`; without
names all environments run. They are built under `.venvs/`, in the way of `tests/matrix.py`.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

from tests.matrix import ROOT, Counts, build, installed, table, tested

NOTED = ("requests", "attempts", "records")
"""What the tests count."""
COLUMNS = ("environment", "version", "openai", *NOTED, "passed", "failed", "skipped", "seconds")
COUNTED = ("-o", "junit_family=xunit1")
# Frameworks may warn as they like and leave sockets open: only our own warnings fail a test.
LENIENT = ("--disable-warnings", "-o", "filterwarnings=ignore\nerror:::promptlayer_patch(\\..*)?")


@dataclass(frozen=True)
class Environment:
    """What is installed beside the project, and what is run there."""

    requirements: tuple[str, ...]
    tests: str
    """A path from the root of the project, or a pattern of several."""
    shown: str
    """The distribution whose version the table shows."""
    options: tuple[str, ...] = ()
    """Of pytest."""


def framework(module: str, *requirements: str) -> Environment:
    """A framework: its packages, the first of which is shown, and its tests in `test_<module>.py`."""
    shown = requirements[0].partition("[")[0]
    return Environment(requirements, f"tests/frameworks/test_{module}.py", shown, LENIENT)


ENVIRONMENTS = {
    "langchain": framework("langchain", "langchain", "langchain-openai"),
    "litellm": framework("litellm", "litellm"),
    "instructor": framework("instructor", "instructor"),
    "agents": framework("agents", "openai-agents"),
    "llama-index": framework("llama_index", "llama-index-llms-openai"),
    "pydantic-ai": framework("pydantic_ai", "pydantic-ai-slim[openai]"),
    "servers": Environment(
        ("gunicorn", "uvicorn", "celery", "watchfiles"), "tests/test_run_servers.py", "uvicorn"
    ),
}


@dataclass(frozen=True)
class Outcome:
    name: str
    version: str = "?"
    openai: str = "?"
    counts: Counts = field(default_factory=Counts)

    def row(self) -> tuple[str, ...]:
        noted = self.counts.properties
        numbers = (str(noted.get(what, "-")) for what in NOTED)
        return (self.name, self.version, self.openai, *numbers, *self.counts.columns)


def run(name: str, pytest_arguments: list[str]) -> Outcome | None:
    """Build the environment and run its tests; `None` if there are none."""
    environment = ENVIRONMENTS[name]
    paths = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(environment.tests))
    if not paths:
        print(f"--- {name}: no {environment.tests}", flush=True)
        return None
    try:
        python = build(name, environment.requirements)
    except subprocess.CalledProcessError as problem:
        print(f"--- {name}: could not be installed: {problem}", flush=True)
        return Outcome(name, "not installed")
    found = installed(python)
    version, openai = found[environment.shown], found["openai"]
    print(f"--- {name}: {environment.shown} {version}, openai {openai}", flush=True)
    return Outcome(
        name, version, openai, tested(python, [*COUNTED, *environment.options, *paths, *pytest_arguments])
    )


def main(arguments: list[str]) -> int:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names, pytest_arguments = arguments[:end], arguments[end + 1 :]
    unknown = sorted(set(names) - set(ENVIRONMENTS))
    if unknown:
        print(
            f"no such environment: {', '.join(unknown)}; there are {', '.join(ENVIRONMENTS)}", file=sys.stderr
        )
        return 2
    outcomes = [outcome for name in names or ENVIRONMENTS if (outcome := run(name, pytest_arguments))]
    print(f"\n{table(COLUMNS, (outcome.row() for outcome in outcomes))}")
    red = [outcome.name for outcome in outcomes if not outcome.counts.green]
    print(f"\nnot green: {', '.join(red)}" if red else "\nall green")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
