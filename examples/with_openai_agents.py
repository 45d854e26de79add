"""The OpenAI Agents SDK: a plain run, a streamed one, an agent with a tool, and a typed answer.

pip install promptlayer-patch openai-agents
"""

from __future__ import annotations

import asyncio

from agents import Agent, Runner, function_tool, set_tracing_disabled

import promptlayer_patch
from desk import INVOICE, MODEL, WEATHER, Reply, get_weather, provider, show


async def main() -> None:
    promptlayer_patch.install(tags=["agents"])
    set_tracing_disabled(True)  # the SDK's own traces would go to OpenAI

    desk = Agent(name="Desk", instructions="You are a support desk.", model=MODEL)
    with promptlayer_patch.scope(tags=["plain"]) as calls:
        result = await Runner.run(desk, INVOICE)
    show(["plain"], result.final_output, calls)

    with promptlayer_patch.scope(tags=["stream"]) as calls:
        text = await streamed(desk)
    show(["stream"], text, calls)

    courier = desk.clone(tools=[function_tool(get_weather)])
    with promptlayer_patch.scope(tags=["tool"]) as calls:
        result = await Runner.run(courier, WEATHER)
    show(["tool"], result.final_output, calls)

    clerk = desk.clone(output_type=Reply)
    with promptlayer_patch.scope(tags=["typed"]) as calls:
        result = await Runner.run(clerk, INVOICE)
    show(["typed"], result.final_output, calls)


async def streamed(desk: Agent) -> str:
    pieces = []
    async for event in Runner.run_streamed(desk, INVOICE).stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            pieces.append(event.data.delta)
    return "|".join(pieces)


if __name__ == "__main__":
    with provider():
        asyncio.run(main())
