"""Spans that tell of calls to models become the requests they tell of, however they say it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch._blueprint import Usage, facts_of
from promptlayer_patch._spans.genai import SpanRequest, managed_by, record_id_of, request_of
from promptlayer_patch._spans.labels import PromptReference
from promptlayer_patch._spans.model import Event, Span
from promptlayer_patch.records import Ending, Failure, Record

TRACE = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"
SPAN = "1a2b3c4d5e6f7a8b"
START = 1_700_000_000_000_000_000
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
}


def a_span(attributes: dict[str, Any], **fields: Any) -> Span:
    defaults: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "name": "chat gpt-4o",
        "kind": 3,
        "start_ns": START,
        "end_ns": START + 1_500_000_000,
    }
    return Span(**{**defaults, **fields}, attributes=attributes)


def told(attributes: dict[str, Any], **fields: Any) -> SpanRequest:
    request = request_of(a_span(attributes, **fields))
    assert request is not None
    return request


def record(attributes: dict[str, Any], **fields: Any) -> Record:
    return told({**CHAT, **attributes}, **fields).record


def sent(attributes: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = record(attributes, **fields).request["input"]["messages"]
    return messages


def answered(attributes: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = record(attributes, **fields).response["output"]["messages"]
    return messages


def says(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}], **more}


def calls(name: str, arguments: str, call_id: str = "call_1") -> list[dict[str, Any]]:
    return [{"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}]


# --- which spans


@pytest.mark.parametrize(
    "attributes",
    [
        CHAT,
        {"gen_ai.request.model": "gpt-4", "gen_ai.provider.name": "openai"},
        {"gen_ai.response.model": "gpt-4", "gen_ai.system": "openai"},
        {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"},
        {"gen_ai.operation.name": "chat"},
        {"node_type": "LLM_CALL", "gen_ai.provider.name": "openai"},
        {**CHAT, "node_type": "PROMPT_TEMPLATE"},
    ],
)
def test_a_span_of_a_call_becomes_a_request(attributes: dict[str, Any]) -> None:
    assert request_of(a_span(attributes)) is not None


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"function_input": "{}", "function_output": "1", "tool.name": "x"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o"},
        {**CHAT, "node_type": "LLM_SESSION"},
        {**CHAT, "promptlayer.request_log.managed": True, "promptlayer.request_log.span_id": SPAN},
        {"gen_ai.request.model": 5},
    ],
)
def test_other_spans_become_none(attributes: dict[str, Any]) -> None:
    assert request_of(a_span(attributes)) is None


def test_a_span_that_the_client_logs_itself_says_whose_request_it_belongs_to() -> None:
    managed = {"promptlayer.request_log.managed": True, "promptlayer.request_log.span_id": "ab" * 8}
    assert managed_by(a_span(managed)) == "ab" * 8
    assert managed_by(a_span({"promptlayer.request_log.managed": True})) == SPAN
    assert managed_by(a_span({"promptlayer.request_log.managed": False})) is None


def test_a_span_has_the_same_record_id_however_often_it_is_sent() -> None:
    first, again = a_span(CHAT), a_span({}, name="other")
    assert record_id_of(first) == record_id_of(again)
    assert record_id_of(first) != record_id_of(a_span(CHAT, span_id="2" * 16))
    assert len(record_id_of(first)) == 32


# --- the producers, each in its own words


def test_openai_instrumented_by_promptlayers_python_client() -> None:
    span = told(
        {
            **CHAT,
            "gen_ai.input.messages": json.dumps(
                [
                    {"role": "system", "parts": [{"content": "be brief", "type": "text"}], "name": None},
                    {"role": "user", "parts": [{"content": "hi", "type": "text"}], "name": None},
                ]
            ),
            "gen_ai.output.messages": json.dumps(
                [
                    {
                        "role": "assistant",
                        "parts": [{"content": "Hello", "type": "text"}],
                        "finish_reason": "stop",
                        "name": None,
                    }
                ]
            ),
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 10,
            "gen_ai.request.stream": True,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 3,
            "promptlayer.telemetry.source": "promptlayer-python",
            "promptlayer.telemetry.source_version": "1.5.16",
            "promptlayer.provider.type": "openai",
            "promptlayer.api.type": "chat-completions",
        },
        scope_name="opentelemetry.util.genai.handler",
    )
    assert span == SpanRequest(
        Record(
            id=record_id_of(a_span({})),
            function_name="openai.chat.completions.create",
            provider="openai",
            request={
                "model": "gpt-4o",
                "input": {"type": "chat", "messages": [says("system", "be brief"), says("user", "hi")]},
                "parameters": {"temperature": 0.5, "max_tokens": 10, "stream": True},
            },
            response={
                "output": {"type": "chat", "messages": [says("assistant", "Hello")]},
                "id": "chatcmpl-1",
                "finish_reasons": ["stop"],
                "usage": {"prompt_tokens": 12, "completion_tokens": 3},
            },
            streamed=True,
            started_at=1_700_000_000.0,
            ended_at=1_700_000_001.5,
            first_token_at=1_700_000_000.25,
            sdk="promptlayer-python",
            sdk_version="1.5.16",
        ),
        "chat-completions",
        None,
    )


def test_tool_calls_and_their_answers_in_parts() -> None:
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": "weather?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"a": 1}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]},
    ]
    tools = [{"name": "f", "description": "d", "parameters": {"type": "object"}, "type": "function"}]
    made = record(
        {"gen_ai.input.messages": json.dumps(messages), "gen_ai.tool.definitions": json.dumps(tools)}
    )
    assert made.request["input"]["messages"] == [
        says("user", "weather?"),
        {"role": "assistant", "content": [], "tool_calls": calls("f", '{"a": 1}')},
        says("tool", "sunny", tool_call_id="call_1"),
    ]
    assert made.request["input"]["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    ]
    assert "tools" not in made.request["parameters"]


def test_messages_that_are_no_json_but_data() -> None:
    """OTLP can hold lists and objects, and newer instrumentations write them so."""
    messages = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    assert sent({"gen_ai.input.messages": messages}) == [says("user", "hi")]


def test_instructions_come_first() -> None:
    said = {"gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]'}
    for instructions in ('[{"type":"text","content":"be brief"}]', "be brief"):
        attributes = {**said, "gen_ai.system_instructions": instructions}
        assert sent(attributes) == [says("system", "be brief"), says("user", "hi")]


def test_every_kind_of_part() -> None:
    parts = [
        {"type": "reasoning", "content": "hm"},
        {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="},
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "aGk="},
        {"type": "file", "file_id": "f1"},
        "plain",
    ]
    attributes = {"gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}])}
    assert sent(attributes)[0]["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {
            "type": "media",
            "media": {"title": "media", "type": "audio/wav", "url": "aGk=", "format": "base64"},
        },
        {"type": "text", "text": '{"type": "file", "file_id": "f1"}'},
        {"type": "text", "text": "plain"},
    ]


def test_flattened_messages_of_the_plugins() -> None:
    attributes = {
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "be brief",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "weather?",
        "gen_ai.prompt.2.role": "assistant",
        "gen_ai.prompt.2.tool_calls": json.dumps(calls("f", "{}")),
        "gen_ai.prompt.3.role": "tool",
        "gen_ai.prompt.3.tool_call_id": "call_1",
        "gen_ai.prompt.3.content": "sunny",
        "gen_ai.prompt.10.role": "user",
        "gen_ai.prompt.10.content": "thanks",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Bye",
        "gen_ai.completion.0.thinking": "hm",
    }
    assert sent(attributes) == [
        says("system", "be brief"),
        says("user", "weather?"),
        {"role": "assistant", "content": [], "tool_calls": calls("f", "{}")},
        says("tool", "sunny", tool_call_id="call_1"),
        says("user", "thanks"),
    ]
    thought = {"type": "thinking", "thinking": "hm"}
    assert answered(attributes) == [
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Bye"}]}
    ]


def test_a_call_of_promptlayers_plugin_for_claude() -> None:
    """It writes a text of no length beside calls of tools, and calls its calls prompt templates."""
    made = told(
        {
            "source": "claude-code",
            "node_type": "PROMPT_TEMPLATE",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "list files",
            "gen_ai.completion.0.finish_reason": "tool_use",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "",
            "gen_ai.completion.0.tool_calls": json.dumps(calls("ls", "{}")),
        }
    )
    assert (made.record.function_name, made.api_type) == ("anthropic.messages.create", "messages")
    assert made.record.response["output"]["messages"] == [
        {"role": "assistant", "content": [], "tool_calls": calls("ls", "{}")}
    ]


def test_a_call_of_promptlayers_plugin_for_openais_agents() -> None:
    """It names no operation, and the API as the provider; a thought is a message of its own."""
    made = told(
        {
            "node_type": "LLM_CALL",
            "gen_ai.provider.name": "openai.responses",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "hello",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.thinking": "hm",
            "gen_ai.completion.1.role": "assistant",
            "gen_ai.completion.1.content": "Good day",
            "gen_ai.usage.reasoning.output_tokens": 2,
        }
    )
    assert (made.record.function_name, made.api_type) == ("openai.responses.create", "responses")
    assert made.record.response["output"]["messages"] == [
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]},
        says("assistant", "Good day"),
    ]


def test_tool_calls_that_are_flattened_to_the_last_field() -> None:
    attributes = {
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.id": "call_1",
        "gen_ai.completion.0.tool_calls.0.name": "f",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"a": 1}',
        "gen_ai.completion.0.tool_calls.1.id": "call_2",
        "gen_ai.completion.0.tool_calls.1.function.name": "g",
        "gen_ai.completion.0.tool_calls.1.function.arguments": "{}",
    }
    (message,) = answered(attributes)
    assert message["tool_calls"] == calls("f", '{"a": 1}') + calls("g", "{}", "call_2")


def test_messages_as_events() -> None:
    events = (
        Event("gen_ai.system.message", 1, {"content": "be brief"}),
        Event("gen_ai.user.message", 2, {"content": "weather?"}),
        Event("gen_ai.assistant.message", 3, {"tool_calls": json.dumps(calls("f", "{}"))}),
        Event("gen_ai.tool.message", 4, {"id": "call_1", "content": "sunny"}),
        Event("gen_ai.choice", 5, {"index": 0, "finish_reason": "stop", "message": '{"content": "Sunny."}'}),
        Event("gen_ai.choice", 6, {"index": 1, "content": "Sun!"}),
        Event("unrelated", 7, {"content": "no message"}),
    )
    assert sent({}, events=events) == [
        says("system", "be brief"),
        says("user", "weather?"),
        {"role": "assistant", "content": [], "tool_calls": calls("f", "{}")},
        says("tool", "sunny", tool_call_id="call_1"),
    ]
    assert answered({}, events=events) == [says("assistant", "Sunny."), says("assistant", "Sun!")]


def test_events_whose_fields_are_one_attribute() -> None:
    event = Event("gen_ai.user.message", 1, {"gen_ai.event.content": '{"role": "user", "content": "hi"}'})
    assert sent({}, events=(event,)) == [says("user", "hi")]


def test_the_event_with_the_details_of_an_inference() -> None:
    messages = '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]'
    event = Event("gen_ai.client.inference.operation.details", 1, {"gen_ai.input.messages": messages})
    assert sent({}, events=(event,)) == [says("user", "hi")]


def test_attributes_win_over_events() -> None:
    attributes = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "attribute"}
    event = Event("gen_ai.user.message", 1, {"content": "event"})
    assert sent(attributes, events=(event,)) == [says("user", "attribute")]


def test_a_text_that_looks_like_json_stays_what_was_said() -> None:
    for text in ('{"a": 1}', "[1, 2]", '[{"type": "mystery"}]', "[not json"):
        assert sent({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": text}) == [says("user", text)]


def test_content_that_is_a_list_of_parts_as_json() -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://a/b"}}]
    attributes = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": json.dumps(parts)}
    assert sent(attributes) == [{"role": "user", "content": parts}]


def test_a_completion_is_a_template_of_text() -> None:
    made = told(
        {
            "gen_ai.operation.name": "text_completion",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-3.5-turbo-instruct",
            "gen_ai.prompt.0.content": "Once",
            "gen_ai.completion.0.content": " upon",
        }
    ).record
    assert made.function_name == "openai.completions.create"
    assert made.request["input"]["type"] == made.response["output"]["type"] == "completion"
    assert made.request["input"]["content"] == [{"type": "text", "text": "Once"}]
    assert made.response["output"]["content"] == [{"type": "text", "text": " upon"}]


def test_what_no_one_recorded_is_empty_not_wrong() -> None:
    """Most instrumentations leave content out unless they are told to record it."""
    made = record({})
    assert made.request["input"] == {"type": "chat", "messages": []}
    assert made.response == {"output": {"type": "chat", "messages": []}}


# --- names, numbers, labels


@pytest.mark.parametrize(
    ("attributes", "provider", "function_name"),
    [
        ({"gen_ai.provider.name": "openai"}, "openai", "openai.chat.completions.create"),
        ({"gen_ai.system": "openai"}, "openai", "openai.chat.completions.create"),
        (
            {"promptlayer.api.type": "responses", "gen_ai.system": "openai"},
            "openai",
            "openai.responses.create",
        ),
        ({"gen_ai.provider.name": "openai.responses"}, "openai", "openai.responses.create"),
        ({"gen_ai.system": "az.ai.openai"}, "openai.azure", "openai.AzureOpenAI.chat.completions.create"),
        ({"promptlayer.provider.type": "openai.azure", "gen_ai.system": "openai"}, "openai.azure", None),
        ({"gen_ai.provider.name": "openai", "server.address": "me.openai.azure.com"}, "openai.azure", None),
        ({"gen_ai.provider.name": "anthropic"}, "anthropic", "anthropic.messages.create"),
        ({"gen_ai.provider.name": "gcp.gemini"}, "google", "google.convo.send_message"),
        ({"gen_ai.provider.name": "aws.bedrock"}, "amazon.bedrock", "boto3.bedrock-runtime.converse"),
        ({"gen_ai.provider.name": "mistral_ai"}, "mistral", "mistral.client.chat"),
        ({"gen_ai.provider.name": "groq"}, "groq", "groq.chat"),
        ({}, "", "chat"),
    ],
)
def test_provider_and_function_have_promptlayers_names(
    attributes: dict[str, Any], provider: str, function_name: str | None
) -> None:
    made = told({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}).record
    assert made.provider == provider
    assert function_name in (None, made.function_name)


def test_embeddings_are_embeddings() -> None:
    made = told({**CHAT, "gen_ai.operation.name": "embeddings"})
    assert (made.record.function_name, made.api_type) == ("openai.embeddings.create", "embeddings")


def test_tokens_in_old_and_new_names() -> None:
    new = record({"gen_ai.usage.input_tokens": "25", "gen_ai.usage.output_tokens": 120})
    old = record({"gen_ai.usage.prompt_tokens": 25, "gen_ai.usage.completion_tokens": 120.0})
    usage = {"prompt_tokens": 25, "completion_tokens": 120}
    assert new.response["usage"] == old.response["usage"] == usage


def test_cached_and_reasoning_tokens() -> None:
    made = record(
        {
            "gen_ai.usage.input_tokens": 20,
            "gen_ai.usage.output_tokens": 9,
            "gen_ai.usage.cache_read.input_tokens": 5,
            "gen_ai.usage.cache_creation.input_tokens": 6,
            "gen_ai.usage.reasoning_tokens": 7,
        }
    )
    assert facts_of(made).usage == Usage(
        input_tokens=20, output_tokens=9, cached_tokens=5, cache_write_tokens=6, thinking_tokens=7
    )


@pytest.mark.parametrize("wrong", [-1, True, "many", 1.5, 2**60, None, [1]])
def test_numbers_that_count_nothing_are_unknown(wrong: object) -> None:
    assert "usage" not in record({"gen_ai.usage.input_tokens": wrong}).response


def test_parameters_have_openais_names() -> None:
    parameters = {
        "gen_ai.request.top_p": 0.1,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.stop_sequences": ["\n"],
        "gen_ai.openai.request.service_tier": "flex",
        "gen_ai.request.": "nothing",
    }
    wanted = {"top_p": 0.1, "n": 2, "stop": ["\n"], "service_tier": "flex"}
    assert record(parameters).request["parameters"] == wanted


def test_the_model_that_answered_stands_in_for_the_one_that_was_asked() -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o-2024-08-06"}
    assert told(attributes).record.model == "gpt-4o-2024-08-06"


def test_metadata_of_the_span_and_of_its_program() -> None:
    """What is named wins over what is known by another name, and the span over its program."""
    resource = {
        "promptlayer.metadata.team": "blue",
        "promptlayer.metadata.stage": "test",
        "user.id": "of the program",
        "session.id": "s0",
        "service.name": "no metadata",
    }
    attributes = {
        "promptlayer.metadata.stage": "prod",
        "promptlayer.metadata.count": 3,
        "promptlayer.metadata.on": True,
        "promptlayer.metadata." + "k" * 2000: "too long a key for PromptLayer",
        "promptlayer.metadata.": "no key",
        "enduser.id": "u1",
        "gen_ai.conversation.id": "c1",
        "session.id": "s1",
    }
    assert record(attributes, resource=resource).metadata == {
        "team": "blue",
        "stage": "prod",
        "count": "3",
        "on": "true",
        "user_id": "u1",
        "conversation_id": "c1",
    }


def test_a_named_user_wins_over_a_known_one() -> None:
    attributes = {"promptlayer.metadata.user_id": "named", "user.id": "known"}
    assert record(attributes).metadata == {"user_id": "named"}


@pytest.mark.parametrize(
    ("attributes", "reference"),
    [
        (
            {"promptlayer.prompt.name": "p", "promptlayer.prompt.version": "2"},
            PromptReference("p", version=2),
        ),
        (
            {"promptlayer.prompt.name": "p", "promptlayer.prompt.label": "prod"},
            PromptReference("p", label="prod"),
        ),
        ({"promptlayer.prompt.id": "7", "promptlayer.prompt.version": 3}, PromptReference(id=7, version=3)),
        (
            {
                "promptlayer.prompt.name": "p",
                "promptlayer.prompt.id": "7",
                "promptlayer.prompt.version": "2",
                "promptlayer.prompt.label": "prod",
            },
            PromptReference("p", 7, version=2),
        ),
        ({"promptlayer.prompt.version": 3}, None),
    ],
)
def test_the_prompt_template_it_was_made_from(
    attributes: dict[str, Any], reference: PromptReference | None
) -> None:
    assert told({**CHAT, **attributes}).prompt == reference


def test_an_error_is_never_a_success() -> None:
    failed = record({"error.type": "RateLimitError"}, status_code=2, status_message="slow down")
    assert (failed.ending, failed.error) == (Ending.PROVIDER_ERROR, Failure("RateLimitError", "slow down"))


def test_an_error_that_only_its_exception_tells_of() -> None:
    thrown = Event("exception", 1, {"exception.type": "APITimeoutError", "exception.message": "timed out"})
    failed = record({"http.response.status_code": 504}, status_code=2, events=(thrown,))
    assert failed.error == Failure("APITimeoutError", "timed out", 504)


# --- anything

FIELDS = ["role", "content", "parts", "type", "text", "name", "id", "arguments", "function"]
texts = st.text(max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=10,
)
KEYS = [
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "gen_ai.provider.name",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.prompt",
    "gen_ai.prompt.0.content",
    "gen_ai.prompt.0.content.type",
    "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.tool_calls",
    "gen_ai.completion.1.tool_calls.0.name",
    "gen_ai.completion.1.tool_calls",
    "gen_ai.tool.definitions",
    "gen_ai.usage.input_tokens",
    "gen_ai.request.temperature",
    "gen_ai.response.finish_reasons",
    "gen_ai.request.stream",
    "gen_ai.response.time_to_first_chunk",
    "error.type",
    "user.id",
    "promptlayer.metadata.a",
    "promptlayer.prompt.id",
    "node_type",
    "promptlayer.request_log.managed",
    "promptlayer.request_log.span_id",
    "message",
    "content",
    "tool_calls",
    "id",
    "gen_ai.event.content",
]
attributes = st.dictionaries(st.sampled_from(KEYS), anything | anything.map(json.dumps), max_size=8)
events = st.builds(
    Event,
    st.sampled_from(["gen_ai.user.message", "gen_ai.tool.message", "gen_ai.choice", "exception", "x"]),
    st.just(1),
    attributes,
)


@settings(deadline=None, max_examples=200)
@given(attributes, st.lists(events, max_size=3), st.integers(0, 2))
def test_any_attributes_make_a_request_that_can_be_stored_or_none(
    said: dict[str, Any], happened: list[Event], status: int
) -> None:
    span = a_span({"gen_ai.operation.name": "chat", **said}, events=tuple(happened), status_code=status)
    request = request_of(span)
    if request is not None:
        json.dumps([request.record.request, request.record.response], allow_nan=False)
        assert all(isinstance(value, str) for value in request.record.metadata.values())
        for template in (request.record.request["input"], request.record.response["output"]):
            for message in template.get("messages", []):
                assert all(isinstance(block, dict) and block["type"] for block in message["content"])


def test_json_in_an_attribute_that_is_nested_too_deep_is_text() -> None:
    """What reads the request later may walk it by recursion."""
    for depth in (100, 100_000):
        deep = "[" * depth + "]" * depth
        assert sent({"gen_ai.input.messages": deep}) == [says("user", deep)]


def test_many_messages_take_no_longer_than_their_number() -> None:
    flattened = {f"gen_ai.prompt.{n}.content": "x" for n in range(20_000)}
    assert len(sent(flattened)) == 20_000
