"""The command line: `promptlayer-patch`, or `python -m promptlayer_patch`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptlayer_patch._commands import (
    backup,
    doctor,
    exporting,
    importing,
    keys,
    outbox,
    prune,
    run,
    search,
    serve,
    show,
    tail,
    templates,
)
from promptlayer_patch._version import __version__
from promptlayer_patch.demo import DEFAULT_MODEL
from promptlayer_patch.errors import PromptLayerError

__all__ = ["main"]

_PROGRAM = "promptlayer-patch"
_EXCLUDED = re.compile(r"-[A-Za-z_][\w.-]*:")


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand. `run` imports what it needs, so that no command pays for another."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    """Gives another exit code than 0, or raises a `PromptLayerError` to end with its message and 1."""
    takes_query: bool = False
    """Whether `-tag:test` is no option but a part of a query."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code: 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    chosen = _parser().parse_args(_with_query(sys.argv[1:] if arguments is None else arguments))
    command: Command = chosen.command
    _tolerate_every_character()
    try:
        code = command.run(chosen)
        sys.stdout.flush()
    except (PromptLayerError, ImportError) as error:
        print(f"{_PROGRAM} {command.name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has left (`| head`). Python would complain once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code or 0


def _with_query(arguments: Sequence[str]) -> list[str]:
    """The arguments, with a blank before `-tag:test`: argparse knows options by their first character."""
    if not any(command.takes_query and [command.name] == list(arguments[:1]) for command in COMMANDS):
        return list(arguments)
    return [f" {one}" if _EXCLUDED.match(one) else one for one in arguments]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Record the OpenAI calls of a Python program."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(one)
        one.set_defaults(command=command)
    return parser


def _tolerate_every_character() -> None:
    """Print a `?` for what the terminal's encoding lacks, instead of failing half way."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--db", metavar="PATH", help="record into this SQLite file, not into your own local store"
    )
    parser.add_argument(
        "--model", metavar="NAME", default=DEFAULT_MODEL, help="the chat model to call (%(default)s)"
    )
    parser.add_argument(
        "--offline", action="store_true", help="call the built-in stand-in even where OPENAI_API_KEY is set"
    )


def _demo(chosen: argparse.Namespace) -> None:
    from promptlayer_patch.demo.run import Options, run

    run(Options(db=chosen.db, model=chosen.model, offline=chosen.offline), sys.stdout)


COMMANDS = (
    Command("demo", "make a few OpenAI calls and show what is recorded of them", _demo_arguments, _demo),
    Command(
        "run", "run a program and record its OpenAI calls, its code untouched", run.add_arguments, run.run
    ),
    Command("serve", "serve the local store to any client of PromptLayer's", serve.add_arguments, serve.run),
    Command("search", "find requests in the local store", search.add_arguments, search.run, takes_query=True),
    Command(
        "tail",
        "show requests as they come into the local store",
        tail.add_arguments,
        tail.run,
        takes_query=True,
    ),
    Command("show", "show one request of the local store", show.add_arguments, show.run),
    Command(
        "export",
        "write what a query finds as JSON lines or CSV",
        exporting.add_arguments,
        exporting.run,
        takes_query=True,
    ),
    Command("import", "put exported requests into the local store", importing.add_arguments, importing.run),
    Command("prune", "delete old requests from the local store", prune.add_arguments, prune.run),
    Command("backup", "copy the local store while it is in use", backup.add_arguments, backup.run),
    Command("keys", "list, make or revoke API keys of the server", keys.add_arguments, keys.run),
    Command("outbox", "show or deliver what waits on disk for PromptLayer", outbox.add_arguments, outbox.run),
    Command(
        "doctor", "check that recording works here, and say what does not", doctor.add_arguments, doctor.run
    ),
    Command(
        "templates",
        "list, show or copy the prompt templates kept at PromptLayer",
        templates.add_arguments,
        templates.run,
    ),
)
