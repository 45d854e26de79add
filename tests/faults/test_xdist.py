"""The workers of pytest-xdist end in a way of their own; what their tests have called arrives anyway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.cells import environment_of
from tests.faults.endpoint import Endpoint
from tests.support.programs import ROOT, TOO_LONG_S

TESTS = """
import promptlayer_patch
import pytest
from tests.faults.children import MODEL, client

promptlayer_patch.install()

@pytest.mark.parametrize("number", range(20))
def test_something(number):
    client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": f"call {number}"}])
"""


@pytest.mark.alone  # two more processes, on a machine that is full, have ended too late
def test_what_the_workers_of_xdist_call_arrives_once(tmp_path: Path) -> None:
    tests = tmp_path / "test_somebodys.py"
    tests.write_text(TESTS, encoding="utf-8")
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:promptlayer_patch",
        "-n",
        "2",
        "--rootdir",
        str(tmp_path),
    ]
    with Endpoint(dedupe=False) as endpoint:
        environment = environment_of(endpoint.base_url, tmp_path, outbox=True)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, str(tests)],
            env={**environment, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TOO_LONG_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(endpoint.texts) == sorted(f"call {number}" for number in range(20))
    assert not list((tmp_path / "outbox").glob("*.outbox"))
