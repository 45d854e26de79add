"""Running a user's test suite in a process of its own, with our plugin as pytest finds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import ROOT, TOO_LONG_S

HOME = ROOT / "tests" / "somebodys_tests"
# Without bytecode pytest would compile and rewrite its plugins, and us with them, for each run.
NOT_HANDED_ON = ("PROMPTLAYER_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
NO_OTHERS = ("-p", "no:cacheprovider", "-p", "no:randomly")
OUTSIDERS = ("asyncio", "recording", "langsmith_plugin", "schemathesis")
WITHOUT_OUTSIDERS = tuple(word for name in OUTSIDERS for word in ("-p", f"no:{name}"))


@dataclass(frozen=True)
class Suite:
    """How a run of a user's tests has ended."""

    code: int
    out: str
    outcomes: Mapping[str, str]
    """By the name of the test: `passed`, `failed`, `error` or `skipped`."""

    @property
    def failures(self) -> list[str]:
        return [name for name, outcome in self.outcomes.items() if outcome in ("failed", "error")]

    @property
    def passed(self) -> int:
        return sum(outcome == "passed" for outcome in self.outcomes.values())


def taken(where: Path, *names: str) -> Path:
    """A directory with these suites of `somebodys_tests`, and the application they test."""
    where.mkdir(parents=True, exist_ok=True)
    for name in ("app", "provider"):
        shutil.copy(HOME / f"{name}.py", where / f"{name}.py")
    for name in names:
        shutil.copy(HOME / f"{name}.py", where / f"test_{name}.py")
    return where


def run_tests(where: Path, *options: str, environment: Mapping[str, str] | None = None) -> Suite:
    """Run the tests in a directory as its root, in the environment of this test and `environment`."""
    report = where / "report.xml"
    inherited = os.environ.items()  # noqa: TID251  a program needs the rest of it
    fixed = ["-q", *NO_OTHERS, f"--rootdir={where}", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *fixed, *options],
        cwd=where,
        env={
            **{name: value for name, value in inherited if not name.startswith(NOT_HANDED_ON)},
            "PYTHONPATH": str(ROOT),
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        timeout=TOO_LONG_S,
        check=False,
    )
    outcomes = {}
    if report.exists():
        for case in ElementTree.parse(report).iter("testcase"):
            outcomes[case.attrib["name"]] = _outcome(case)
        report.unlink()
    return Suite(done.returncode, done.stdout + done.stderr, outcomes)


def _outcome(case: ElementTree.Element) -> str:
    for tag, outcome in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        if case.find(tag) is not None:
            return outcome
    return "passed"
