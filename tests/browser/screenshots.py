"""The pictures of the README, from the demo at a fixed moment: `make screenshots`."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from promptlayer_patch.demo.history import fill
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.browser import chromium
from tests.browser.pages import PAGES
from tests.browser.visiting import visiting

NOON = 1_795_003_200.0
"""18 November 2026, 12:00 UTC, when the invented month ends."""
MOST_BYTES = 200 * 1024
_DOCS = Path(__file__).resolve().parents[2] / "docs"
_SHOWN = ("requests", "request-tools", "charts")


def take(page: Page, path: Path) -> None:
    content = page.screenshot(animations="disabled", caret="hide")
    if len(content) > MOST_BYTES:
        raise SystemExit(f"{path.name} has {len(content):,} bytes; {MOST_BYTES:,} are the most")
    path.write_bytes(content)
    print(f"{path.name}: {len(content):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", type=Path, default=_DOCS, help="the directory of the pictures")
    chosen = parser.parse_args()
    program = chromium.found()
    if program is None:
        sys.exit(chromium.MISSING)
    chosen.to.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        path = Path(directory) / "requests.db"
        fill(path, io.StringIO(), NOON)
        with closing(Store.open(path)) as store:
            store.catch_up()
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        wide = {"width": 1280, "height": 800}
        with Server(path) as server, visiting(browser, server.start(), viewport=wide) as visitor:
            visitor.enter()
            visitor.page.clock.set_fixed_time(NOON)
            for name in _SHOWN:
                page = PAGES[name](visitor)
                visitor.settled()
                take(page, chosen.to / f"dashboard-{name.partition('-')[0]}.png")
        browser.close()


if __name__ == "__main__":
    main()
