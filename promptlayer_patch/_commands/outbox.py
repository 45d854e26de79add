"""`promptlayer-patch outbox`: what waits on disk, and what a person may do with it."""

from __future__ import annotations

import argparse
import math
import os
import sys

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._outbox import OutboxDirectory, Unusable
from promptlayer_patch._settings import read_settings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # Given before or after the action; absent below, so that it does not undo what was given above.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--dir", metavar="PATH", help="the outbox's directory, instead of the settings' own")
    shown = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shown.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--dir", metavar="PATH", help="the outbox's directory, instead of the settings' own")
    parser.add_argument("--json", action="store_true", help="for programs (status, list)")
    parser.set_defaults(action="status")
    actions = parser.add_subparsers(metavar="ACTION", dest="action")
    # A subparser's own default would otherwise be `None` and hide the one above.
    actions.required = False
    actions.add_parser("status", parents=[common, shown], help="what waits, for whom, since when (default)")
    listing = actions.add_parser("list", parents=[common, shown], help="the records, without their content")
    listing.add_argument(
        "--limit", type=_number, default=50, metavar="N", help="at most so many (%(default)s)"
    )
    flush = actions.add_parser(
        "flush", parents=[common], help="deliver what programs that are gone have left"
    )
    flush.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="S", help="seconds to go on for (%(default)g)"
    )
    flush.add_argument("--any-key", action="store_true", help="with this key also what others were used for")
    retry = actions.add_parser("retry", parents=[common], help="put rejected records back, to be delivered")
    retry.add_argument("ids", nargs="*", metavar="ID", help="only these, as `list` shows them")
    drop = actions.add_parser("drop", parents=[common], help="delete records for good")
    what = drop.add_mutually_exclusive_group(required=True)
    for kind, text in (
        ("rejected", "what the destination rejected"),
        ("damaged", "damaged files that were set aside"),
        ("all-waiting", "all that waits, except of programs that run"),
    ):
        what.add_argument(f"--{kind}", dest="what", action="store_const", const=kind, help=text)
    drop.add_argument("--yes", action="store_true", help="do not ask")


def run(chosen: argparse.Namespace) -> int:
    """Raises `CommandFailed`, or what else the package raises on purpose."""
    directory = OutboxDirectory(_path(chosen.dir))
    try:
        return _act(chosen, directory)
    except Unusable as trouble:
        raise CommandFailed(str(trouble)) from trouble


def _act(chosen: argparse.Namespace, directory: OutboxDirectory) -> int:
    from promptlayer_patch._commands import outbox_changes, outbox_flush, outbox_status

    match chosen.action:
        case "list":
            return outbox_status.show_records(directory, chosen.limit, sys.stdout, as_json=chosen.json)
        case "flush":
            return outbox_flush.flush(directory.path, chosen.timeout, sys.stdout, any_key=chosen.any_key)
        case "retry":
            return outbox_changes.retry(directory, chosen.ids, sys.stdout)
        case "drop":
            return outbox_changes.drop(directory, chosen.what, sys.stdout, asks=not chosen.yes)
    return outbox_status.show_status(directory, sys.stdout, as_json=chosen.json)


def _path(given: str | None) -> str:
    path = given if given is not None else read_settings().outbox_dir
    return os.path.abspath(os.path.expanduser(path))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError
    return seconds


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


# What argparse calls them where they are refused.
_seconds.__name__, _number.__name__ = "number of seconds", "number"
