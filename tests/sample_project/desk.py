"""The application: a help desk that asks OpenAI, and records that where there is a PromptLayer key."""

from __future__ import annotations

import os
from collections.abc import Iterator

import openai

if os.environ.get("PROMPTLAYER_API_KEY"):
    import promptlayer_patch

    promptlayer_patch.install(tags=["help-desk"])

MODEL = "gpt-4o-mini"


def client() -> openai.OpenAI:
    return openai.OpenAI(api_key=os.environ.get("OPENAI_API_KEY", "replayed"), max_retries=0)


def reply(question: str) -> str:
    answer = client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content or ""


def pieces(question: str) -> Iterator[str]:
    with client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}], stream=True
    ) as stream:
        for chunk in stream:
            yield chunk.choices[0].delta.content or "" if chunk.choices else ""


async def reply_later(question: str) -> str:
    async with openai.AsyncOpenAI(api_key=os.environ.get("OPENAI_API_KEY", "replayed")) as later:
        answer = await later.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": question}]
        )
    return answer.choices[0].message.content or ""


def near(text: str) -> list[float]:
    return client().embeddings.create(model="text-embedding-3-small", input=text).data[0].embedding


def unknown() -> int:
    try:
        client().chat.completions.create(model="no-such-model", messages=[])
    except openai.NotFoundError as error:
        return error.status_code
    return 200
