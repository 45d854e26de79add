"""How many records one process delivers a second, one by one and in batches, and what a record costs it.

    python benchmarks/throughput.py [--small] [--json FILE]

Records are handed to the delivery of `install()` as a finished call is, without openai: through the queue,
the outbox and the senders to an endpoint in a process of its own, which answers over raw HTTP/1.1 after 0 or
50 ms. Measured are the rate from the first record to the last answer; an outage, with all records in the
outbox when the endpoint opens its port; and when the others arrive while one is answered after 5 seconds.
Processor time is that of the whole process, of which the calls themselves are no part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

CONNECTIONS = (1, 2, 4, 8, 16)
LATENCIES_MS = (0, 50)
SLOW = "this one is answered late"
SLOW_S = 5.0
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    connections: Sequence[int]
    records: int
    """For a rate; fewer where they would take longer than `seconds`."""
    seconds: float
    backlog: int
    others: int


FULL = Size(CONNECTIONS, records=4_000, seconds=5.0, backlog=10_000, others=1_000)
SMALL = Size((1, 4), records=500, seconds=1.0, backlog=1_500, others=200)


# The endpoint


class Answering(asyncio.Protocol):
    """Says yes to everything, as PromptLayer does, and no more of HTTP than that takes."""

    ids = count(1)
    latency_s = 0.0

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not found or length is None or len(body) < int(length[1]):
            return
        self._received = b""
        late = SLOW_S if SLOW.encode() in body else self.latency_s
        answer = self._to_batch(body) if b"/spans-bulk" in head else self._to_one()
        if late:
            asyncio.get_running_loop().call_later(late, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def _to_one(self) -> bytes:
        return _response(b"200 OK", b'{"success": true, "request_id": %d}' % next(self.ids))

    def _to_batch(self, body: bytes) -> bytes:
        spans = re.findall(rb'"span_id": "([0-9a-f]{16})"', body)
        made = b", ".join(b'{"id": %d, "span_id": "%b"}' % (next(self.ids), span) for span in spans)
        return _response(b"201 Created", b'{"success": true, "spans": [], "request_logs": [%b]}' % made)


def _response(status: bytes, content: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(content)) + content


async def answer_on(port: int, latency_ms: int) -> None:
    Answering.latency_s = latency_ms / 1000
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def endpoint(port: int, latency_ms: int) -> Iterator[None]:
    """For as long as the block lasts; the port refuses connections before and after."""
    command = [sys.executable, __file__, "--endpoint", str(port), str(latency_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# The measured program


class Program:
    """One pipeline of so many connections, as `install()` makes it, over an outbox of its own."""

    def __init__(self, port: int, connections: int, *, batch: bool, outbox: str) -> None:
        from promptlayer_patch._delivery.pipeline import Pipeline
        from promptlayer_patch._settings import read_settings
        from promptlayer_patch.exporters import promptlayer

        os.environ["PROMPTLAYER_OUTBOX_DIR"] = outbox  # noqa: TID251  there is no option for it
        promptlayer._CONNECTIONS = connections  # type: ignore[misc]  nor for this
        settings = read_settings(
            to="promptlayer:",
            api_key="pl_throughput",
            base_url=f"http://127.0.0.1:{port}",
            batch=batch,
            queue_max_records=1_000_000,
        )
        self._pipeline = Pipeline(settings)

    def put(self, content: str = "A question of ordinary length. " * 20) -> Any:
        """A finished call; its receipt."""
        from promptlayer_patch._delivery.parcels import FinishedCall
        from promptlayer_patch.records import Receipt

        receipt = Receipt(self._pipeline.urge)
        record = _record(receipt.record_id, content)
        self._pipeline.put(FinishedCall(record, receipt, size=len(content)))
        return receipt

    def flush(self) -> None:
        if not self._pipeline.flush(PATIENCE_S):
            raise SystemExit("not everything was delivered")

    def wait_until_kept(self, records: int) -> None:
        rest = threading.Event()
        while self._pipeline.stats().outbox < records:
            rest.wait(0.02)

    def close(self) -> None:
        self._pipeline.close()


def _record(record_id: str, content: str) -> Any:
    from promptlayer_patch.records import Record

    said = {"role": "assistant", "content": "An answer of ordinary length. " * 8}
    now = time.time()
    return Record(
        id=record_id,
        function_name="openai.chat.completions.create",
        client="OpenAI",
        endpoint="https://api.openai.com/v1/chat/completions",
        request={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]},
        response={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
            "usage": {"prompt_tokens": 200, "completion_tokens": 50, "total_tokens": 250},
        },
        started_at=now - 1.0,
        ended_at=now,
        tags=("bench",),
        sdk_version="2.0.0",
    )


@contextmanager
def a_program(port: int, connections: int, *, batch: bool) -> Iterator[Program]:
    with tempfile.TemporaryDirectory() as outbox:
        program = Program(port, connections, batch=batch, outbox=outbox)
        try:
            yield program
        finally:
            program.close()


# What is measured


@dataclass(frozen=True)
class Row:
    what: str
    form: str
    latency_ms: int
    connections: int
    records: int
    per_s: int | None
    cpu_us: int | None
    """Of the whole process, for one record."""
    others_s: tuple[float, float] | None = None
    """When half of the others, and when all of them had arrived."""


def rate(size: Size, latency_ms: int, connections: int, *, batch: bool) -> Row:
    most = connections * size.seconds * 1000 / latency_ms if latency_ms and not batch else size.records
    records, port = min(size.records, int(most)), a_port()
    with endpoint(port, latency_ms), a_program(port, connections, batch=batch) as program:
        program.put()
        program.flush()  # what is loaded and connected by the first record is no part of it
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(records):
            program.put()
        program.flush()
        return _row("rate", batch, latency_ms, connections, records, began, cpu)


def outage(size: Size, latency_ms: int, connections: int, *, batch: bool) -> Row:
    records, port = size.backlog, a_port()
    if latency_ms and not batch:
        records = min(records, int(connections * size.seconds * 1000 / latency_ms))
    with a_program(port, connections, batch=batch) as program:
        for _ in range(records):
            program.put()
        program.wait_until_kept(records)
        with endpoint(port, latency_ms):
            began, cpu = time.perf_counter(), time.process_time()
            program.flush()
            return _row("outage", batch, latency_ms, connections, records, began, cpu)


def head_of_line(size: Size, connections: int, *, batch: bool) -> Row:
    port = a_port()
    with endpoint(port, 0), a_program(port, connections, batch=batch) as program:
        program.put()
        program.flush()
        began = time.perf_counter()
        arrived: list[float] = []
        program.put(SLOW)
        others = [program.put() for _ in range(size.others)]
        for receipt in others:
            receipt.when_done(lambda: arrived.append(time.perf_counter() - began))
        program.flush()
    times = (round(statistics.median(arrived), 2), round(max(arrived), 2))
    return Row("one is late", _form(batch), 0, connections, size.others, None, None, times)


def _row(
    what: str, batch: bool, latency_ms: int, connections: int, records: int, began: float, cpu: float
) -> Row:
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return Row(
        what,
        _form(batch),
        latency_ms,
        connections,
        records,
        round(records / wall_s),
        round(cpu_s / records * 1e6),
    )


def _form(batch: bool) -> str:
    return "batch" if batch else "single"


def measured(size: Size) -> Iterator[Row]:
    for latency_ms in LATENCIES_MS:
        for connections in size.connections:
            for batch in (False, True):
                yield rate(size, latency_ms, connections, batch=batch)
    for latency_ms in LATENCIES_MS:
        for batch in (False, True):
            yield outage(size, latency_ms, 4, batch=batch)
    for connections in size.connections:
        for batch in (False, True):
            yield head_of_line(size, connections, batch=batch)


def shown(row: Row) -> str:
    end = "arrived after {} s, all {} s".format(*row.others_s) if row.others_s else ""
    numbers = "" if row.per_s is None else f"{row.per_s:>10,}{row.cpu_us:>12,}"
    head = f"{row.what:12}{row.form:8}{row.latency_ms:>4} ms{row.connections:>13}{row.records:>9,}"
    return head + (numbers or f"    half {end}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="fewer connections and records: half a minute")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--endpoint", nargs=2, type=int, help=argparse.SUPPRESS)
    found = parser.parse_args()
    if found.endpoint:
        asyncio.run(answer_on(*found.endpoint))
        return
    print(f"{'':12}{'':8}{'latency':>7}{'connections':>13}{'records':>9}{'records/s':>10}{'CPU us each':>12}")
    rows = []
    for row in measured(SMALL if found.small else FULL):
        rows.append(row)
        print(shown(row), flush=True)
    if found.json:
        found.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
