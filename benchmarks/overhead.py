"""What recording adds to the caller's own calls: bare and installed in turn, in one process, over a transport
that answers from memory. Run it with `make bench`.

Printed for each kind of call: the median time of a bare call, what is added to it (the median over the rounds
of the difference of the medians within a round) and the ratio. Quote the ratios: machines differ.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import openai
from openai import _base_client

import promptlayer_patch
from promptlayer_patch.records import Delivered, Delivery, Record

http: Any = getattr(_base_client, "httpx2", None) or _base_client.httpx


class Nowhere:
    """A destination that takes everything at once, so that only our own work is measured."""

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        return [Delivered()] * len(batch)

    def close(self) -> None: ...


def chat(text: str) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 200, "completion_tokens": 50, "total_tokens": 250}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def events(count: int) -> list[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    deltas = [{"index": 0, "delta": {"content": f"word{at} "}, "finish_reason": None} for at in range(count)]
    chunks = [f"data: {json.dumps({**head, 'choices': [delta]})}\n\n".encode() for delta in deltas]
    return [*chunks, b"data: [DONE]\n\n"]


ANSWER = chat("An answer of ordinary length. " * 8)
EVENTS = events(500)


class Events(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
    def __iter__(self) -> Iterator[bytes]:
        yield from EVENTS

    async def __aiter__(self) -> Any:
        for event in EVENTS:
            yield event


def answer(request: Any) -> Any:
    if b'"stream":true' in request.content or b'"stream": true' in request.content:
        return http.Response(200, headers={"content-type": "text/event-stream"}, stream=Events())
    return http.Response(200, headers={"content-type": "application/json"}, content=ANSWER)


def asked(size: int) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x" * size}]}


OPTIONS: dict[str, Any] = {"api_key": "none", "base_url": "http://127.0.0.1:9/v1", "max_retries": 0}
CLIENT = openai.OpenAI(**OPTIONS, http_client=http.Client(transport=http.MockTransport(answer)))


def plain(size: int) -> Callable[[], None]:
    def call() -> None:
        CLIENT.chat.completions.create(**asked(size))

    return call


def stream() -> None:
    for _ in CLIENT.chat.completions.create(**asked(1000), stream=True):
        pass


def crowd() -> None:
    async def main() -> None:
        transport = http.MockTransport(answer)
        async with openai.AsyncOpenAI(**OPTIONS, http_client=http.AsyncClient(transport=transport)) as client:
            await asyncio.gather(*(client.chat.completions.create(**asked(1000)) for _ in range(50)))

    asyncio.run(main())


KINDS: dict[str, tuple[Callable[[], None], int, int]] = {
    # what, calls in a round, requests in a call
    "chat, 1 KB": (plain(1000), 200, 1),
    "chat, 100 KB": (plain(100_000), 100, 1),
    "stream of 500 chunks": (stream, 10, 1),
    "50 at once, async, each": (crowd, 4, 50),
}


def median_of(call: Callable[[], None], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measured(call: Callable[[], None], times: int, rounds: int) -> tuple[float, float]:
    """Median of a bare call, and of what is added to it, in seconds."""
    bare, added = [], []
    median_of(call, times)
    for _ in range(rounds):
        without = median_of(call, times)
        promptlayer_patch.install(to=Nowhere())
        median_of(call, max(1, times // 10))
        with_us = median_of(call, times)
        promptlayer_patch.flush(60)
        promptlayer_patch.uninstall()
        bare.append(without)
        added.append(with_us - without)
    return statistics.median(bare), statistics.median(added)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"openai {openai.__version__}, {rounds} rounds")
    print(f"{'':26}{'bare us':>10}{'added us':>10}{'ratio':>8}")
    for name, (call, times, requests) in KINDS.items():
        bare, added = measured(call, times, rounds)
        bare, added = bare / requests, added / requests
        print(f"{name:26}{bare * 1e6:10.0f}{added * 1e6:10.1f}{(bare + added) / bare:8.3f}")


if __name__ == "__main__":
    main()
