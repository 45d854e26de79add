"""What the examples share: where their calls go, what they ask, and what they print."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pydantic

import promptlayer_patch
from promptlayer_patch.demo.standin import StandIn

MODEL = "gpt-4o-mini"
INVOICE = "Where is my invoice of last month?"
WEATHER = "Will the weather in Bergen delay my parcel?"


class Reply(pydantic.BaseModel):
    """An answer of the support desk."""

    text: str
    urgent: bool


def get_weather(city: str) -> str:
    """The weather in a city, now."""
    return f"light rain in {city}, 9 degrees"


@contextmanager
def provider() -> Iterator[None]:
    """Calls go to OpenAI if OPENAI_API_KEY is set, else to a stand-in in this process."""
    if os.environ.get("OPENAI_API_KEY"):
        yield
        return
    with StandIn() as server:
        os.environ["OPENAI_API_KEY"] = "stand-in"
        os.environ["OPENAI_BASE_URL"] = os.environ["OPENAI_API_BASE"] = server.base_url
        os.environ["NO_PROXY"] = "127.0.0.1"
        yield


def show(tags: Sequence[str], answer: object, calls: promptlayer_patch.scope) -> None:
    """Print an answer, the tags of the calls that it took, and PromptLayer's id of each."""
    print(f"{', '.join(tags)}: {answer}")
    print(f"    request ids {', '.join(map(str, calls.request_ids()))}")
