"""The command line: usage, exit codes, messages."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from promptlayer_patch import cli
from promptlayer_patch._version import __version__
from promptlayer_patch.errors import PromptLayerError

ROOT = Path(__file__).parent.parent


def module(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "promptlayer_patch", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_module_is_the_command() -> None:
    ended = module("--version")
    assert ended.returncode == 0
    assert ended.stdout == f"promptlayer-patch {__version__}\n"
    assert ended.stderr == ""


@pytest.mark.parametrize("wrong", [[], ["nonsense"], ["demo", "--nonsense"], ["demo", "extra"]])
def test_wrong_usage_ends_with_2_and_says_what_is_possible(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(wrong)
    assert ended.value.code == 2
    assert "usage: promptlayer-patch" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(command.name in shown and command.help in shown for command in cli.COMMANDS)


def test_help_and_version_do_not_import_openai() -> None:
    """It costs half a second."""
    code = "import sys; from promptlayer_patch import cli; cli._parser(); sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (PromptLayerError("the disk is full"), 1, "promptlayer-patch odd: the disk is full\n"),
        (ImportError("No module named 'openai'"), 1, "promptlayer-patch odd: No module named 'openai'\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_command_that_fails_ends_with_a_code_and_one_message(
    raised: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: argparse.Namespace) -> None:
        raise raised

    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("odd", "fails", lambda _: None, fail),))
    assert cli.main(["odd"]) == code
    assert capsys.readouterr() == ("", message)


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    """As in `promptlayer-patch ... | head -1`."""
    code = (
        "import sys; from promptlayer_patch import cli\n"
        "def chatter(_):\n"
        "    while True: print('x' * 1000)\n"
        "cli.COMMANDS = (cli.Command('chat', '', lambda _: None, chatter),)\n"
        "sys.exit(cli.main(['chat']))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1
