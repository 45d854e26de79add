"""The two places the demo's calls can go to: OpenAI, and the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai

from promptlayer_patch.demo.standin import StandIn

__all__ = ["Provider"]

_EMBEDDING_MODEL = "text-embedding-3-small"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where calls go, and which models they ask for."""

    client: openai.OpenAI
    async_client: Callable[[], openai.AsyncOpenAI]
    chat_model: str
    embedding_model: str = _EMBEDDING_MODEL

    @classmethod
    def from_environment(cls, chat_model: str) -> Provider | None:
        """OpenAI, with the key and address that the client finds in the environment, if there is a key."""
        try:
            client = openai.OpenAI()
        except openai.OpenAIError:
            return None
        # It may have found credentials of another kind, or an empty key.
        return cls(client, openai.AsyncOpenAI, chat_model) if client.api_key else None

    @classmethod
    def from_stand_in(cls, server: StandIn, chat_model: str) -> Provider:
        """A stand-in of this process."""
        # A proxy of the environment could not reach this process, hence trust_env=False.
        return cls(
            openai.OpenAI(
                api_key="stand-in",
                base_url=server.base_url,
                http_client=openai.DefaultHttpxClient(trust_env=False),
            ),
            lambda: openai.AsyncOpenAI(
                api_key="stand-in",
                base_url=server.base_url,
                http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
            ),
            chat_model,
        )

    @property
    def address(self) -> str:
        """Where the calls go."""
        return str(self.client.base_url).rstrip("/")

    def chat(self, messages: list[Any], **options: Any) -> Any:
        """One chat completion; `options` are those of the client."""
        create: Any = self.client.chat.completions.create
        return create(**{"model": self.chat_model, "messages": messages, **options})

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()
