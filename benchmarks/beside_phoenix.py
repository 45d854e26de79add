"""The dashboard beside Phoenix, also without Docker: the same requests in both.

    python benchmarks/beside_phoenix.py                                     # 20,000 requests, some minutes
    python benchmarks/beside_phoenix.py --rows 2000 --json figures.json

Phoenix gets an environment of its own in benchmarks/.environments/, which is installed once (over 800 MB).
Each server is sent the requests by OTLP, as spans in the convention that it knows, and what that costs it is
measured; then ours is given a store that dashboard.py has filled, and both are asked for pages in turn. A
page of Phoenix is the GraphQL operations that its own frontend sends for it, as read from the bundle that it
serves, with 50 requests a page as ours has.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event

from dashboard import Browser, fill, serving
from exported_spans import Convention, exports, genai, openinference
from store_filling import COMMON_WORD, MODELS, RARE_WORD, records

from promptlayer_patch.store import Store
from promptlayer_patch.store.indexing.indexer import Indexer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from phoenix_server import Frontend, phoenix

_BATCH = 500
_PATIENCE_S = 1_800

Figures = dict[str, float]


def our_pages(browser: Browser) -> dict[str, list[str]]:
    """The pages that show the same."""
    content, _, _ = browser.get("/?format=json")
    listed = json.loads(content)["items"]
    return {
        "newest 50": ["/"],
        "common word": [f"/?q={word}" for word in (COMMON_WORD, "refund")],
        "rare word": [f"/?q={RARE_WORD}"],
        "model": [f"/?q=model%3A{model}" for model in MODELS],
        "one request": [f"/requests/{(item.get('summary') or item)['request_id']}" for item in listed],
    }


def taken(browser: Browser, rows: int, convention: Convention) -> Figures:
    """What it costs a server to be sent so many spans, and to do all that it puts off."""
    used = browser.cpu_s()
    for export in exports(rows, _BATCH, convention):
        _send(browser, export)
    _until_at_rest(browser)
    browser.pause()
    return {"a span taken: server's CPU ms": (browser.cpu_s() - used) * 1000 / rows}


def _send(browser: Browser, export: bytes) -> None:
    """A server whose queue is full is given time."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        content, _, accepted = browser.post("/v1/traces", export, "application/x-protobuf")
        if accepted:
            return
        if time.monotonic() > until:
            raise SystemExit(f"the server takes no more spans: {content[:500]!r}")
        Event().wait(0.5)


def _until_at_rest(browser: Browser) -> None:
    """Three seconds with next to no processor time: nothing is left to be stored or indexed."""
    until = time.monotonic() + _PATIENCE_S
    used = browser.cpu_s()
    while time.monotonic() < until:
        Event().wait(3)
        before, used = used, browser.cpu_s()
        if used - before < 0.1:
            return
    raise SystemExit("the server does not come to rest")


def filled(path: Path, rows: int) -> Figures:
    """Our store filled by this process, and the processor time of that without making up the requests."""
    began = time.process_time()
    for _ in records(rows):
        pass
    made = time.process_time()
    fill(path, rows)
    return {
        "a request stored in process: CPU ms": (time.process_time() - made - (made - began)) * 1000 / rows
    }


def compared(theirs: Frontend, ours: Browser, times: int) -> tuple[Figures, Figures]:
    """Each kind of page of the one, then of the other: what else the machine does meets both."""
    found: tuple[Figures, Figures] = ({}, {})
    asked: Sequence[tuple[Browser, dict[str, list[str]]]] = (
        (theirs.browser, theirs.pages()),
        (ours, our_pages(ours)),
    )
    for name in asked[0][1]:
        for (browser, pages), figures in zip(asked, found, strict=True):
            browser.pause()
            page = browser.measure(name, pages[name], times)
            figures[f"{name}: p50 ms"], figures[f"{name}: p95 ms"] = page.p50_ms, page.p95_ms
            figures[f"{name}: server's CPU ms"] = page.cpu_s * 1000 / times
            figures[f"{name}: KB sent"] = page.sent / 1024
            if page.refused:
                figures[f"{name}: refused"] = page.refused
    for (browser, _), figures in zip(asked, found, strict=True):
        figures["memory of the server, MB"] = browser.memory_mb()
        browser.pause()
    for figures, weight in zip(found, (theirs.weight(), ours.weight()[1]), strict=True):
        figures["first page with all that it loads: KB sent"] = weight / 1024
    return found


def _disk(folder: Path, rows: int) -> Figures:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"on disk: bytes a request": size / rows}


def measure(folder: Path, rows: int, times: int) -> dict[str, Figures]:
    theirs, sent, ours = (folder / name for name in ("phoenix", "sent", "ours"))
    for one in (theirs, sent, ours):
        one.mkdir()
    with serving(sent / "requests.db") as (browser, _):
        our_figures = taken(browser, rows, genai)
    with closing(Store.open(sent / "requests.db")) as store:
        _all_there(store.count() - Indexer(store).behind(), rows)
    our_figures |= filled(ours / "requests.db", rows)
    with phoenix(theirs) as other:
        their_figures = taken(other, rows, openinference)
        _all_there(other.project()["recordCount"], rows)
        with serving(ours / "requests.db") as (browser, _):
            asked = compared(Frontend.of(other), browser, times)
    # Both have been stopped: what they keep in memory or in a log is in their files.
    their_figures |= asked[0] | _disk(theirs, rows)
    our_figures |= asked[1] | _disk(ours, rows)
    return {"Phoenix": their_figures, "promptlayer_patch": our_figures}


def _all_there(stored: int, sent: int) -> None:
    if stored != sent:
        raise SystemExit(f"{sent} spans were sent, and {stored} requests are stored")


def _table(found: Mapping[str, Figures]) -> str:
    names = dict.fromkeys(name for figures in found.values() for name in figures)
    lines = [f"| | {' | '.join(found)} |", "| --- |" + " ---: |" * len(found)]
    for name in names:
        cells = (f"{figures[name]:,.1f}" if name in figures else "" for figures in found.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--json", type=Path, help="a file to keep the figures in")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.rows, chosen.times)
    print(_table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
