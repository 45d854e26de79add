"""The command: see the package."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import overhead
from benchmarks.overhead import endings, report, rounds, starting
from benchmarks.overhead.environments import openai_of, python_of, sizes
from benchmarks.overhead.figures import Figures, of_blocks
from benchmarks.overhead.processes import Failed, Process, hanging, refusing, sink
from benchmarks.overhead.variants import VARIANTS, Role, Variant

GENERATIONS = 3
"""Two processes of one variant differ by a few per cent for as long as they live, by where things lie in
memory: the rounds are made by several, one after the other."""

KINDS = [*rounds.BLOCKS, "start", "size", "memory", "exit"]
QUICK = [kind for kind in KINDS if kind not in ("embeddings-floats", "memory", "exit")]

Environments = list[tuple[Variant, Path]]


def chosen(names: list[str] | None, *, quick: bool) -> Environments:
    """What is asked for and can be installed; and the bare library, with every version of openai in use."""
    unknown = set(names or ()) - {variant.name for variant in VARIANTS}
    if unknown:
        raise SystemExit(f"no such variant: {', '.join(unknown)}; there are {[one.name for one in VARIANTS]}")
    environments: Environments = []
    for variant in VARIANTS:
        asked = variant.name in names if names else not (quick and variant.role is Role.PEER)
        python = python_of(variant.environment) if asked or variant.name == "bare" else None
        if python is not None:
            environments.append((variant, python))
    bare, _ = environments[0]
    for version in sorted(
        {openai_of(variant.environment) for variant, _ in environments} - {openai_of("bare")}
    ):
        variant, python = next(one for one in environments if openai_of(one[0].environment) == version)
        other = replace(bare, name=f"bare, openai {version}", environment=variant.environment)
        environments.insert(1, (other, python))
    return environments


def compared_with(environments: Environments) -> dict[str, str]:
    """For each variant the bare one with the same openai."""
    bare = {
        openai_of(one.environment): one.name
        for one, _ in reversed(environments)
        if one.setup == "setups.bare"
    }
    return {variant.name: bare[openai_of(variant.environment)] for variant, _ in environments}


def generation(
    environments: Environments,
    kinds: list[str],
    turns: int,
    url: str,
    folder: Path,
    measured: rounds.Measured,
) -> None:
    processes = [
        Process(variant, python, url, folder / str(at)) for at, (variant, python) in enumerate(environments)
    ]
    try:
        for process in list(processes):
            try:
                process.ready()
            except Failed as failed:
                print(f"LEFT OUT, does not start: {failed}", file=sys.stderr)
                processes.remove(process)
                measured.pop(process.variant.name, None)
        rounds.measure(processes, kinds, turns, url, measured)
        environments[:] = [one for one in environments if one[0].name in measured]
    finally:
        for process in processes:
            process.kill()


def measure(environments: Environments, asked: argparse.Namespace, figures: Figures) -> None:
    """Add to `figures` what is asked for, part by part."""
    bare_of = compared_with(environments)
    turns = asked.rounds or _usual_rounds(asked)

    def add(found: Figures) -> None:
        parts: dict[str, None] = {}
        for name, rows in found.items():
            figures.setdefault(name, {}).update(rows)
            parts |= dict.fromkeys(row.partition(":")[0] for row in rows)
        print(f"measured: {', '.join(parts)}", file=sys.stderr)

    with sink() as url, refusing() as dead, hanging() as silent, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        kinds = [kind for kind in asked.kinds if kind in rounds.BLOCKS]
        if kinds:
            measured: rounds.Measured = {}
            for at in range(GENERATIONS):
                generation(environments, kinds, max(1, turns // GENERATIONS), url, folder / str(at), measured)
            add(of_blocks(measured, bare_of))
        if "start" in asked.kinds:
            add(starting.measure(environments, bare_of, max(3, turns // 2), url, folder / "start"))
        if "size" in asked.kinds:
            packaged = [variant for variant, _ in environments if variant.setup != "setups.bare"]
            add({variant.name: sizes(variant) for variant in packaged})
        urls = {"healthy": url, "dead": dead, "hanging": silent}
        if "memory" in asked.kinds:
            add(endings.memory(environments, urls, folder / "memory", asked.wait))
        if "exit" in asked.kinds:
            add(endings.exits(environments, urls, folder / "exit", 1 if asked.quick else 3))


def _usual_rounds(asked: argparse.Namespace) -> int:
    if not asked.quick:
        return 30
    return 12 if len(asked.kinds) == 1 else 6


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead",
        description=overhead.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--variants", nargs="+", metavar="NAME", help=f"of {', '.join(map(repr, names))}")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--rounds", type=int, help="30; with --quick 6, or 12 of a single kind")
    parser.add_argument("--quick", action="store_true", help="ourselves only, and not what takes long")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds until memory is looked at again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    asked = parser.parse_args()
    asked.kinds = asked.kinds or (QUICK if asked.quick else KINDS)
    environments = chosen(asked.variants, quick=asked.quick)
    versions = {variant.name: openai_of(variant.environment) for variant, _ in environments}
    figures: Figures = {}
    try:
        measure(environments, asked, figures)
    finally:
        # Who interrupts an hour's work keeps the parts that are done.
        print(f"openai {versions['bare']}, Python {sys.version.split()[0]}\n")
        print(report.table(figures))
        if asked.json:
            asked.json.write_text(json.dumps({"openai": versions, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
