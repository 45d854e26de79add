"""How many objects a call under way adds to those that the garbage collector counts and looks at.

    python -m tests.support.under_way

Each of many calls that wait at once brings the next collection nearer, and makes it longer. Counted are the
objects of asynchronous calls that wait for their answer, in a process of its own, with us and without.
"""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any, NamedTuple

from tests.support.instructions import Held
from tests.support.programs import printed

CALLS = 20
TURNS = 10
"""Of the event loop, after which all calls wait."""


class Objects(NamedTuple):
    """So many for each call."""

    waiting: float
    """While the call waits for its answer."""
    answered: float
    """When the caller has the answer, and the worker has yet to take the call."""


def added() -> Objects:
    """The objects that we add to a call."""
    waiting, answered = printed("from tests.support.under_way import say; say()")
    return Objects(float(waiting), float(answered))


async def _objects() -> Objects:
    import openai
    import openai._base_client as base_client

    http: Any = getattr(base_client, "httpx2", None) or getattr(base_client, "httpx")  # noqa: B009
    answered = asyncio.Event()
    answered.set()

    class Waiting(http.AsyncBaseTransport):  # type: ignore[misc,name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            await answered.wait()
            return http.Response(200, headers={"content-type": "application/json"}, content=b"{}")

    client = openai.AsyncOpenAI(
        api_key="none", max_retries=0, http_client=http.AsyncClient(transport=Waiting())
    )
    asked: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is it?"}]}
    for _ in range(3):
        await client.chat.completions.create(**asked)
    answered.clear()
    gc.collect()
    before = len(gc.get_objects())
    tasks = [asyncio.create_task(client.chat.completions.create(**asked)) for _ in range(CALLS)]
    for _ in range(TURNS):
        await asyncio.sleep(0)
    waiting = len(gc.get_objects()) - before
    answered.set()
    await asyncio.gather(*tasks)  # each holds its answer
    return Objects(waiting / CALLS, (len(gc.get_objects()) - before) / CALLS)


def say() -> None:
    """Count in this process, which ends with it."""
    import promptlayer_patch

    gc.disable()
    bare = asyncio.run(_objects())
    held = Held()
    promptlayer_patch.install(to=held)
    asyncio.run(_objects())
    held.entered.wait()
    for ours, theirs in zip(asyncio.run(_objects()), bare, strict=True):
        print(ours - theirs, flush=True)
    os._exit(0)


if __name__ == "__main__":
    print(added())
