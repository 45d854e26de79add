"""Which calls are recorded: a share of them, or those a function chooses; in doubt all."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping
from typing import Any

import pytest

from promptlayer_patch._options import read_options
from promptlayer_patch._sampling import takes
from promptlayer_patch.errors import InvalidArgument

NAME = "openai.chat.completions.create"


def share(sampler: Any, calls: int = 4000) -> float:
    return sum(takes(sampler, NAME, {}) for _ in range(calls)) / calls


def test_all_none_or_a_share_of_the_calls() -> None:
    assert (share(1.0), share(0.0), share(1), share(0)) == (1.0, 0.0, 1.0, 0.0)
    assert 0.15 < share(0.25) < 0.35


def test_sampling_leaves_the_random_numbers_of_the_program_alone() -> None:
    state = random.getstate()
    share(0.5, 100)
    assert random.getstate() == state


def test_a_function_is_asked_with_name_and_arguments() -> None:
    asked = []

    def sampler(name: str, arguments: Mapping[str, Any]) -> bool:
        asked.append((name, dict(arguments)))
        return bool(arguments["model"] == "a")

    assert takes(sampler, NAME, {"model": "a"})
    assert not takes(sampler, NAME, {"model": "b"})
    assert asked == [(NAME, {"model": "a"}), (NAME, {"model": "b"})]
    assert 0.15 < share(lambda name, arguments: 0.25) < 0.35


def test_a_function_cannot_change_the_arguments() -> None:
    arguments = {"model": "a"}
    assert takes(lambda name, given: given.clear() or 0.0, NAME, arguments)  # type: ignore[attr-defined]
    assert arguments == {"model": "a"}


def failing(name: str, arguments: Mapping[str, Any]) -> float:
    raise RuntimeError("no answer")


@pytest.mark.parametrize(
    "sampler",
    [failing, *(lambda n, a, answer=x: answer for x in (None, "0", 2, -0.1, math.nan, 10**400, []))],
)
def test_a_call_is_recorded_when_its_sampler_gives_no_answer(
    sampler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "promptlayer_patch"):
        assert share(sampler, 10) == 1.0
    assert caplog.text.count("sampling failed") == 1


@pytest.mark.parametrize("value", [0, 1, 0.5, 1.0])
def test_a_number_from_0_to_1_is_a_sampler(value: float) -> None:
    assert read_options(sample_rate=value)["sample_rate"] == value
    assert read_options(sample_rate=failing)["sample_rate"] is failing


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, True, False, "0.5", [0.5]])
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_options(sample_rate=value)
    assert refused.value.argument == "sample_rate"
