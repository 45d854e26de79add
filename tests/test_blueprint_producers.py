"""What others send: LangChain, LlamaIndex, Anthropic, `/log-request`; and the APIs that make no chat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptlayer_patch._blueprint import Usage, blueprint_of, facts_of, input_of, output_of
from promptlayer_patch.records import Record

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def a_record(name: str, request: Any, response: Any = None, provider: str = "openai") -> Record:
    return Record(id="0" * 32, function_name=name, provider=provider, request=request, response=response)


def said(template: dict[str, Any]) -> list[tuple[str, str]]:
    """Who says what, in texts."""
    if template["type"] == "completion":
        return [("prompt", block["text"]) for block in template["content"]]
    return [
        (message["role"], "".join(block.get("text", f"<{block['type']}>") for block in message["content"]))
        for message in template["messages"]
    ]


def test_langchains_models_pass_their_prompt_by_position() -> None:
    record = a_record(
        "langchain.PromptLayerOpenAI",
        {"args": ["Tell a joke"], "model_name": "text-davinci-003", "temperature": 0.7, "n": 1},
        {
            "text": "Why?",
            "llm_output": {"token_usage": {"prompt_tokens": 3, "completion_tokens": 1}, "model_name": "m"},
        },
        "langchain",
    )
    blueprint = blueprint_of(record)
    assert said(blueprint["prompt_template"]) == [("prompt", "Tell a joke"), ("prompt", "Why?")]
    model = blueprint["metadata"]["model"]
    assert (model["name"], model["provider"]) == ("text-davinci-003", "langchain")
    assert model["parameters"] == {"temperature": 0.7, "n": 1}
    assert facts_of(record).usage == Usage(3, 1)


@pytest.mark.parametrize("answer", [[{"role": "assistant", "content": "Hello."}], "Hello.", ["Hello."]])
@pytest.mark.parametrize("args", [MESSAGES, [MESSAGES]], ids=["flat", "nested"])
def test_langchains_chats_pass_their_messages_by_position(args: Any, answer: Any) -> None:
    record = a_record("langchain.PromptLayerChatOpenAI", {"args": args, "model": "gpt-4", "n": 1}, answer)
    assert said(blueprint_of(record)["prompt_template"]) == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello."),
    ]
    assert facts_of(record).turn_count == 1


def test_llamaindex_repeats_its_messages_as_a_prompt() -> None:
    request = {"args": ["system: Be brief.\nuser: Hi"], "messages": MESSAGES, "model": "gpt-4"}
    record = a_record("llamaindex.chat.openai", request, [{"role": "assistant", "content": "Hello."}])
    assert said(input_of(record)) == [("system", "Be brief."), ("user", "Hi")]
    assert said(output_of(record)) == [("assistant", "Hello.")]


def test_the_javascript_helper_names_the_engine() -> None:
    record = a_record("openai.ChatCompletion.create", {"engine": "gpt-4", "messages": MESSAGES})
    assert blueprint_of(record)["metadata"]["model"]["name"] == "gpt-4"
    assert facts_of(record).api_type == "chat-completions"


def test_anthropics_messages_are_chats() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sunny"}]}
    record = a_record(
        "anthropic.Anthropic.messages.create",
        {
            "model": "claude",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "Hm", "signature": "s"}, use],
                },
                {"role": "user", "content": [result, {"type": "text", "text": "Well?"}]},
            ],
            "tools": [{"name": "weather", "description": "d", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any"},
        },
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Sunny."}]},
        "anthropic",
    )
    template = input_of(record)
    system, user, assistant, tool, again = template["messages"]
    assert (system["role"], user["role"], again["role"]) == ("system", "user", "user")
    assert [block["type"] for block in assistant["content"]] == ["thinking"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}
    assert (tool["role"], tool["tool_call_id"], tool["content"][0]["text"]) == ("tool", "toolu_1", "sunny")
    assert template["tools"][0]["function"] == {
        "name": "weather",
        "description": "d",
        "strict": False,
        "parameters": {"type": "object"},
    }
    assert template["tool_choice"] == "required"
    assert said(output_of(record)) == [("assistant", "Sunny.")]
    facts = facts_of(record)
    assert (facts.api_type, facts.parameters) == (None, {"max_tokens": 9})


def test_anthropics_images_and_documents_are_media() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "QUFB"}
    document = {"type": "document", "title": "T", "source": {"type": "url", "url": "https://a/b.pdf"}}
    content = [{"type": "image", "source": source}, document]
    record = a_record("anthropic.messages.create", {"messages": [{"role": "user", "content": content}]})
    (message,) = input_of(record)["messages"]
    image, paper = (block["media"] for block in message["content"])
    assert image == {"title": "image", "type": "image/png", "url": "QUFB", "format": "base64"}
    assert (paper["title"], paper["url"], paper["format"]) == ("T", "https://a/b.pdf", "url")


def test_anthropics_own_tools_are_blocks() -> None:
    cited = {
        "type": "web_search_result_location",
        "url": "https://a",
        "title": "A",
        "cited_text": "so",
        "encrypted_index": "E",
    }
    content = [
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "news"}},
        {"type": "mcp_tool_use", "id": "m", "name": "t", "server_name": "srv", "input": {"a": 1}},
        {"type": "document", "source": {"type": "text", "data": "words"}},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
        {"type": "text", "text": "So.", "citations": [cited]},
    ]
    record = a_record(
        "anthropic.messages.create",
        {"messages": MESSAGES, "tool_choice": {"type": "auto"}},
        {"type": "message", "role": "assistant", "content": content},
    )
    (message,) = output_of(record)["messages"]
    thought, search, server, words, image, said_ = message["content"]
    assert (thought["thinking"], thought["signature"]) == ("", "secret")
    assert (search["name"], search["input"]) == ("web_search", {"query": "news"})
    assert (server["type"], server["server_label"], server["arguments"]) == ("mcp_call", "srv", '{"a": 1}')
    assert (words["text"], image["image_url"]["url"]) == ("words", "https://a/b.png")
    assert said_["annotations"] == [{**cited, "type": "url_citation"}]
    assert input_of(record)["tool_choice"] == "auto"


def test_mistrals_thoughts_are_parts() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}
    message = {"role": "assistant", "content": [thought, {"type": "text", "text": "4"}]}
    record = a_record("mistral.client.chat", {"messages": MESSAGES}, {"choices": [{"message": message}]})
    (made,) = output_of(record)["messages"]
    assert [block.get("thinking") or block["text"] for block in made["content"]] == ["2+2", "4"]


def test_anthropics_completions_are_completions() -> None:
    record = a_record("anthropic.completions.create", {"prompt": "\n\nHuman: Hi"}, {"completion": " Hello."})
    assert said(blueprint_of(record)["prompt_template"]) == [
        ("prompt", "\n\nHuman: Hi"),
        ("prompt", " Hello."),
    ]


def test_a_logged_template_passes_and_is_made_whole() -> None:
    block = {"type": "text", "text": "Hi"}
    record = a_record(
        "",
        {
            "model": "m",
            "input": {
                "type": "chat",
                "messages": [{"role": "user", "content": [block], "extra": 1}],
                "tools": None,
            },
            "parameters": {"temperature": 1},
            "api_type": "responses",
        },
        {"output": {"messages": [{"role": "assistant", "content": ["Hello.", 7]}, "and"]}},
        "mine",
    )
    blueprint = blueprint_of(record)
    user, assistant, other = blueprint["prompt_template"]["messages"]
    assert (user["content"], user["extra"], user["input_variables"]) == ([block], 1, [])
    assert [block["text"] for block in assistant["content"]] == ["Hello.", "7"]
    assert assistant["tool_calls"] is None
    assert other["content"][0]["text"] == "and"
    assert blueprint["prompt_template"]["tools"] is None
    model = blueprint["metadata"]["model"]
    assert (model["provider"], model["api_type"], model["display_params"]) == (
        "mine",
        "responses",
        {"temperature": "1"},
    )
    assert facts_of(record).output_text == "Hello.\n7\nand"


def test_a_logged_completion_passes() -> None:
    record = a_record(
        "custom",
        {"model": "m", "input": {"type": "completion", "content": "Hi"}, "parameters": {}},
        {"output": {"type": "completion", "content": [{"type": "text", "text": "Ho"}]}},
    )
    assert said(blueprint_of(record)["prompt_template"]) == [("prompt", "Hi"), ("prompt", "Ho")]


def test_a_completion_answered_by_a_chat_is_a_chat() -> None:
    record = a_record(
        "",
        {"input": {"type": "completion", "content": [{"type": "text", "text": "Hi"}]}},
        {"output": {"type": "chat", "messages": [{"role": "assistant", "content": "Ho"}]}},
    )
    assert said(blueprint_of(record)["prompt_template"]) == [("user", "Hi"), ("assistant", "Ho")]


def test_images_are_asked_for_in_words_and_come_as_media() -> None:
    file = {"name": "cat.png", "type": "image/png", "bytes": 9}
    record = a_record(
        "openai.images.edit",
        {"model": "gpt-image-1", "prompt": "A hat", "image": [file], "size": "1024x1024"},
        {"data": [{"b64_json": "QUFB"}, {"url": "https://a/b.png", "revised_prompt": "A red hat"}]},
    )
    (user,) = input_of(record)["messages"]
    assert (user["content"][0]["text"], user["content"][1]["media"]["title"]) == ("A hat", "cat.png")
    (answer,) = output_of(record)["messages"]
    assert [block["url"] for block in answer["content"]] == ["data:image/png;base64,QUFB", "https://a/b.png"]
    facts = facts_of(record)
    assert (facts.api_type, facts.parameters) == ("images", {"size": "1024x1024"})
    assert facts.output_text == "A red hat\nhttps://a/b.png"


def test_an_image_may_be_an_address() -> None:
    record = a_record("openrouter.images.generate", {"prompt": "A hat", "image": "https://a/cat.png"})
    (user,) = input_of(record)["messages"]
    assert user["content"][1]["media"]["url"] == "https://a/cat.png"


def test_embeddings_show_their_texts_and_no_vectors() -> None:
    record = a_record(
        "openai.embeddings.create",
        {"model": "e", "input": ["a", "b"]},
        {"object": "list", "data": [{"embedding": [0.1] * 8, "index": 0}]},
    )
    facts = facts_of(record)
    assert (facts.api_type, facts.input_text, facts.output_text) == ("embeddings", "[user]: a\nb", "")


def test_speech_shows_its_words_and_the_size_of_the_sound() -> None:
    request = {"model": "tts-1", "input": "Hello", "voice": "alloy", "instructions": "Whisper"}
    record = a_record("openai.audio.speech.create", request, {"content_type": "audio/mpeg", "bytes": 12345})
    assert said(input_of(record)) == [("system", "Whisper"), ("user", "Hello")]
    (message,) = output_of(record)["messages"]
    assert message["content"][0]["media"]["title"] == "12345 bytes"
    facts = facts_of(record)
    assert (facts.api_type, facts.parameters) == ("audio", {"voice": "alloy"})


@pytest.mark.parametrize(
    "answer", [{"text": "Hello"}, "Hello", {"text": "Hello", "segments": [], "duration": 2}]
)
def test_a_transcription_shows_its_text(answer: Any) -> None:
    file = {"name": "a.wav", "type": "audio/wav", "bytes": 9}
    record = a_record("openai.audio.transcriptions.create", {"model": "whisper-1", "file": file}, answer)
    assert input_of(record)["messages"][0]["content"][0]["media"]["title"] == "a.wav"
    assert said(output_of(record)) == [("assistant", "Hello")]


def test_a_moderation_says_what_it_found() -> None:
    results = [{"flagged": True, "categories": {"violence": True, "hate": False}}, {"flagged": False}]
    record = a_record("openai.moderations.create", {"input": "words"}, {"results": results})
    facts = facts_of(record)
    assert (facts.input_text, facts.output_text) == ("[user]: words", "flagged: violence\nnot flagged")
    assert facts.shape == "plain_text"


def test_a_run_of_an_assistant_shows_its_messages_and_steps() -> None:
    code = {"type": "code_interpreter", "id": "c", "code_interpreter": {"input": "1+1", "outputs": []}}
    function = {"type": "function", "id": "f", "function": {"name": "weather", "arguments": "{}"}}
    record = a_record(
        "openai.beta.threads.create_and_run",
        {
            "assistant_id": "asst",
            "instructions": "Be brief.",
            "thread": {"messages": [{"role": "user", "content": "1+1?"}]},
        },
        {
            "object": "thread.run",
            "steps": [{"step_details": {"type": "tool_calls", "tool_calls": [code, function]}}],
            "messages": [
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": {"value": "2", "annotations": []}}],
                }
            ],
        },
    )
    assert said(input_of(record)) == [("system", "Be brief."), ("user", "1+1?")]
    assert said(output_of(record)) == [("assistant", "<code>"), ("assistant", "2")]
    facts = facts_of(record)
    assert (facts.tool_names, facts.api_type) == (("weather", "code_interpreter"), "assistants")
    assert facts.parameters == {"assistant_id": "asst"}


def test_outputs_handed_to_a_run_are_results_of_tools() -> None:
    outputs = [{"tool_call_id": "f", "output": "sunny"}]
    record = a_record("openai.beta.threads.runs.submit_tool_outputs", {"tool_outputs": outputs})
    assert said(input_of(record)) == [("tool", "sunny")]


@pytest.mark.parametrize(
    ("name", "request_", "response", "api_type"),
    [
        ("", {"messages": MESSAGES}, {}, "chat-completions"),
        ("my.wrapper", {"prompt": "Hi"}, {"choices": [{"text": "Ho"}]}, "completions"),
        ("my.wrapper", {"prompt": "A cat"}, {"data": [{"url": "https://a"}]}, "images"),
        ("my.wrapper", {"input": "Hi"}, {"output": []}, "responses"),
        ("my.wrapper", {"input": "Hi"}, {"data": [{"embedding": []}]}, "embeddings"),
        ("my.wrapper", {"input": "Hi"}, {"results": []}, "moderations"),
        ("my.wrapper", {"input": "Hi", "voice": "alloy"}, None, "audio"),
        ("openai.chat.completions.create", {"input": "Hi"}, {"output": []}, "responses"),
        ("openai.responses.create", {"messages": MESSAGES}, None, "chat-completions"),
        ("openai.AsyncOpenAI.chat.completions.parse", {"messages": MESSAGES}, None, "chat-completions"),
        ("openai.responses.create", {}, None, "responses"),
        ("my.wrapper", {"thing": 1}, None, None),
    ],
)
def test_the_shape_tells_the_api_where_the_name_does_not(
    name: str, request_: Any, response: Any, api_type: str | None
) -> None:
    assert facts_of(a_record(name, request_, response)).api_type == api_type


def test_what_is_no_json_is_shown_by_its_type() -> None:
    """Where the tap is missing, a record may hold what could not be put into JSON."""
    record = a_record("my.wrapper", {"thing": {1, 2}}, {"choices": [{"message": {"content": [object()]}}]})
    assert json.loads(said(input_of(record))[0][1]) == {"thing": "<set>"}
    assert said(output_of(record)) == [("assistant", "<object>")]


def test_an_unknown_call_is_shown_as_it_is() -> None:
    record = a_record(
        "google.model.generate_content",
        {"model": "gemini", "contents": [{"parts": [{"text": "Grüße"}]}], "top_k": 3},
        {"candidates": [{"content": {"parts": [{"text": "Hallo"}]}}]},
        "google",
    )
    ((role, shown),) = said(input_of(record))
    assert (role, json.loads(shown)) == ("user", {"contents": record.request["contents"], "top_k": 3})
    assert "Grüße" in facts_of(record).input_text
    assert json.loads(said(output_of(record))[0][1]) == record.response
    facts = facts_of(record)
    assert facts.output_values == {"candidates.content.parts.text": ("Hallo",)}
    assert facts.parameters == {"top_k": 3}
