"""The command: see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import overhead
from benchmarks.overhead import report
from benchmarks.overhead.environments import python_of
from benchmarks.overhead.processes import Failed, Process, sink
from benchmarks.overhead.rounds import BLOCKS, measure
from benchmarks.overhead.variants import VARIANTS, Role, Variant


def chosen(names: list[str] | None, *, quick: bool) -> list[Variant]:
    """The bare library always, beside what is asked for."""
    wanted = [
        variant
        for variant in VARIANTS
        if variant.name == "bare"
        or (variant.name in names if names else not (quick and variant.role is Role.PEER))
    ]
    unknown = set(names or ()) - {variant.name for variant in VARIANTS}
    if unknown:
        raise SystemExit(f"no such variant: {', '.join(unknown)}; there are {[v.name for v in VARIANTS]}")
    return wanted


def started(variants: list[Variant], url: str, folder: Path) -> list[Process]:
    processes = []
    for at, variant in enumerate(variants):
        python = python_of(variant.environment)
        if python is not None:
            processes.append(Process(variant, python, url, folder / str(at)))
    ready = []
    for process in processes:
        try:
            process.ready()
            ready.append(process)
        except Failed as failed:
            print(f"LEFT OUT, does not start: {failed}", file=sys.stderr)
    return ready


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=overhead.__doc__)
    parser.add_argument("--variants", nargs="+", metavar="NAME")
    parser.add_argument("--kinds", nargs="+", choices=list(BLOCKS), default=list(BLOCKS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true", help="ourselves only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    rounds = asked.rounds or (9 if asked.quick else 25)
    variants = chosen(asked.variants, quick=asked.quick)
    with tempfile.TemporaryDirectory() as made, sink() as url:
        processes = started(variants, url, Path(made))
        try:
            measured = measure(processes, asked.kinds, rounds, url)
        finally:
            for process in processes:
                process.kill()
    print(report.table(measured))


if __name__ == "__main__":
    main()
