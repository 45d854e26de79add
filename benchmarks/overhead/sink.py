"""The server that everything is sent to: takes what it gets, and can tell which calls arrived.

`python -m benchmarks.overhead.sink` prints its port. `GET /marks?FIRST-LAST` tells how many of the calls with
these numbers have been seen, and forgets what was sent.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import re
import socket
import zlib
from typing import Any

_MARK = re.compile(rb"mark-(\d{9})-end")
_NUMBERS = itertools.count(1)


_ID = "00000000-0000-4000-8000-000000000001"


class Sink:
    def __init__(self, url: str) -> None:
        organisation = {"id": _ID, "name": "benchmark", "api_url": url, "proxy_url": url}
        # What the clients ask for before they send anything.
        self._known: dict[str, Any] = {
            "/api/apikey/login": {"org_info": [organisation]},
            "/v1/project": {"id": _ID, "name": "benchmark", "org_id": _ID},
            "/v1/info": {"project_name": "benchmark", "project_url": url},
        }
        self._bodies: list[tuple[bytes, bytes]] = []
        self._seen: set[int] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await _body(head.lower(), reader)
                line = head[: head.index(b"\r\n")].decode("latin-1")
                _, path, _ = line.split(" ", 2)
                if path.startswith("/marks?"):
                    status, content = 200, json.dumps(self._count(path)).encode()
                else:
                    self._bodies.append((head.lower(), body))
                    status, content = self._answer(path, head.lower())
                kind = "x-protobuf" if b"x-protobuf" in head else "json"
                writer.write(
                    f"HTTP/1.1 {status} OK\r\nContent-Type: application/{kind}\r\n"
                    f"Content-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, path: str, head: bytes) -> tuple[int, bytes]:
        if path.endswith("/track-request"):
            return 200, json.dumps({"success": True, "request_id": next(_NUMBERS)}).encode()
        if b"x-protobuf" in head:
            return 200, b""
        known = {
            suffix: answer
            for suffix, answer in self._known.items()
            if path.partition("?")[0].endswith(suffix)
        }
        return 200, json.dumps(next(iter(known.values()), {})).encode()

    def _count(self, path: str) -> int:
        first, last = map(int, path.partition("?")[2].split("-"))
        for head, body in self._bodies:
            self._seen.update(map(int, _MARK.findall(_unpacked(head, body))))
        self._bodies.clear()
        found = {number for number in self._seen if first <= number <= last}
        self._seen.clear()
        return len(found)


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    length = re.search(rb"content-length: *(\d+)", head)
    if length:
        return await reader.readexactly(int(length[1]))
    if b"transfer-encoding: chunked" not in head:
        return b""
    pieces = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(pieces)


def _unpacked(head: bytes, body: bytes) -> bytes:
    if b"content-encoding: gzip" in head:
        return gzip.decompress(body)
    if b"content-encoding: deflate" in head:
        return zlib.decompress(body)
    return body


async def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        port = listening.getsockname()[1]
        serve = Sink(f"http://127.0.0.1:{port}").serve
        server = await asyncio.start_server(serve, sock=listening, limit=1 << 20)
        print(port, flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
