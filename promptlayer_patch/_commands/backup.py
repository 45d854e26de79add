"""`promptlayer-patch backup`: a copy of the store as it is at one moment, while programs go on writing."""

from __future__ import annotations

import argparse
import os

from promptlayer_patch._commands.showing import size
from promptlayer_patch._commands.stored import add_store, opened, progress_shown

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file that is not there yet")
    add_store(parser)


def run(chosen: argparse.Namespace) -> None:
    """Raises `CommandFailed` or the store's own errors."""
    path = os.path.abspath(os.path.expanduser(chosen.file))
    with opened(chosen.db) as store, progress_shown("copying", "pages") as progress:
        store.backup(path, lambda done, total: progress.show(done, total, ""))
    print(f"{size(os.path.getsize(path))} written to {path}")
