"""`promptlayer-patch search`: as a user runs it, over a store on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptlayer_patch import cli
from tests.support.stored import fill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


def run(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["search", "--db", str(path), *arguments])
    return (code, *capsys.readouterr())


def found(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> list[int]:
    code, out, _ = run(capsys, path, "--jsonl", *arguments)
    assert code == 0
    return [json.loads(line)["request_id"] for line in out.splitlines()]


def test_the_table_has_the_newest_first_and_a_count(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = fill(path)
    code, out, _ = run(capsys, path)
    assert code == 0
    heading, *rows, blank, count = out.splitlines()
    assert heading.split() == ["id", "started", "status", "model", "time", "tokens", "cost", "tags", "answer"]
    assert [int(row.split()[0]) for row in rows] == ids[::-1]
    assert "8+4" in rows[3]
    assert rows[3].endswith("prod, mail  On its way.")
    assert "ERROR" in rows[1]
    assert rows[1].endswith("slow down")
    assert (blank, count) == ("", "4 requests")


def test_the_query_is_the_dashboards(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third, fourth = fill(path)
    assert found(capsys, path, "refund") == [first]
    assert found(capsys, path, "退款") == [second]
    assert found(capsys, path, "tag:prod", "-user:42") == [first]
    assert found(capsys, path, "NOT tag:prod") == [fourth, third]
    assert found(capsys, path, "status:error OR score.accuracy:>80") == [third, first]
    assert found(capsys, path, "prompt:reply version:>=3 latency:1s..2s") == [second]
    assert found(capsys, path, "since:2026-01-02T00:00:00Z") == []


def test_the_order_and_the_number_can_be_chosen(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = fill(path)
    assert found(capsys, path, "--reverse") == ids
    assert found(capsys, path, "--limit", "2", "--sort", "started") == ids[:1:-1]
    assert set(found(capsys, path, "--sort", "input_tokens", "--limit", "3")) == {ids[0], ids[1], ids[3]}
    _, out, _ = run(capsys, path, "--limit", "3")
    assert out.endswith("\n3 of 4 requests; --limit shows more\n")


def test_json_has_what_the_table_has_and_more(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = fill(path)
    _, out, _ = run(capsys, path, "--json", "--limit", "1", "tag:mail")
    facts = json.loads(out)
    assert (facts["total"], facts["exact"]) == (1, True)
    (request,) = facts["requests"]
    assert request["request_id"] == ids[0]
    assert request["started_at"] == "2026-01-01T00:00:00.000+00:00"
    assert request["scores"] == {"accuracy": 90}
    assert request["latency_ms"] == 1500.0
    assert request["tags"] == ["prod", "mail"]


def test_nothing_found_is_no_failure(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(path)
    assert run(capsys, path, "tag:nowhere") == (0, "There is no such request.\n", "")


def test_a_bad_query_is_shown_with_its_place(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(path)
    code, out, err = run(capsys, path, "tag:a modle:x")
    assert (code, out) == (1, "")
    assert err.startswith("promptlayer-patch search: there is no field modle, the nearest is model")
    assert err.endswith("\n  tag:a modle:x\n        ^^^^^\n")


def test_a_store_that_is_not_there_is_not_made(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, path) == (1, "", f"promptlayer-patch search: there is no store at {path}\n")
    assert not path.exists()
