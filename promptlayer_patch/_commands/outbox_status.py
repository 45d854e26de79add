"""`outbox status` and `outbox list`: never a prompt, an answer or a key."""

from __future__ import annotations

import json
import time
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TextIO

from promptlayer_patch._commands.looking import Outbox, Waiting, described, outboxes, waiting
from promptlayer_patch._commands.showing import Column, age, moment, plural, size, table
from promptlayer_patch._outbox import OutboxDirectory, Unusable

if TYPE_CHECKING:
    from promptlayer_patch._outbox.rejected import RejectedItem

__all__ = ["show_records", "show_status"]

_STATUS = (
    Column("destination", least=20, rank=1),
    Column("program", least=12, rank=2),
    Column("state", least=11),
    Column("records", right=True),
    Column("bytes", right=True),
    Column("oldest", right=True),
)
_RECORDS = (
    Column("id", least=12),
    Column("started at"),
    Column("method", least=12, rank=1),
    Column("model", least=8, rank=2),
    Column("attempts", right=True),
    Column("size", right=True),
    Column("state", least=20, rank=3),
)


def show_status(directory: OutboxDirectory, out: TextIO, *, as_json: bool) -> int:
    """One line for each outbox, and what else lies there."""
    found, damaged = outboxes(directory), directory.damaged()
    rejected = _rejected_count(directory)
    if as_json:
        summary = {
            "directory": str(directory.path),
            "outboxes": [_facts(outbox) for outbox in found],
            "rejected": rejected,
            "damaged": [path.name for path in damaged],
            "bytes": directory.size(),
        }
        print(json.dumps(summary, indent=2), file=out)
        return 0
    if not (found or rejected or damaged):
        print(f"Nothing waits in {directory.path}.", file=out)
        return 0
    if found:
        table(_STATUS, [_cells(outbox) for outbox in found], out)
        print(file=out)
    print(f"rejected: {rejected}", file=out)
    print(f"damaged:  {len(damaged)}{''.join(f' {path.name}' for path in damaged)}", file=out)
    print(f"in all:   {size(directory.size())} in {directory.path}", file=out)
    return 0


def show_records(directory: OutboxDirectory, limit: int, out: TextIO, *, as_json: bool) -> int:
    """What waits, oldest first, then what was rejected."""
    found = outboxes(directory)
    # By id, which begins with the time and can be read where the record cannot.
    waits = sorted((_waiting(one) for box in found for one in waiting(box, limit)), key=itemgetter("id"))
    refused = [_rejected(item) for item in directory.rejected.all()]
    records = (waits + refused)[:limit]
    more = sum(outbox.records for outbox in found) + len(refused) - len(records)
    if as_json:
        print(json.dumps({"records": records, "more": max(0, more)}, indent=2), file=out)
    elif not records:
        print(f"Nothing waits in {directory.path}, and nothing was rejected.", file=out)
    else:
        table(_RECORDS, [_record_cells(record) for record in records], out)
        if more > 0:
            print(f"and {plural(more, 'more record')}: --limit shows them", file=out)
    return 0


def _rejected_count(directory: OutboxDirectory) -> int | str:
    try:
        return directory.rejected.count()
    except Unusable as trouble:
        return f"cannot be read: {trouble}"


def _facts(outbox: Outbox) -> dict[str, Any]:
    return {
        "file": outbox.path.name,
        "url": outbox.url,
        "program": outbox.facts.get("program"),
        "pid": outbox.facts.get("pid"),
        "state": outbox.state,
        "in_use": outbox.in_use,
        "key_refused": outbox.key_refused,
        "readable": not outbox.trouble,
        "records": outbox.records,
        "bytes": outbox.size,
        "oldest_at": outbox.oldest_at,
    }


def _cells(outbox: Outbox) -> list[str]:
    return [
        outbox.url or outbox.path.name,
        outbox.facts.get("program") or "-",
        outbox.state,
        "-" if outbox.trouble else str(outbox.records),
        "-" if outbox.trouble else size(outbox.size),
        age(outbox.oldest_at),
    ]


def _waiting(one: Waiting) -> dict[str, Any]:
    outbox = one.outbox
    state = "key refused" if outbox.key_refused else "in use" if outbox.in_use else "waiting"
    wait_s = one.due_at - time.time()
    if state == "waiting" and wait_s > 0:
        state = f"waiting, due in {wait_s:.0f} s"
    return {**described(one.key, one.body), "attempts": one.attempts, "state": state, "reason": None}


def _rejected(item: RejectedItem) -> dict[str, Any]:
    return {**described(item.key, item.body), "attempts": None, "state": "rejected", "reason": item.reason}


def _record_cells(record: dict[str, Any]) -> list[str]:
    state, reason = record["state"], record["reason"]
    return [
        record["id"],
        moment(record["started_at"]),
        record["method"] or "(unreadable)",
        record["model"] or "-",
        "-" if record["attempts"] is None else str(record["attempts"]),
        size(record["bytes"]),
        f"{state}: {reason}" if reason else state,
    ]
