"""`promptlayer-patch import`: what was exported comes back equal, and nothing else gets in."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch import cli
from promptlayer_patch._commands import import_job, progress
from promptlayer_patch._commands.import_lines import BadLine, Said, Told, read_line
from promptlayer_patch._encoding import encoded
from promptlayer_patch._told import json_line
from promptlayer_patch.annotations import Annotation, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.exporters.jsonl import JsonlExporter
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.store import Entry, Store, StoredRequest
from tests.support.stored import fill, said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@pytest.fixture
def exported(path: Path, tmp_path: Path) -> Path:
    """A file with four requests, with everything that may be said about one."""
    ids = fill(path)
    with closing(Store.open(path)) as store:
        store.annotate(ids[1], MetadataUpdate({"user_id": "43", "later": "yes"}))
        store.annotate(ids[1], GroupLink(store.create_group()))
        store.annotate(ids[3], Score(10))
    file = tmp_path / "exported.jsonl"
    assert cli.main(["export", "--db", str(path), "-o", str(file)]) == 0
    return file


def run(db: Path, file: object, *arguments: str) -> int:
    return cli.main(["import", "--db", str(db), str(file), *arguments])


def stored(db: Path) -> list[StoredRequest]:
    with closing(Store.open(db)) as store:
        store.catch_up()  # what a request costs is found out then
        found = [store.get(request.request_id) for request in store.recent(1000)]
    return [one for one in found if one is not None]


def test_what_was_exported_comes_back_equal(
    path: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.db"
    capsys.readouterr()
    assert run(other, exported) == 0
    assert capsys.readouterr().err == "4 requests imported, 0 known before, 0 lines left out\n"
    assert stored(other) == stored(path)
    with closing(Store.open(path)) as first, closing(Store.open(other)) as second:
        assert second.recent() == first.recent()


def test_what_is_over_soon_says_no_more_than_how_it_ended(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no terminal is, each line that tells how far it is stays."""
    with exported.open("a") as file:
        file.write(" " * (2 << 20) + "\n")
    capsys.readouterr()
    monkeypatch.setattr(progress, "_EVERY_S", 3_600.0)
    assert run(tmp_path / "other.db", exported) == 0
    assert capsys.readouterr().err == "4 requests imported, 0 known before, 0 lines left out\n"
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    assert run(tmp_path / "other.db", exported) == 0
    *lines, last = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.endswith(" KiB") for line in lines)
    assert last == "0 requests imported, 4 known before, 0 lines left out"


def test_importing_again_changes_nothing(
    path: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.db"
    assert run(other, exported) == run(other, exported) == 0
    assert "0 requests imported, 4 known before" in capsys.readouterr().err
    assert stored(other) == stored(path)
    again = tmp_path / "again.jsonl"
    assert cli.main(["export", "--db", str(other), "-o", str(again)]) == 0
    assert again.read_bytes() == exported.read_bytes()


def test_a_group_that_came_along_is_given_to_nobody_else(exported: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    assert run(other, exported) == 0
    (group,) = {group for request in stored(other) for group in request.groups}
    with closing(Store.open(other)) as store:
        assert store.has_group(group)
        assert store.create_group() > group


def test_a_bad_line_is_named_and_the_rest_goes_in(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = exported.read_bytes().splitlines()
    file, other = tmp_path / "broken.jsonl", tmp_path / "other.db"
    file.write_bytes(b"\n".join([lines[0], b"{", lines[1], b"", b"\xff", lines[2], lines[3][:-7]]))
    capsys.readouterr()
    assert run(other, file) == 1
    *left_out, summary = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in left_out] == [
        ["line 2 is left out", "it is no JSON"],
        ["line 5 is left out", "it is not UTF-8"],
        ["line 7 is left out", "it is no JSON"],
    ]
    assert summary == "3 requests imported, 0 known before, 3 lines left out"
    assert len(stored(other)) == 3


def test_strict_stops_at_the_first_bad_line(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = exported.read_bytes().splitlines()
    file, other = tmp_path / "broken.jsonl", tmp_path / "other.db"
    file.write_bytes(b"\n".join([lines[0], b"[]", lines[1]]))
    assert run(other, file, "--strict") == 1
    assert "promptlayer-patch import: line 2: it is no JSON object\n" in capsys.readouterr().err
    assert len(stored(other)) == 1


def test_what_the_store_cannot_hold_costs_no_neighbour(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in exported.read_bytes().splitlines()]
    lines[1]["prompt"]["variables"] = {"x": 1}
    lines[1]["record"]["shortened_from"] = None
    lines[2]["record"]["id"] = lines[0]["record"]["id"]
    file, other = tmp_path / "odd.jsonl", tmp_path / "other.db"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert run(other, file) == 0
    assert len(stored(other)) == 3


def test_a_line_that_is_too_long_is_left_out_without_reading_it_whole(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_job, "_LINE_BYTES", 20_000)
    lines = exported.read_bytes().splitlines()
    file, other = tmp_path / "long.jsonl", tmp_path / "other.db"
    file.write_bytes(b"\n".join([b'"' + b"x" * 50_000 + b'"', b"x" * 19_999, lines[0], b"y" * 60_000]))
    capsys.readouterr()
    assert run(other, file) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" is ")[0] for line in told[:-1]] == ["line 1", "line 2", "line 4"]
    assert told[-1] == "1 request imported, 0 known before, 3 lines left out"


def test_a_jsonl_destinations_file_can_be_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = tmp_path / "calls.jsonl", tmp_path / "other.db"
    record = said("Hi", "Hello", tags=("a",), metadata={"k": "v"}, first_token_at=1_767_225_600.5)
    failed = said("Hi", "", 60, response=None, error=Failure("APITimeoutError", "late"), attempts=2)
    exporter = JsonlExporter(file)
    exporter.export([record, failed])
    for content in (Score(80, "accuracy"), MetadataUpdate({"later": "1"}), GroupLink(7)):
        exporter.annotate(Annotation(id=new_record_id(), content=content, record_id=record.id))
    exporter.annotate(Annotation(id=new_record_id(), content=Score(1), record_id="nobody"))
    exporter.close()
    assert run(other, file) == 1
    assert "line 6 is left out: the request that it is about is not there" in capsys.readouterr().err
    second, first = stored(other)
    assert (first.record.id, second.record.id) == (record.id, failed.id)
    assert first.record.response == record.response
    assert first.record.tags == ("a",)
    assert first.scores == {"accuracy": 80}
    assert first.metadata["later"] == "1"
    assert first.groups == (7,)
    assert second.record.attempts == 2


def test_standard_input_is_read(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.db"
    with exported.open() as text:
        monkeypatch.setattr("sys.stdin", text)
        assert run(other, "-") == 0
    assert len(stored(other)) == 4


def test_a_file_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "other.db", tmp_path / "none") == 1
    assert "cannot read" in capsys.readouterr().err


# --- lines from anywhere


def a_line() -> dict[str, Any]:
    return {
        "request_id": 1,
        "metadata": {},
        "scores": {},
        "groups": [],
        "prompt": None,
        "record": {
            "id": "a" * 32,
            "function_name": "f",
            "request": {},
            "response": None,
            "started_at": 1.0,
            "ended_at": 2.0,
            "ending": "complete",
            "error": None,
            "tags": [],
            "metadata": {},
        },
    }


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("record", "id"), 5, "id is missing or has a wrong value"),
        (("record", "id"), "x" * 201, "id is missing"),
        (("record", "started_at"), 1e300, "started_at is missing"),
        (("record", "started_at"), True, "started_at is missing"),
        (("record", "request"), [], "request is missing"),
        (("record", "ending"), "exploded", "ending is missing"),
        (("record", "ending"), [], "ending is missing"),
        (("record", "tags"), "ab", "tags is missing"),
        (("record", "metadata"), {"a": 1}, "metadata is missing"),
        (("record", "attempts"), 10**30, "attempts is missing"),
        (("record", "error"), {"type": "x"}, "error is missing"),
        (("record", "prompt"), {"name": ""}, "prompt is missing"),
        (("scores",), {"a": 101}, "scores is missing"),
        (("scores",), {"a": True}, "scores is missing"),
        (("groups",), [0], "groups is missing"),
        (("cost",), 10**400, "cost is missing"),
        (("status",), "FINE", "status is missing"),
        (("record",), {}, "id is missing"),
        (("record",), None, "it is no request"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(path: tuple[str, ...], value: Any, says: str) -> None:
    line = a_line()
    at = line
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    with pytest.raises(BadLine, match=says):
        read_line(json.dumps(line).encode())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"[" * 200_000, "it is nested too deep"),
        (b'{"a": NaN}', "it is no JSON: NaN is no number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it is no JSON"),
        (b'{"annotation": "x", "record_id": "a"}', "its annotation is of no known kind"),
        (b'{"annotation": "library-track-score", "record_id": "a", "score": 500}', "score is missing"),
        (b'{"annotation": "library-track-score", "score": 5}', "record_id is missing"),
        (b'{"function_name": "f", "request_start_time": 1}', "request_end_time is missing"),
    ],
)
def test_a_hostile_line_is_refused(line: bytes, says: str) -> None:
    with pytest.raises(BadLine, match=says):
        read_line(line)


def test_what_a_line_holds_is_data() -> None:
    line = a_line()
    line["record"]["request"] = {"__proto__": {"constructor": 1}, "a.b": "'; DROP TABLE requests; --"}
    told = read_line(json.dumps(line).encode())
    assert isinstance(told, Told)
    assert told.entry.record.request == line["record"]["request"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_moments = st.floats(0, 4e9)
_records = st.builds(
    Record,
    id=st.builds(new_record_id),
    function_name=st.text(),
    client=st.none() | st.text(),
    request=st.dictionaries(st.text(), _values, max_size=4),
    response=_values,
    streamed=st.booleans(),
    started_at=_moments,
    ended_at=_moments,
    first_token_at=st.none() | _moments,
    ending=st.sampled_from(Ending),
    error=st.none()
    | st.builds(Failure, type=st.text(), message=st.text(), status=st.none() | st.integers(100, 599)),
    attempts=st.integers(1, 5),
    tags=st.lists(st.text(), max_size=3).map(tuple),
    metadata=st.dictionaries(st.text(), st.text(), max_size=3),
    prompt=st.none() | st.builds(PromptLink, name=st.just("p"), version=st.none() | st.integers(1, 9)),
)


@given(_records)
def test_every_record_comes_back_equal(record: Record) -> None:
    line = json_line({"record": json.loads(encoded(record))})
    told = read_line(line.encode())
    assert isinstance(told, Told)
    assert told.entry.record == record
    assert told.entry == Entry.of(record)


@given(st.data())
def test_any_values_in_any_place_are_told_or_refused(data: st.DataObject) -> None:
    line = a_line()
    for names in (line, line["record"]):
        for name in data.draw(
            st.lists(st.sampled_from([*names, "status", "cost", "error", "prompt"]), max_size=3)
        ):
            names[name] = data.draw(_json)
    kind = data.draw(st.sampled_from(["record", "annotation", "function_name"]))
    if kind != "record":
        line = {kind: data.draw(_json), **{name: data.draw(_json) for name in ("kwargs", "metadata", "tags")}}
        line |= {"request_start_time": 1.0, "request_end_time": 2.0, "record_id": "a", "score": 1}
    try:
        told = read_line(json.dumps(line).encode())
    except BadLine:
        return
    assert isinstance(told, (Told, Said))


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_told(line: bytes) -> None:
    with pytest.raises(BadLine):
        read_line(line)
