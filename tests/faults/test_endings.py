"""However a process ends and whatever the endpoint does meanwhile, the outbox keeps what had returned."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from tests.faults.cells import SHUTDOWN_TIMEOUT_S, Outcome
from tests.faults.endings import ENDINGS, HARD, POSIX_ONLY
from tests.faults.matrix import (
    AT_A_TIME,
    ORDERLY_AT_A_TIME,
    run_all_bare,
    run_matrix,
    same_end,
    table,
)
from tests.faults.warm import Interpreters
from tests.support.programs import Ended

LONGEST_END_S = SHUTDOWN_TIMEOUT_S + 10.0
"""With what a loaded machine needs beside it."""


def _possible(ending: str) -> object:
    windows = sys.platform == "win32" and ending in POSIX_ONLY
    reason = "there are no forks and no such signals here"
    return pytest.param(ending, marks=pytest.mark.skipif(windows, reason=reason))


each_ending = pytest.mark.parametrize("ending", [_possible(ending) for ending in ENDINGS])


class Runs:
    """Each cell is run once for all tests."""

    def __init__(self, interpreters: Interpreters) -> None:
        self._interpreters = interpreters
        self.cells = functools.cache(self._cells)
        self.bare = functools.cache(self._bare)

    def _cells(self, ending: str) -> Sequence[Outcome]:
        return list(run_matrix(self._interpreters, [ending], at_a_time=_at_a_time(ending)))

    def _bare(self, ending: str) -> Ended:
        return next(run_all_bare(self._interpreters, [ending]))

    def in_batches(self, ending: str) -> Sequence[Outcome]:
        at_a_time = _at_a_time(ending)
        return list(run_matrix(self._interpreters, [ending], outbox=[True], batch=True, at_a_time=at_a_time))


def _at_a_time(ending: str) -> int:
    return AT_A_TIME if ending in HARD else ORDERLY_AT_A_TIME


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    with Interpreters() as interpreters:
        yield Runs(interpreters)


@each_ending
def test_the_host_ends_as_it_would_without_us(runs: Runs, ending: str) -> None:
    """Its exit code, what it printed, its handlers and its last words."""
    changed = [
        (found.state, found.outbox, found.child)
        for found in runs.cells(ending)
        if not same_end(found, runs.bare(ending))
    ]
    assert changed == [], runs.bare(ending)


@each_ending
def test_the_end_is_not_held_up_beyond_what_is_allowed(runs: Runs, ending: str) -> None:
    slow = [(found.state, found.exit_s) for found in runs.cells(ending) if found.exit_s > LONGEST_END_S]
    assert slow == []


@each_ending
def test_with_the_outbox_nothing_is_lost_and_nothing_is_doubled(runs: Runs, ending: str) -> None:
    """Of those that no code can run at, what is lost is no more than the last 250 ms had brought."""
    kept = [found for found in runs.cells(ending) if found.outbox]
    print(table(runs.cells(ending)))
    assert [(found.state, found.replay) for found in kept if not found.replay or found.replay.code] == []
    assert {found.state: found.duplicated for found in kept if found.duplicated} == {}
    allowed = {found.state: found.recent if ending in HARD else 0 for found in kept}
    lost = {found.state: len(found.lost) for found in kept}
    assert all(lost[state] <= allowed[state] for state in lost), (lost, allowed)


@pytest.mark.parametrize("ending", [_possible(ending) for ending in ("normal", "sigterm_default", "kill_9")])
def test_in_batches_nothing_is_lost_and_nothing_is_doubled_either(runs: Runs, ending: str) -> None:
    found = runs.in_batches(ending)
    print(table([*found, *(replace(one, outbox=False) for one in found)]))
    assert [(one.state, one.child) for one in found if not same_end(one, runs.bare(ending))] == []
    assert [(one.state, one.replay) for one in found if not one.replay or one.replay.code] == []
    assert {one.state: one.duplicated for one in found if one.duplicated} == {}
    allowed = {one.state: one.recent if ending in HARD else 0 for one in found}
    lost = {one.state: len(one.lost) for one in found}
    assert all(lost[state] <= allowed[state] for state in lost), (lost, allowed)
    assert [one.exit_s for one in found if one.exit_s > LONGEST_END_S] == []
