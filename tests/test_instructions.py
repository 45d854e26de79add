"""What a recorded call costs its caller, counted in instructions and objects: the path may not grow.

A count is the same in every run. A change that needs more than a tenth more instructions than are written
down here, or one more object, either does without, or says why in the commit that writes the new number down.
"""

from __future__ import annotations

import sys

import pytest

from tests.support import under_way
from tests.support.instructions import KINDS, counted

# By the interpreter's version: each compiles to other instructions. Written down by
# `python -m tests.support.instructions`.
COUNTED: dict[tuple[int, int], dict[str, int]] = {
    (3, 11): {
        "chat": 3_312,
        "chat in a scope": 4_992,
        "chat, async": 3_692,
        "a stream of 100 chunks": 6_000,
    },
}
MORE = 1.1

# As `python -m tests.support.under_way` says.
OBJECTS: dict[tuple[int, int], under_way.Objects] = {
    (3, 11): under_way.Objects(waiting=8, answered=12),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_costs_its_caller_no_more_instructions_than_it_did(kind: str) -> None:
    known = COUNTED.get(sys.version_info[:2])
    if known is None:
        pytest.skip(f"nobody has counted for Python {sys.version_info[0]}.{sys.version_info[1]}")
    found = counted(kind)
    assert found <= known[kind] * MORE, f"{kind}: {found} instructions, {known[kind]} were written down"


@pytest.mark.parametrize("kind", KINDS)
def test_the_count_is_the_same_every_time(kind: str) -> None:
    assert counted(kind) == counted(kind)


def test_a_longer_path_is_noticed() -> None:
    """More of the same call is more instructions: a count that stood still would hold nothing."""
    assert counted("chat", calls=6) > counted("chat", calls=3) * 1.9


def test_a_call_brings_the_next_garbage_collection_no_nearer_than_it_did() -> None:
    """While fifty calls wait at once, collections are a quarter of what recording adds to them."""
    known = OBJECTS.get(sys.version_info[:2])
    if known is None:
        pytest.skip(f"nobody has counted for Python {sys.version_info[0]}.{sys.version_info[1]}")
    waiting, answered = under_way.added()
    assert round(waiting) <= known.waiting
    assert round(answered) <= known.answered
