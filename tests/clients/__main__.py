"""Run the official clients, as they are published, against the server, each in an environment of its own.

Run by `make test-clients`, or as `python -m tests.clients [name ...] [-- pytest arguments]`; without names
all clients run. The environments are built under `.venvs/`, in the way of `tests/matrix.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.matrix import Counts, build, installed, table, tested

COLUMNS = ("client", "version", "passed", "failed", "skipped", "seconds")
# Clients may warn as they like and leave sockets open: only our own warnings fail a test.
LENIENT = ("--disable-warnings", "-o", "filterwarnings=ignore\nerror:::promptlayer_patch(\\..*)?")


@dataclass(frozen=True)
class Environment:
    """What is installed beside the project."""

    shown: str
    """The distribution whose version the table shows."""
    tests: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    """Packages for Node."""


CLIENTS = {
    "python": Environment(
        "promptlayer",
        ("test_python.py", "test_python_kinds.py", "test_python_tracing.py"),
        ("promptlayer[otel-genai-instrumentation]",),
    ),
    # The last one that traces in PromptLayer's own form.
    "python-1.4": Environment(
        "promptlayer",
        ("test_python.py", "test_python_kinds.py", "test_python_spans.py"),
        ("promptlayer<1.5",),
    ),
    "node": Environment("promptlayer", ("test_node.py",), npm=("promptlayer", "openai")),
    "otel": Environment(
        "opentelemetry-exporter-otlp-proto-http",
        ("test_otel.py",),
        (
            "opentelemetry-exporter-otlp-proto-http",
            "opentelemetry-instrumentation-openai-v2",
            # It imports these two without saying so, and what newer ones of the second have moved.
            "httpx",
            "opentelemetry-util-genai==0.4b0",
            "opentelemetry-instrumentation-openai",
        ),
    ),
}


@dataclass(frozen=True)
class Outcome:
    name: str
    version: str = "?"
    counts: Counts = field(default_factory=Counts)

    def row(self) -> tuple[str, ...]:
        return (self.name, self.version, *self.counts.columns)


def run(name: str, pytest_arguments: Sequence[str]) -> Outcome:
    """Build the environment and run its tests."""
    environment = CLIENTS[name]
    if environment.npm and not shutil.which("npm"):
        print(f"--- {name}: there is no npm", flush=True)
        return Outcome(name, "not installed")
    try:
        python = build(f"client-{name}", environment.requirements)
        modules = _modules(python.parents[1], environment.npm)
    except subprocess.CalledProcessError as problem:
        print(f"--- {name}: could not be installed: {problem}", flush=True)
        return Outcome(name, "not installed")
    found = modules if environment.npm else installed(python)
    print(f"--- {name}: {environment.shown} {found[environment.shown]}", flush=True)
    paths = [f"tests/clients/{test}" for test in environment.tests]
    return Outcome(name, found[environment.shown], tested(python, [*LENIENT, *paths, *pytest_arguments]))


def _modules(home: Path, packages: Sequence[str]) -> dict[str, str]:
    """The versions of the packages in the environment's `node_modules`, where they are installed first."""
    where = home / "node_modules"
    if packages and not all((where / package).is_dir() for package in packages):
        npm = shutil.which("npm") or "npm"
        quiet = ("--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
        subprocess.run([npm, "install", "--prefix", str(home), *quiet, *packages], check=True)
    described = {one: (where / one / "package.json").read_text(encoding="utf-8") for one in packages}
    return {name: json.loads(text)["version"] for name, text in described.items()}


def main(arguments: list[str]) -> int:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names, pytest_arguments = arguments[:end], arguments[end + 1 :]
    unknown = sorted(set(names) - set(CLIENTS))
    if unknown:
        print(f"no such client: {', '.join(unknown)}; there are {', '.join(CLIENTS)}", file=sys.stderr)
        return 2
    outcomes = [run(name, pytest_arguments) for name in names or CLIENTS]
    print(f"\n{table(COLUMNS, (outcome.row() for outcome in outcomes))}")
    red = [outcome.name for outcome in outcomes if not outcome.counts.green]
    print(f"\nnot green: {', '.join(red)}" if red else "\nall green")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
