"""`promptlayer-patch show`: one request, readable, and safe on a terminal."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from promptlayer_patch import cli
from promptlayer_patch.store import Store
from tests.support.stored import fill, said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


def run(capsys: pytest.CaptureFixture[str], path: Path, *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["show", "--db", str(path), *map(str, arguments)])
    return (code, *capsys.readouterr())


def test_the_conversation_stands_below_the_facts(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third, _ = fill(path)
    code, out, err = run(capsys, path, first)
    assert (code, err) == (0, "")
    assert f"request   {first}  record " in out
    assert "score     accuracy: 90\n" in out
    assert "tags      prod, mail\n" in out
    assert "tokens    8 in, 4 out\n" in out
    assert out.endswith("\n\n[user]\nWhere is my refund?\n\n[assistant]\nOn its way.\n")
    out = run(capsys, path, second)[1]
    assert "metadata  user_id: 42\n" in out
    assert "prompt    reply, version 3\n" in out
    out = run(capsys, path, third)[1]
    assert "error     RateLimitError: slow down (HTTP 429)\n" in out
    assert "status    ERROR (provider_error)\n" in out
    assert ", 3 attempts\n" in out


def test_the_records_id_does_as_well(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = fill(path)
    record = json.loads(run(capsys, path, ids[0], "--json")[1])["record"]
    assert f"request   {ids[0]} " in run(capsys, path, record["id"])[1]


def test_raw_is_what_was_sent_and_what_came_back(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = fill(path)
    facts = json.loads(run(capsys, path, ids[0], "--raw")[1])
    assert facts["request"]["messages"] == [{"role": "user", "content": "Where is my refund?"}]
    assert facts["response"]["usage"]["total_tokens"] == 12


def test_tool_calls_and_images_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Graz"}'}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 50_000}}
    asked = said("x", "y").request
    record = said(
        "x",
        "y",
        request={
            **asked,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}, image]}],
        },
        response={"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [call]}}]},
    )
    with closing(Store.open(path)) as store:
        (request_id,) = store.add([record])
    out = run(capsys, path, request_id)[1]
    assert 'calls weather({"city": "Graz"})' in out
    assert "\nLook\n" in out
    assert len(out) < 5_000
    assert "--json shows all" in out


def test_what_a_model_says_does_not_command_the_terminal(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "\x1b]0;owned\x07 \x1b[2J \u202egnp.exe\r\nnext \ud800"
    with closing(Store.open(path)) as store:
        (request_id,) = store.add([said(hostile, hostile, tags=(hostile,), metadata={"k": hostile})])
    for form in ((), ("--json",), ("--raw",)):
        code, out, _ = run(capsys, path, request_id, *form)
        assert code == 0
        assert not set(out) & set("\x1b\x07\u202e\r\ud800")
    assert "\\u001b]0;owned\\u0007" in run(capsys, path, request_id)[1]


@pytest.mark.parametrize("wanted", ["1", "9" * 40, "no-such-record", "x\x1b[2J", "²"])
def test_what_is_not_there_is_said(wanted: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(path)
    code, out, err = run(capsys, path, wanted)
    assert (code, out) == (1, "")
    assert "there is no request" in err
    assert "\x1b" not in err
