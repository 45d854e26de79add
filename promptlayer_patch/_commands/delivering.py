"""The delivery of a running program, put to work on what others have left."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptlayer_patch._delivery.courier import Courier
from promptlayer_patch._delivery.room import Room
from promptlayer_patch._delivery.spooling import Spooling
from promptlayer_patch._options import shown_url
from promptlayer_patch._outbox import Address, Item, OutboxDirectory
from promptlayer_patch._settings import Settings
from promptlayer_patch.exporters import Batch, Exporter, Remote, open_exporter
from promptlayer_patch.records import Delivery, Record, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._outbox.file import OutboxFile

__all__ = ["Adoptions", "Run"]

_LOOK_S = 0.1
_HURRY_S = 5.0
"""How often an outage is tried out of turn: somebody waits for this."""
_GRACE_S = 5.0
"""How long the requests under way may take when it is over."""


class Adoptions(OutboxDirectory):
    """Remembers what was adopted."""

    def __init__(self, path: str | os.PathLike[str], *, any_account: bool) -> None:
        super().__init__(path)
        self._any_account = any_account
        self._files: list[OutboxFile] = []
        self.looked = threading.Event()
        self.total = 0

    def orphans(self, address: Address, *, any_account: bool = False) -> Iterator[OutboxFile]:
        try:
            for file in super().orphans(address, any_account=any_account or self._any_account):
                self._files.append(file)
                self.total += file.count
                yield file
        finally:
            self.looked.set()

    @property
    def paths(self) -> set[Path]:
        return {file.path for file in self._files}

    @property
    def left(self) -> int:
        return sum(file.count for file in self._files)


class _Spooling(Spooling):
    """Counts what is rejected, for whomever."""

    rejected = 0

    def reject(self, item: Item, reason: str) -> list[Item]:
        followers = super().reject(item, reason)
        self.rejected += 1 + len(followers)
        return followers


class _Listening:
    """An exporter that is overheard."""

    def __init__(self, exporter: Exporter, hear: Callable[[str], object]) -> None:
        self._exporter = exporter
        self._hear = hear

    @property
    def batch(self) -> Batch | None:
        return getattr(self._exporter, "batch", None)

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        answers = self._exporter.export(batch)
        for answer in answers:
            self._hear(answer.reason if isinstance(answer, TryLater) else "")
        return answers

    def close(self) -> None:
        self._exporter.close()


class Run:
    """One delivery of all that can be adopted for one destination."""

    def __init__(self, directory: Adoptions, destination: str, found: Remote, settings: Settings) -> None:
        self._directory = directory
        self._spooling = _Spooling(
            directory,
            Address(shown_url(found.url), found.api_key),
            on_disk=Room(settings.outbox_max_records, settings.outbox_max_bytes),
            in_memory=Room(settings.queue_max_records, settings.queue_max_bytes),
        )
        self._courier = Courier(
            self._spooling,
            lambda: _Listening(open_exporter(destination, settings), self._hear),
            found.connections,
        )
        self._trouble = ""
        self._is_late = False
        self._seen = 0

    @property
    def delivered(self) -> int:
        return self._courier.counts()[0].adopted

    @property
    def rejected(self) -> int:
        return self._spooling.rejected

    def until(self, deadline: float, show: Callable[[int, int, str], object]) -> None:
        """Go on until nothing is left, the key is refused, or time is up."""
        pause, hurry_at = threading.Event(), 0.0
        self._courier.nudge()
        while not self._is_done() and not self._courier.is_refused and time.monotonic() < deadline:
            if self._directory.looked.is_set() and time.monotonic() >= hurry_at:
                hurry_at = time.monotonic() + _HURRY_S
                self._courier.flush(0.0)  # what was put off is due now
                self._courier.nudge()
            show(self.delivered + self.rejected, self._directory.total, self._trouble)
            pause.wait(_LOOK_S)
        self._is_late = time.monotonic() >= deadline
        show(self.delivered + self.rejected, self._directory.total, self._trouble)

    def close(self) -> None:
        """Let the requests under way end, and give back what is not delivered."""
        self._courier.end(0.0)
        self._courier.close(_GRACE_S)

    def why_not(self) -> str:
        return self._trouble or ("the time was over" if self._is_late else "the outbox cannot be opened")

    def _is_done(self) -> bool:
        """Whether all is delivered, and another look has found nothing new."""
        directory = self._directory
        if not directory.looked.is_set() or directory.left:
            return False
        if directory.total == self._seen:
            return True
        self._seen = directory.total
        directory.looked.clear()
        self._spooling.has_orphans()
        self._courier.nudge()
        return False

    def _hear(self, reason: str) -> None:
        self._trouble = reason
