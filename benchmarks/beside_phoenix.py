"""The dashboard beside Phoenix, also without Docker: the same requests in both.

    python benchmarks/beside_phoenix.py                                     # 20,000 requests, some minutes
    python benchmarks/beside_phoenix.py --rows 2500 --json figures.json

    python benchmarks/beside_phoenix.py --only-taking                       # what it costs to be sent them

Phoenix gets an environment of its own in benchmarks/.environments/, which is installed once (over 800 MB).
Each server is sent the requests by OTLP, as spans in the convention that it knows, and ours also as
promptlayer_patch logs them, each in a POST of its own; what that costs is measured, in turns of a fifth of
them. Then ours is given a store that dashboard.py has filled, and both are asked for pages in turn. A page of
Phoenix is the GraphQL operations that its own frontend sends for it, as read from the bundle that it
serves, with 50 requests a page as ours has.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Event

from dashboard import Browser, fill, serving
from exported_spans import exports, genai, openinference
from logged_requests import log
from store_filling import COMMON_WORD, MODELS, RARE_WORD, records

from promptlayer_patch.store import Store
from promptlayer_patch.store.indexing.indexer import Indexer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from phoenix_server import Frontend, phoenix

_BATCH = 500
_TURNS = 5
_CONNECTIONS = (8, 32)
_SPAN = "a span taken: server's CPU ms"
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


def taken_in_turns(theirs: Browser, folder: Path, rows: int) -> tuple[Figures, Figures]:
    """What it costs each server to be sent so many requests: medians of turns, for the machine changes."""
    each = rows // _TURNS
    by_them = exports(each * _TURNS, _BATCH, openinference)
    by_us = exports(each * _TURNS, _BATCH, genai)
    batches = each // _BATCH
    theirs_s: list[float] = []
    ours_s: dict[str, list[float]] = {}
    with serving(folder / "spans.db") as (spans, _), serving(folder / "logged.db") as (logged, _):
        for _ in range(_TURNS):
            theirs_s.append(_spent(theirs, lambda: _send_all(theirs, islice(by_them, batches))))
            ours_s.setdefault(_SPAN, []).append(
                _spent(spans, lambda: _send_all(spans, islice(by_us, batches)))
            )
            for connections in _CONNECTIONS:
                name = f"a request logged, {connections} clients: server's CPU ms"
                ours_s.setdefault(name, []).append(
                    _spent(logged, lambda connections=connections: _log_all(logged, each, connections))
                )
    for path, count in (("spans.db", 1), ("logged.db", len(_CONNECTIONS))):
        with closing(Store.open(folder / path)) as store:
            _all_there(store.count() - Indexer(store).behind(), each * _TURNS * count)
    ours = {name: statistics.median(spent) * 1000 / each for name, spent in ours_s.items()}
    return {_SPAN: statistics.median(theirs_s) * 1000 / each}, ours


def _spent(browser: Browser, work: Callable[[], None]) -> float:
    """Processor seconds of a server for this, and for all that it puts off."""
    used = browser.cpu_s()
    work()
    _until_at_rest(browser)
    browser.pause()
    return browser.cpu_s() - used


def _send_all(browser: Browser, bodies: Iterable[bytes]) -> None:
    for body in bodies:
        _send(browser, body)


def _log_all(browser: Browser, count: int, connections: int) -> None:
    taken = log(browser.url, browser.key, count, connections)
    if taken != count:
        raise SystemExit(f"{count} requests were logged, and {taken} of them taken")


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


def measure(folder: Path, rows: int, times: int, only_taking: bool) -> dict[str, Figures]:
    theirs, sent, ours = (folder / name for name in ("phoenix", "sent", "ours"))
    for one in (theirs, sent, ours):
        one.mkdir()
    with phoenix(theirs) as other:
        their_figures, our_figures = taken_in_turns(other, sent, rows)
        _all_there(other.project()["recordCount"], rows)
        if only_taking:
            return {"Phoenix": their_figures, "promptlayer_patch": our_figures}
        our_figures |= filled(ours / "requests.db", rows)
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
        cells = (f"{figures[name]:,.2f}" if name in figures else "" for figures in found.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--only-taking", action="store_true", help="ask for no pages")
    parser.add_argument("--json", type=Path, help="a file to keep the figures in")
    chosen = parser.parse_args()
    if chosen.rows % (_TURNS * _BATCH):
        parser.error(f"--rows must be a multiple of {_TURNS * _BATCH}")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.rows, chosen.times, chosen.only_taking)
    print(_table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
