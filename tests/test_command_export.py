"""`promptlayer-patch export`: exactly what a query finds, in a file that can be continued."""

from __future__ import annotations

import csv
import io
import json
import stat
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch import cli
from promptlayer_patch._commands import progress
from promptlayer_patch._exported import FORMATS, cell, end_of_rows
from promptlayer_patch.store import Store
from tests.support.stored import fill, said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


def run(path: Path, *arguments: object) -> int:
    return cli.main(["export", "--db", str(path), *map(str, arguments)])


def test_json_lines_have_everything_oldest_first(
    path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    ids = fill(path)
    assert run(path) == 0
    lines = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [line["request_id"] for line in lines] == ids
    assert lines[1]["record"]["request"]["messages"][0]["content"] == "退款政策是什么?"
    assert lines[1]["prompt"]["variables"] == {"topic": "退款"}
    assert lines[0]["scores"] == {"accuracy": 90}


def test_exactly_what_the_query_asks_for_is_written(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = fill(path)
    file = tmp_path / "out.jsonl"
    assert run(path, "tag:prod", "-user:42", "-o", file) == 0
    assert capsys.readouterr().err.endswith(f"1 request written to {file}\n")
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["request_id"] == ids[0]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_csv_opens_in_a_spreadsheet(path: Path, tmp_path: Path) -> None:
    ids = fill(path)
    file = tmp_path / "out.csv"
    assert run(path, "--format", "csv", "-o", file) == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbfrequest_id,")
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    assert [int(row["request_id"]) for row in rows] == ids
    assert rows[1]["input"] == "[user]: 退款政策是什么?"
    assert (rows[0]["tags"], rows[0]["scores"]) == ("prod, mail", '{"accuracy": 90}')
    assert rows[2]["error_message"] == "slow down"
    assert rows[3]["output"] == "'-1 is\nnegative"


@pytest.mark.parametrize("first", [*"=+-@\t\r\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_text_never_becomes_a_formula(first: str) -> None:
    assert cell(f"{first}1+1") == f"'{first}1+1"
    assert cell("1+1") == "1+1"
    assert cell(-1.5) == -1.5


def test_a_file_that_is_there_is_not_touched_without_being_asked(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    file = tmp_path / "out.jsonl"
    file.write_text("mine\n")
    assert run(path, "-o", file) == 1
    assert "--resume goes on where it ends, --overwrite replaces it" in capsys.readouterr().err
    assert run(path, "-o", file, "--resume") == 1
    assert "was not written by export in this format" in capsys.readouterr().err
    assert file.read_text() == "mine\n"
    assert run(path, "-o", file, "--overwrite") == 0
    assert len(file.read_text().splitlines()) == 4
    assert run(path, "--resume") == 1
    assert "name it with -o" in capsys.readouterr().err
    assert run(path, "-o", tmp_path / "no" / "such" / "directory") == 1
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_torn_anywhere_is_continued_to_the_same_file(
    form: str, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert run(path, "--format", form, "-o", whole) == 0
    data = whole.read_bytes()
    for end in {0, 1, len(data), *range(5, len(data), 97)}:
        torn.write_bytes(data[:end])
        assert run(path, "--format", form, "-o", torn, "--resume") == 0
        assert torn.read_bytes() == data


def test_what_has_come_since_is_added_by_resuming(path: Path, tmp_path: Path) -> None:
    ids = fill(path)
    file = tmp_path / "out.jsonl"
    assert run(path, "-o", file, "--resume") == 0
    with closing(Store.open(path)) as store:
        ids += store.add([said("a", "b", 300)])
    assert run(path, "-o", file, "--resume") == 0
    assert [json.loads(line)["request_id"] for line in file.read_text().splitlines()] == ids


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(sorted(FORMATS)))
def test_no_other_file_is_taken_for_an_exported_one(data: bytes, form: str) -> None:
    try:
        row = end_of_rows(io.BytesIO(data), FORMATS[form])
    except ValueError:
        return
    assert 0 <= row.end <= len(data)
    assert row.end == 0 or data[: row.end].endswith(b"\n")


def test_of_many_requests_it_is_told_how_far_it_is(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    with closing(Store.open(path)) as store:
        ids = store.add([said(f"question {number}", "yes", number / 8) for number in range(1000)])
    file = tmp_path / "out.jsonl"
    assert run(path, "question", "-o", file) == 0
    told = capsys.readouterr().err
    assert " of 1000 requests\n" in told
    assert told.endswith(f"1000 requests written to {file}\n")
    assert [json.loads(line)["request_id"] for line in file.read_text().splitlines()] == ids
