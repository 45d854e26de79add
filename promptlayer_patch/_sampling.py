"""Which calls are recorded, where not all of them are."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from promptlayer_patch._guard import report

Sampler: TypeAlias = float | Callable[[str, Mapping[str, Any]], float | bool]
"""A share of the calls, or a function of a call's name and arguments that answers one, or yes or no."""

# A generator of our own: drawing from the shared one would change what a seeded program computes.
_dice = random.Random()
_draw = _dice.random
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_dice.seed)


def takes(sampler: Sampler, name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether the call `name(**arguments)` is to be recorded; in doubt it is."""
    rate = _asked(sampler, name, arguments) if callable(sampler) else sampler
    return rate >= 1.0 or (rate > 0.0 and _draw() < rate)


def _asked(
    sampler: Callable[[str, Mapping[str, Any]], float | bool], name: str, arguments: Mapping[str, Any]
) -> float:
    try:
        # The mapping is that of the user's call, which a sampler must not change.
        rate = sampler(name, MappingProxyType(arguments))
        if not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise ValueError("a sampler answers True, False or a number from 0 to 1")
        return rate
    except Exception as fault:
        report("sampling", fault)
        return 1.0
