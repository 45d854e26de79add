"""The recorded traffic of other projects, through the real client: bare, then with us installed.

What the application gets must be the same to the last chunk, and every call of a model must leave exactly one
record that holds what was sent and what came back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import openai
import pytest
from replay.cases import Case, load_cases
from replay.runs import run_case
from replay.tally import Tally
from replay.verdict import count, problems_between

import promptlayer_patch
from promptlayer_patch.exporters.memory import MemoryExporter

INDEX = Path(__file__).parents[2] / "shared" / "cassettes" / "openai" / "index.json"
CASES = load_cases(INDEX) if INDEX.exists() else []

MODES = ("sync", "async")

needs_recordings = pytest.mark.skipif(
    not CASES, reason="../shared/cassettes is absent: the recordings are kept beside the project, not in it"
)


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@contextmanager
def installed() -> Iterator[Callable[[], list[Any]]]:
    """With us installed; gives a function that returns the records made since it was last called."""
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink)
    taken = 0

    def new_records() -> list[Any]:
        nonlocal taken
        assert promptlayer_patch.flush()
        fresh: list[Any] = sink.records[taken:]
        taken += len(fresh)
        return fresh

    try:
        yield new_records
    finally:
        promptlayer_patch.uninstall()


@needs_recordings
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES or [None], ids=lambda case: case.id if case else "none")
def test_a_recorded_case(case: Case, mode: str, loop: asyncio.AbstractEventLoop, tally: Tally) -> None:
    """Requests, results and exceptions as without us, and one record of each call of a model."""
    chosen = loop if mode == "async" else None
    bare = run_case(case, chosen)
    with installed() as new_records:
        ours = run_case(case, chosen, new_records)
    count(tally, case, mode, ours)
    problems = list(problems_between(case, bare, ours, is_async=mode == "async"))
    assert not problems, "\n".join(problems)
    if not ours.played:
        pytest.skip(f"openai {openai.__version__} has none of the methods: {ours.left_out[0].name}")


@needs_recordings
def test_no_call_is_left_out_silently(
    loop: asyncio.AbstractEventLoop, tally: Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was played and what could not be add up to what was recorded; the counts are printed."""
    for case, mode in product(CASES, MODES):
        if (case.id, mode) not in tally.runs:  # another process of the run had it
            with installed() as new_records:
                count(tally, case, mode, run_case(case, loop if mode == "async" else None, new_records))
    with capsys.disabled():
        print(f"\nreal traffic through openai {openai.__version__}:")
        print("\n".join(tally.lines()))
    calls = [call for case in CASES for call in case.calls]
    assert tally.total("calls") + tally.left_out_calls == 2 * len(calls)
    variants = sum(len(variants) for _, variants in calls)
    assert tally.total("variants") + tally.left_out_variants == 2 * variants
