"""The calls that are on our cassettes, one scenario to a cassette.

A scenario returns what each of its recorded calls gave the application: the response, the chunks, or the
error. Where it makes several calls it waits for PromptLayer in between, so that they get their ids in order.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import openai

import promptlayer_patch

from .samples import BRIDGE, PNG, TIDES, WAVE
from .session import Clients

Play: TypeAlias = Callable[[Clients], list[Any]]


@dataclass(frozen=True)
class Scenario:
    play: Play
    method: str
    """The method it needs, below the client."""
    argument: str | None = None
    """The argument of that method it needs."""

    @property
    def name(self) -> str:
        return self.play.__name__

    def missing(self) -> str | None:
        """What the installed openai lacks for this scenario."""
        found: Any = openai.OpenAI(api_key="none", base_url="http://openai.test")
        with found:
            for step in self.method.split("."):
                found = getattr(found, step, None)
                if found is None:
                    return f"openai {openai.__version__} has no {self.method}"
        if self.argument and self.argument not in inspect.signature(found).parameters:
            return f"{self.method} of openai {openai.__version__} takes no {self.argument}"
        return None


SCENARIOS: list[Scenario] = []


def scenario(method: str, argument: str | None = None) -> Callable[[Play], Play]:
    """Have the decorated function recorded, under its own name."""

    def listed(play: Play) -> Play:
        SCENARIOS.append(Scenario(play, method, argument))
        return play

    return listed


def _asks(text: str) -> Any:
    return [{"role": "user", "content": text}]


@scenario("chat.completions.create")
def chat(clients: Clients) -> list[Any]:
    system = {"role": "system", "content": "You keep the tide tables of the harbour office."}
    with clients.sync() as client:
        asked: Any = [system, *_asks("When is high water in Whitby? — please in UTC")]
        return [client.chat.completions.create(model="gpt-4o-mini", messages=asked, temperature=0.2)]


@scenario("chat.completions.create")
def chat_stream(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        stream = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=_asks("Explain spring tides in a sentence"),
            stream=True,
            stream_options={"include_usage": True},
        )
        return [list(stream)]


@scenario("chat.completions.create")
def chat_async_stream(clients: Clients) -> list[Any]:
    async def main() -> list[Any]:
        async with clients.asynchronous() as client:
            stream = await client.chat.completions.create(
                model="gpt-4o-mini", messages=_asks("Explain spring tides in a sentence"), stream=True
            )
            return [[chunk async for chunk in stream]]

    return asyncio.run(main())


@scenario("chat.completions.create")
def chat_tool_call(clients: Clients) -> list[Any]:
    messages = _asks("I am at the swing bridge of Whitby at four. Is it open?")
    with clients.sync() as client:
        wish = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[BRIDGE])
        promptlayer_patch.flush()
        call = wish.choices[0].message.tool_calls[0]
        state = {**json.loads(call.function.arguments), "open": True}
        messages += [
            wish.choices[0].message.to_dict(),
            {"role": "tool", "tool_call_id": call.id, "content": json.dumps(state)},
        ]
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[BRIDGE])
    return [wish, answer]


@scenario("chat.completions.create")
def chat_tool_call_stream(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        stream = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=_asks("When can I pass both bridges?"),
            tools=[BRIDGE],
            stream=True,
        )
        return [list(stream)]


@scenario("chat.completions.create")
def chat_gather(clients: Clients) -> list[Any]:
    async def main() -> list[Any]:
        async with clients.asynchronous() as client:
            asked = [_asks(f"Is there a berth in {port}?") for port in ("Hull", "Dover")]
            calls = [client.chat.completions.create(model="gpt-4o-mini", messages=each) for each in asked]
            return list(await asyncio.gather(*calls))

    return asyncio.run(main())


@scenario("chat.completions.parse")
def chat_parse(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        return [
            client.chat.completions.parse(
                model="gpt-4o-mini", messages=_asks("The tide table, please"), response_format=TIDES
            )
        ]


@scenario("chat.completions.create")
def azure_chat(clients: Clients) -> list[Any]:
    with clients.azure() as client:
        return [
            client.chat.completions.create(
                model="harbour-office", messages=_asks("When is high water in Whitby?"), max_tokens=30
            )
        ]


@scenario("embeddings.create")
def embeddings(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        # Left alone, the client asks for base64 or not, by its version and what else is installed.
        texts = ["fog at sea", "fog ashore"]
        create = client.embeddings.create
        return [create(model="text-embedding-3-small", input=texts, encoding_format="float")]


@scenario("embeddings.create")
def azure_embeddings(clients: Clients) -> list[Any]:
    with clients.azure() as client:
        create = client.embeddings.create
        return [create(model="harbour-vectors", input="fog at sea", encoding_format="float")]


@scenario("responses.create")
def responses(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        return [client.responses.create(model="gpt-4.1", input="What is the draft of the ferry?")]


@scenario("responses.create")
def responses_stream(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        stream = client.responses.create(
            model="gpt-4.1", input="What is the draft of the ferry?", instructions="In metres.", stream=True
        )
        return [list(stream)]


@scenario("chat.completions.create")
def wrong_key(clients: Clients) -> list[Any]:
    with clients.with_wrong_key() as client:
        return [_error_of(client.chat.completions.create, messages=_asks("When is high water in Whitby?"))]


@scenario("chat.completions.create")
def unknown_model(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        create = client.chat.completions.create
        return [_error_of(create, model="gpt-of-the-deep", messages=_asks("Where is Atlantis?"))]


@scenario("chat.completions.create")
def rate_limit_retried(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        messages = _asks("Ask the busy harbour master for a berth")
        return [client.chat.completions.create(model="gpt-4o-mini", messages=messages)]


@scenario("chat.completions.create")
def quota_exhausted(clients: Clients) -> list[Any]:
    with clients.sync(max_retries=1) as client:
        messages = _asks("Ask the harbour master on holiday for a berth")
        return [_error_of(client.chat.completions.create, messages=messages)]


@scenario("images.generate")
def image(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        return [client.images.generate(model="gpt-image-1", prompt="A lighthouse at dusk", size="1024x1024")]


@scenario("images.edit")
def image_edit(clients: Clients) -> list[Any]:
    file = ("lighthouse.png", PNG, "image/png")
    with clients.sync() as client:
        return [client.images.edit(model="gpt-image-1", image=file, prompt="The lighthouse at dusk, dimmer")]


@scenario("audio.transcriptions.create")
def transcription(clients: Clients) -> list[Any]:
    file = ("channel16.wav", WAVE, "audio/wav")
    with clients.sync() as client:
        return [client.audio.transcriptions.create(model="whisper-1", file=file, language="en")]


@scenario("audio.transcriptions.create", "stream")
def transcription_stream(clients: Clients) -> list[Any]:
    file = ("channel16.wav", WAVE, "audio/wav")
    with clients.sync() as client:
        stream = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True)
        return [list(stream)]


@scenario("audio.translations.create")
def translation(clients: Clients) -> list[Any]:
    file = ("channel16.wav", WAVE, "audio/wav")
    with clients.sync() as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer clients advise against it
        return [client.audio.translations.create(model="whisper-1", file=file)]


@scenario("audio.speech.create")
def speech(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        answer = client.audio.speech.create(model="tts-1", voice="alloy", input="Welcome aboard")
        return [answer.content]


@scenario("moderations.create")
def moderation(clients: Clients) -> list[Any]:
    with clients.sync() as client:
        return [client.moderations.create(model="omni-moderation-latest", input="Cast off the lines!")]


@scenario("batches.create")
def batch(clients: Clients) -> list[Any]:
    body = {"model": "gpt-4o-mini", "messages": _asks("When is high water in Whitby?")}
    line = {"custom_id": "whitby", "method": "POST", "url": "/v1/chat/completions", "body": body}
    with clients.sync() as client:
        # Nothing is asked of a model by the upload, so PromptLayer does not hear of it.
        file = client.files.create(file=("tides.jsonl", json.dumps(line).encode()), purpose="batch")
        return [
            client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
        ]


def _error_of(create: Callable[..., Any], *, messages: Any, model: str = "gpt-4o-mini") -> Exception:
    try:
        create(model=model, messages=messages)
    except openai.APIStatusError as error:
        return error
    raise AssertionError("the call was to fail")
