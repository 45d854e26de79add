"""`promptlayer-patch prune` and `backup`: what is old goes, what is there is copied."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from promptlayer_patch import cli
from promptlayer_patch.store import Store
from tests.support.programs import ROOT
from tests.support.stored import said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "requests.db"
    old = time.time() - 40 * 86_400
    with closing(Store.open(path)) as store:
        store.add([said("an old question", "x", started_at=old + n, ended_at=old + n + 1) for n in range(3)])
        store.add([said("a new question", "y", started_at=time.time() - 60, ended_at=time.time())])
    return path


def questions(path: Path) -> list[str]:
    with closing(Store.open(path)) as store:
        found = [store.get(request.request_id) for request in store.recent()]
    return [one.record.request["messages"][0]["content"] for one in found if one is not None]


def test_what_is_older_is_deleted_for_good(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prune", "--db", str(path), "--older-than", "30d", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("3 requests deleted, the store is ")
    assert questions(path) == ["a new question"]
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    assert not any(b"old question" in file.read_bytes() for file in files)


def test_nothing_is_deleted_where_nobody_can_be_asked(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert cli.main(["prune", "--db", str(path), "--older-than", "30d"]) == 1
    assert "without --yes" in capsys.readouterr().err
    assert len(questions(path)) == 4


@pytest.mark.skipif(os.name == "nt", reason="POSIX terminals")
@pytest.mark.parametrize(("answer", "left"), [(b"y\n", 1), (b"\n", 4)])
def test_a_person_is_asked_first(path: Path, answer: bytes, left: int) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "promptlayer_patch", "prune", "--db", str(path), "--older-than", "4w"]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE) as process:
        os.write(terminal, answer)
        shown, _ = process.communicate(timeout=60)
    os.close(terminal)
    os.close(theirs)
    assert b"Delete 3 requests, and the spans, from before " in shown
    assert (process.returncode == 0) is (left == 1)
    assert len(questions(path)) == left


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1y", "30 d", "1e3d", ""])
def test_an_age_has_a_unit(age: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prune", "--db", str(path), f"--older-than={age}"])
    assert ended.value.code == 2
    assert "invalid age value" in capsys.readouterr().err


def test_a_backup_is_a_store_of_its_own(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    with closing(Store.open(path)):  # in use
        assert cli.main(["backup", "--db", str(path), str(copy)]) == 0
    assert capsys.readouterr().out.endswith(f" written to {copy}\n")
    assert questions(copy) == questions(path)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_backup_overwrites_nothing(tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    assert cli.main(["backup", "--db", str(path), str(there)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert there.read_text() == "mine"


def test_what_is_not_there_is_neither_pruned_nor_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = str(tmp_path / "none.db")
    assert cli.main(["prune", "--db", none, "--older-than", "1d", "--yes"]) == 1
    assert cli.main(["backup", "--db", none, str(tmp_path / "copy")]) == 1
    assert capsys.readouterr().err.count("there is no store at") == 2
    assert list(tmp_path.iterdir()) == []
