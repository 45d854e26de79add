"""`promptlayer-patch run`: a program with recording switched on, and its code untouched.

What is asked for is handed on in the environment, so the program's own processes inherit it. On POSIX the
program then takes the place of this process: signals and exit codes are its own.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from promptlayer_patch._autostart import DIRECTORY
from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.run_program import (
    forget_coercion,
    found_from_anywhere,
    ignores_the_path,
    start,
)
from promptlayer_patch._settings import Settings, read_settings
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.exporters import checked

__all__ = ["OPTIONS", "add_arguments", "run"]


@dataclass(frozen=True, slots=True)
class Option:
    """An option of `install()` as it is written on the command line: the value is the variable's text."""

    name: str
    metavar: str
    help: str
    is_list: bool = False
    """May be given several times."""

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return f"PROMPTLAYER_{self.name.upper()}"


# All but the key: who lists the processes of a machine sees their command lines.
OPTIONS = (
    Option("tags", "A,B", "put on every request", is_list=True),
    Option("metadata", "K=V,...", "put on every request", is_list=True),
    Option("to", "WHERE", "promptlayer:, local:[PATH], jsonl:PATH or console:", is_list=True),
    Option("base_url", "URL", "of PromptLayer, or of a server that speaks its protocol"),
    Option("capture_content", "BOOL", "false keeps no prompts and answers"),
    Option("redact", "KEY,PATH,...", "what else is taken out of every record", is_list=True),
    Option("sample_rate", "PART", "the part of the calls to record, from 0 to 1"),
    Option("sample_errors", "PART", "the part of the failed calls to record among the others"),
    Option("shutdown_timeout_s", "S", "the longest that delivery may hold up the end, in seconds"),
    Option("outbox", "BOOL", "false keeps nothing on disk"),
    Option("outbox_max_records", "N", "records that may wait on disk"),
    Option("outbox_max_bytes", "N", "bytes that may wait on disk"),
    Option("queue_max_records", "N", "records that may wait in memory"),
    Option("queue_max_bytes", "N", "bytes that may wait in memory"),
    Option("record_max_bytes", "N", "the content of a larger record is shortened"),
    Option("media_max_bytes", "N", "larger images and sounds are not kept"),
    Option("batch", "BOOL", "true sends what waits for PromptLayer many at a time"),
    Option("cache_ttl_s", "S", "how long fetched prompt templates are kept in memory, in seconds"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "promptlayer-patch run [OPTION...] [--] PROGRAM [ARGUMENT...]"
    parser.epilog = "The key is taken from PROMPTLAYER_API_KEY, what is not given from PROMPTLAYER_..."
    for option in OPTIONS:
        # A list may be given in parts; what is read is the text of the variable in both cases.
        parser.add_argument(
            option.flag,
            metavar=option.metavar,
            help=option.help,
            **({"action": "append"} if option.is_list else {}),  # type: ignore[arg-type]
        )
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, metavar="PROGRAM", help="python app.py, gunicorn app:app, ..."
    )
    parser.set_defaults(refuse=parser.error)


def run(chosen: argparse.Namespace) -> int:
    """Become the program. The exit code is its own; 127 if it is not found, 126 if it cannot be run."""
    program: list[str] = chosen.program[1:] if chosen.program[:1] == ["--"] else chosen.program
    if not program:
        chosen.refuse("which program? promptlayer-patch run -- python app.py")
    # This process is about to become the program, so its environment is the program's.
    environment = os.environ  # noqa: TID251
    given = _given(chosen)
    environment.update(given)
    try:
        destinations = _destinations(read_settings())
    except InvalidArgument as wrong:
        chosen.refuse(f"{_spelled(wrong.argument, given)}: {wrong.problem}")
    if "PROMPTLAYER_TO" in given and destinations:
        if any("," in destination for destination in destinations):
            chosen.refuse(f"--to: {', '.join(destinations)}: there must be no comma in the path")
        environment["PROMPTLAYER_TO"] = ",".join(destinations)
    environment["PYTHONPATH"] = _path(environment)
    forget_coercion(environment)
    ignored = ignores_the_path(program)
    if ignored:
        print(f"promptlayer-patch run: {ignored}: nothing is recorded", file=sys.stderr)
    return start(program)


def _given(chosen: argparse.Namespace) -> dict[str, str]:
    """What was given, as the environment has it."""
    given = {}
    for option in OPTIONS:
        value: str | list[str] | None = getattr(chosen, option.name)
        if value is not None:
            given[option.variable] = ",".join(value) if isinstance(value, list) else value
    return given


def _destinations(settings: Settings) -> list[str]:
    """Each with its path in full: processes of the program may run in other directories."""
    return [str(checked(one, settings, "PROMPTLAYER_TO")) for one in settings.to]


def _spelled(argument: str, given: Mapping[str, str]) -> str:
    """The option, if the wrong value came from there, else the variable."""
    flags = {option.variable: option.flag for option in OPTIONS}
    return flags[argument] if argument in given else argument


def _path(environment: Mapping[str, str]) -> str:
    """`PYTHONPATH` with our directory at its head, once."""
    if os.pathsep in DIRECTORY:
        raise CommandFailed(f"{DIRECTORY} cannot be put on PYTHONPATH: it contains a {os.pathsep!r}")
    before = environment.get("PYTHONPATH", "")
    entries = [entry for entry in before.split(os.pathsep) if entry != DIRECTORY] if before else []
    root = os.path.dirname(os.path.dirname(DIRECTORY))
    if root not in entries and not found_from_anywhere():
        entries.append(root)
    return os.pathsep.join([DIRECTORY, *entries])
