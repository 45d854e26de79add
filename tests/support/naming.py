"""Names of test cases."""

from __future__ import annotations

import re


def shown(value: object) -> str:
    """`value` as text that is the same in every process: pytest-xdist compares the names of its workers."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))
