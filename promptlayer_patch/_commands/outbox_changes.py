"""`outbox retry` and `outbox drop`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.agreeing import agreed
from promptlayer_patch._commands.looking import load_of, outboxes
from promptlayer_patch._commands.showing import plural
from promptlayer_patch._outbox import Address, Item, OutboxDirectory

if TYPE_CHECKING:
    from promptlayer_patch._outbox.rejected import RejectedItem

__all__ = ["drop", "retry"]


def retry(directory: OutboxDirectory, ids: Sequence[str], out: TextIO) -> int:
    """Put rejected records back into an outbox; 1 if one of those named was not there."""
    if not directory.rejected.count():
        unknown, moved = list(ids), 0
    else:
        with _alone(directory):
            unknown, moved = _put_back(directory, ids)
    print(
        f"{plural(moved, 'record')} put back; they are delivered by the next program or by flush.", file=out
    )
    for one in unknown:
        print(f"not among the rejected: {one}", file=sys.stderr)
    return 1 if unknown else 0


def drop(directory: OutboxDirectory, what: str, out: TextIO, *, asks: bool) -> int:
    """Delete what was chosen; 1 if the person decides otherwise."""
    if what == "rejected":
        count, name = directory.rejected.count(), "rejected record"
    elif what == "damaged":
        count, name = len(directory.damaged()), "damaged file"
    else:
        count, name = sum(box.records for box in outboxes(directory) if not box.in_use), "waiting record"
    if not count and what != "all-waiting":
        print(f"There is no {name} to delete.", file=out)
        return 0
    if asks and count and not agreed(f"Delete {plural(count, name)} for good?"):
        print("Nothing was deleted.", file=out)
        return 1
    print(f"{plural(_dropped(directory, what, out), name)} deleted.", file=out)
    return 0


def _put_back(directory: OutboxDirectory, ids: Sequence[str]) -> tuple[list[str], int]:
    """The ids that are unknown, and how many records were moved."""
    rejected = directory.rejected.all()
    wanted = set(ids) or {one.key for one in rejected}
    chosen = [one for one in rejected if one.key in wanted]
    moved = 0
    for (url, account), group in groupby(sorted(chosen, key=_whose), _whose):
        moved += _moved(directory, url, account, list(group))
    return sorted(wanted - {one.key for one in chosen}), moved


def _moved(directory: OutboxDirectory, url: str, account: str, rejected: Sequence[RejectedItem]) -> int:
    loads = [load_of(one.body) for one in rejected]
    items = [Item.of(load) for load in loads if load is not None]
    if len(items) < len(rejected):
        print(f"{plural(len(rejected) - len(items), 'record')} cannot be read, and stay.", file=sys.stderr)
    if not items:
        return 0
    file = directory.create(Address(url, ""), account=account)
    try:
        file.put(items)
        # Still locked: who adopts it now and is refused again would find the old entry, and lose the record
        # when we remove that one.
        directory.rejected.drop([item.key for item in items])
    finally:
        file.close()
    return len(items)


def _whose(one: RejectedItem) -> tuple[str, str]:
    return one.url, one.account


def _dropped(directory: OutboxDirectory, what: str, out: TextIO) -> int:
    if what == "rejected":
        with _alone(directory):
            return directory.rejected.clear()
    if what == "damaged":
        return sum(_deleted(path) for path in directory.damaged())
    found = outboxes(directory)
    used = sum(box.in_use for box in found)
    if used:
        print(f"{plural(used, 'outbox', 'outboxes')} in use, and not touched.", file=out)
    return sum(directory.discard(box.path) or 0 for box in found if not box.in_use)


def _deleted(path: Path) -> bool:
    from promptlayer_patch._outbox.database import delete

    delete(path)
    return not path.exists()


@contextmanager
def _alone(directory: OutboxDirectory) -> Iterator[None]:
    """Two that put the same records back would have them delivered twice."""
    from promptlayer_patch._outbox.locking import FileLock

    path = directory.path / "rejected.busy"
    try:
        lock = FileLock.taken(path, new=not path.exists())
    except OSError:
        lock = None
    if lock is None:
        raise CommandFailed("another retry or drop is under way")
    try:
        yield
    finally:
        lock.release(remove=True)
