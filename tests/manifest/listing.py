"""The stored listings: one file for each version, one line for each method.

A line is `captured  both  images.Images.generate` or `ignored   both  files.Files.list: reads a list`; `both`
says that the method exists in sync and async form.
"""

from __future__ import annotations

from pathlib import Path

from .decisions import decide
from .surface import Method

HOME = Path(__file__).parent


def stored() -> dict[str, Path]:
    """The listings there are, by version, oldest first."""
    found = {path.stem.removeprefix("openai-"): path for path in HOME.glob("openai-*.txt")}
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def path_of(version: str) -> Path:
    return HOME / f"openai-{version}.txt"


def render(version: str, methods: list[Method]) -> str:
    """The listing of these methods as the decisions are now. Every method must have been decided."""
    lines = [line(method) for method in sorted(methods)]
    captured = sum(text.startswith("captured") for text in lines)
    head = [
        "# Written by `make manifest`; the reasons stand in decisions.py.",
        f"# openai {version}: {len(lines)} methods, {captured} captured, {len(lines) - captured} ignored.",
    ]
    return "\n".join([*head, *lines, ""])


def line(method: Method) -> str:
    decision = decide(method.name)
    if decision is None:
        raise LookupError(f"undecided: {method.name}")
    if decision.captured:
        return f"captured  {method.twins}  {method.name}"
    return f"ignored   {method.twins}  {method.name}: {decision.reason}"


def read(path: Path) -> list[Method]:
    """The methods that a listing names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_parse(text) for text in lines if not text.startswith("#")]


def _parse(text: str) -> Method:
    _, twins, rest = (part.strip() for part in text.split("  ", 2) if part.strip())
    return Method(rest.partition(":")[0], twins)
