"""A raw call of chat or text completions becomes PromptLayer's blueprint, and what is searched of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptlayer_patch._blueprint import (
    TEXT_CHARS,
    Usage,
    blueprint_of,
    facts_of,
    input_of,
    output_of,
)
from promptlayer_patch._refining.media import with_digests
from promptlayer_patch._refining.shortening import shortened
from promptlayer_patch.records import Record

QUESTION = {"role": "user", "content": "What is the capital of Japan?"}


def a_record(
    request: Any, response: Any = None, name: str = "openai.chat.completions.create", provider: str = "openai"
) -> Record:
    return Record(
        id="0" * 32, function_name=name, provider=provider, request=request, response=response, status=200
    )


def a_chat(*messages: Any, answer: Any = None, **arguments: Any) -> Record:
    response = None if answer is None else {"choices": [{"index": 0, "message": answer}]}
    return a_record({"model": "gpt-4o", "messages": list(messages), **arguments}, response)


def text(said: str, **other: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, "id": None, "annotations": None, **other}


def contents(template: dict[str, Any]) -> list[Any]:
    return [message["content"] for message in template["messages"]]


def sent(*parts: Any) -> list[Any]:
    """The blocks that the parts of a user's message become."""
    (content,) = contents(input_of(a_chat({"role": "user", "content": list(parts)})))
    return list(content)


def answered(message: Any) -> dict[str, Any]:
    (made,) = output_of(a_chat(QUESTION, answer=message))["messages"]
    return dict(made)


def test_a_blueprint_is_the_messages_sent_then_the_answer() -> None:
    record = a_chat(QUESTION, answer={"role": "assistant", "content": "Tokyo."})
    template = blueprint_of(record)["prompt_template"]
    assert [message["role"] for message in template["messages"]] == ["user", "assistant"]
    assert template["messages"] == input_of(record)["messages"] + output_of(record)["messages"]
    assert template["messages"][-1]["content"][-1]["text"] == "Tokyo."


def test_a_call_without_an_answer_is_shown_as_it_was_sent() -> None:
    record = a_chat(QUESTION)
    assert output_of(record)["messages"] == []
    assert blueprint_of(record)["prompt_template"]["messages"] == input_of(record)["messages"]
    for failed in ({}, {"error": {"message": "no", "type": "invalid_request_error"}}, ""):
        assert output_of(a_record(record.request, failed))["messages"] == []


def test_the_model_is_the_one_that_was_asked_with_its_parameters() -> None:
    record = a_chat(QUESTION, temperature=0.7, n=2, stream=False, stop=None, response_format={"type": "text"})
    model = blueprint_of(record)["metadata"]["model"]
    assert (model["name"], model["provider"], model["api_type"]) == ("gpt-4o", "openai", "chat-completions")
    assert model["parameters"] == {
        "temperature": 0.7,
        "n": 2,
        "stream": False,
        "stop": None,
        "response_format": {"type": "text"},
    }
    assert model["display_params"] == {**model["parameters"], "temperature": "0.7", "n": "2"}


def test_tools_belong_to_the_template_and_not_to_the_parameters() -> None:
    function = {"name": "weather", "parameters": {"type": "object"}}
    record = a_chat(
        QUESTION,
        tools=[{"type": "function", "function": function}, {"type": "custom", "custom": {"name": "sql"}}],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        functions=[function],
        function_call="auto",
    )
    template = input_of(record)
    assert template["tools"][0] == {
        "type": "function",
        "function": {**function, "description": "", "strict": False},
    }
    assert template["tools"][1]["name"] == "sql"
    assert template["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert (template["functions"], template["function_call"]) == ([function], "auto")
    assert facts_of(record).parameters == {}


def test_the_parts_of_a_message_are_blocks() -> None:
    assert sent({"type": "text", "text": "hi"}, "ho") == [text("hi"), text("ho")]
    (image,) = sent({"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}})
    assert image["image_url"] == {"url": "https://a/b.png", "detail": "low"}
    (sound,) = sent({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}})
    assert sound["media"] == {"title": "audio", "type": "audio/mp3", "url": "AAAA", "format": "base64"}
    (file,) = sent(
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}}
    )
    assert (file["media"]["title"], file["media"]["type"]) == ("a.pdf", "application/pdf")
    (kept,) = sent({"type": "file", "file": {"file_id": "file-1"}})
    assert kept["media"] == {
        "title": "file-1",
        "type": "application/octet-stream",
        "url": None,
        "format": "neither",
    }
    assert sent({"type": "refusal", "refusal": "no"}) == [text("no")]
    assert json.loads(sent({"type": "hologram", "size": 3})[0]["text"]) == {"type": "hologram", "size": 3}


def test_every_role_keeps_what_is_its_own() -> None:
    messages = input_of(
        a_chat(
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi", "name": "ada"},
            {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "done"},
        )
    )["messages"]
    assert [one["role"] for one in messages] == [
        *("developer", "user", "assistant", "tool", "assistant", "function")
    ]
    assert [one["raw_request_display_role"] for one in messages] == [one["role"] for one in messages]
    assert messages[1]["name"] == "ada"
    assert messages[2]["content"] == []
    assert messages[2]["tool_calls"][0]["function"] == TOOL_CALL["function"]
    assert (messages[3]["tool_call_id"], messages[3]["content"]) == ("call_1", [text("sunny")])
    assert messages[4]["function_call"] == {"name": "f", "arguments": "{}"}
    assert messages[5]["name"] == "f"


TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Oslo", "days": [1, 2]}'},
}


def test_an_answer_may_refuse_think_speak_and_cite() -> None:
    assert answered({"content": None, "refusal": "I cannot."})["content"] == [text("I cannot.")]
    thought, said = answered({"content": "4", "reasoning_content": "2+2"})["content"]
    assert (thought["type"], thought["thinking"], said) == ("thinking", "2+2", text("4"))
    words, sound = answered(
        {"content": None, "audio": {"id": "a", "data": "AAAA", "transcript": "Hello", "format": "wav"}}
    )["content"]
    assert words == text("Hello")
    assert (sound["type"], sound["url"], sound["media_type"]) == (
        "output_media",
        "data:audio/wav;base64,AAAA",
        "audio",
    )
    citation = {"url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
    (cited,) = answered(
        {"content": "So", "annotations": [{"type": "url_citation", "url_citation": citation}]}
    )["content"]
    assert cited["annotations"] == [{"type": "url_citation", **citation}]


def test_a_custom_tool_is_called_with_its_text() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    (made,) = answered({"content": None, "tool_calls": [call]})["tool_calls"]
    assert made["function"] == {"name": "sql", "arguments": "SELECT 1"}
    assert made["provider_metadata"] == {"type": "custom"}


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"role": "assistant", "content": "Rome."}},
        {"role": "assistant", "content": "Rome."},
        {"message": {"role": "assistant", "content": "Rome."}, "role": "assistant", "content": "Rome."},
        {"delta": {"role": "assistant", "content": "Rome."}, "index": 0},
        {"text": "Rome.", "index": 0},
    ],
    ids=["message", "flat", "both", "delta", "text"],
)
def test_every_generation_of_logged_streams_is_read(choice: Any) -> None:
    (message,) = output_of(a_record({"messages": [QUESTION]}, {"choices": [choice]}))["messages"]
    assert (message["role"], message["content"]) == ("assistant", [text("Rome.")])


def test_the_last_chunk_of_a_stream_says_nothing() -> None:
    """All that today's official SDK keeps of a streamed chat."""
    chunk = {"choices": [{"delta": {"content": None, "role": None}, "index": 0, "finish_reason": "stop"}]}
    assert output_of(a_record({"messages": [QUESTION]}, chunk))["messages"] == []


def test_every_choice_is_a_message() -> None:
    response = {"choices": [{"message": {"content": "A"}}, {"message": {"content": "B"}}]}
    record = a_record({"messages": [QUESTION], "n": 2}, response)
    assert contents(output_of(record)) == [[text("A")], [text("B")]]
    assert facts_of(record).output_text == "A\nB"


def test_completions_have_templates_of_their_own() -> None:
    record = a_record(
        {"engine": "text-ada-001", "prompt": "My name is", "suffix": "."},
        {"model": "text-ada:001", "choices": [{"text": " Ada"}]},
        "openai.Completion.create",
    )
    blueprint = blueprint_of(record)
    assert blueprint["prompt_template"]["type"] == "completion"
    assert blueprint["prompt_template"]["content"] == [text("My name is"), text(" Ada")]
    assert output_of(record)["content"] == [text(" Ada")]
    model = blueprint["metadata"]["model"]
    assert (model["name"], model["parameters"]) == ("text-ada-001", {"suffix": "."})
    facts = facts_of(record)
    assert (facts.input_text, facts.output_text, facts.api_type) == ("My name is", " Ada", "completions")


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], ["[tokens: 3]"]),
        ([[1, 2], [3]], ["[tokens: 2]", "[tokens: 1]"]),
        (None, []),
    ],
)
def test_prompts_may_be_several_or_tokens(prompt: Any, shown: list[str]) -> None:
    template = input_of(a_record({"prompt": prompt}, None, "openai.completions.create"))
    assert [block["text"] for block in template["content"]] == shown


def test_a_completion_that_came_to_nothing_is_a_chat_without_messages() -> None:
    record = a_record({"prompt": "Hi"}, None, "openai.completions.create")
    assert (output_of(record)["type"], output_of(record)["messages"]) == ("chat", [])
    assert blueprint_of(record)["prompt_template"]["content"] == [text("Hi")]


def test_what_is_searched_are_the_words_with_their_roles() -> None:
    record = a_chat(
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See this"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        answer={"content": "It is sunny."},
    )
    facts = facts_of(record)
    assert facts.input_text == (
        "[system]: Be brief.\n\n[user]: See this\nhttps://a/b.png\n\n"
        '[assistant]: weather({"city": "Oslo", "days": [1, 2]})\n\n[tool]: sunny'
    )
    assert (facts.output_text, facts.shape, facts.output_values) == ("It is sunny.", "plain_text", {})
    assert (facts.turn_count, facts.tool_call_count, facts.tool_names) == (1, 0, ())


def test_an_object_is_known_by_its_paths() -> None:
    said = '{"name": "Ada", "address": {"city": "London"}, "tags": ["a", "b"], "ok": true, "x": null}\n'
    facts = facts_of(a_chat(QUESTION, answer={"content": said}))
    assert facts.shape == "json"
    assert facts.output_values == {
        "name": ("Ada",),
        "address.city": ("London",),
        "tags": ("a", "b"),
        "ok": ("true",),
        "x": ("null",),
    }
    assert facts.output_text.splitlines()[:2] == ["name: Ada", "address.city: London"]


@pytest.mark.parametrize(
    "said", ["[1, 2]", '"text"', "42", '{"a": 1', '{"a": NaN}', "{so} it is {said}", '{"a": 1} {"b": 2}', ""]
)
def test_anything_but_an_object_is_plain_text(said: str) -> None:
    facts = facts_of(a_chat(QUESTION, answer={"content": said}))
    assert (facts.shape, facts.output_text, facts.output_values) == ("plain_text", said, {})


def test_an_object_longer_than_what_is_searched_is_still_one() -> None:
    said = json.dumps({"first": "x", "rest": "word " * TEXT_CHARS})
    facts = facts_of(a_chat(QUESTION, answer={"content": said}))
    assert (facts.shape, facts.output_values["first"], len(facts.output_text)) == ("json", ("x",), TEXT_CHARS)


def test_calls_of_tools_are_known_by_name_and_arguments() -> None:
    other = {"id": "call_2", "type": "function", "function": {"name": "echo", "arguments": "not JSON"}}
    facts = facts_of(
        a_chat(QUESTION, answer={"content": "Let me see", "tool_calls": [TOOL_CALL, TOOL_CALL, other]})
    )
    assert facts.shape == "tool_call"
    assert (facts.tool_names, facts.tool_call_count) == (("weather", "echo"), 3)
    assert facts.output_values == {
        "tool_calls.function.name": ("weather", "weather", "echo"),
        "tool_calls.function.arguments.city": ("Oslo", "Oslo"),
        "tool_calls.function.arguments.days": ("1", "2", "1", "2"),
        "tool_calls.function.arguments": ("not JSON",),
    }
    assert facts.output_text.startswith("Let me see\nweather\ncity: Oslo\ndays: 1\ndays: 2\nweather")
    assert facts.output_text.endswith("echo\narguments: not JSON")


def test_a_function_of_old_is_a_tool_too() -> None:
    facts = facts_of(a_chat(QUESTION, answer={"function_call": {"name": "f", "arguments": '{"a": 1}'}}))
    assert (facts.shape, facts.tool_names) == ("tool_call", ("f",))
    assert facts.output_values["tool_calls.function.arguments.a"] == ("1",)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 2},
            },
            Usage(9, 5, 4, None, 3, 1, 2),
        ),
        (
            {
                "input_tokens": 9,
                "output_tokens": 5,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(9, 5, 0, None, 3),
        ),
        (
            {
                "input_tokens": 9,
                "output_tokens": 5,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 20,
            },
            Usage(129, 5, 100, 20),
        ),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8}, Usage(9, None, 8)),
        ({"prompt_tokens": -1, "completion_tokens": True}, Usage()),
        ({"prompt_tokens": "many", "completion_tokens": 2.0}, Usage(None, 2)),
        (None, Usage()),
    ],
    ids=["chat", "responses", "anthropic", "deepseek", "nonsense", "floats", "none"],
)
def test_tokens_are_counted_by_the_provider_alone(usage: Any, expected: Usage) -> None:
    assert facts_of(a_record({"messages": [QUESTION]}, {"choices": [], "usage": usage})).usage == expected


def test_what_our_digests_and_cuts_left_is_readable() -> None:
    """Records lose large media and, when they are too large, the ends of texts and lists."""
    url = "data:image/png;base64," + "QUFB" * 4000
    picture = {"type": "image_url", "image_url": {"url": url}}
    sound = {"type": "input_audio", "input_audio": {"data": "QUFB" * 4000, "format": "wav"}}
    record = a_chat(
        {"role": "user", "content": [picture, sound]}, *({"role": "user", "content": "x" * 400},) * 90
    )
    kept = shortened(with_digests(record, 1024), 10_000)
    messages = input_of(kept)["messages"]
    image, audio = messages[0]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;bytes=12000;sha256=")
    assert audio["media"]["format"] == "neither"
    assert messages[1]["content"][0]["text"].endswith("… [shortened: 400 characters]")
    assert (messages[-1]["role"], messages[-1]["name"]) == ("placeholder", "shortened")
    assert messages[-1]["content"] == [text("… [shortened: 91 items]")]
    assert facts_of(kept).turn_count == len(messages) - 1
