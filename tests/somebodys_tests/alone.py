"""Tests of a library that never calls `install()`: its users do."""

from __future__ import annotations

import openai
import pytest
from provider import MODEL, new_async_client, new_client

from promptlayer_patch.testing import Requests

CREATE = vars(openai.resources.chat.completions.Completions)["create"]


def is_original() -> bool:
    return vars(openai.resources.chat.completions.Completions)["create"] is CREATE


def test_without_the_fixture_nothing_is_patched() -> None:
    assert is_original()


def test_the_fixture_installs(promptlayer_requests: Requests) -> None:
    assert not is_original()
    new_client().embeddings.create(model="text-embedding-3-small", input="a sentence")
    promptlayer_requests.assert_called(model="text-embedding-3-small", messages="a sentence", times=1)
    assert promptlayer_requests.one().tags == ()


def test_after_it_nothing_is_patched_again() -> None:
    assert is_original()


class TestAsync:
    @pytest.fixture(params=["asyncio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.mark.anyio
    async def test_under_anyio(self, promptlayer_requests: Requests) -> None:
        await self.ask()
        assert promptlayer_requests.one().client == "AsyncOpenAI"

    @pytest.mark.asyncio
    async def test_under_pytest_asyncio(self, promptlayer_requests: Requests) -> None:
        await self.ask()
        stream = await new_async_client().chat.completions.create(model=MODEL, messages=[], stream=True)
        assert len(promptlayer_requests) == 1
        assert [chunk async for chunk in stream]
        assert len(promptlayer_requests) == 2

    async def ask(self) -> None:
        await new_async_client().chat.completions.create(model=MODEL, messages=[])
