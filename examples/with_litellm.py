"""LiteLLM: a plain call, a stream, a tool, and async calls; what goes to OpenAI is recorded.

pip install promptlayer-patch litellm
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import promptlayer_patch
from desk import INVOICE, MODEL, WEATHER, get_weather, provider, show

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would fetch a list of prices

import litellm

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": get_weather.__doc__,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def main() -> None:
    promptlayer_patch.install(tags=["litellm"])
    model = f"openai/{MODEL}"

    with promptlayer_patch.scope(tags=["plain"]) as calls:
        answer = litellm.completion(model, messages=[{"role": "user", "content": INVOICE}])
    show(["plain"], answer.choices[0].message.content, calls)

    with promptlayer_patch.scope(tags=["stream"]) as calls:
        chunks = litellm.completion(model, messages=[{"role": "user", "content": INVOICE}], stream=True)
        text = "|".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    show(["stream"], text, calls)

    messages: list[Any] = [{"role": "user", "content": WEATHER}]
    with promptlayer_patch.scope(tags=["tool"]) as calls:
        message = litellm.completion(model, messages=messages, tools=[TOOL]).choices[0].message
        messages.append(message)
        for call in message.tool_calls or ():
            messages.append({"role": "tool", "tool_call_id": call.id, "content": get_weather("Bergen")})
        message = litellm.completion(model, messages=messages, tools=[TOOL]).choices[0].message
    show(["tool"], message.content, calls)

    with promptlayer_patch.scope(tags=["async"]) as calls:
        texts = asyncio.run(together(model, [INVOICE, "How long does a refund take?"]))
    show(["async"], texts, calls)


async def together(model: str, questions: list[str]) -> list[str]:
    """Ask several questions at once. (`litellm.batch_completion` would not take the scope along.)"""
    asked = (litellm.acompletion(model, messages=[{"role": "user", "content": q}]) for q in questions)
    return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]


if __name__ == "__main__":
    with provider():
        main()
