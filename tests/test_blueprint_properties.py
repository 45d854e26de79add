"""What holds for blueprints and facts of any JSON: nothing is raised, nothing changed, nothing unbounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch._blueprint import (
    OUTPUT_PATHS,
    OUTPUT_VALUES,
    TEXT_CHARS,
    VALUE_CHARS,
    blueprint_of,
    facts_of,
    input_of,
    output_of,
)
from promptlayer_patch.records import Record

KEYS = (
    *("messages", "input", "instructions", "prompt", "suffix", "system", "args", "model", "engine", "tools"),
    *("tool_choice", "functions", "function_call", "parameters", "thread", "tool_outputs", "image", "file"),
    *("choices", "message", "delta", "role", "content", "text", "output", "data", "results", "completion"),
    *("object", "usage", "llm_output", "token_usage", "prompt_tokens", "input_tokens", "error", "bytes"),
    *("type", "name", "arguments", "tool_calls", "function", "custom", "id", "call_id", "summary", "action"),
    *("annotations", "audio", "reasoning_content", "refusal", "image_url", "url", "detail", "input_audio"),
    *("source", "thinking", "tool_use_id", "outputs", "code", "result", "b64_json", "embedding", "flagged"),
    *("steps", "step_details", "required_action", "submit_tool_outputs", "variables", "categories"),
)
KINDS = (
    *("text", "input_text", "output_text", "image_url", "input_image", "input_audio", "file", "input_file"),
    *("refusal", "thinking", "tool_use", "tool_result", "image", "document", "message", "function_call"),
    *("function_call_output", "custom_tool_call", "reasoning", "web_search_call", "code_interpreter_call"),
    *("image_generation_call", "computer_call", "mcp_call", "shell_call_output", "local_shell_call", "chat"),
    *("mcp_approval_response", "completion", "function", "custom", "url_citation", "thread.run", "code"),
    *("user", "assistant", "system", "tool", "wav", "logs", '{"a": {"b": [1, 2]}}', "server_tool_use"),
)
NAMES = (
    *("openai.chat.completions.create", "openai.OpenAI.responses.create", "openai.Completion.create", ""),
    *("openai.images.generate", "openai.embeddings.create", "openai.audio.speech.create"),
    *("openai.audio.transcriptions.create", "openai.moderations.create", "openai.beta.threads.runs.create"),
    *("anthropic.messages.create", "langchain.PromptLayerOpenAI", "google.convo.send_message"),
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(KINDS)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=30,
)
objects = st.dictionaries(st.sampled_from(KEYS), anything, max_size=6)


def a_record(function_name: str, request: Any, response: Any) -> Record:
    return Record(id="0" * 32, function_name=function_name, request=request, response=response)


def contents_of(template: dict[str, Any]) -> Iterator[Any]:
    if template["type"] == "completion":
        yield template["content"]
    else:
        for message in template["messages"]:
            assert isinstance(message["role"], str)
            yield message["content"]


def check(record: Record) -> None:
    """Blueprint, templates and facts of `record` exist, have their form, and keep to their bounds."""
    asked, answered, blueprint = input_of(record), output_of(record), blueprint_of(record)
    for template in (asked, answered, blueprint["prompt_template"]):
        for content in contents_of(template):
            assert isinstance(content, list)
            assert all(isinstance(block, dict) for block in content)
    facts = facts_of(record)
    assert facts.shape in ("json", "tool_call", "plain_text")
    assert len(facts.input_text) <= TEXT_CHARS
    assert len(facts.output_text) <= TEXT_CHARS
    assert len(facts.output_values) <= OUTPUT_PATHS
    values = [value for group in facts.output_values.values() for value in group]
    assert len(values) <= OUTPUT_VALUES
    assert all(isinstance(value, str) and len(value) <= VALUE_CHARS for value in values)
    assert all(isinstance(name, str) and name for name in facts.tool_names)
    assert len(facts.tool_names) <= facts.tool_call_count


@given(name=st.sampled_from(NAMES) | st.text(max_size=30), request=objects, response=anything | objects)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_has_a_blueprint_and_is_left_as_it_is(name: str, request: Any, response: Any) -> None:
    before = json.dumps([request, response])
    record = a_record(name, request, response)
    check(record)
    assert json.loads(json.dumps(blueprint_of(record), allow_nan=False)) is not None
    assert json.dumps([request, response]) == before


def nested(value: Any, wrap: Any, depth: int = 1000) -> Any:
    for _ in range(depth):
        value = wrap(value)
    return value


DEEP = {
    "lists": nested("x", lambda inner: [inner]),
    "objects": nested("x", lambda inner: {"content": inner}),
    "results of tools": nested("x", lambda inner: [{"type": "tool_result", "content": inner}]),
    "messages": nested("x", lambda inner: [{"role": "user", "content": inner}]),
    "items": nested("x", lambda inner: [{"type": "function_call_output", "output": inner}]),
    "text": "[" * 100_000,
    "an object": '{"a":' * 100_000 + "}" * 100_000,
}


PAIRS = (
    ("messages", "choices"),
    ("input", "output"),
    ("prompt", "text"),
    ("args", "content"),
    ("tools", "data"),
)
"""Where a value may stand in a request, and where in a response."""


@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP)
def test_nesting_has_no_depth_that_is_too_much(deep: Any) -> None:
    for asked, answered in PAIRS:
        check(a_record(NAMES[0], {asked: deep}, {answered: deep}))
    message = {"content": deep, "tool_calls": deep, "audio": deep}
    check(a_record(NAMES[1], {"input": deep}, {"output": [{"type": "dream_call", "about": deep}]}))
    check(
        a_record(
            NAMES[0], {"messages": [{"role": "user", "content": deep}]}, {"choices": [{"message": message}]}
        )
    )
    check(a_record("", {"args": deep, "tools": [{"type": "custom", "custom": deep}]}, deep))


LONG = {
    "numbers": [7] * 30_000,
    "texts": ["abc"] * 10_000,
    "objects": [{"type": "text", "text": "abc", "role": "user", "content": "abc"}] * 10_000,
    "a text": "abcdefgh " * 200_000,
    "a number": 10**5000,
    "an object as text": json.dumps(
        {"rows": [{"name": f"n{number}", f"k{number}": number} for number in range(20_000)]}
    ),
    "a name": {"k" * 1_000_000: {"k" * 1_000_000: 1}},
}


@pytest.mark.parametrize("long", LONG.values(), ids=LONG)
def test_what_is_searched_of_a_huge_record_is_bounded(long: Any) -> None:
    for name, (asked, answered) in zip(NAMES, PAIRS, strict=False):
        check(a_record(name, {asked: long}, {answered: long}))
    calls = [{"function": {"name": "f", "arguments": long}}]
    check(a_record("", {}, {"choices": [{"message": {"content": long, "tool_calls": calls}}]}))


def test_the_values_of_a_large_object_are_the_first_ones() -> None:
    record = a_record("", {}, {"choices": [{"text": LONG["an object as text"]}]})
    facts = facts_of(record)
    assert facts.shape == "json"
    assert facts.output_values["rows.name"][:2] == ("n0", "n1")
    assert facts.output_values["rows.k0"] == ("0",)
    assert len(facts.output_values) == OUTPUT_PATHS


texts = st.text(max_size=40) | st.sampled_from(('{"a": {"b": [1, 2]}}', " {", "x" * 70, "[user]: y"))
beside = st.dictionaries(
    st.sampled_from(("tool_calls", "function_call", "refusal", "audio", "reasoning_content", "annotations")),
    st.none() | st.just([]) | anything,
    max_size=2,
)


def in_parts(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": [{"type": "text", "text": message["content"]}]}


@given(
    roles=st.lists(
        st.sampled_from(("system", "user", "assistant", "tool", "placeholder")) | st.text(max_size=70)
    ),
    data=st.data(),
)
def test_a_text_is_known_by_the_same_facts_as_a_list_of_that_one_text(
    roles: list[str], data: st.DataObject
) -> None:
    """Chats of texts alone, which nearly all are, are read on a short path of their own."""
    messages = [{**data.draw(beside), "role": role, "content": data.draw(texts)} for role in roles]
    answer = {**data.draw(beside), "role": "assistant", "content": data.draw(texts)}
    usage = data.draw(st.none() | st.dictionaries(st.sampled_from(KEYS), scalars, max_size=3))

    def facts(form: Any) -> Any:
        request = {"model": "gpt-4o", "messages": [form(message) for message in messages]}
        response = {"choices": [{"index": 0, "message": form(answer)}], "usage": usage}
        return facts_of(a_record("openai.chat.completions.create", request, response))

    assert facts(dict) == facts(in_parts)
