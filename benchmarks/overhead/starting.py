"""How a program starts with a variant: a fresh process each time."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

from benchmarks.overhead.environments import ROOT, variables_of
from benchmarks.overhead.figures import Figures
from benchmarks.overhead.variants import Variant


def measure(
    variants: list[tuple[Variant, Path]], bare_of: dict[str, str], rounds: int, url: str, folder: Path
) -> Figures:
    """Rounds of fresh processes, one after the other."""
    taken: dict[str, list[list[float]]] = {variant.name: [] for variant, _ in variants}
    for turn in range(-1, rounds):
        for at, (variant, python) in enumerate(variants):
            found = _once(variant, python, url, folder / str(at))
            # The first compiles what is not compiled yet.
            if turn >= 0 and found:
                taken[variant.name].append(found)
    figures: Figures = {}
    for name, many in taken.items():
        bare = taken[bare_of[name]]
        if many:
            added = statistics.median(mine[2] - theirs[2] for mine, theirs in zip(many, bare, strict=False))
            figures[name] = {
                "start: import and install ms": statistics.median(one[0] for one in many),
                "start: modules": many[0][1],
                "start: to the first call added ms": added,
            }
    return figures


def _once(variant: Variant, python: Path, url: str, folder: Path) -> list[float]:
    folder.mkdir(parents=True, exist_ok=True)
    code = "from benchmarks.overhead.start import main; main()"
    done = subprocess.run(
        [str(python), "-c", code, variant.setup, url, str(folder)],
        cwd=ROOT,
        env=variables_of(variant, url, folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    # It may print more of its own.
    lines = [line for line in done.stdout.splitlines() if line.count(" ") == 2]
    return [] if done.returncode or not lines else list(map(float, lines[-1].split()))
