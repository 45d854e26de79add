"""`promptlayer-patch demo`: what a new user sees first."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch.demo.screen import Screen
from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.demo.table import Column, clip, display_width, layout, one_line
from promptlayer_patch.records import Ending
from promptlayer_patch.store import Store

ROOT = Path(__file__).parent.parent
FUNCTIONS = ["chat.completions.create"] * 7 + ["embeddings.create"] + ["chat.completions.create"] * 2


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment that knows nothing of this machine's keys, tests and colours."""
    machine = os.environ  # noqa: TID251
    kept = {name: machine[name] for name in ("PATH", "SYSTEMROOT", "TEMP", "TMP") if name in machine}
    home = str(tmp_path / "home")
    return {**kept, "HOME": home, "USERPROFILE": home, "PYTHONUTF8": "1", **more}


def demo(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "promptlayer_patch", "demo", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(tmp_path, **variables),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def recorded(output: str) -> list[str]:
    """The lines of the table, without its heading."""
    lines = output.split("What was recorded\n")[1].split("\n\n")[0].splitlines()
    (heading,) = (at for at, line in enumerate(lines) if line.split()[:2] == ["id", "function"])
    return lines[heading + 1 :]


def ids(lines: list[str]) -> list[int]:
    return [int(line.split()[0]) for line in lines if "Error:" not in line]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run of the demo: the file it wrote and its output."""
    folder = tmp_path_factory.mktemp("demo")
    db = folder / "requests.db"
    ended = demo(folder, "--db", str(db))
    assert ended.stderr == ""
    assert ended.returncode == 0
    return db, ended.stdout


def test_every_call_is_in_the_store_with_what_the_demo_promises(once: tuple[Path, str]) -> None:
    store = Store.open(once[0], read_only=True)
    rows = sorted(store.recent(), key=lambda row: row.started_at)
    store.close()
    assert [row.function_name.removeprefix("openai.") for row in rows] == FUNCTIONS
    assert [row.client for row in rows] == ["OpenAI"] * 4 + ["AsyncOpenAI"] * 3 + ["OpenAI"] * 3
    assert [row.tags for row in rows] == [("onboarding",)] * 4 + [("support",)] * 6
    assert {row.metadata["source"] for row in rows} == {"promptlayer-patch demo"}
    assert [row.ending for row in rows[:8]] == [Ending.COMPLETE] * 8
    assert rows[1].streamed
    assert rows[1].first_token_at is not None
    assert all(row.input_tokens for row in rows if row.ending is Ending.COMPLETE)
    failed, retried = rows[8:]
    assert (failed.ending, failed.error_type, failed.status) == (
        Ending.PROVIDER_ERROR,
        "NotFoundError",
        404,
    )
    assert (retried.ending, retried.attempts) == (Ending.COMPLETE, 2)


def test_the_table_shows_the_rows_of_this_run_and_the_error(once: tuple[Path, str]) -> None:
    lines = recorded(once[1])
    assert len(lines) == len(FUNCTIONS) + 1
    (error,) = [line for line in lines if "NotFoundError" in line]
    assert "no-such-model" in error
    failed = lines[lines.index(error) - 1]
    assert "provider_error" in failed
    assert lines[-1].split()[-2:] == ["complete", "2"]
    store = Store.open(once[0], read_only=True)
    assert sorted(ids(lines)) == sorted(row.request_id for row in store.recent())
    store.close()


def test_through_a_pipe_it_is_plain_text_of_at_most_120_columns(once: tuple[Path, str]) -> None:
    lines = once[1].splitlines()
    path = str(once[0])
    assert max(display_width(line) for line in lines if path not in line) <= 120
    assert "\x1b" not in once[1]
    assert once[1].isascii()


def test_it_ends_with_how_to_go_on(once: tuple[Path, str]) -> None:
    db, output = once
    after = output.split("How to go on\n")[1].splitlines()
    assert len(after) == 3
    assert str(db) in after[0]
    assert f"promptlayer_patch.install(to={f'local:{db}'!r})" in after[1]
    assert "PROMPTLAYER_API_KEY" in after[2]


def test_a_second_run_adds_to_the_store_and_shows_its_own_rows(
    tmp_path: Path, once: tuple[Path, str]
) -> None:
    copy = tmp_path / "requests.db"
    copy.write_bytes(once[0].read_bytes())
    before = set(ids(recorded(once[1])))
    added = set(ids(recorded(demo(tmp_path, "--db", str(copy)).stdout)))
    assert len(added) == 10
    assert not added & before


def test_without_db_it_records_into_the_users_own_store_and_nowhere_else(tmp_path: Path) -> None:
    """Also where a PromptLayer key is set: a demo is nothing for somebody's account."""
    own = tmp_path / "own.db"
    with StandIn() as promptlayer:
        ended = demo(
            tmp_path,
            PROMPTLAYER_LOCAL_DB=str(own),
            PROMPTLAYER_API_KEY="pl_secret",
            PROMPTLAYER_BASE_URL=promptlayer.base_url,
        )
        assert promptlayer.requests == []
    assert ended.returncode == 0
    assert own.exists()
    assert str(own) in ended.stdout
    assert "promptlayer_patch.install()\n" in ended.stdout
    assert "PROMPTLAYER_API_KEY is set, but" in ended.stdout
    assert "pl_secret" not in ended.stdout


def test_with_an_openai_key_it_says_what_it_spends_and_calls_openai(tmp_path: Path) -> None:
    with StandIn() as openai_itself:
        ended = demo(
            tmp_path,
            *("--db", str(tmp_path / "x.db"), "--model", "gpt-4.1-nano"),
            OPENAI_API_KEY="sk-secret",
            OPENAI_BASE_URL=openai_itself.base_url,
        )
        asked = openai_itself.requests
        first, _, rest = ended.stdout.partition("\n\n")
        assert f"8 short calls go to {openai_itself.base_url} (gpt-4.1-nano," in " ".join(first.split())
    assert ended.returncode == 0
    assert len(asked) == 9  # and the one that fails
    assert not any(b"gpt-busy" in body for _, body in asked)
    assert "gpt-busy-once" in rest
    assert "sk-secret" not in ended.stdout


def test_offline_spares_the_key(tmp_path: Path) -> None:
    with StandIn() as openai_itself:
        ended = demo(
            tmp_path,
            *("--db", str(tmp_path / "x.db"), "--offline"),
            OPENAI_API_KEY="sk-secret",
            OPENAI_BASE_URL=openai_itself.base_url,
        )
        assert openai_itself.requests == []
    assert ended.returncode == 0


def test_calls_that_fail_end_the_demo_with_a_reason_and_their_records(tmp_path: Path) -> None:
    with StandIn() as openai_itself:
        ended = demo(
            tmp_path,
            *("--db", str(tmp_path / "x.db"), "--model", "gone-model"),
            OPENAI_API_KEY="sk-secret",
            OPENAI_BASE_URL=openai_itself.base_url,
        )
    assert ended.returncode == 1
    assert "NotFoundError" in ended.stderr
    assert "--offline" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "provider_error" in recorded(ended.stdout)[0]


def test_a_store_that_cannot_be_written_ends_the_demo_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = demo(tmp_path, "--db", str(tmp_path / "file" / "requests.db"))
    assert ended.returncode == 1
    assert "requests.db" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_encoding_without_our_characters_is_no_obstacle(tmp_path: Path) -> None:
    ended = demo(
        tmp_path,
        "--db",
        str(tmp_path / "grün.db"),
        PYTHONUTF8="0",
        PYTHONIOENCODING="ascii",
        LC_ALL="C.UTF-8",
    )
    assert ended.returncode == 0
    assert "gr?n.db" in ended.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(
    ("columns", "variables", "coloured"),
    [(120, {}, True), (80, {"NO_COLOR": "1"}, False)],
)
def test_on_a_terminal_it_keeps_to_the_width_and_may_use_colour(
    tmp_path: Path, columns: int, variables: dict[str, str], coloured: bool
) -> None:
    shown = _in_terminal(tmp_path, columns, {"TERM": "xterm", **variables})
    assert ("\x1b[31m" in shown) is coloured
    plain = re.sub(r"\x1b\[\d*m", "", shown).replace("\r\n", "\n")
    assert "Traceback" not in plain
    assert len(recorded(plain)) == len(FUNCTIONS) + 1
    until_paths = plain.split("How to go on")[0]
    assert max(display_width(line) for line in until_paths.splitlines()) <= columns


def _in_terminal(tmp_path: Path, columns: int, variables: dict[str, str]) -> str:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "promptlayer_patch", "demo", "--db", str(tmp_path / "x.db")],
        cwd=ROOT,
        env=environment(tmp_path, **variables),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:
        pass  # Linux's way of saying that the other side is closed
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return shown.decode()


COLUMNS = (Column("name", least=4), Column("n", right=True))


def test_columns_line_up_whatever_their_characters() -> None:
    rows = [["日本語", "1"], ["plain", "22"], ["e\u0301", "3"], ["👍", "4"]]
    lines = layout(COLUMNS, rows, 40)
    assert {display_width(line) for line in lines} == {10}
    assert lines[1] == "日本語   1"
    assert lines[0] == "name     n"


def test_a_table_shrinks_to_the_width_and_no_column_below_its_least() -> None:
    rows = [["a long name that is cut", "123456"]]
    assert layout(COLUMNS, rows, 20)[1] == "a long na...  123456"
    assert layout(COLUMNS, rows, 1)[1] == "a...  123456"
    assert layout(COLUMNS, [["日本語日本語", "1"]], 12)[1] == "日本語...  1"


def test_columns_give_way_by_rank_then_by_leaving() -> None:
    columns = (
        Column("a", least=4, rank=1),
        Column("b", least=4, rank=2),
        Column("c", optional=True),
        Column("d", optional=True),
    )
    rows = [["aaaaaa", "bbbbbb", "cc", "dd"]]
    assert layout(columns, rows, 22)[1] == "aaaaaa  bbbbbb  cc  dd"
    assert layout(columns, rows, 20)[1] == "aaaaaa  b...  cc  dd"
    assert layout(columns, rows, 19)[1] == "aa...  b...  cc  dd"
    assert layout(columns, rows, 16)[1] == "aaaaaa  b...  cc"
    assert layout(columns, rows, 10)[1] == "a...  b..."


@pytest.mark.parametrize("text", ["", "plain", "日本語テキスト", "e\u0301e\u0301", "a日b本c"])
@pytest.mark.parametrize("width", range(9))
def test_a_clipped_text_never_takes_more_than_its_width(text: str, width: int) -> None:
    assert display_width(clip(text, width)) <= width


def test_what_would_tear_a_table_apart_is_blanked() -> None:
    assert one_line("a\nb\tc\x1b[31m\u2028d") == "a b c [31m d"


def test_words_are_written_as_they_arrive_and_wrapped() -> None:
    out = io.StringIO()
    seen: list[str] = []

    def words() -> Any:
        for word in ("one", " two", " three" * 6):
            yield word
            seen.append(out.getvalue())

    Screen(out, width=40).step("stream", words())
    assert seen[0].endswith("one")
    assert seen[1].endswith("one two")
    assert all(len(line) <= 40 for line in seen[1].splitlines())


def test_a_step_wraps_between_words() -> None:
    out = io.StringIO()
    Screen(out, width=40).step("chat", "alpha beta gamma delta epsilon")
    assert out.getvalue() == "  chat        alpha beta gamma delta\n              epsilon\n"
