"""Instructor: a typed answer, one that is streamed in parts, and an async one.

pip install promptlayer-patch instructor
"""

from __future__ import annotations

import asyncio
from typing import Any

import instructor
import openai

import promptlayer_patch
from desk import INVOICE, MODEL, Reply, provider, show

QUESTION: Any = [{"role": "user", "content": INVOICE}]


def main() -> None:
    promptlayer_patch.install(tags=["instructor"])
    client = instructor.from_openai(openai.OpenAI())

    with promptlayer_patch.scope(tags=["typed"]) as calls:
        reply = client.create(model=MODEL, messages=QUESTION, response_model=Reply)
    show(["typed"], reply, calls)

    with promptlayer_patch.scope(tags=["stream"]) as calls:
        *_, last = client.create_partial(model=MODEL, messages=QUESTION, response_model=Reply)
    show(["stream"], last, calls)

    with promptlayer_patch.scope(tags=["async"]) as calls:
        reply = asyncio.run(ask())
    show(["async"], reply, calls)


async def ask() -> Reply:
    client = instructor.from_openai(openai.AsyncOpenAI())
    return await client.create(model=MODEL, messages=QUESTION, response_model=Reply)


if __name__ == "__main__":
    with provider():
        main()
