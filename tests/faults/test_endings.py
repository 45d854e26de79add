"""However a process ends and whatever the endpoint does meanwhile, the outbox keeps what had returned."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from tests.faults.cells import SHUTDOWN_TIMEOUT_S, Outcome
from tests.faults.endings import ENDINGS, HARD, POSIX_ONLY
from tests.faults.matrix import AT_A_TIME, ORDERLY_AT_A_TIME, run_all_bare, run_matrix, same_end, table
from tests.faults.warm import Interpreters
from tests.support.programs import Ended

LONGEST_END_S = SHUTDOWN_TIMEOUT_S + 10.0
"""With what a loaded machine needs beside it."""


@dataclass(frozen=True)
class Runs:
    """One ending under every state of the endpoint, and bare."""

    ending: str
    bare: Ended
    cells: Sequence[Outcome]

    @classmethod
    def made(cls, interpreters: Interpreters, ending: str, *, batch: bool = False) -> Runs:
        (bare,) = run_all_bare(interpreters, [ending])
        cells = run_matrix(
            interpreters,
            [ending],
            outbox=[True] if batch else [True, False],
            batch=batch,
            at_a_time=AT_A_TIME if ending in HARD else ORDERLY_AT_A_TIME,
        )
        return cls(ending, bare, list(cells))

    def assert_the_host_ends_as_it_would_without_us(self) -> None:
        changed = [(one.state, one.outbox, one.child) for one in self.cells if not same_end(one, self.bare)]
        assert changed == [], self.bare

    def assert_the_end_is_not_held_up(self) -> None:
        assert [(one.state, one.exit_s) for one in self.cells if one.exit_s > LONGEST_END_S] == []

    def assert_nothing_is_lost_and_nothing_doubled(self) -> None:
        kept = [one for one in self.cells if one.outbox]
        assert [(one.state, one.replay) for one in kept if not one.replay or one.replay.code] == []
        assert {one.state: one.duplicated for one in kept if one.duplicated} == {}
        allowed = {one.state: one.recent if self.ending in HARD else 0 for one in kept}
        lost = {one.state: len(one.lost) for one in kept}
        assert all(lost[state] <= allowed[state] for state in lost), (lost, allowed)


def _possible(endings: Iterable[str]) -> list[object]:
    nowhere = pytest.mark.skipif(
        sys.platform == "win32", reason="there are no forks and no such signals here"
    )
    return [
        pytest.param(
            ending,
            marks=[
                *([nowhere] if ending in POSIX_ONLY else []),
                # How much these lose depends on how busy the machine is.
                *([pytest.mark.alone] if ending in HARD else []),
            ],
        )
        for ending in endings
    ]


@pytest.fixture(scope="module")
def interpreters() -> Iterator[Interpreters]:
    with Interpreters() as made:
        yield made


@pytest.fixture(scope="module", params=_possible(ENDINGS))
def runs(request: pytest.FixtureRequest, interpreters: Interpreters) -> Runs:
    """Run once for all tests."""
    return Runs.made(interpreters, request.param)


def test_the_host_ends_as_it_would_without_us(runs: Runs) -> None:
    """Its exit code, what it printed, its handlers and its last words."""
    runs.assert_the_host_ends_as_it_would_without_us()


def test_the_end_is_not_held_up_beyond_what_is_allowed(runs: Runs) -> None:
    runs.assert_the_end_is_not_held_up()


def test_with_the_outbox_nothing_is_lost_and_nothing_is_doubled(runs: Runs) -> None:
    """Of those that no code can run at, what is lost is no more than the last 250 ms had brought."""
    print(table(runs.cells))
    runs.assert_nothing_is_lost_and_nothing_doubled()


@pytest.mark.parametrize("ending", _possible(["normal", "sigterm_default", "kill_9"]))
def test_in_batches_nothing_is_lost_and_nothing_is_doubled_either(
    interpreters: Interpreters, ending: str
) -> None:
    runs = Runs.made(interpreters, ending, batch=True)
    print(table([*runs.cells, *(replace(one, outbox=False) for one in runs.cells)]))
    runs.assert_the_host_ends_as_it_would_without_us()
    runs.assert_nothing_is_lost_and_nothing_doubled()
    runs.assert_the_end_is_not_held_up()
