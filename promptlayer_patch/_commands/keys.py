"""`promptlayer-patch keys`: API keys for the server, and the workspaces they open."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.showing import Column, moment, table
from promptlayer_patch._settings import read_settings

if TYPE_CHECKING:
    from promptlayer_patch.store.keys import Keys

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--db", metavar="PATH", help="the server's store, in place of your own local one")
    parser.set_defaults(action="list")
    actions = parser.add_subparsers(metavar="ACTION", dest="action")
    # A subparser's own default would otherwise be `None` and hide the one above.
    actions.required = False
    actions.add_parser("list", help="the keys there are, without the keys themselves (default)")
    create = actions.add_parser("create", help="make a key, which is shown this once")
    create.add_argument("name", metavar="NAME", help="whose it is, or what for")
    create.add_argument(
        "--workspace",
        type=int,
        metavar="N",
        help="the workspace it opens: 1 is that of the local store; without it, a new one is made",
    )
    revoke = actions.add_parser("revoke", help="refuse a key; its workspace stays")
    revoke.add_argument("id", type=int, metavar="ID", help="as `list` shows it")


def run(chosen: argparse.Namespace) -> None:
    """Raises `CommandFailed`, or the store's own errors."""
    from promptlayer_patch.store import Store
    from promptlayer_patch.store.keys import Keys

    path = os.path.abspath(os.path.expanduser(chosen.db or read_settings().local_db))
    with closing(Store.open(path)) as store:
        keys = Keys(store)
        match chosen.action:
            case "create":
                _create(keys, chosen.name, chosen.workspace)
            case "revoke":
                if not keys.revoke(chosen.id):
                    raise CommandFailed(f"there is no key {chosen.id}")
                print(f"Key {chosen.id} is revoked. A server that runs refuses it within a second.")
            case _:
                _show(keys)


def _create(keys: Keys, name: str, workspace: int | None) -> None:
    key, made = keys.create(name, workspace)
    # To stderr what people read, so that a script gets the key alone.
    print(f"Key {made.id} opens workspace {made.workspace_id}. It is shown this once:", file=sys.stderr)
    print(key)


def _show(keys: Keys) -> None:
    known = keys.all()
    if not known:
        print("There are no keys but this machine's own, which `promptlayer-patch serve` shows.")
        return
    columns = [Column("id", right=True), Column("name", least=12), Column("workspace", right=True)]
    columns += [Column("begins"), Column("made")]
    rows = [
        [str(key.id), key.name, str(key.workspace_id), f"{key.shown}...", moment(key.created_at)]
        for key in known
    ]
    table(columns, rows, sys.stdout)
