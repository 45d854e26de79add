"""Run the test suite on several openai versions, each in an environment of its own under `.venvs/`.

Run by `make test-matrix`, or as `python tests/matrix.py [lane ...] [-- pytest arguments]`; without names all
lanes run. An environment is built once, and again when its requirements or setup.cfg have changed.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("lane", "openai", "http stack", "python", "passed", "failed", "skipped", "seconds")


def floor() -> str:
    """The oldest openai that setup.cfg allows."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    for line in config["options"]["install_requires"].splitlines():
        if line.startswith("openai>="):
            return line.removeprefix("openai>=")
    raise SystemExit("setup.cfg: install_requires has no line openai>=...")


def lanes() -> dict[str, tuple[str, ...]]:
    """Name of each lane, and what it installs beside the project."""
    return {
        # This openai hands httpx an argument that 0.28 no longer takes.
        "floor": (f"openai=={floor()}", "httpx<0.28", "numpy"),
        "last-1": ("openai<2",),
        # These are new enough for LangChain; its tests are skipped on the others.
        "last-2": ("openai<3", "langchain-openai"),
        "newest": ("openai", "langchain-openai"),
    }


@dataclass(frozen=True)
class Counts:
    """How a run of pytest went."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    green: bool = False
    properties: Mapping[str, int] = field(default_factory=dict)
    """The sums of the numbers that tests have recorded as properties."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (*map(str, (self.passed, self.failed, self.skipped, round(self.seconds))),)


@dataclass(frozen=True)
class Outcome:
    lane: str
    openai: str
    http: str
    counts: Counts = Counts()

    def row(self) -> tuple[str, ...]:
        return (self.lane, self.openai, self.http, platform.python_version(), *self.counts.columns)


def build(lane: str, requirements: tuple[str, ...]) -> Path:
    """The interpreter of the lane's environment, which is made first if there is none or it is outdated."""
    home = ROOT / ".venvs" / lane
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = home / "requirements.sha256"
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    wanted = hashlib.sha256("\n".join((sys.version, setup, *requirements)).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"--- {lane}: installing {' '.join(requirements)}", flush=True)
        venv.create(home, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "install", "--use-pep517"]
        subprocess.run([*pip, "--editable", ".[test-base]", *requirements], cwd=ROOT, check=True)
        stamp.write_text(wanted)
    return python


def installed(python: Path) -> dict[str, str]:
    """The version of each distribution in an environment."""
    code = (
        "import json\n"
        "from importlib.metadata import distributions\n"
        "print(json.dumps({d.metadata['Name']: d.version for d in distributions()}))"
    )
    answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def tested(python: Path, arguments: Sequence[str]) -> Counts:
    """Run pytest in an environment."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        pytest = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        code = subprocess.run([*pytest, *arguments], cwd=ROOT, check=False).returncode
        if not report.exists():
            return Counts()
        suite = next(ElementTree.parse(report).iter("testsuite"))
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    skipped = int(suite.attrib["skipped"])
    passed = int(suite.attrib["tests"]) - failed - skipped
    properties: Counter[str] = Counter()
    for noted in suite.iter("property"):
        if noted.attrib["value"].isdecimal():  # others leave reports there
            properties[noted.attrib["name"]] += int(noted.attrib["value"])
    return Counts(passed, failed, skipped, float(suite.attrib["time"]), code == 0, properties)


def run(lane: str, requirements: tuple[str, ...], pytest_arguments: list[str]) -> Outcome:
    try:
        python = build(lane, requirements)
    except subprocess.CalledProcessError as problem:
        print(f"--- {lane}: could not be installed: {problem}", flush=True)
        return Outcome(lane, "?", "not installed")
    found = installed(python)
    # The HTTP packages it could speak through.
    http = " ".join(f"{name} {found[name]}" for name in ("httpx", "httpx2") if name in found)
    print(f"--- {lane}: openai {found['openai']}, {http}", flush=True)
    return Outcome(lane, found["openai"], http, tested(python, pytest_arguments))


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def main(arguments: list[str]) -> int:
    known = lanes()
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names, pytest_arguments = arguments[:end], arguments[end + 1 :]
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"no such lane: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    outcomes = [run(name, known[name], pytest_arguments) for name in names or known]
    print(f"\n{table(COLUMNS, (outcome.row() for outcome in outcomes))}")
    red = [outcome.lane for outcome in outcomes if not outcome.counts.green]
    print(f"\nnot green: {', '.join(red)}" if red else "\nall lanes green")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
