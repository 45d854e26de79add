"""A process that is killed in full flight loses no more than its last moment."""

from __future__ import annotations

import sys

import pytest

from tests.faults import kills
from tests.faults.cells import is_full

ENDS = {"kill": kills.KILLS, "exit": kills.EXITS} if is_full() else {"kill": 40, "exit": 10}

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no fork to raise children with"),
    pytest.mark.alone,
]


@pytest.mark.parametrize("how", ENDS)
def test_no_call_that_is_older_than_half_a_second_is_lost_and_none_is_doubled(how: str) -> None:
    found = kills.run_kills(how, ENDS[how])
    print(found)
    assert found.ends == ENDS[how]
    assert found.returned > 10 * found.ends
    assert found.replays[-1].code == 0, found.replays[-1]
    assert (found.older_than_500_ms, found.duplicated) == (0, 0), found
