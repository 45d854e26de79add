"""The calls of the demo: a day at a support desk, through the real client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import openai

import promptlayer_patch
from promptlayer_patch.demo.provider import Provider
from promptlayer_patch.demo.screen import Screen
from promptlayer_patch.demo.standin import BUSY_MODEL, UNKNOWN_MODEL

__all__ = ["make_calls"]

_ROLE = "You are the support desk of Lantern, a bookkeeping app. Answer in one or two short sentences."
_WEATHER_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city, now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def make_calls(provider: Provider, stand_in: Provider, screen: Screen) -> Iterator[promptlayer_patch.scope]:
    """Make the calls, scope by scope. A scope is handed over before its first call is made.

    Raises what the client raises, but for the call that is meant to fail.
    """
    scope = promptlayer_patch.scope(tags=["onboarding"], metadata={"customer": "acme-042"})
    yield scope
    screen.heading('scope(tags=["onboarding"], metadata={"customer": "acme-042"})')
    with scope:
        _plain(provider, screen)
        _stream(provider, screen)
        _tool_call(provider, screen)
    scope = promptlayer_patch.scope(tags=["support"], metadata={"team": "night-shift"})
    yield scope
    screen.heading('scope(tags=["support"], metadata={"team": "night-shift"})')
    with scope:
        _gather(provider, screen)
        _embedding(provider, screen)
        _failing(provider, screen)
        _retried(stand_in, screen)


def _ask(question: str) -> list[Any]:
    return [{"role": "system", "content": _ROLE}, {"role": "user", "content": question}]


def _text(answer: Any) -> str:
    return str(answer.choices[0].message.content or "")


def _plain(provider: Provider, screen: Screen) -> None:
    screen.step("chat", _text(provider.chat(_ask("I have just signed up. How do I start?"))))


def _stream(provider: Provider, screen: Screen) -> None:
    question = _ask("Where do I find last month's invoice?")
    with provider.chat(question, stream=True, stream_options={"include_usage": True}) as chunks:
        screen.step("stream", (c.choices[0].delta.content or "" for c in chunks if c.choices))


def _tool_call(provider: Provider, screen: Screen) -> None:
    messages = _ask("Will the weather in Bergen delay the parcel with my card reader?")
    message = provider.chat(messages, tools=[_WEATHER_TOOL]).choices[0].message
    if not message.tool_calls:  # a real model is free not to ask
        screen.step("tool call", message.content or "")
        return
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        weather = json.dumps({"sky": "light rain", "celsius": 9})
        screen.step("tool call", f"{call.function.name}({call.function.arguments}) -> {weather}")
        messages.append({"role": "tool", "tool_call_id": call.id, "content": weather})
    screen.step("", _text(provider.chat(messages, tools=[_WEATHER_TOOL])))


def _gather(provider: Provider, screen: Screen) -> None:
    questions = ("How long does a refund take?", "I lost my password.", "How do I invite my team?")
    began = time.monotonic()
    answers = asyncio.run(_answers(provider, questions))
    took_ms = (time.monotonic() - began) * 1000
    screen.step("gather", f"{len(answers)} answers in {took_ms:.0f} ms, the first: {_text(answers[0])}")


async def _answers(provider: Provider, questions: tuple[str, ...]) -> list[Any]:
    async with provider.async_client() as client:
        create: Any = client.chat.completions.create
        calls = (create(model=provider.chat_model, messages=_ask(question)) for question in questions)
        return await asyncio.gather(*calls)


def _embedding(provider: Provider, screen: Screen) -> None:
    tickets = ["The export stops half way.", "My invoice shows the wrong address."]
    answer = provider.client.embeddings.create(model=provider.embedding_model, input=tickets)
    screen.step("embedding", f"{len(answer.data)} vectors of {len(answer.data[0].embedding)} numbers")


def _failing(provider: Provider, screen: Screen) -> None:
    try:
        provider.chat(_ask("Is anybody there?"), model=UNKNOWN_MODEL)
    except openai.APIStatusError as error:
        screen.step("failing", f"{type(error).__name__}, as it should be: {error.message}")
    else:
        screen.step("failing", f"the provider knows a model named {UNKNOWN_MODEL}, so this call did not fail")


def _retried(stand_in: Provider, screen: Screen) -> None:
    answer = stand_in.chat(_ask("How do I cancel?"), model=BUSY_MODEL)
    screen.step("retried", f"429 at first, then: {_text(answer)}")
