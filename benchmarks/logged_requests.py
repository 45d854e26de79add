"""The invented requests as promptlayer_patch logs them: each in a POST of its own, from many connections."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from store_filling import records

from promptlayer_patch._wire import TRACK_REQUEST, encoded, track_request
from promptlayer_patch.records import Record, new_record_id

__all__ = ["log"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def log(url: str, key: str, count: int, connections: int) -> int:
    """Log so many requests that were made just now; how many of them the server answered with 200."""
    # Made before the first is sent: whoever measures the server wants it to wait for nothing.
    bodies = [encoded({**track_request(_now(record)), "api_key": key}) for record in records(count)]
    return asyncio.run(_log(urlsplit(url).netloc, bodies, connections))


def _now(record: Record) -> Record:
    now = time.time()
    return replace(record, id=new_record_id(), started_at=now - record.duration_s, ended_at=now)


async def _log(address: str, bodies: list[bytes], connections: int) -> int:
    left = iter(bodies)
    return sum(await asyncio.gather(*(_connection(address, left) for _ in range(connections))))


async def _connection(address: str, left: Iterator[bytes]) -> int:
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {TRACK_REQUEST} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
    taken = 0
    for body in left:
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(answer)
        await reader.readexactly(int(length[1]) if length else 0)
        taken += b" 200 " in answer.partition(b"\r\n")[0]
    writer.close()
    await writer.wait_closed()
    return taken
