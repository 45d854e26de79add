"""The account that the other tests rely on counts what it says."""

from __future__ import annotations

from pathlib import Path

from tests.faults.accounting import Returned, displacement, duplicated, lost, read_notes


def test_only_calls_that_returned_can_be_lost() -> None:
    calls = [Returned("1", number, 0) for number in (1, 2, 3)]
    assert lost(calls, ["child-1 call 2", "child-1 call 4"]) == [calls[0], calls[2]]


def test_a_call_that_is_there_three_times_is_one_duplicate() -> None:
    assert duplicated(["a", "b", "a", "a", "c"]) == 1


def test_displacement_is_counted_within_each_process_and_without_gaps() -> None:
    first = [f"child-1 call {number}" for number in (1, 5, 9)]
    second = [f"child-2 call {number}" for number in (4, 1, 2, 3)]
    assert displacement(first) == 0
    assert displacement([first[0], *second, *first[1:]]) == 3
    assert displacement([]) == 0


def test_notes_are_read_as_children_write_them(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("call 1 1 100\ncall 1f 1 150\nend 1 0 200\n")
    notes = read_notes(tmp_path / "notes")
    assert [call.text for call in notes.calls] == ["child-1 call 1", "child-1f call 1"]
    assert notes.ended_ns == 200
