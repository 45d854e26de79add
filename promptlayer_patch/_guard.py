"""Our bugs stay ours: a fault in the data path is logged once per kind and never raised into the host."""

from __future__ import annotations

import sys

# As type checkers know it: typing itself takes longer to load than all that `install()` needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any

    log: logging.Logger


_reported: set[tuple[str, str]] = set()


def __getattr__(name: str) -> Any:
    # logging as well: whoever takes `log` from here is loaded later, with openai, which loads it anyway.
    if name == "log":
        return _log()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def report(doing: str, fault: BaseException) -> None:
    """Log that `fault` happened while we were `doing` something; the first of its kind at WARNING.

    Callers write `try: ... except Exception as fault: report(...)` in place. A context manager would read
    better, but then a fault in the guard itself would reach the user's call.
    """
    try:
        kind = (doing, type(fault).__name__)
        level = _level_of(kind)
        _log().log(level, "%s failed: %s at %s; your call was not affected", doing, kind[1], _place(fault))
    except Exception:
        pass


def quietly(doing: str, step: Callable[..., object], *arguments: object) -> None:
    """Take one step; a fault in it is reported. For steps that are off the way of the user's calls."""
    try:
        step(*arguments)
    except Exception as fault:
        report(doing, fault)


def warn_once(kind: str, message: str, *args: object) -> None:
    """Log a WARNING the first time this kind of thing happens, DEBUG after that. Never raises."""
    try:
        _log().log(_level_of((kind, "")), message, *args)
    except Exception:  # a broken log handler is not the host's problem
        pass


def warn(message: str, *args: object) -> None:
    """Log a WARNING, without loading logging for it.

    Where nobody has loaded it, nobody has set it up, and all that it would do is print the line.
    """
    if "logging" in sys.modules:
        _log().warning(message, *args)
    elif sys.stderr is not None:
        print(message % args, file=sys.stderr, flush=True)


def forget_reports() -> None:
    """Let every kind of fault be reported again; called by a new `install()`."""
    _reported.clear()


def _log() -> logging.Logger:
    import logging

    return logging.getLogger("promptlayer_patch")


def _level_of(kind: tuple[str, str]) -> int:
    import logging

    level = logging.DEBUG if kind in _reported else logging.WARNING
    _reported.add(kind)
    return level


def _place(fault: BaseException) -> str:
    import traceback

    # The place only: an exception's text may quote a prompt.
    frames = traceback.extract_tb(fault.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown place"
