"""The local store at size: what a request costs to keep and to index, how much room it takes, and how long
it takes to find requests again. Beside it stand the figures of a prototype at a million requests.

    python benchmarks/store.py [--rows N] [--db FILE] [--rounds N] [--json FILE] [--only TEXT]

The file is filled up to `--rows` (100,000) and kept: a run that was stopped goes on where it ended, and a
second one only asks; with `--only` it asks what has this text in its name, and writes nothing. Every question
is asked `--rounds` times, for another value or another time where there is a choice, of a store that has been
asked before; all requests of a page are read with their labels.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import requests

from promptlayer_patch._query import (
    And,
    Condition,
    Cursor,
    Filter,
    Operator,
    Order,
    Query,
    SortKey,
    condition,
)
from promptlayer_patch.store import Store, StoreError
from promptlayer_patch.store.charting.activity import activity
from promptlayer_patch.store.charting.charts import Charts
from promptlayer_patch.store.indexing.indexer import Indexer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.store_filling import COMMON_WORD, DAYS, FIRST, MODELS, RARE_WORD, TAGS, records

BATCH = 500
ALONE = 200
"""Requests that are stored one at a time, as the server does for a lone client."""
_TO_WARM = 5
PAGE = 50
DAY_S = 86_400.0
SEARCH = "/api/public/v2/requests/search"


@dataclass(frozen=True)
class Filled:
    """What filling the store took, per request."""

    rows: int
    add_cpu_ms: float
    add_alone_cpu_ms: float
    index_cpu_ms: float


@dataclass(frozen=True)
class Answered:
    """How long a question took."""

    question: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    """Processor time of this process, the median: what others do on the machine is not in it."""
    prototype: str


# Filling


def fill(path: Path, rows: int) -> Filled | None:
    """Bring the store to so many rows; `None` if they are there."""
    with closing(Store.open(path)) as store:
        indexer = Indexer(store)
        begun = store.count()
        made = records(max(0, rows - begun), first=begun)
        alone_s = cpu(lambda: [store.add([one]) for one in islice(made, ALONE)])
        add_s = index_s = 0.0
        while batch := list(islice(made, BATCH)):
            add_s += cpu(lambda batch=batch: store.add(batch))
            index_s += cpu(lambda: indexer.catch_up())
            tell(f"{store.count():,} of {rows:,} requests")
        indexer.catch_up()
    done = rows - begun
    if done <= ALONE:
        return None
    each = 1000 / (done - ALONE)
    return Filled(done, add_s * each, alone_s * 1000 / ALONE, index_s * each)


def cpu(work: Callable[[], object]) -> float:
    """Processor seconds of this process; waiting for others on the machine does not count."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def bytes_per_row(path: Path) -> float:
    with closing(Store.open(path)) as store:
        store.run(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        return path.stat().st_size / store.count()


# Asking


def equals(field: str, value: str, key: str | None = None) -> Condition:
    return condition(field, Operator.EQUALS, value, key)


def text(words: str) -> Condition:
    return condition("text", Operator.CONTAINS, words)


def week(chance: random.Random) -> Condition:
    """Seven days, somewhere."""
    start = FIRST + chance.random() * (DAYS - 7) * DAY_S
    return condition("request_start_time", Operator.BETWEEN, (start, start + 7 * DAY_S))


def by_cost(*filters: Filter, descending: bool = True) -> Query:
    return Query(And(filters), Order(SortKey.COST, descending))


Question = Callable[[random.Random], Query]
QUESTIONS: tuple[tuple[str, str, Question], ...] = (
    ("newest 50", "0.0 / 4", lambda chance: Query()),
    (
        "tag 60 % + model 30 % + 7 days",
        "0.2 / 0.4",
        lambda chance: Query(And((equals("tags", TAGS[0]), equals("engine", MODELS[0]), week(chance)))),
    ),
    (
        "tag 1.5 % + model 8 % + 7 days",
        "3.2 / 16",
        lambda chance: Query(
            And((equals("tags", chance.choice(TAGS[3:6])), equals("engine", MODELS[4]), week(chance)))
        ),
    ),
    (
        "tag 60 % + model 0.05 %",
        "0.6 / 11",
        lambda chance: Query(And((equals("tags", TAGS[0]), equals("engine", MODELS[-1])))),
    ),
    ("rare word", "0.0-0.2 / 0.5-15", lambda chance: Query(text(RARE_WORD))),
    ("common word", "0.0-0.2 / 0.5-15", lambda chance: Query(text(COMMON_WORD))),
    ("two words, one begun", "0.0-0.2 / 0.5-15", lambda chance: Query(text("refund pol"))),
    ("three letters, begun", "145 / 186", lambda chance: Query(text("inv"))),
    ("one letter", "3,455", lambda chance: Query(text(chance.choice("ab9")))),
    (
        "Chinese phrase",
        "0.0-0.2 / 0.5-15",
        lambda chance: Query(text(chance.choice(("退款政策", "发票", "请求")))),
    ),
    ("one Chinese character", "", lambda chance: Query(text(chance.choice("退票请")))),
    (
        "word + tag + model + 7 days",
        "0.3 / 6",
        lambda chance: Query(
            And((text(COMMON_WORD), equals("tags", TAGS[0]), equals("engine", MODELS[1]), week(chance)))
        ),
    ),
    (
        "metadata key=value",
        "0.2-3",
        lambda chance: Query(equals("metadata", str(chance.randrange(5000)), "user_id")),
    ),
    ("errors", "0.1 / 9", lambda chance: Query(equals("status", "ERROR"))),
    ("cost > $10 (none)", "", lambda chance: Query(condition("cost", Operator.MORE, 10.0))),
    ("latency > 8 s", "", lambda chance: Query(condition("latency_ms", Operator.MORE, 8_000.0))),
    ("sort by cost", "with an index", lambda chance: by_cost()),
    ("sort by cost, one model", "", lambda chance: by_cost(equals("engine", MODELS[1]))),
    ("sort by cost, any model", "", lambda chance: by_cost(equals("engine", chance.choice(MODELS)))),
    ("sort by cost, common word", "", lambda chance: by_cost(text(COMMON_WORD))),
    ("sort by cost, rare word", "", lambda chance: by_cost(text(RARE_WORD), descending=False)),
)


def answered(store: Store, rounds: int, only: str = "") -> Iterator[Answered]:
    for name, prototype, ask in asked(store):
        if only in name:
            yield timed(name, prototype, rounds, ask)


def asked(store: Store) -> Iterator[tuple[str, str, Callable[[random.Random], object]]]:
    """Every question: its name, the prototype's figures, and what asks it."""
    for name, prototype, question in QUESTIONS:
        yield name, prototype, lambda chance, ask=question: page(store, ask(chance), chance)
    filters = Query(And((text(COMMON_WORD), equals("tags", TAGS[0]))))
    yield "count to 10,000", "0.6", lambda chance: store.total(filters)
    yield "count all of a word", "25", lambda chance: store.total(filters, 10_000_000)
    yield "count to 10,000, one letter", "", lambda chance: store.total(Query(text("a")))
    yield "suggest tags", "", lambda chance: store.suggest("tags", "f")
    fields = ("engine", "provider_type", "status", "tags", "tool_names", "metadata_keys")
    yield "facets of a filter", "", lambda chance: store.facet_counts(filters.filter, fields)
    yield (
        "values of a key, of a filter",
        "",
        lambda chance: store.suggest("metadata", "", "user_id", filters.filter),
    )
    charts, end = Charts(store), FIRST + DAYS * DAY_S
    for name, prototype, days, filter in (
        ("charts, 7 days", "26 / 86", 7, And(())),
        ("charts, 60 days", "11 / 20 by day", DAYS, And(())),
        ("charts, 7 days of a tag", "9 / 13", 7, equals("tags", TAGS[0])),
        ("charts, 7 days of a word", "67 / 213 of all", 7, text(COMMON_WORD)),
    ):
        yield (
            name,
            prototype,
            lambda chance, days=days, filter=filter: charts.overview(
                filter, since=end - days * DAY_S, until=end
            ),
        )
    week = condition("request_start_time", Operator.BETWEEN, (end - 7 * DAY_S, end))
    for name, filter in (("all", week), ("a word", And((week, text(COMMON_WORD))))):
        yield (
            f"chart above a list, 7 days of {name}",
            "",
            lambda chance, filter=filter: charts.draw(activity, filter),
        )
    yield "one request, whole", "0.1", lambda chance: store.get(any_id(store, chance))


def page(store: Store, query: Query, chance: random.Random) -> object:
    """The first page, or one that begins at a moment of the last half of the time."""
    after = None
    if query.order.key is SortKey.STARTED and chance.random() < 0.5:
        moment = FIRST + (0.5 + chance.random() / 2) * DAYS * DAY_S
        after = Cursor((int(moment * 1000) - 1_735_689_600_000) << 12)
    return store.search(query, PAGE, after)


def any_id(store: Store, chance: random.Random) -> int:
    moment = FIRST + chance.random() * DAYS * DAY_S
    return store.recent(1, before=(int(moment * 1000) - 1_735_689_600_000) << 12)[0].request_id


def timed(name: str, prototype: str, rounds: int, ask: Callable[[random.Random], object]) -> Answered:
    chance = random.Random(name)
    warmed(ask, chance)
    took, worked = [], []
    for _ in range(rounds):
        begun, busy = time.perf_counter(), time.process_time()
        ask(chance)
        worked.append((time.process_time() - busy) * 1000)
        took.append((time.perf_counter() - begun) * 1000)
    p95 = sorted(took)[int(rounds * 0.95)]
    return Answered(name, statistics.median(took), p95, statistics.median(worked), prototype)


def warmed(ask: Callable[[random.Random], object], chance: random.Random) -> None:
    """Ask until it is answered in time, as gigabytes may not be when they are first read."""
    for _ in range(_TO_WARM):
        try:
            ask(chance)
        except StoreError:
            continue
        return


# A server


@contextmanager
def server(path: Path) -> Iterator[tuple[int, str, str]]:
    """A server process over the store: its process id, address and key."""
    command = [sys.executable, "-m", "promptlayer_patch", "serve", "--db", str(path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    try:
        while "Ctrl-C" not in said and (line := process.stdout.readline()):
            said += line
        found = re.search(r"URL +(\S+)\s+API key +(\S+)", said)
        if found is None:
            raise SystemExit(f"the server did not start: {said}")
        yield process.pid, found[1], found[2]
    finally:
        process.terminate()
        process.wait()


def served(path: Path, rounds: int) -> tuple[Answered, float, float]:
    """A page over HTTP, and the MiB of memory that the server takes before and after many of them."""
    with server(path) as (pid, url, key), requests.Session() as session:
        session.headers["X-API-KEY"] = key

        def ask(chance: random.Random) -> None:
            bodies = ({}, {"q": COMMON_WORD}, {"q": "发票"}, {"sort_by": "cost", "sort_order": "desc"})
            session.post(url + SEARCH, json={**chance.choice(bodies), "per_page": PAGE}).raise_for_status()

        session.get(f"{url}/health").raise_for_status()
        before = own_memory(pid)
        pages = timed("a page of the server's, over HTTP", "", rounds * 5, ask)
        return pages, before, own_memory(pid)


def own_memory(pid: int) -> float:
    """MiB that only this process has, and its share of the rest; 0 where the system does not say."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) / 1024 if found else 0.0


# The report


def tell(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{line}", end="", file=sys.stderr, flush=True)


def show(filled: Filled | None, size: float, answers: list[Answered], memory: tuple[float, float]) -> None:
    if filled is not None:
        print(f"\nfilled with {filled.rows:,} requests; processor time for each:")
        print(f"  insert, {BATCH} at once   {filled.add_cpu_ms:.3f} ms")
        print(f"  insert, one at a time {filled.add_alone_cpu_ms:.3f} ms")
        print(
            f"  index                 {filled.index_cpu_ms:.3f} ms    insert and index: 0.250 ms (prototype)"
        )
    print(f"bytes for each request on disk: {size:,.0f}    (prototype 4,531-5,015)\n")
    show_answers(answers)
    print(f"\nmemory of the server: {memory[0]:.0f} MiB, {memory[1]:.0f} MiB after these pages")


def show_answers(answers: list[Answered]) -> None:
    head = f"{'pages of ' + str(PAGE):36}{'p50 ms':>10}{'p95 ms':>10}{'cpu ms':>10}"
    print(f"{head}    prototype at 1M, p50 / p95")
    for one in answers:
        print(f"{one.question:36}{one.p50_ms:10.1f}{one.p95_ms:10.1f}{one.cpu_ms:10.1f}    {one.prototype}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--db", type=Path, help="kept for the next run (benchmarks/.store-ROWS.db)")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--only", help="ask what has this in its name, of a file that is there, and no more")
    chosen = parser.parse_args()
    path = (chosen.db or Path(__file__).with_name(f".store-{chosen.rows}.db")).resolve()
    if chosen.only is not None:
        with closing(Store.open(path, read_only=True)) as store:
            show_answers(list(answered(store, chosen.rounds, chosen.only)))
        return
    filled = fill(path, chosen.rows)
    with closing(Store.open(path, read_only=True)) as store:
        answers = list(answered(store, chosen.rounds))
    pages, *memory = served(path, chosen.rounds)
    answers.append(pages)
    show(filled, bytes_per_row(path), answers, (memory[0], memory[1]))
    if chosen.json:
        figures = {"filled": filled and asdict(filled), "answers": [asdict(one) for one in answers]}
        chosen.json.write_text(json.dumps({**figures, "memory_mib": memory}, indent=2))


if __name__ == "__main__":
    main()
