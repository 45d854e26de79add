"""LlamaIndex: a plain call, a stream, a typed answer, and an agent with a tool.

pip install promptlayer-patch llama-index-llms-openai
"""

from __future__ import annotations

import asyncio

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI

import promptlayer_patch
from desk import INVOICE, MODEL, WEATHER, Reply, get_weather, provider, show


def main() -> None:
    promptlayer_patch.install(tags=["llama-index"])
    model = OpenAI(model=MODEL)

    with promptlayer_patch.scope(tags=["plain"]) as calls:
        answer = model.complete(INVOICE)
    show(["plain"], answer, calls)

    with promptlayer_patch.scope(tags=["stream"]) as calls:
        pieces = model.stream_chat([ChatMessage(role="user", content=INVOICE)])
        text = "|".join(piece.delta or "" for piece in pieces)
    show(["stream"], text, calls)

    with promptlayer_patch.scope(tags=["typed"]) as calls:
        reply = model.as_structured_llm(Reply).complete(INVOICE).raw
    show(["typed"], repr(reply), calls)

    with promptlayer_patch.scope(tags=["agent"]) as calls:
        answer = asyncio.run(ask_agent(model))
    show(["agent"], answer, calls)


async def ask_agent(model: OpenAI) -> str:
    return str(await FunctionAgent(tools=[get_weather], llm=model).run(WEATHER))


if __name__ == "__main__":
    with provider():
        main()
