"""Making the calls of one scenario as an application does that has promptlayer_patch installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai

import promptlayer_patch

from .tape import Tape


@dataclass(frozen=True)
class Clients:
    """Makes the clients of a scenario; each is to be used in a `with` block."""

    url: str
    """Where OpenAI is."""
    api_key: str

    def sync(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(**self._options("/v1"), **options)

    def asynchronous(self, **options: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(**self._options("/v1"), **options)

    def azure(self) -> openai.AzureOpenAI:
        return openai.AzureOpenAI(
            azure_endpoint=self.url, api_key=self.api_key, api_version="2024-10-21", max_retries=0
        )

    def with_wrong_key(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.api_key[::-1], max_retries=0)

    def _options(self, path: str) -> dict[str, Any]:
        account = {"organization": "org-harbour-office", "project": "proj_tide_tables"}
        return {"base_url": self.url + path, "api_key": self.api_key, **account}


@dataclass(frozen=True)
class Heard:
    """What the application and promptlayer_patch have to say after a scenario."""

    results: list[Any]
    """What each call returned, in order; the error, where it raised one."""
    receipts: list[promptlayer_patch.Receipt]
    flushed: bool
    stats: promptlayer_patch.Stats


def heard(
    play: Callable[[Clients], list[Any]],
    tape: Tape,
    clients: Clients,
    *,
    promptlayer_url: str,
    promptlayer_key: str,
) -> tuple[Heard, Any]:
    """Play a scenario to or from a tape; gives what was heard, and vcrpy's cassette."""
    with tape.running() as cassette:
        promptlayer_patch.install(
            to="promptlayer:",
            api_key=promptlayer_key,
            base_url=promptlayer_url,
            tags=["own-cassettes"],
            metadata={"harbour": "Whitby"},
        )
        try:
            with promptlayer_patch.scope(tags=[play.__name__]) as calls:
                results = play(clients)
            # In the cassette: vcrpy lets what is sent later out to the network.
            flushed = promptlayer_patch.flush(10.0)
            stats = promptlayer_patch.stats()
        finally:
            promptlayer_patch.uninstall()
    return Heard(results, calls.receipts, flushed, stats), cassette
