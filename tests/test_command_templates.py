"""`promptlayer-patch templates`: as a user runs it, against a registry on this machine."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptlayer_patch import cli
from tests.support.fake_promptlayer import refused
from tests.support.fake_registry import KEY, TEXT, FakeRegistry, chat
from tests.support.programs import ROOT


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", fake.base_url)
        yield fake


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["templates", *arguments])
    out, err = capsys.readouterr()
    assert KEY not in out + err
    return code, out, err


def test_the_list_has_a_line_for_each(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.put("reply", chat(TEXT), tags=("live", "mail"), commit_message="shorter")
    registry.put("other", chat("x"), model=None)
    code, out, err = run(capsys, "list")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["name", "id", "version", "model", "tags", "commit", "message"],
        ["other", "18", "1", "-"],
        ["reply", "17", "1", "gpt-4o-mini", "live,", "mail", "shorter"],
    ]
    code, out, _ = run(capsys, "list", "--name", "REP", "--tag", "live", "--json")
    assert [one["name"] for one in json.loads(out)] == ["reply"]
    assert "tags=live" in registry.asked()[-1].path
    assert run(capsys, "list", "--name", "nothing")[1] == "There is no such prompt template.\n"


def test_one_is_shown_with_its_messages(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.put("reply", chat("You are a clerk.", TEXT), label="prod")
    registry.put("reply", chat("2"))
    code, out, _ = run(capsys, "show", "reply", "--label", "prod")
    assert code == 0
    assert out == (
        "reply, version 1, id 17; variables: name, topic\n\n[system]\nYou are a clerk.\n\n[user]\n"
        "Write to {name} about {topic}.\n"
    )
    _, out, _ = run(capsys, "show", "17", "--version", "1", "--var", "name=Ada", "--var", "topic=a=b")
    assert "Write to Ada about a=b." in out
    assert "[system]\n2\n" in run(capsys, "show", "reply")[1]


def test_what_goes_wrong_is_said(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", "no-such")
    assert (code, out) == (1, "")
    assert err == "promptlayer-patch templates: HTTP 404: Prompt template not found\n"
    registry.next_answers.append(refused(401, "Invalid API key"))
    assert run(capsys, "list")[2] == "promptlayer-patch templates: HTTP 401: Invalid API key\n"
    for wrong in ([], ["show"], ["show", "a", "--var", "b"], ["show", "a", "--version", "1", "--label", "b"]):
        with pytest.raises(SystemExit) as exited:
            cli.main(["templates", *wrong])
        assert exited.value.code == 2
        capsys.readouterr()


def test_each_is_pulled_into_a_file_of_its_own(
    registry: FakeRegistry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whatever their names are: no file lands elsewhere, none replaces another."""
    names = ["plain", "Plain", "a/b", "../up", ".hidden", "c:d", "é", "x" * 512, "x" * 511, "dot."]
    for name in names:
        registry.put(name, chat(TEXT), custom_provider={"name": "own", "api_key": "sk-secret"})
    code, out, err = run(capsys, "pull", str(tmp_path / "new" / "copies"))
    assert (code, err) == (0, "")
    assert out == f"10 prompt templates written to {tmp_path / 'new' / 'copies'}\n"
    files = sorted((tmp_path / "new" / "copies").iterdir())
    assert len({file.name.lower() for file in files}) == len(names)
    texts = [file.read_text(encoding="utf-8") for file in files]
    assert not any("sk-secret" in text for text in texts)
    assert {json.loads(text)["prompt_name"] for text in texts} == set(names)
    assert all(json.loads(text)["prompt_template"] == chat(TEXT) for text in texts)
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "pull", str(tmp_path / "file"))
    assert (code, err.startswith("promptlayer-patch templates: cannot write into ")) == (1, True)


def test_many_pages_are_seen_to_come(registry: FakeRegistry, tmp_path: Path) -> None:
    """A bar on a terminal, and nothing of it in what a program reads."""
    for number in range(65):
        registry.put(f"t{number}", chat("x"))
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "promptlayer_patch", "templates", "pull", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, text=True) as process:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(controller, 65_536):
                shown += piece
        except OSError:  # the other end is closed, which Linux calls an error
            pass
        out, _ = process.communicate(timeout=60)
    os.close(controller)
    assert process.returncode == 0
    assert out == f"65 prompt templates written to {tmp_path}\n"
    assert b"/65" in shown or b"of 65 prompt templates" in shown
    assert [one.path for one in registry.asked()] == [
        f"/prompt-templates?page={page}&per_page=30" for page in (1, 2, 3)
    ]
