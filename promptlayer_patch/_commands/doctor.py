"""`promptlayer-patch doctor`: whether recording works here, and if not, why."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from functools import partial
from typing import TYPE_CHECKING, TextIO

from promptlayer_patch._commands.checking import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptlayer_patch._commands.checking import Check
    from promptlayer_patch.exporters import Remote

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--offline", action="store_true", help="ask nobody on the network")
    parser.add_argument("--verbose", action="store_true", help="list what was looked at")


def run(chosen: argparse.Namespace) -> int:
    """Make all checks; 1 if one of them failed."""
    checks = _checks(offline=chosen.offline)
    if chosen.json:
        print(json.dumps(_data(checks), indent=2))
    else:
        _show(checks, sys.stdout, verbose=chosen.verbose)
        if chosen.offline:
            print("Nobody on the network was asked.")
    return 1 if any(check.status == "failed" for check in checks) else 0


def _checks(*, offline: bool) -> list[Check]:
    from promptlayer_patch._commands import (
        doctor_network,
        doctor_outbox,
        doctor_patches,
        doctor_places,
        doctor_settings,
        doctor_versions,
    )

    found = guarded("versions", doctor_versions.checks)
    found += guarded("patched methods", doctor_patches.checks)
    found += guarded("settings", doctor_settings.checks)
    settings = doctor_settings.usable()
    if settings is None:
        return found
    found += guarded("outbox", partial(doctor_outbox.checks, settings))
    found += guarded("local store", partial(doctor_places.checks, settings))
    if not offline:
        for remote in _distinct(doctor_places.remotes(settings)):
            found += guarded("destination", partial(doctor_network.checks, remote))
    return found


def _distinct(remotes: Sequence[Remote]) -> list[Remote]:
    return list(dict.fromkeys(remotes))


def _data(checks: Sequence[Check]) -> dict[str, object]:
    good = not any(check.status == "failed" for check in checks)
    return {"ok": good, "checks": [dataclasses.asdict(check) for check in checks]}


def _show(checks: Sequence[Check], out: TextIO, *, verbose: bool) -> None:
    from promptlayer_patch.demo.table import one_line

    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{check.status:<7}  {check.name:<{width}}  {one_line(check.text)}", file=out)
        for detail in check.details if verbose else ():
            print(f"{'':<7}  {'':<{width}}    {one_line(detail)}", file=out)
