"""Run the test suite on several openai versions, each in an environment of its own under `.venvs/`.

Run by `make test-matrix`, or as `python tests/matrix.py [lane ...] [-- pytest arguments]`; without names all
lanes run. An environment is built once, and again when its requirements or setup.cfg have changed.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
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
class Outcome:
    lane: str
    openai: str
    http: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    green: bool = False

    def row(self) -> tuple[str, ...]:
        counts = (self.passed, self.failed, self.skipped, round(self.seconds))
        return (self.lane, self.openai, self.http, platform.python_version(), *map(str, counts))


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


def versions(python: Path) -> tuple[str, str]:
    """The lane's openai, and the HTTP packages it could speak through."""
    code = (
        "from importlib.metadata import distributions as d\n"
        "found = {x.metadata['Name']: x.version for x in d()}\n"
        "print(found['openai'])\n"
        "print(' '.join(f'{n} {found[n]}' for n in ('httpx', 'httpx2') if n in found))"
    )
    answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    openai, http = answer.stdout.splitlines()
    return openai, http


def run(lane: str, requirements: tuple[str, ...], pytest_arguments: list[str]) -> Outcome:
    try:
        python = build(lane, requirements)
    except subprocess.CalledProcessError as problem:
        print(f"--- {lane}: could not be installed: {problem}", flush=True)
        return Outcome(lane, "?", "not installed")
    openai, http = versions(python)
    print(f"--- {lane}: openai {openai}, {http}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        pytest = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        code = subprocess.run([*pytest, *pytest_arguments], cwd=ROOT, check=False).returncode
        if not report.exists():
            return Outcome(lane, openai, http)
        suite = next(ElementTree.parse(report).iter("testsuite")).attrib
    failed, skipped = int(suite["failures"]) + int(suite["errors"]), int(suite["skipped"])
    passed = int(suite["tests"]) - failed - skipped
    return Outcome(lane, openai, http, passed, failed, skipped, float(suite["time"]), green=code == 0)


def table(outcomes: list[Outcome]) -> str:
    rows = [COLUMNS, *(outcome.row() for outcome in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def main(arguments: list[str]) -> int:
    known = lanes()
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names, pytest_arguments = arguments[:end], arguments[end + 1 :]
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"no such lane: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    outcomes = [run(name, known[name], pytest_arguments) for name in names or known]
    print(f"\n{table(outcomes)}")
    red = [outcome.lane for outcome in outcomes if not outcome.green]
    print(f"\nnot green: {', '.join(red)}" if red else "\nall lanes green")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
