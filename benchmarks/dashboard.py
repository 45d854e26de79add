"""What the pages of the dashboard cost whoever waits for them: over HTTP, with so many requests stored.

    python benchmarks/dashboard.py                                  # 20,000 requests, filled anew
    python benchmarks/dashboard.py --rows 1000000 --db big.db       # a file that is kept and filled further

Printed for each page: the median and the 95th percentile of its whole answer, from another process on this
machine, the server's processor time for it, and what it weighs as it is sent; for the first page also what it
weighs with all that it loads.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from urllib.parse import quote, urlsplit

from store_filling import COMMON_WORD, MODELS, RARE_WORD, TAGS, records

from promptlayer_patch.store import Store

_ROOT = Path(__file__).resolve().parents[1]
_BATCH = 1_000
_LOADED = re.compile(rb"(?:src|href)=\"(/static/[^\"]+)\"")
_FRAGMENT = re.compile(rb"data-hx-get=\"(/requests/(?:facets|chart)[^\"]*)\"")


@dataclass(frozen=True)
class Measured:
    """The answers to one kind of page."""

    name: str
    seconds: tuple[float, ...]
    cpu_s: float
    """Processor time of the server for all of them: what counts where other work slows the machine down."""
    sent: int
    """Bytes of the largest as it was sent."""
    refused: int
    """How many were not answered with 200, as where a question takes too long."""

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def p95_ms(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)] * 1000

    def __str__(self) -> str:
        figures = (self.p50_ms, self.p95_ms, self.cpu_s * 1000 / len(self.seconds), self.sent / 1024)
        said = f"{self.name:24}" + "".join(f"{figure:10.1f}" for figure in figures)
        return said + (f"  {self.refused} of {len(self.seconds)} refused" if self.refused else "")


class Browser:
    """Asks as browsers do: one connection, answers packed."""

    def __init__(self, url: str, key: str, server: int) -> None:
        self.url, self.key = url, key
        self._server = Path(f"/proc/{server}")
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = {"X-API-KEY": key, "Accept-Encoding": "gzip"}

    def get(self, path: str) -> tuple[bytes, int, bool]:
        """The content, how many bytes it was sent in, and whether it is what was asked for."""
        self._connection.request("GET", path, headers=self._headers)
        return self._answer()

    def post(self, path: str, body: bytes, kind: str = "application/json") -> tuple[bytes, int, bool]:
        self._connection.request("POST", path, body, {**self._headers, "Content-Type": kind})
        return self._answer()

    def _answer(self) -> tuple[bytes, int, bool]:
        answer = self._connection.getresponse()
        sent = answer.read()
        packed = answer.headers.get("Content-Encoding") == "gzip"
        return (gzip.decompress(sent) if packed else sent), len(sent), answer.status == 200

    def pause(self) -> None:
        """The next question opens a connection: servers end those that are silent for some seconds."""
        self._connection.close()

    def measure(self, name: str, paths: Sequence[str], times: int) -> Measured:
        seconds, largest, refused = [], 0, 0
        self.get(paths[0])
        used = self.cpu_s()
        for path in islice(cycle(paths), times):
            began = time.perf_counter()
            _, sent, found = self.get(path)
            seconds.append(time.perf_counter() - began)
            largest = max(largest, sent)
            refused += not found
        return Measured(name, tuple(seconds), self.cpu_s() - used, largest, refused)

    def cpu_s(self) -> float:
        try:
            fields = (self._server / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # not on Linux
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """What the server holds in memory now."""
        try:
            pages = (self._server / "statm").read_text().split()[1]
        except OSError:  # not on Linux
            return 0.0
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def weight(self) -> tuple[int, int]:
        """Bytes sent for the first page alone, and with all that a browser loads for it."""
        page, own, _ = self.get("/")
        parts = [*_LOADED.findall(page), *_FRAGMENT.findall(page)]
        return own, own + sum(self.get(part.decode().replace("&amp;", "&"))[1] for part in set(parts))


def fill(path: Path, rows: int) -> None:
    """Bring the store to that many requests, all of them indexed."""
    with closing(Store.open(path)) as store:
        have = store.count()
        wanted = records(rows - have, first=have)
        while batch := list(islice(wanted, _BATCH)):
            store.add(batch)
        store.catch_up()


@contextmanager
def serving(path: Path) -> Iterator[tuple[Browser, float]]:
    """A browser at the server, which is a process of its own, and when that was started."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "promptlayer_patch", "serve", "--db", str(path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        try:
            said = ""
            for line in process.stdout or ():
                said += line
                if line.startswith("Ctrl-C"):
                    break
            found = [re.search(rf"{what} +(\S+)", said) for what in ("URL", "API key")]
            if not all(found):
                raise SystemExit(f"the server did not start: {said}")
            url, key = (match[1] for match in found if match)
            yield Browser(url, key, process.pid), began
        finally:
            process.terminate()


def pages(browser: Browser) -> Iterator[tuple[str, list[str]]]:
    """The kinds of pages, each with different ones of its kind, so that nothing answers from memory alone."""
    content, _, _ = browser.get("/?format=json")
    listed = json.loads(content)
    ids = [(item.get("summary") or item)["request_id"] for item in listed["items"]]
    yield "first page", ["/"]
    yield "its filters", ["/requests/facets?q="]
    yield "its chart", ["/requests/chart?q="]
    yield "older requests", [f"/?after={one}" for one in ids]
    yield "a common word", [f"/?q={COMMON_WORD}", "/?q=refund", "/?q=%E9%80%80%E6%AC%BE"]
    yield "a rare word", [f"/?q={RARE_WORD}"]
    yield "a word that is nowhere", ["/?q=nothingofthekind"]
    yield (
        "tag and model",
        [f"/?q={quote(f'tag:{tag} model:{model}')}" for tag in TAGS[:9] for model in MODELS],
    )
    yield "errors", ["/?q=status%3AERROR"]
    yield "sorted by latency", ["/?sort=latency_ms"]
    yield "filters of a word", [f"/requests/facets?q={COMMON_WORD}"]
    yield "one request", [f"/requests/{one}" for one in ids]
    yield "two compared", [f"/compare?a={a}&b={b}" for a, b in pairwise(ids)]
    yield "all tags", ["/tags"]
    yield "charts, all time", ["/charts"]
    yield "charts of a tag", [f"/charts?q={quote(f'tag:{tag}')}" for tag in TAGS[:9]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--db", type=Path, help="a store to fill up to that many requests, and to keep")
    parser.add_argument("--times", type=int, default=40, help="how often each page is asked for")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = chosen.db or Path(directory) / "requests.db"
        fill(path, chosen.rows)
        with serving(path) as (browser, began):
            browser.get("/")
            print(f"{chosen.rows:,} requests; start to first page: {time.perf_counter() - began:.2f} s")
            print(f"{'':24}{'p50 ms':>10}{'p95 ms':>10}{'CPU ms':>10}{'KB sent':>10}")
            for name, paths in pages(browser):
                print(browser.measure(name, paths, chosen.times), flush=True)
            own, whole = browser.weight()
            print(f"The first page weighs {own / 1024:.1f} KB, with all that it loads {whole / 1024:.1f} KB.")


if __name__ == "__main__":
    main()
