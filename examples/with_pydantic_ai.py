"""pydantic-ai: a plain run, a streamed one, and an agent with a tool and a typed answer.

pip install promptlayer-patch 'pydantic-ai-slim[openai]'
"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

import promptlayer_patch
from desk import INVOICE, MODEL, WEATHER, Reply, get_weather, provider, show


async def main() -> None:
    promptlayer_patch.install(tags=["pydantic-ai"])
    desk = Agent(f"openai-chat:{MODEL}", instructions="You are a support desk.")

    with promptlayer_patch.scope(tags=["plain"]) as calls:
        result = await desk.run(INVOICE)
    show(["plain"], result.output, calls)

    with promptlayer_patch.scope(tags=["stream"]) as calls:
        async with desk.run_stream(INVOICE) as stream:
            text = "|".join([piece async for piece in stream.stream_text(delta=True)])
    show(["stream"], text, calls)

    courier = Agent(f"openai-responses:{MODEL}", output_type=Reply, tools=[get_weather])
    with promptlayer_patch.scope(tags=["tool", "typed"]) as calls:
        result = await courier.run(WEATHER)
    show(["tool", "typed"], repr(result.output), calls)


if __name__ == "__main__":
    with provider():
        asyncio.run(main())
