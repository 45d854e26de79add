"""What was played, what could not be, and how much was recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of a whole run, for the lines printed at its end."""

    done: dict[str, Counter[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    adapted: Counter[str] = field(default_factory=Counter)
    runs: set[tuple[str, str]] = field(default_factory=set)
    """Which case was run in which mode."""
    left_out_calls: int = 0
    left_out_variants: int = 0

    def count(self, mode: str, what: str, number: int = 1) -> None:
        self.done.setdefault(mode, Counter())[what] += number

    def leave_out(self, why: str, variant: str | None) -> None:
        self.left_out[why] += 1
        if variant is None:
            self.left_out_calls += 1
        else:
            self.left_out_variants += 1

    def total(self, what: str) -> int:
        return sum(counts[what] for counts in self.done.values())

    def lines(self) -> list[str]:
        lines = []
        for mode, counts in self.done.items():
            lines.append(f"  {mode}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
        lines += [f"  left out: {n} x {why}" for why, n in sorted(self.left_out.items())]
        lines += [f"  sent through extra_body: {n} x {what}" for what, n in sorted(self.adapted.items())]
        return lines
