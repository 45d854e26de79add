"""Write the listing of the installed openai, and the other stored ones anew as the decisions are now.

Run by `make manifest`, or as `python -m tests.manifest.generate` in any environment of the project.
"""

from __future__ import annotations

import sys

import openai

from . import listing, surface
from .decisions import decide


def main() -> int:
    known = {version: listing.read(path) for version, path in listing.stored().items()}
    known[openai.__version__] = surface.methods(surface.modules())
    undecided = {method.name for methods in known.values() for method in methods if not decide(method.name)}
    if undecided:
        print("To be captured, or ignored with a reason (see decisions.py):", *sorted(undecided), sep="\n  ")
        return 1
    for version, methods in known.items():
        text = listing.render(version, methods)
        listing.path_of(version).write_text(text, encoding="utf-8")
        print(text.splitlines()[1].removeprefix("# "))
    return 0


if __name__ == "__main__":
    sys.exit(main())
