"""How far a command is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Progress", "progress_on"]

_EVERY_S = 3.0


class Progress(Protocol):
    """Told of every change; `close` ends it."""

    def show(self, done: int, total: int, trouble: str) -> None: ...

    def close(self) -> None: ...


def progress_on(stream: TextIO, doing: str = "delivering", things: str = "records") -> Progress:
    """What suits the stream, and what is installed."""
    if stream.isatty():
        try:
            return _Bar(stream, doing)
        except ImportError:
            pass
    return _Lines(stream, things)


class _Lines:
    def __init__(self, stream: TextIO, things: str) -> None:
        self._stream = stream
        self._things = things
        self._next_at = time.monotonic() + _EVERY_S  # what is over before that says how it ended, and no more
        self._last = ""

    def show(self, done: int, total: int, trouble: str) -> None:
        line = f"{done} of {total} {self._things}" + (f" ({trouble})" if trouble else "")
        if total and line != self._last and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + _EVERY_S
            self._last = line
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Every line stands for itself."""


class _Bar:
    def __init__(self, stream: TextIO, doing: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(doing),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[trouble]}", markup=False),
        )
        self._progress: RichProgress = Progress(*columns, console=Console(file=stream), transient=True)
        self._task = self._progress.add_task("", total=None, trouble="")
        self._progress.start()

    def show(self, done: int, total: int, trouble: str) -> None:
        self._progress.update(self._task, completed=done, total=total or None, trouble=trouble)

    def close(self) -> None:
        self._progress.stop()
