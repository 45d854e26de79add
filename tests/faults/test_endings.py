"""However a process ends and whatever the endpoint does meanwhile, the outbox keeps what had returned."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.faults.cells import SHUTDOWN_TIMEOUT_S, Outcome
from tests.faults.endings import ENDINGS, HARD, POSIX_ONLY
from tests.faults.matrix import run_all_bare, run_matrix, same_end, table
from tests.support.programs import Ended

LONGEST_END_S = SHUTDOWN_TIMEOUT_S + 10.0
"""With what a loaded machine needs beside it."""


def _possible(ending: str) -> object:
    windows = sys.platform == "win32" and ending in POSIX_ONLY
    reason = "there are no forks and no such signals here"
    return pytest.param(ending, marks=pytest.mark.skipif(windows, reason=reason))


each_ending = pytest.mark.parametrize("ending", [_possible(ending) for ending in ENDINGS])


@functools.cache
def cells(ending: str) -> Sequence[Outcome]:
    """All of an ending's cells, run once for all tests."""
    return list(run_matrix([ending]))


@functools.cache
def bare(ending: str) -> Ended:
    return next(run_all_bare([ending]))


@each_ending
def test_the_host_ends_as_it_would_without_us(ending: str) -> None:
    """Its exit code, what it printed, its handlers and its last words."""
    changed = [
        (found.state, found.outbox, found.child)
        for found in cells(ending)
        if not same_end(found, bare(ending))
    ]
    assert changed == [], bare(ending)


@each_ending
def test_the_end_is_not_held_up_beyond_what_is_allowed(ending: str) -> None:
    slow = [(found.state, found.exit_s) for found in cells(ending) if found.exit_s > LONGEST_END_S]
    assert slow == []


@each_ending
def test_with_the_outbox_nothing_is_lost_and_nothing_is_doubled(ending: str) -> None:
    """Of those that no code can run at, what is lost is no more than the last 250 ms had brought."""
    kept = [found for found in cells(ending) if found.outbox]
    print(table(cells(ending)))
    assert [(found.state, found.replay) for found in kept if not found.replay or found.replay.code] == []
    assert {found.state: found.duplicated for found in kept if found.duplicated} == {}
    allowed = {found.state: found.recent if ending in HARD else 0 for found in kept}
    lost = {found.state: len(found.lost) for found in kept}
    assert all(lost[state] <= allowed[state] for state in lost), (lost, allowed)


@pytest.mark.parametrize("ending", [_possible(ending) for ending in ("normal", "sigterm_default", "kill_9")])
def test_in_batches_nothing_is_lost_and_nothing_is_doubled_either(ending: str) -> None:
    found = list(run_matrix([ending], outbox=[True], batch=True))
    print(table([*found, *(replace(one, outbox=False) for one in found)]))
    assert [(one.state, one.child) for one in found if not same_end(one, bare(ending))] == []
    assert [(one.state, one.replay) for one in found if not one.replay or one.replay.code] == []
    assert {one.state: one.duplicated for one in found if one.duplicated} == {}
    allowed = {one.state: one.recent if ending in HARD else 0 for one in found}
    lost = {one.state: len(one.lost) for one in found}
    assert all(lost[state] <= allowed[state] for state in lost), (lost, allowed)
    assert [one.exit_s for one in found if one.exit_s > LONGEST_END_S] == []
