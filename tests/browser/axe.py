"""axe-core, which holds a page against the rules of accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

__all__ = ["barriers"]

_SOURCE = (Path(__file__).parent / "vendored" / "axe-core-4.14.1.min.js").read_text(encoding="utf-8")
_RUN = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"
_GRAVE = ("serious", "critical")


def barriers(page: Page) -> list[str]:
    """What keeps somebody from using the page, one line each; what is only not ideal is left out."""
    page.evaluate(_SOURCE)
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['failureSummary'].splitlines()[-1].strip()}"
        for rule in found
        if rule["impact"] in _GRAVE
        for node in rule["nodes"]
    ]
