"""`outbox flush`: deliver now what programs that are gone have left."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from promptlayer_patch._commands.delivering import Adoptions, Run
from promptlayer_patch._commands.looking import Outbox, outboxes
from promptlayer_patch._commands.progress import progress_on
from promptlayer_patch._commands.showing import plural
from promptlayer_patch._guard import log
from promptlayer_patch._options import shown_url
from promptlayer_patch._outbox import Address
from promptlayer_patch._settings import Settings, read_settings
from promptlayer_patch.exporters import Remote, checked, remote

__all__ = ["flush"]


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is still there for one destination."""

    left: int
    in_use: int
    other_keys: int


def flush(path: Path, timeout_s: float, out: TextIO, *, any_key: bool) -> int:
    """Deliver to each destination of the settings that is not on this machine; 1 if something is left."""
    deadline = time.monotonic() + timeout_s
    settings = replace(read_settings(), outbox_dir=str(path))
    codes = []
    for destination in _destinations(settings):
        with _without_log():
            codes.append(_flush(destination, settings, deadline, out, any_key=any_key))
    return max(codes)


def _destinations(settings: Settings) -> list[str]:
    named = [one for one in settings.to if isinstance(one, str) and remote(one, settings) is not None]
    chosen = named or ["promptlayer:"]
    for destination in chosen:
        checked(destination, settings)
    return chosen


def _flush(destination: str, settings: Settings, deadline: float, out: TextIO, *, any_key: bool) -> int:
    found = remote(destination, settings)
    assert found is not None
    directory = Adoptions(settings.outbox_dir, any_account=any_key)
    damaged = set(directory.damaged())
    run = Run(directory, destination, found, settings)
    progress = progress_on(sys.stderr)
    try:
        run.until(deadline, progress.show)
    except KeyboardInterrupt:
        progress.close()
        print("stopping; what is not delivered stays in the outbox", file=sys.stderr)
        raise
    finally:
        progress.close()
        run.close()
    for path in sorted(set(directory.damaged()) - damaged):
        print(f"damaged, and set aside: {path}", file=sys.stderr)
    return _told(run, directory, found, out, any_key=any_key)


def _told(run: Run, directory: Adoptions, found: Remote, out: TextIO, *, any_key: bool) -> int:
    rest = _rest(directory, found, any_key=any_key)
    left = max(rest.left, directory.left)
    print(
        f"{shown_url(found.url)}: {run.delivered} delivered, {run.rejected} rejected, {left} left", file=out
    )
    if left:
        print(f"not delivered: {run.why_not()}", file=out)
    if run.rejected:
        print("`promptlayer-patch outbox list` says why a record was rejected.", file=out)
    if rest.in_use:
        print(f"{plural(rest.in_use, 'record')} in use by programs that run, which deliver them.", file=out)
    if rest.other_keys:
        print(
            f"{plural(rest.other_keys, 'record')} of other keys: --any-key delivers them with this one.",
            file=out,
        )
    return 1 if left else 0


def _rest(directory: Adoptions, found: Remote, *, any_key: bool) -> _Rest:
    address = Address(shown_url(found.url), found.api_key)
    here = [box for box in outboxes(directory) if box.path.name.startswith(address.place)]
    free = [box for box in here if not box.in_use]
    ours = [box for box in free if any_key or box.facts.get("account", address.account) == address.account]
    return _Rest(
        left=_sum(ours),
        in_use=_sum([box for box in here if box.in_use and box.path not in directory.paths]),
        other_keys=_sum([box for box in free if box not in ours]),
    )


def _sum(found: list[Outbox]) -> int:
    return sum(box.records for box in found)


@contextmanager
def _without_log() -> Iterator[None]:
    """What the delivery logs is said here at its end, and would tear a progress bar apart."""
    handler = logging.NullHandler()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
