"""An openai whose private names have moved: calls are then recorded from their arguments and results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "support" / "moved_names.py"


@pytest.fixture(scope="module")
def report() -> dict[str, str]:
    """What the program says of itself: it imports an openai with other private names, and makes calls."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("call", ["plain", "awaited", "stream", "async stream", "raw", "failed"])
def test_each_call_leaves_one_record(report: dict[str, str], call: str) -> None:
    """The request without headers, the text of the answer, and the right ending."""
    ending = "provider_error" if call == "failed" else "complete"
    text = "None" if call == "failed" else "Hello there"

    assert report[call] == f"1 record, {ending}, asked 'Hi', answered {text}, headers kept: False"


def test_it_is_said_once(report: dict[str, str]) -> None:
    """One warning, not one for each call."""
    assert report["warnings"] == "1"
