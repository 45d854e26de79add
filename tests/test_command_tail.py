"""`promptlayer-patch tail`: requests appear as other processes store them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from promptlayer_patch.store import Store
from tests.support.programs import ROOT
from tests.support.stored import fill, said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@contextmanager
def tailing(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "promptlayer_patch", "tail", "--db", str(path), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    answer: str = json.loads(process.stdout.readline())["answer"]
    return answer


def test_it_begins_with_the_last_and_goes_on_with_the_new(path: Path) -> None:
    fill(path)
    with closing(Store.open(path)) as store, tailing(path, "--jsonl", "-n", "2") as process:
        assert next_answer(process) == ""
        assert next_answer(process) == "-1 is negative"
        store.add([said("a", "later", 300)])
        assert next_answer(process) == "later"
        store.add([said("b", "began earlier, took longer", 200), said("c", "the latest", 400)])
        assert next_answer(process) == "began earlier, took longer"
        assert next_answer(process) == "the latest"


def test_it_shows_what_the_query_asks_for(path: Path) -> None:
    fill(path)
    with closing(Store.open(path)) as store, tailing(path, "--jsonl", "-n", "1", "tag:prod") as process:
        assert next_answer(process) == "30 天内可以退款。"
        for number in range(3):
            store.add([said("a", "no", 300 + number, tags=("test",))])
            store.add([said("a", f"yes {number}", 310 + number, tags=("prod",))])
        assert [next_answer(process) for _ in range(3)] == ["yes 0", "yes 1", "yes 2"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_it_with_130(path: Path) -> None:
    fill(path)
    with tailing(path, "--jsonl") as process:
        next_answer(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(("variables", "colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_there_is_colour_on_a_terminal_alone(path: Path, variables: dict[str, str], colour: bool) -> None:
    fill(path)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", **variables}  # noqa: TID251  for the program
    if not variables:
        environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "promptlayer_patch", "tail", "--db", str(path)],
        cwd=ROOT,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    try:
        shown = b""
        while b"negative" not in shown:
            shown += os.read(ours, 4096)
        assert (b"\x1b[31mERROR\x1b[0m" in shown) is colour
        assert (b"\x1b[" in shown) is colour
    finally:
        process.kill()
        process.wait()
        os.close(ours)
