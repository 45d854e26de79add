"""Asking a person before something is deleted for good."""

from __future__ import annotations

import sys

from promptlayer_patch._commands import CommandFailed

__all__ = ["agreed"]


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes. Raises `CommandFailed` where there is none."""
    if not sys.stdin.isatty():
        raise CommandFailed("nothing is deleted without --yes where nobody can be asked")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
