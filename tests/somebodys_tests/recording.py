"""Tests with cassettes by pytest-recording, no network but for recording, and PromptLayer told as well."""

from __future__ import annotations

import gc
import os
from typing import Any

import openai
import pytest

import promptlayer_patch
from promptlayer_patch import receipt_of, scope, track
from promptlayer_patch.errors import RequestIdUnavailable
from promptlayer_patch.testing import Requests

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]

PATHS = ["/v1/chat/completions", "/track-request"]
KEY = os.environ.get("OPENAI_API_KEY", "replayed")
ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello?"}]}

promptlayer_patch.install(to="promptlayer:", api_key=os.environ.get("PROMPTLAYER_API_KEY", "replayed"))


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    return {"filter_headers": ["authorization"], "filter_post_data_parameters": ["api_key"]}


def paths(cassette: Any) -> list[str]:
    return [request.path for request in cassette.requests]


def test_only_openai_is_in_the_cassette(vcr: Any, promptlayer_requests: Requests) -> None:
    with scope() as calls:
        openai.OpenAI(api_key=KEY).chat.completions.create(**ASKED)
    assert calls.request_id() == 1
    assert paths(vcr) == PATHS[:1]
    promptlayer_requests.assert_called(text="Hello?", times=1)


@pytest.mark.promptlayer_send
def test_both_are_in_the_cassette_in_order(vcr: Any, promptlayer_requests: Requests) -> None:
    client = openai.OpenAI(api_key=KEY)
    with scope() as calls:
        client.chat.completions.create(**ASKED)
        list(client.chat.completions.create(**ASKED, stream=True))
    first, second = calls.request_ids()
    assert 500 < first < second
    assert paths(vcr) == PATHS * 2
    assert [record.streamed for record in promptlayer_requests] == [False, True]


@pytest.mark.promptlayer_send
@pytest.mark.asyncio
async def test_of_coroutines_too(vcr: Any) -> None:
    async with openai.AsyncOpenAI(api_key=KEY) as client, scope() as calls:
        await client.chat.completions.create(**ASKED)
        stream = await client.chat.completions.create(**ASKED, stream=True)
        assert [chunk async for chunk in stream]
    assert min(await calls.arequest_ids()) > 500
    assert paths(vcr) == PATHS * 2


@pytest.mark.promptlayer_send
def test_scores_are_in_the_cassette_too(vcr: Any, promptlayer_requests: Requests) -> None:
    with scope() as calls:
        openai.OpenAI(api_key=KEY).chat.completions.create(**ASKED)
    track.score(calls, 90)
    track.score(calls.request_id(), 10, name="tone")
    assert paths(vcr) == [*PATHS, "/library-track-score", "/library-track-score"]
    assert len(promptlayer_requests.annotations) == 2


left: list[Any] = []


@pytest.mark.promptlayer_send
def test_a_stream_that_is_left_open(vcr: Any) -> None:
    left.append(openai.OpenAI(api_key=KEY).chat.completions.create(**ASKED, stream=True))
    assert paths(vcr) == PATHS[:1]


@pytest.mark.promptlayer_send
def test_what_ends_after_its_cassette_goes_nowhere() -> None:
    (stream,) = left
    receipt = receipt_of(stream)
    assert receipt is not None
    left.clear()
    del stream
    gc.collect()
    with pytest.raises(RequestIdUnavailable):
        receipt.request_id(0)


@pytest.mark.promptlayer_send
def test_what_ends_outside_of_its_cassette_goes_nowhere(promptlayer_requests: Requests) -> None:
    import vcr as vcrpy

    mode = "none" if KEY == "replayed" else "once"
    with vcrpy.use_cassette("inner.yaml", record_mode=mode, filter_headers=["authorization"]):
        stream = openai.OpenAI(api_key=KEY).chat.completions.create(**ASKED, stream=True)
    list(stream)
    receipt = receipt_of(stream)
    assert receipt is not None
    with pytest.raises(RequestIdUnavailable, match="the cassette that was in use"):
        receipt.request_id(5)
    assert len(promptlayer_requests) == 1


@pytest.mark.promptlayer_send
def test_what_is_not_in_the_cassette_is_given_up(vcr: Any) -> None:
    """Recorded without PromptLayer, by `test_only_openai_is_in_the_cassette`."""
    if KEY != "replayed":
        pytest.skip("to be played")
    with scope() as calls:
        assert openai.OpenAI(api_key=KEY).chat.completions.create(**ASKED).choices
    with pytest.raises(RequestIdUnavailable, match="CannotOverwriteExistingCassetteException"):
        calls.request_id()
    assert promptlayer_patch.flush(0)
