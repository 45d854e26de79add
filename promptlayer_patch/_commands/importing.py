"""`promptlayer-patch import`: put what was exported into a store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.showing import plural
from promptlayer_patch._commands.stored import add_store, opened, progress_shown

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help="JSON lines from `export`, or from the destination jsonl:; - reads stdin"
    )
    add_store(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first line that is bad")


def run(chosen: argparse.Namespace) -> int:
    """1 if lines were left out. Raises `CommandFailed` or the store's own errors."""
    from promptlayer_patch._commands.import_job import Import

    with _source(chosen.file) as file, opened(chosen.db, create=True) as store:
        job = Import(store, strict=chosen.strict)
        with progress_shown("importing", "KiB") as progress:
            job.take(file, progress)
    print(
        f"{plural(job.added, 'request')} imported, {job.known} known before, "
        f"{plural(job.bad, 'line')} left out",
        file=sys.stderr,
    )
    return 1 if job.bad else 0


@contextmanager
def _source(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    path = os.path.abspath(os.path.expanduser(name))
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise CommandFailed(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
