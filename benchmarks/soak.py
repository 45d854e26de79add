"""A long outage: what keeping every call costs while PromptLayer is out of reach, and how fast all of them
are delivered when it is back. Run it with `python benchmarks/soak.py`, or with `--small` for an outbox that
is too small for the outage.

    python benchmarks/soak.py [--small] [--records N] [--size BYTES] [--json FILE]

The measured program is a process of its own. It makes real calls with openai, answered from memory, and has
them recorded for an endpoint in this process, whose port first refuses connections and then returns. The
same program without promptlayer_patch is the base line. Calls made flat out come faster than any network
lets them, so the program pauses while more than 5,000 of them (with `--small`, whose calls are ten times as
large, 500) wait in memory; the table says how often.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EVERY_S = 0.25
REST_S = 2.0
"""How long the program does nothing before the endpoint returns, and at the end: for its memory at rest."""
PATIENCE_S = 900.0
"""How long everything may take to arrive."""
LOOK_EVERY = 25
"""Calls between two looks at `stats()`."""
MIB = 1 << 20
RECORD_ID = "promptlayer_patch.record_id"


@dataclass(frozen=True)
class Part:
    """What is run: so many calls with prompts of so many bytes, and what `install` is told."""

    records: int
    size: int
    options: Mapping[str, Any]
    queue_high: int
    """While more than so many wait in memory, no call is made."""
    bare: bool = False


LARGE = Part(100_000, 1_000, {}, queue_high=5_000)
SMALL = Part(20_000, 10_000, {"outbox_max_bytes": 20 * MIB}, queue_high=500)


# The measured program


def completion() -> bytes:
    message = {"role": "assistant", "content": "An answer of ordinary length. " * 8}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini"}
    usage = {"prompt_tokens": 200, "completion_tokens": 50, "total_tokens": 250}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def create_of_a_client() -> Callable[..., Any]:
    """`chat.completions.create` of a client whose requests are answered from memory."""
    # Only in the measured program: the endpoint's process needs none of it.
    import openai
    from openai import _base_client

    http: Any = getattr(_base_client, "httpx2", None) or _base_client.httpx
    content = completion()
    headers = {"content-type": "application/json"}
    transport = http.MockTransport(lambda _: http.Response(200, headers=headers, content=content))
    client = openai.OpenAI(api_key="none", max_retries=0, http_client=http.Client(transport=transport))
    create: Callable[..., Any] = client.chat.completions.create
    return create


def text_of(number: int, size: int) -> str:
    words = f"call {number} "
    return (words * (size // len(words) + 1))[:size]


class Program:
    """Calls, waits to be told that the endpoint is back, delivers, and says how it stands all the while."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._create = create_of_a_client()
        self._lock = threading.Lock()
        self._rest = threading.Event()
        self._facts: dict[str, Any] = {"phase": "calling", "calls": 0, "pauses": 0, "paused_s": 0.0}
        self._facts |= {"looks": 0, "unbalanced": 0, "queued_at_most": 0, "shortened_before_dropping": None}
        if not part.bare:
            # Never in the bare program, which shall not even have it in memory.
            import promptlayer_patch

            promptlayer_patch.install(**part.options)
            self._stats, self._flush = promptlayer_patch.stats, promptlayer_patch.flush

    def run(self) -> None:
        threading.Thread(target=self._report_regularly, daemon=True).start()
        began = time.monotonic()
        self._call()
        self._facts["calling_s"] = time.monotonic() - began
        self._wait_for_the_disk()
        self._turn("called")
        sys.stdin.readline()
        self._turn("delivering")
        self._deliver()
        self._turn("ended")
        sys.stdin.readline()

    def _call(self) -> None:
        for number in range(1, self._part.records + 1):
            content = text_of(number, self._part.size)
            self._create(model="gpt-4o-mini", messages=[{"role": "user", "content": content}])
            self._facts["calls"] = number
            if number % LOOK_EVERY == 0 and self._queued() > self._part.queue_high:
                self._pause()

    def _pause(self) -> None:
        began = time.monotonic()
        while self._queued() > self._part.queue_high:
            self._rest.wait(0.01)
        self._facts["pauses"] += 1
        self._facts["paused_s"] += time.monotonic() - began

    def _wait_for_the_disk(self) -> None:
        while self._queued():
            self._rest.wait(0.01)

    def _deliver(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not self._part.bare and not self._flush(5.0) and time.monotonic() < until:
            self._rest.wait(0.1)

    def _queued(self) -> int:
        return self._look().get("queued", 0)

    def _look(self) -> dict[str, int]:
        """`stats()`, and whether its account is right."""
        if self._part.bare:
            return {}
        with self._lock:
            stats = dataclasses.asdict(self._stats())
            places = [stats[name] for name in ("delivered", "queued", "outbox", "rejected", "dropped")]
            self._facts["looks"] += 1
            self._facts["queued_at_most"] = max(self._facts["queued_at_most"], stats["queued"])
            self._facts["unbalanced"] += stats["recorded"] != sum(places) or min(places) < 0
            if stats["dropped"] and self._facts["shortened_before_dropping"] is None:
                self._facts["shortened_before_dropping"] = stats["shortened"]
            return stats

    def _turn(self, phase: str) -> None:
        self._facts["phase"] = phase
        self._report()

    def _report(self) -> None:
        stats = self._look()
        with self._lock:
            print(json.dumps({**self._facts, "stats": stats, "blocks": sys.getallocatedblocks()}), flush=True)

    def _report_regularly(self) -> None:
        while not self._rest.wait(EVERY_S):
            self._report()


# The endpoint


class Endpoint:
    """A PromptLayer that refuses connections until it `returns`, and then counts what arrives."""

    def __init__(self) -> None:
        # Bound and not listening: nobody else gets the port, and who connects is refused.
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.ids: Counter[str] = Counter()
        self.calls: set[int] = set()
        self.connections = 0
        self.returned_at = self.last_at = 0.0
        self._server: asyncio.Server | None = None

    async def returns(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket)
        self.returned_at = self.last_at = time.monotonic()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._socket.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                writer.write(self._answer(await reader.readexactly(int(length[1]) if length else 0)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, body: bytes) -> bytes:
        record = json.loads(body)
        number = re.match(r"call (\d+)", record["kwargs"]["messages"][0]["content"])
        self.ids[record["metadata"][RECORD_ID]] += 1
        self.calls.add(int(number[1]) if number else 0)
        self.last_at = time.monotonic()
        content = json.dumps({"success": True, "request_id": len(self.ids)}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        return head.encode() + content


# Watching the program


@dataclass(frozen=True)
class Sample:
    phase: str
    resident: int | None
    """Bytes; none where there is no /proc."""
    outbox: int
    """Bytes of all files in the directory of the outbox."""


@dataclass
class Run:
    """One run of the measured program, as it was seen from outside and by itself."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def last(self) -> dict[str, Any]:
        return self.reports[-1]

    def at(self, phase: str) -> dict[str, Any]:
        """The first report of a phase."""
        return next(report for report in self.reports if report["phase"] == phase)

    def resident(self, *phases: str) -> list[int]:
        found = [sample.resident for sample in self.samples if not phases or sample.phase in phases]
        return [resident for resident in found if resident is not None]


def resident_of(pid: int) -> int | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def size_of(directory: Path) -> int:
    return sum(sizes(directory)) if directory.exists() else 0


def sizes(directory: Path) -> Iterator[int]:
    for entry in os.scandir(directory):
        try:
            yield entry.stat().st_size
        except OSError:
            continue  # deleted in this moment


async def run_program(part: Part, endpoint: Endpoint) -> Run:
    with tempfile.TemporaryDirectory() as made:
        outbox = Path(made) / "outbox"
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--program",
            json.dumps(dataclasses.asdict(part)),
            env=environment(endpoint.url, outbox),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        run = Run()
        watching = asyncio.create_task(watch(program.pid, outbox, run))
        try:
            await converse(program, endpoint, run)
        finally:
            watching.cancel()
            if program.returncode is None:
                program.kill()
                await program.wait()
        return run


def environment(url: str, outbox: Path) -> dict[str, str]:
    inherited = os.environ.items()  # noqa: TID251  a program needs the rest of it
    return {
        **{name: value for name, value in inherited if not name.startswith(("PROMPTLAYER_", "OPENAI_"))},
        "PROMPTLAYER_API_KEY": "pl_soak",
        "PROMPTLAYER_BASE_URL": url,
        "PROMPTLAYER_OUTBOX_DIR": str(outbox),
    }


async def watch(pid: int, outbox: Path, run: Run) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        if run.reports:
            run.samples.append(Sample(run.last["phase"], resident_of(pid), size_of(outbox)))


async def converse(program: asyncio.subprocess.Process, endpoint: Endpoint, run: Run) -> None:
    """Read what the program reports, and tell it when to go on."""
    assert program.stdin is not None
    assert program.stdout is not None
    async for line in program.stdout:
        before = run.last["phase"] if run.reports else ""
        run.reports.append(json.loads(line))
        phase = run.last["phase"]
        if phase != before and phase in ("called", "ended"):
            await asyncio.sleep(REST_S)
            if phase == "called" and run.last["stats"]:
                await endpoint.returns()
            program.stdin.write(b"go on\n")
    if await program.wait():
        raise SystemExit("the measured program failed")


# The figures


def figures(part: Part, bare: Run, run: Run, endpoint: Endpoint, seconds: float) -> dict[str, Any]:
    called, ended, stats = run.at("called"), run.last, run.last["stats"]
    draining_s = endpoint.last_at - endpoint.returned_at
    return {
        "calls": ended["calls"],
        "bytes in a prompt": part.size,
        "calls/s, bare": round(part.records / bare.last["calling_s"]),
        "calls/s, recorded": round(part.records / ended["calling_s"]),
        "pauses of the caller": ended["pauses"],
        "seconds in pauses": round(ended["paused_s"], 1),
        "waiting in memory at most, records": ended["queued_at_most"],
        **memory(bare, run),
        "outbox on disk at its largest, MiB": mib(max(sample.outbox for sample in run.samples)),
        "outbox on disk at the end, MiB": mib(run.samples[-1].outbox),
        "recorded": stats["recorded"],
        "delivered": stats["delivered"],
        "queued or in the outbox at the end": stats["queued"] + stats["outbox"],
        "in the outbox when the endpoint returned": called["stats"]["outbox"],
        "dropped": stats["dropped"],
        "rejected": stats["rejected"],
        "shortened": stats["shortened"],
        "shortened when the first was dropped": ended["shortened_before_dropping"],
        "connection attempts during the outage": called["stats"]["retried"],
        "connections after it": endpoint.connections,
        "drained, records/s": round(len(endpoint.ids) / draining_s) if draining_s else 0,
        "seconds of calling, of draining, in all": [
            round(s, 1) for s in (ended["calling_s"], draining_s, seconds)
        ],
        "looks at stats(), of these unbalanced": [ended["looks"], ended["unbalanced"]],
        "lost (neither arrived nor counted as dropped)": lost(ended["calls"], stats, endpoint),
        "arrived more than once": sum(times > 1 for times in endpoint.ids.values()),
    }


def memory(bare: Run, run: Run) -> dict[str, Any]:
    if not run.resident():
        print("memory is not measured: there is no /proc on this system", file=sys.stderr)
        return {}
    base = max(bare.resident())
    outage = run.resident("calling")
    return {
        "memory of the bare run at its peak, MiB": mib(base),
        "above it at the peak of the outage, MiB": mib(max(outage + run.resident("called")) - base),
        "above it at rest in the outage, MiB": mib(run.resident("called")[-1] - base),
        "above it at the peak after the outage, MiB": mib(max(run.resident("delivering") or [base]) - base),
        "above it at the end, MiB": mib(run.resident("ended")[-1] - base),
        "growth in the second half of the outage, MiB": mib(growth(outage)),
        "the same of the bare run, MiB": mib(growth(bare.resident("calling"))),
        "memory blocks in the outage, after it, of the bare run": [
            *(run.at(phase)["blocks"] for phase in ("called", "ended")),
            bare.at("ended")["blocks"],
        ],
    }


def growth(resident: Sequence[int]) -> float:
    """By how much the last quarter is above the second one, by their medians."""
    quarter = len(resident) // 4
    if not quarter:
        return 0.0
    return statistics.median(resident[-quarter:]) - statistics.median(resident[quarter : 2 * quarter])


def lost(calls: int, stats: Mapping[str, int], endpoint: Endpoint) -> int:
    return calls - len(endpoint.calls) - stats["dropped"] - stats["rejected"]


def mib(size: float) -> float:
    return round(size / MIB, 1)


def faults(part: Part, run: Run, endpoint: Endpoint) -> list[str]:
    """What must never be."""
    stats = run.last["stats"]
    wrong = {
        "records were lost": lost(run.last["calls"], stats, endpoint) != 0,
        "records arrived more than once": max(endpoint.ids.values(), default=0) > 1,
        "stats() does not balance": run.last["unbalanced"] > 0,
        "stats() does not count the calls": stats["recorded"] != run.last["calls"],
        "stats() does not count what arrived": stats["delivered"] != len(endpoint.ids),
        "the outbox outgrew its bound": max(sample.outbox for sample in run.samples) > bound_of(part),
        "records were dropped before any was shortened": run.last["shortened_before_dropping"] == 0,
    }
    return [what for what, is_so in wrong.items() if is_so]


def bound_of(part: Part) -> int:
    bound: int = part.options.get("outbox_max_bytes", 512 * MIB)
    return bound


def shown(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(map(shown, value))
    return "-" if value is None else f"{value:,}"


# The command


async def measured(part: Part) -> tuple[dict[str, Any], list[str], Run]:
    began = time.monotonic()
    endpoint = Endpoint()
    try:
        bare = await run_program(dataclasses.replace(part, bare=True), endpoint)
        run = await run_program(part, endpoint)
    finally:
        endpoint.close()
    return (
        figures(part, bare, run, endpoint, time.monotonic() - began),
        faults(part, run, endpoint),
        run,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="an outbox of 20 MiB and prompts of 10 KB")
    parser.add_argument("--records", type=int, help="calls, 100,000 or with --small 20,000")
    parser.add_argument("--size", type=int, help="bytes in a prompt, 1,000 or with --small 10,000")
    parser.add_argument("--json", type=Path, help="where to write the figures and all samples")
    parser.add_argument("--program", help=argparse.SUPPRESS)
    found = parser.parse_args()
    if found.program:
        Program(Part(**json.loads(found.program))).run()
        return
    part = SMALL if found.small else LARGE
    part = dataclasses.replace(part, records=found.records or part.records, size=found.size or part.size)
    table, wrong, run = asyncio.run(measured(part))
    for name, value in table.items():
        print(f"{name:58}{shown(value):>30}")
    if found.json:
        samples = [dataclasses.asdict(sample) for sample in run.samples]
        found.json.write_text(json.dumps({"figures": table, "samples": samples, "reports": run.reports}))
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
