"""`promptlayer-patch export`: exactly what a query asks for, as JSON lines or for a spreadsheet."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.showing import plural
from promptlayer_patch._commands.stored import (
    add_query,
    add_store,
    caught_up,
    progress_shown,
    read_filter,
    summaries,
)
from promptlayer_patch._exported import FORMATS, Format, end_of_rows

if TYPE_CHECKING:
    from promptlayer_patch._query import Query
    from promptlayer_patch.store import Store

__all__ = ["add_arguments", "run"]

_COUNTED = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_query(parser)
    add_store(parser)
    parser.add_argument(
        "--format", choices=FORMATS, default="jsonl", help="jsonl has everything, csv is for spreadsheets"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write there, not to the standard output")
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--resume", action="store_true", help="go on where FILE ends, with the same query")
    there.add_argument("--overwrite", action="store_true", help="replace FILE")


def run(chosen: argparse.Namespace) -> None:
    """Raises `CommandFailed`, `InvalidQuery` or the store's own errors."""
    from promptlayer_patch._query import Order, Query

    if chosen.output is None and (chosen.resume or chosen.overwrite):
        raise CommandFailed("--resume and --overwrite are about a file: name it with -o")
    # Oldest first: what begins while this runs, or before the file is continued, comes behind.
    query = Query(read_filter(chosen.query), Order(descending=False))
    form = FORMATS[chosen.format]
    with caught_up(chosen.db) as store:
        if chosen.output is None:
            sys.stdout.buffer.write(form.header)
            _write(store, query, form, sys.stdout.buffer, None)
            return
        path = os.path.abspath(os.path.expanduser(chosen.output))
        try:
            with _opened(path, chosen) as out:
                last = _prepared(out, form, path)
                written = _write(store, query, form, out, last)
        except OSError as error:
            raise CommandFailed(f"cannot write {path}: {error.strerror or type(error).__name__}") from None
    print(f"{plural(written, 'request')} written to {path}", file=sys.stderr)


def _opened(path: str, chosen: argparse.Namespace) -> BinaryIO:
    """A file that only its owner can read, for it holds prompts."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    flags |= os.O_TRUNC if chosen.overwrite else 0 if chosen.resume else os.O_EXCL
    try:
        return open(os.open(path, flags, 0o600), "r+b")
    except FileExistsError:
        raise CommandFailed(
            f"{path} is there already: --resume goes on where it ends, --overwrite replaces it"
        ) from None


def _prepared(out: BinaryIO, form: Format, path: str) -> int | None:
    """Cut off a row that was not finished; give the id of the last that was."""
    try:
        row = end_of_rows(out, form)
    except ValueError:
        raise CommandFailed(f"{path} was not written by export in this format") from None
    out.seek(row.end)
    out.truncate()
    if row.end == 0:
        out.write(form.header)
    return row.request_id


def _write(store: Store, query: Query, form: Format, out: BinaryIO, last: int | None) -> int:
    written = 0
    with progress_shown("exporting", "requests") as progress:
        total = store.total(query, at_most=_COUNTED).count
        for request in summaries(store, query, after=last):
            stored = store.get(request.request_id)
            if stored is None:
                continue  # deleted a moment ago
            out.write(form.row(request, stored))
            written += 1
            progress.show(written, max(total, written), "")
    out.flush()
    return written
