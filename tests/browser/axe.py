"""axe-core, which holds a page against the rules of accessibility."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

__all__ = ["Rules", "barriers"]

_SOURCE = (Path(__file__).parent / "vendored" / "axe-core-4.14.1.min.js").read_text(encoding="utf-8")
_RUN = """options => axe.run(
  { exclude: ["[data-rows] > :nth-child(n+13)"] },
  { ...options, resultTypes: ["violations"] },
).then(found => found.violations)"""
"""A dozen rows of a long table stand for all of them: each costs as much again."""
_GRAVE = ("serious", "critical")


class Rules(Enum):
    """Which of axe's rules a page is held against."""

    ALL: Mapping[str, Any] = {}
    OF_COLOURS: Mapping[str, Any] = {
        "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
    }
    BUT_CONTRAST: Mapping[str, Any] = {"rules": {"color-contrast": {"enabled": False}}}


def barriers(page: Page, rules: Rules = Rules.ALL) -> list[str]:
    """What keeps somebody from using the page, one line each; what is only not ideal is left out."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SOURCE)
    found: list[dict[str, Any]] = page.evaluate(_RUN, rules.value)
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['failureSummary'].splitlines()[-1].strip()}"
        for rule in found
        if rule["impact"] in _GRAVE
        for node in rule["nodes"]
    ]
