"""`promptlayer-patch templates`: the prompt registry, looked at from a terminal."""

from __future__ import annotations

import argparse
import sys

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    filters = argparse.ArgumentParser(add_help=False)
    filters.add_argument("--name", metavar="TEXT", help="only those with this in their name")
    filters.add_argument("--tag", metavar="TAG", action="append", default=[], help="only those with this tag")
    filters.add_argument("--label", metavar="LABEL", help="only those with this release label")
    listing = actions.add_parser("list", parents=[filters], help="one line for each template")
    listing.add_argument("--json", action="store_true", help="for programs")
    showing = actions.add_parser("show", help="the messages of one template")
    showing.add_argument("template", metavar="NAME", help="its name or id")
    which = showing.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, metavar="N", help="this version, not the latest")
    which.add_argument("--label", metavar="LABEL", help="the version this release label stands at")
    showing.add_argument(
        "--var", type=_pair, action="append", metavar="NAME=VALUE", help="put a variable in; may be repeated"
    )
    pulling = actions.add_parser("pull", parents=[filters], help="write each template into a JSON file")
    pulling.add_argument("directory", metavar="DIR", help="made if it is not there")


def run(chosen: argparse.Namespace) -> int:
    """Raises what the package raises on purpose."""
    from promptlayer_patch._commands import templates_actions as actions

    match chosen.action:
        case "list":
            return actions.show_list(_filters(chosen), sys.stdout, as_json=chosen.json)
        case "pull":
            return actions.pull(_filters(chosen), chosen.directory, sys.stdout)
    variables = None if chosen.var is None else dict(chosen.var)
    return actions.show(chosen.template, chosen.version, chosen.label, variables, sys.stdout)


def _filters(chosen: argparse.Namespace) -> dict[str, object]:
    return {"name": chosen.name, "tags": chosen.tag, "label": chosen.label}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError
    return name, value


# What argparse calls it where it is refused.
_pair.__name__ = "NAME=VALUE"
