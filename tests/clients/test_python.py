"""PromptLayer's own Python SDK, as it is published: what it says arrives, what it asks is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from promptlayer import AsyncPromptLayer, PromptLayer, exceptions

from promptlayer_patch.demo.standin import UNKNOWN_MODEL
from promptlayer_patch.records import Ending
from tests.clients.conftest import Kept
from tests.clients.desk import ADA, HELLO, MODEL, blueprint, logged, template


@pytest.fixture
def promptlayer() -> PromptLayer:
    return PromptLayer()


def published(promptlayer: PromptLayer, name: str, *, model: str = MODEL, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = promptlayer.templates.publish(template(name, model=model, **more))
    return made


def test_a_proxied_call_is_kept_with_its_tags(promptlayer: PromptLayer, kept: Kept) -> None:
    client = promptlayer.openai.OpenAI()
    response, request_id = client.chat.completions.create(
        model=MODEL, messages=HELLO, pl_tags=["proxied", "chat"], return_pl_id=True
    )
    stored = kept[request_id]
    assert stored.record.function_name == "openai.chat.completions.create"
    assert stored.record.client == "OpenAI"
    assert stored.record.request == {"model": MODEL, "messages": HELLO}
    assert stored.record.response["choices"][0]["message"]["content"] == response.choices[0].message.content
    assert stored.record.tags == ("proxied", "chat")
    assert (stored.input_tokens, stored.output_tokens) == (
        response.usage.prompt_tokens,
        response.usage.completion_tokens,
    )


def test_a_proxied_call_without_options_is_kept_too(promptlayer: PromptLayer, kept: Kept) -> None:
    response = promptlayer.openai.OpenAI().chat.completions.create(model=MODEL, messages=HELLO)
    assert kept.newest()[0].record.response["id"] == response.id


def test_an_awaited_proxied_call_is_kept(promptlayer: PromptLayer, kept: Kept) -> None:
    async def call() -> Any:
        client = promptlayer.openai.AsyncOpenAI()
        return await client.chat.completions.create(model=MODEL, messages=HELLO, return_pl_id=True)

    response, request_id = asyncio.run(call())
    assert kept[request_id].record.client == "AsyncOpenAI"
    assert kept[request_id].record.response["id"] == response.id


def test_a_proxied_stream_is_kept_as_the_sdk_sends_it(promptlayer: PromptLayer, kept: Kept) -> None:
    """It sends the last chunk alone: the text is lost before it reaches the server."""
    stream = promptlayer.openai.OpenAI().chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, return_pl_id=True
    )
    parts = list(stream)
    stored = kept[parts[-1][1]]
    assert stored.record.streamed
    assert stored.record.response["choices"][0]["finish_reason"] == "stop"
    assert all(request_id is None for _, request_id in parts[:-1])


def test_an_awaited_proxied_stream_is_kept(promptlayer: PromptLayer, kept: Kept) -> None:
    async def call() -> list[Any]:
        stream = await promptlayer.openai.AsyncOpenAI().chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, return_pl_id=True
        )
        return [part async for part in stream]

    assert kept[asyncio.run(call())[-1][1]].record.streamed


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("responses", {"model": MODEL, "input": "Where is my order?"}),
        ("completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "Where is"}),
        ("embeddings", {"model": "text-embedding-3-small", "input": "an order"}),
    ],
)
def test_other_proxied_methods_are_kept_under_their_names(
    method: str, arguments: dict[str, Any], promptlayer: PromptLayer, kept: Kept
) -> None:
    client = promptlayer.openai.OpenAI()
    _, request_id = getattr(client, method).create(return_pl_id=True, **arguments)
    assert kept[request_id].record.function_name == f"openai.{method}.create"
    assert kept[request_id].record.request == arguments


def test_a_logged_request_is_kept_with_all_it_says(promptlayer: PromptLayer, kept: Kept) -> None:
    answer = promptlayer.log_request(
        **logged(
            parameters={"temperature": 0.1},
            tags=["logged"],
            metadata={"user": "42"},
            input_tokens=7,
            output_tokens=5,
            price=0.25,
            function_name="mine",
            score=90,
            score_name="accuracy",
            api_type="chat-completions",
        )
    )
    stored = kept[answer["id"]]
    assert stored.record.request["input"]["messages"][0]["content"][0]["text"] == "Where is my order?"
    assert stored.record.request["parameters"] == {"temperature": 0.1}
    assert stored.record.response["output"]["messages"][0]["content"][0]["text"] == "On its way."
    assert (stored.input_tokens, stored.output_tokens) == (7, 5)
    assert stored.record.tags == ("logged",)
    assert stored.metadata == {"user": "42"}
    assert stored.scores == {"accuracy": 90}
    assert stored.record.duration_s == pytest.approx(1.25, abs=0.01)


def test_a_failure_is_logged_as_one(promptlayer: PromptLayer, kept: Kept) -> None:
    answer = promptlayer.log_request(
        **logged(
            output={"type": "chat", "messages": []},
            status="ERROR",
            error_type="PROVIDER_TIMEOUT",
            error_message="too late",
        )
    )
    record = kept[answer["id"]].record
    assert record.ending is Ending.PROVIDER_ERROR
    assert record.error is not None
    assert record.error.message == "too late"


def test_a_request_is_logged_by_the_awaiting_client(kept: Kept) -> None:
    async def call() -> Any:
        return await AsyncPromptLayer().log_request(**logged(tags=["awaited"]))

    assert kept[asyncio.run(call())["id"]].record.tags == ("awaited",)


def test_what_is_logged_is_found_and_read_back(promptlayer: PromptLayer, kept: Kept) -> None:
    published(promptlayer, "found")
    answer = promptlayer.log_request(
        **logged(
            output=blueprint(("assistant", "The zebra is in the attic.")),
            tags=["findable"],
            metadata={"user": "77"},
            prompt_name="found",
            prompt_version_number=1,
        )
    )
    request_id = answer["id"]
    by_words = {"q": "zebra is in the att"}
    by_tag = {"filter_group": {"filters": [{"field": "tags", "operator": "contains", "value": "findable"}]}}
    by_user = {"field": "metadata", "operator": "key_equals", "nested_key": "user", "value": "77"}
    for asked in (by_words, by_tag, {"filter_group": {"filters": [by_user]}}):
        (item,) = kept.found(**asked)
        assert item["id"] == request_id
        assert (item["engine"], item["tags_array"], item["prompt_name"]) == (MODEL, ["findable"], "found")
    read = kept.client.get(f"/api/public/v2/requests/{request_id}").json()
    assert (read["provider"], read["model"], read["latency_ms"]) == (
        "openai",
        MODEL,
        pytest.approx(1250, abs=10),
    )
    said = [one["content"][0]["text"] for one in read["prompt_blueprint"]["prompt_template"]["messages"]]
    assert said == ["Where is my order?", "The zebra is in the attic."]


def test_what_is_tracked_is_kept(promptlayer: PromptLayer, kept: Kept) -> None:
    published(promptlayer, "tracked")
    request_id = promptlayer.log_request(**logged())["id"]
    group_id = promptlayer.group.create()
    track = promptlayer.track
    assert track.score(request_id=request_id, score=80) is True
    assert track.score(request_id=request_id, score=95, score_name="accuracy") is True
    assert track.metadata(request_id=request_id, metadata={"user": "42"}) is True
    assert track.group(request_id=request_id, group_id=group_id) is True
    assert track.prompt(request_id, "tracked", {"customer": "Ada"}) is True
    stored = kept[request_id]
    assert stored.scores == {"default": 80, "accuracy": 95}
    assert stored.metadata == {"user": "42"}
    assert stored.groups == (group_id,)
    assert stored.prompt is not None
    assert (stored.prompt.name, stored.prompt.version) == ("tracked", 1)
    assert stored.prompt.variables == {"customer": "Ada"}


def test_what_the_awaiting_client_tracks_is_kept(kept: Kept) -> None:
    """All but a prompt: 1.5.16 sends `throw_on_error` where the request id belongs."""

    async def call() -> tuple[int, int]:
        client = AsyncPromptLayer()
        request_id = (await client.log_request(**logged()))["id"]
        group_id = await client.group.create()
        assert await client.track.score(request_id=request_id, score=1) is True
        assert await client.track.metadata(request_id=request_id, metadata={"a": "b"}) is True
        assert await client.track.group(request_id=request_id, group_id=group_id) is True
        return request_id, group_id

    request_id, group_id = asyncio.run(call())
    stored = kept[request_id]
    assert (stored.scores, stored.metadata, stored.groups) == ({"default": 1}, {"a": "b"}, (group_id,))


def test_a_published_template_is_fetched_rendered(promptlayer: PromptLayer) -> None:
    made = published(
        promptlayer, "replies/café: 1", tags=["support"], commit_message="first", release_labels=["prod"]
    )
    assert (made["prompt_name"], made["tags"]) == ("replies/café: 1", ["support"])
    got = promptlayer.templates.get("replies/café: 1", {"input_variables": ADA, "label": "prod"})
    assert (got["id"], got["version"], got["commit_message"]) == (made["id"], 1, "first")
    assert [one["content"][0]["text"] for one in got["prompt_template"]["messages"]] == [
        "You help Ada.",
        "Where is my order?",
    ]
    assert got["llm_kwargs"]["model"] == MODEL
    assert got["llm_kwargs"]["temperature"] == 0.5
    assert len(got["llm_kwargs"]["messages"]) == 2


def test_an_older_version_is_fetched_by_its_number(promptlayer: PromptLayer) -> None:
    for message in ("one", "two"):
        published(promptlayer, "versions", commit_message=message)
    assert promptlayer.templates.get("versions")["commit_message"] == "two"
    assert promptlayer.templates.get("versions", {"version": 1})["commit_message"] == "one"


def test_templates_are_fetched_by_the_awaiting_client(promptlayer: PromptLayer) -> None:
    promptlayer.templates.publish({"prompt_name": "awaited", "prompt_template": blueprint(("user", "Hi"))})

    async def call() -> Any:
        client = AsyncPromptLayer()
        return await client.templates.get("awaited"), await client.templates.all(per_page=100)

    got, listed = asyncio.run(call())
    assert got["prompt_template"]["messages"][0]["content"][0]["text"] == "Hi"
    assert "awaited" in [one["prompt_name"] for one in listed]


def test_templates_are_listed_page_by_page(promptlayer: PromptLayer) -> None:
    names = [f"listed {number}" for number in range(3)]
    for name in names:
        published(promptlayer, name, release_labels=["listed"])
    assert [one["prompt_name"] for one in promptlayer.templates.all(label="listed")] == names[::-1]
    pages = [promptlayer.templates.all(page=page, per_page=2, label="listed") for page in (1, 2)]
    assert [len(page) for page in pages] == [2, 1]


def test_a_cached_template_is_rendered_by_the_sdk_itself(promptlayer: PromptLayer) -> None:
    published(promptlayer, "cached")
    caching = PromptLayer(cache_ttl_seconds=60)
    for name in ("Ada", "Grace"):
        got = caching.templates.get("cached", {"input_variables": {**ADA, "customer": name}})
        assert got["prompt_template"]["messages"][0]["content"][0]["text"] == f"You help {name}."


def test_a_run_is_kept_and_linked_to_its_template(promptlayer: PromptLayer, kept: Kept) -> None:
    made = published(promptlayer, "run")
    group_id = promptlayer.group.create()
    ran = promptlayer.run(
        "run", input_variables=ADA, tags=["ran"], metadata={"user": "42"}, group_id=group_id
    )
    stored = kept[ran["request_id"]]
    assert stored.record.function_name == "openai.chat.completions.create"
    assert stored.record.request["model"] == MODEL
    assert stored.record.response["id"] == ran["raw_response"].id
    assert (stored.record.tags, stored.metadata) == (("ran",), {"user": "42"})
    assert stored.groups == (group_id,)
    assert stored.prompt is not None
    assert (stored.prompt.id, stored.prompt.name, stored.prompt.version) == (made["id"], "run", 1)
    assert stored.prompt.variables == ADA
    answer = ran["prompt_blueprint"]["prompt_template"]["messages"][-1]
    assert answer["content"][-1]["text"] == ran["raw_response"].choices[0].message.content


def test_a_streamed_run_is_kept_whole(promptlayer: PromptLayer, kept: Kept) -> None:
    published(promptlayer, "streamed run")
    parts = list(promptlayer.run("streamed run", input_variables=ADA, stream=True))
    last = parts[-1]
    stored = kept[last["request_id"]]
    text = stored.record.response["choices"][0]["message"]["content"]
    assert text
    assert last["prompt_blueprint"]["prompt_template"]["messages"][-1]["content"][-1]["text"] == text
    assert stored.output_tokens


def test_an_awaited_run_is_kept(promptlayer: PromptLayer, kept: Kept) -> None:
    published(promptlayer, "awaited run")
    ran = asyncio.run(AsyncPromptLayer().run("awaited run", input_variables=ADA))
    assert kept[ran["request_id"]].record.response["id"] == ran["raw_response"].id


def test_a_run_whose_provider_refuses_is_kept_as_an_error(promptlayer: PromptLayer, kept: Kept) -> None:
    published(promptlayer, "refused", model=UNKNOWN_MODEL)
    with pytest.raises(openai.NotFoundError):
        promptlayer.run("refused", input_variables=ADA)
    (stored,) = kept.newest()
    assert stored.record.ending is Ending.PROVIDER_ERROR
    assert stored.record.error is not None
    assert "no-such-model" in stored.record.error.message


def test_a_wrong_key_is_told_as_such(kept: Kept) -> None:
    stranger = PromptLayer(api_key="pl_" + "0" * 32)
    with pytest.raises(exceptions.PromptLayerAuthenticationError):
        stranger.templates.get("anything")
    with pytest.raises(exceptions.PromptLayerAuthenticationError):
        stranger.group.create()


def test_what_is_not_there_is_told_as_such(promptlayer: PromptLayer) -> None:
    with pytest.raises(exceptions.PromptLayerNotFoundError):
        promptlayer.templates.get("no such template")
    with pytest.raises(exceptions.PromptLayerNotFoundError):
        promptlayer.track.group(request_id=1, group_id=promptlayer.group.create())


def test_what_makes_no_sense_is_told_as_such(promptlayer: PromptLayer) -> None:
    published(promptlayer, "either or")
    request_id = promptlayer.log_request(**logged())["id"]
    # Some of its methods wrap the exact error in this one.
    with pytest.raises(exceptions.PromptLayerAPIError, match="a version or a label"):
        promptlayer.track.prompt(request_id, "either or", {}, version=1, label="prod")


def test_what_is_malformed_is_told_as_such(promptlayer: PromptLayer) -> None:
    with pytest.raises(exceptions.PromptLayerUnprocessableEntityError, match="request_id"):
        promptlayer.track.group(request_id="no id", group_id=1)


def test_a_failed_log_does_not_cost_the_result_of_the_call(kept: Kept) -> None:
    stranger = PromptLayer(api_key="pl_" + "0" * 32)
    before = kept.store.count()
    answer = stranger.openai.OpenAI().chat.completions.create(model=MODEL, messages=HELLO, return_pl_id=True)
    assert answer[0].choices[0].message.content
    assert answer[1] is None
    assert kept.store.count() == before
