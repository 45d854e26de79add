"""Starting a program in the place of this process, and what can be told about it before."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib.machinery import PathFinder
from typing import Any

__all__ = ["forget_coercion", "found_from_anywhere", "ignores_the_path", "start", "supervised"]

_NOT_FOUND, _NOT_RUN = 127, 126
"""What shells and `env` exit with."""
_PYTHON = re.compile(r"(?:python|pypy)w?[\d.]*t?(?:\.exe)?", flags=re.IGNORECASE)
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")
_PARTS = re.compile(r"([^cmWX]*)([cmWX]?)(.*)", flags=re.DOTALL)
"""Letters that stand for themselves, then one that takes a value."""


def start(program: list[str]) -> int:
    """Run it, found as a shell would find it.

    Comes back, with an exit code, only if it cannot be run, or where processes cannot be replaced.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if not program[0]:
            raise FileNotFoundError(errno.ENOENT, "")
        if sys.platform == "win32":
            return supervised(program)
        _restore_signals()
        os.execvp(program[0], program)
    except OSError as error:
        code, why = _refusal(program[0], error)
        print(f"promptlayer-patch run: {program[0]}: {why}", file=sys.stderr)
        return code


def supervised(program: Sequence[str]) -> int:
    """Run it beside this process, which leaves Ctrl-C to it; its exit code."""
    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            # Not ignored, which the program would inherit.
            signal.signal(getattr(signal, name), lambda *_: None)
    found = shutil.which(program[0]) or program[0]
    code = subprocess.Popen([found, *program[1:]]).wait()
    # Windows counts them without a sign, and would not take the large ones back.
    return code if code < 2**31 else code - 2**32


def ignores_the_path(program: Sequence[str]) -> str:
    """Why a Python would not look at `PYTHONPATH`, where that is plain to see; else nothing."""
    if _PYTHON.fullmatch(os.path.basename(program[0])):
        for letter in _switches(program[1:]):
            if letter in "IES":
                return f"{program[0]} -{letter} skips what switches recording on (PYTHONPATH, sitecustomize)"
    return ""


def _switches(arguments: Sequence[str]) -> Iterator[str]:
    """The letters of Python's own options, which end where the program begins."""
    left = iter(arguments)
    for argument in left:
        if argument == "--check-hash-based-pycs":
            next(left, None)
        elif argument == "-" or not argument.startswith("-"):
            return
        elif not argument.startswith("--"):
            letters, takes, value = _PARTS.fullmatch(argument[1:]).groups()  # type: ignore[union-attr]
            yield from letters
            if takes in ("c", "m"):
                return
            if takes and not value:
                next(left, None)


def forget_coercion(environment: MutableMapping[str, str]) -> None:
    """Take back what Python itself puts into the environment as it starts in the C locale.

    The program would take it for the user's choice, and other locales, and no UTF-8 mode, would hold in it.
    """
    by_locale = sys.flags.utf8_mode and "PYTHONUTF8" not in environment and "utf8" not in sys._xoptions
    # From 3.15 on UTF-8 mode is the default, and tells nothing.
    if by_locale and sys.version_info < (3, 15) and not environment.get("LC_ALL"):
        if environment.get("LC_CTYPE") in _COERCED:
            del environment["LC_CTYPE"]


def found_from_anywhere() -> bool:
    """Whether this package is installed, and does not just lie where this process was started."""
    standard = os.path.dirname(os.__file__)
    # Behind the standard library come the directories of installed packages, before it `PYTHONPATH`.
    entries = sys.path[sys.path.index(standard) + 1 :] if standard in sys.path else []
    others: list[Any] = [finder for finder in sys.meta_path if finder is not PathFinder]
    name = __name__.partition(".")[0]
    return PathFinder.find_spec(name, entries) is not None or any(
        finder.find_spec(name, None) is not None for finder in others
    )


def _restore_signals() -> None:
    """Python ignores these as it starts, and what is ignored would stay so in the program."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def _refusal(name: str, error: OSError) -> tuple[int, str]:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if os.path.exists(name) if os.path.dirname(name) else shutil.which(name):
            return _NOT_RUN, "the program it names on its first line is not there"
        return _NOT_FOUND, f"not found{_hint(name)}"
    if error.errno == errno.ENOEXEC:
        return _NOT_RUN, "is no program: its first line does not name what runs it"
    return _NOT_RUN, os.strerror(error.errno or 0)


def _hint(name: str) -> str:
    """What may be meant by a name that the path does not have."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    if name and os.path.exists(beside):
        return f"; there is {beside}"
    if name.endswith(".py") and os.path.exists(name):
        return f"; is `python {name}` meant?"
    return ""
