"""`promptlayer-patch prune`: delete what is old, and everything that was made of it."""

from __future__ import annotations

import argparse
import re
import time

from promptlayer_patch._commands.agreeing import agreed
from promptlayer_patch._commands.showing import moment, plural, size
from promptlayer_patch._commands.stored import add_store, opened, progress_shown

__all__ = ["add_arguments", "run"]

_AGE = re.compile(r"(\d{1,6})([hdw])", re.ASCII)
_UNITS_S = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument(
        "--older-than", type=_age, required=True, metavar="AGE", help="for example 30d, or 12h, or 8w"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(chosen: argparse.Namespace) -> int:
    """1 if the person decides otherwise. Raises `CommandFailed` or the store's own errors."""
    before = time.time() - chosen.older_than
    with opened(chosen.db) as store:
        what = f"{plural(store.count(before=before), 'request')}, and the spans, from before {moment(before)}"
        if not chosen.yes and not agreed(f"Delete {what}, for good?"):
            print("Nothing was deleted.")
            return 1
        with progress_shown("deleting", "requests") as progress:
            pruned = store.prune(before, lambda done, total: progress.show(done, total, ""))
    print(f"{plural(pruned.requests, 'request')} deleted, the store is {size(pruned.bytes)} smaller.")
    return 0


def _age(text: str) -> float:
    found = _AGE.fullmatch(text)
    if found is None:
        raise ValueError
    return int(found[1]) * _UNITS_S[found[2]]


_age.__name__ = "age"  # what argparse calls it where it is refused
