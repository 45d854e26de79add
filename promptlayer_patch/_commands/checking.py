"""What a check of `doctor` finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Status", "failed", "guarded", "ok", "warning"]

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    status: Status
    text: str
    details: tuple[str, ...] = ()
    """Shown with --verbose."""


def ok(name: str, text: str, details: tuple[str, ...] = ()) -> Check:
    return Check(name, "ok", text, details)


def warning(name: str, text: str, details: tuple[str, ...] = ()) -> Check:
    return Check(name, "warning", text, details)


def failed(name: str, text: str, details: tuple[str, ...] = ()) -> Check:
    return Check(name, "failed", text, details)


def guarded(name: str, checks: Callable[[], list[Check]]) -> list[Check]:
    """What the checks find; a fault in one of them is a finding too, and the others go on."""
    try:
        return checks()
    except Exception as fault:  # its text may quote what must not be shown
        return [failed(name, f"the check itself failed: {type(fault).__name__}")]
