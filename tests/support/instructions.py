"""How many instructions of the interpreter a recorded call takes on its caller's thread.

    python -m tests.support.instructions

Counted are those in our own functions, and the functions written in C that these call; what happens on
threads of ours is not. A count is taken in a process of its own, in which the worker is held fast, so that
nothing depends on when it wakes up.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.programs import printed

CALLS = 4
WARM = 3
CHUNKS = 100


def counted(kind: str, calls: int = CALLS) -> int:
    """The instructions of so many calls."""
    (said,) = printed(f"from tests.support.instructions import say; say({kind!r}, {calls})")
    return int(said)


class Held:
    """Keeps the worker from coming back for more."""

    def __init__(self) -> None:
        self.entered = threading.Event()

    def export(self, batch: Any) -> Any:
        self.entered.set()
        threading.Event().wait()

    def close(self) -> None: ...


class _Count:
    """Counts while it is switched on, on the thread that switches it."""

    def __init__(self, package: str) -> None:
        self._package = package
        self.found = 0

    def __enter__(self) -> _Count:
        gc.disable()
        sys.setprofile(self._profile)
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _is_ours(self, frame: Any) -> bool:
        return bool(frame.f_code.co_filename.startswith(self._package))

    def _trace(self, frame: Any, event: str, _: Any) -> Any:
        if event != "call" or not self._is_ours(frame):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, _frame: Any, event: str, _: Any) -> Any:
        self.found += event == "opcode"
        return self._step

    def _profile(self, frame: Any, event: str, _: Any) -> None:
        if event == "c_call" and self._is_ours(frame):
            self.found += 1


def _kinds() -> dict[str, Callable[[], object]]:
    import openai
    import openai._base_client as base_client

    http: Any = getattr(base_client, "httpx2", None) or getattr(base_client, "httpx")  # noqa: B009
    head = b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":'
    message = b'[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"It is seven."}}]}'
    chunk = b'[{"index":0,"finish_reason":null,"delta":{"content":"It "}}]}'
    events = [b"data: " + head.replace(b"completion", b"completion.chunk") + chunk + b"\n\n"] * CHUNKS

    class Events(http.SyncByteStream):  # type: ignore[misc,name-defined]
        def __iter__(self) -> Iterator[bytes]:
            yield from [*events, b"data: [DONE]\n\n"]

    def answer(request: Any) -> Any:
        if b'"stream":true' in request.content.replace(b" ", b""):
            return http.Response(200, headers={"content-type": "text/event-stream"}, stream=Events())
        return http.Response(200, headers={"content-type": "application/json"}, content=head + message)

    transport = http.MockTransport(answer)
    options: dict[str, Any] = {"api_key": "none", "base_url": "http://127.0.0.1:9/v1", "max_retries": 0}
    client = openai.OpenAI(**options, http_client=http.Client(transport=transport))
    other = openai.AsyncOpenAI(**options, http_client=http.AsyncClient(transport=transport))
    asked: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is it?"}]}
    loop = asyncio.new_event_loop()

    def scoped() -> None:
        import promptlayer_patch

        with promptlayer_patch.scope(tags=["one"], metadata={"user_id": "1"}):
            client.chat.completions.create(**asked)

    return {
        "chat": lambda: client.chat.completions.create(**asked),
        "chat in a scope": scoped,
        "chat, async": lambda: loop.run_until_complete(other.chat.completions.create(**asked)),
        f"a stream of {CHUNKS} chunks": lambda: list(client.chat.completions.create(**asked, stream=True)),
    }


KINDS = ("chat", "chat in a scope", "chat, async", f"a stream of {CHUNKS} chunks")


def say(kind: str, calls: int) -> None:
    """Count in this process, which ends with it."""
    import promptlayer_patch
    from promptlayer_patch._process import process

    held = Held()
    promptlayer_patch.install(to=held)
    call = _kinds()[kind]
    for _ in range(WARM):
        call()
    held.entered.wait()
    process.pipeline._ways[0]._turn.overdue_at = math.inf  # nobody stands aside for a worker that is held
    call()
    with _Count(os.path.dirname(promptlayer_patch.__file__)) as count:
        for _ in range(calls):
            call()
    print(count.found, flush=True)
    os._exit(0)


if __name__ == "__main__":
    print({kind: counted(kind) for kind in KINDS})
