"""Whether the outbox can be used, and what waits in it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from promptlayer_patch._commands.checking import Check, failed, ok, warning
from promptlayer_patch._commands.looking import outboxes
from promptlayer_patch._commands.showing import age, plural
from promptlayer_patch._outbox import Address, Item, OutboxDirectory, Unusable
from promptlayer_patch._settings import Settings
from promptlayer_patch.records import Record, new_record_id

__all__ = ["checks"]


def checks(settings: Settings) -> list[Check]:
    directory = OutboxDirectory(settings.outbox_dir)
    if not settings.outbox:
        text = "is switched off: what PromptLayer cannot take before the program ends is lost"
        return [warning("outbox", text), *_contents(directory)]
    trouble = _trouble(directory.path)
    if trouble:
        return [failed("outbox", f"{trouble}: records wait in memory, and are lost when the program ends")]
    return [
        ok("outbox", f"{directory.path} can be written and read"),
        *_mode(directory.path),
        *_contents(directory),
    ]


def _trouble(path: Path) -> str:
    """Why no outbox can be kept at `path`; empty if one can."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A directory of its own, where no process looks for something to deliver.
        with tempfile.TemporaryDirectory(prefix="doctor-", dir=path, ignore_cleanup_errors=True) as own:
            return _written_and_read(OutboxDirectory(own))
    except OSError as error:
        return f"{path}: {error.strerror}"
    except Unusable as trouble:
        return str(trouble)


def _written_and_read(directory: OutboxDirectory) -> str:
    item = Item.of(Record(id=new_record_id(), function_name="doctor"))
    file = directory.create(Address("doctor:", ""))
    try:
        file.put([item])
        read = [found.body for found in file.items()]
        file.remove(item)
    finally:
        file.close()
    return "" if read == [item.body] else f"{directory.path}: what was written cannot be read"


def _mode(path: Path) -> list[Check]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "nt" or not mode & 0o077:
        return []
    return [warning("outbox", f"{path} has the mode {mode:04o}, which lets others in: it should be 0700")]


def _contents(directory: OutboxDirectory) -> list[Check]:
    found = outboxes(directory)
    waiting = sum(box.records for box in found)
    oldest = min((box.oldest_at for box in found if box.oldest_at is not None), default=None)
    text = f"{plural(waiting, 'record')} waiting" + (f", the oldest for {age(oldest)}" if waiting else "")
    checks = [ok("waiting", text)]
    unreadable = [f"{box.path.name}: {box.trouble}" for box in found if box.trouble]
    damaged = [path.name for path in directory.damaged()]
    if unreadable or damaged:
        text = f"{plural(len(unreadable + damaged), 'damaged file')} in {directory.path}"
        checks.append(warning("damaged", f"{text}: {', '.join(unreadable + damaged)}"))
    if any(box.key_refused for box in found):
        checks.append(warning("key refused", "records wait whose key was refused: `outbox flush --any-key`"))
    return checks + _rejected(directory)


def _rejected(directory: OutboxDirectory) -> list[Check]:
    try:
        count = directory.rejected.count()
    except Unusable as trouble:
        return [warning("rejected", str(trouble))]
    if not count:
        return []
    text = f"{plural(count, 'record')} rejected: `promptlayer-patch outbox list` says why"
    return [warning("rejected", text)]
