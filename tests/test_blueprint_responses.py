"""Items of the Responses API as messages: what the assistant did in one turn is one message."""

from __future__ import annotations

import json
from typing import Any

from promptlayer_patch._blueprint import blueprint_of, facts_of, input_of, output_of
from promptlayer_patch.records import Record

CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city": "Oslo"}',
}


def a_record(request: Any, *output: Any, **response: Any) -> Record:
    answer = {"object": "response", "model": "gpt-5", "output": list(output), **response}
    return Record(
        id="0" * 32,
        function_name="openai.responses.create",
        request={"model": "gpt-5", **request},
        response=answer,
    )


def a_message(said: str, *annotations: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": said, "annotations": list(annotations)}
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}


def text(said: str, **other: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, "id": None, "annotations": None, **other}


def blocks_of(*output: Any) -> list[Any]:
    (message,) = output_of(a_record({"input": "Hi"}, *output))["messages"]
    return list(message["content"])


def test_a_text_is_a_message_of_the_users_after_the_instructions() -> None:
    record = a_record({"input": "Hi", "instructions": "Be brief.", "temperature": 1}, a_message("Hello."))
    template = blueprint_of(record)["prompt_template"]
    assert [(one["role"], one["content"]) for one in template["messages"]] == [
        ("system", [text("Be brief.")]),
        ("user", [text("Hi")]),
        ("assistant", [text("Hello.")]),
    ]
    facts = facts_of(record)
    assert (facts.api_type, facts.parameters) == ("responses", {"temperature": 1})


def test_a_turn_of_the_assistants_is_one_message() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Oslo?"}]}
    record = a_record(
        {
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
                thought,
                a_message("Let me see."),
                CALL,
                {**CALL, "call_id": "call_2"},
                {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
                {
                    "type": "function_call_output",
                    "call_id": "call_2",
                    "output": [{"type": "input_text", "text": "wet"}],
                },
            ]
        },
        a_message("Sunny."),
        a_message("Wet."),
    )
    user, assistant, sunny, wet = input_of(record)["messages"]
    assert user["content"] == [text("Weather?")]
    assert [block["type"] for block in assistant["content"]] == ["thinking", "text"]
    assert assistant["content"][0]["thinking"] == "Oslo?"
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_1", "call_2"]
    assert (sunny["tool_call_id"], sunny["content"]) == ("call_1", [text("sunny")])
    assert (wet["tool_call_id"], wet["content"]) == ("call_2", [text("wet")])
    assert [one["content"] for one in output_of(record)["messages"]] == [[text("Sunny.")], [text("Wet.")]]


def test_thinking_again_begins_the_next_message() -> None:
    first, second = (
        {"type": "reasoning", "id": f"rs_{number}", "summary": [{"type": "summary_text", "text": thought}]}
        for number, thought in enumerate(("Hm", "Oh"))
    )
    record = a_record({"input": "Hi"}, first, a_message("One."), second, CALL, a_message("Two."))
    one, two = output_of(record)["messages"]
    assert [block.get("thinking") or block["text"] for block in one["content"]] == ["Hm", "One."]
    assert [block.get("thinking") or block["text"] for block in two["content"]] == ["Oh", "Two."]
    assert (one["tool_calls"], [call["id"] for call in two["tool_calls"]]) == (None, ["call_1"])


def test_a_call_alone_is_a_message_without_content() -> None:
    record = a_record({"input": "Weather?"}, CALL)
    (message,) = output_of(record)["messages"]
    assert (message["role"], message["content"]) == ("assistant", [])
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}
    facts = facts_of(record)
    assert (facts.shape, facts.tool_names, facts.tool_call_count) == ("tool_call", ("weather",), 1)
    assert facts.output_values["tool_calls.function.arguments.city"] == ("Oslo",)


def test_calls_that_are_no_functions_say_what_they_are() -> None:
    record = a_record(
        {"input": "Hi"},
        {"type": "custom_tool_call", "call_id": "a", "name": "sql", "input": "SELECT 1"},
        {"type": "computer_call", "call_id": "b", "action": {"type": "click", "x": 3}},
    )
    (message,) = output_of(record)["messages"]
    sql, computer = message["tool_calls"]
    assert (sql["function"]["arguments"], sql["provider_metadata"]) == ("SELECT 1", {"type": "custom"})
    assert json.loads(computer["function"]["arguments"]) == {"type": "click", "x": 3}


def test_tools_that_the_provider_ran_are_blocks() -> None:
    search, files, code, log, picture = blocks_of(
        {
            "type": "web_search_call",
            "id": "ws",
            "status": "completed",
            "action": {"type": "search", "query": "news"},
        },
        {
            "type": "file_search_call",
            "id": "fs",
            "status": "completed",
            "queries": ["refund"],
            "results": None,
        },
        {
            "type": "code_interpreter_call",
            "id": "ci",
            "container_id": "c",
            "code": "print(1)",
            "outputs": [{"type": "logs", "logs": "1"}, {"type": "image", "url": "https://a/b.png"}],
        },
    )
    assert (search["type"], search["name"], search["input"]["query"]) == (
        "server_tool_use",
        "web_search",
        "news",
    )
    assert (files["name"], files["input"]) == ("file_search", {"queries": ["refund"]})
    assert (code["type"], code["code"], code["container_id"]) == ("code", "print(1)", "c")
    assert (log["type"], log["output"]) == ("code_execution_result", "1")
    assert (picture["type"], picture["url"]) == ("output_media", "https://a/b.png")


def test_tools_that_the_provider_ran_are_found_but_are_no_call_of_the_applications() -> None:
    search = {"type": "web_search_call", "id": "ws", "action": {"type": "search", "query": "news"}}
    facts = facts_of(a_record({"input": "Hi"}, search, a_message('{"a": 1}')))
    assert (facts.shape, facts.output_values) == ("json", {"a": ("1",)})
    assert (facts.tool_names, facts.tool_call_count) == (("web_search",), 1)
    assert facts.output_text.startswith("a: 1\n")
    assert "news" in facts.output_text


def test_a_thought_that_is_kept_secret_keeps_its_signature() -> None:
    (thought,) = blocks_of({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAA"})
    assert (thought["thinking"], thought["signature"], thought["id"]) == ("", "gAAA", "rs")


def test_an_image_may_be_a_file_kept_at_openai() -> None:
    content = [
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_image", "image_url": "https://a"},
    ]
    (message,) = input_of(a_record({"input": [{"role": "user", "content": content}]}))["messages"]
    kept, shown = message["content"]
    assert kept["media"]["title"] == "file-1"
    assert shown["image_url"]["url"] == "https://a"


def test_a_generated_image_is_media() -> None:
    (image,) = blocks_of(
        {
            "type": "image_generation_call",
            "id": "ig",
            "result": "QUFB",
            "output_format": "webp",
            "revised_prompt": "a cat",
        }
    )
    assert (image["url"], image["mime_type"]) == ("data:image/webp;base64,QUFB", "image/webp")
    assert image["provider_metadata"] == {"revised_prompt": "a cat"}


def test_a_generated_image_of_which_a_digest_is_left_says_so() -> None:
    digest = "base64;format=png;bytes=99000;sha256=" + "0" * 64
    (image,) = blocks_of({"type": "image_generation_call", "id": "ig", "result": digest})
    assert image["url"] == "data:image/png;bytes=99000;sha256=" + "0" * 64


def test_servers_of_tools_shells_and_patches_have_blocks_of_their_own() -> None:
    items = [
        {"type": "mcp_list_tools", "id": "a", "server_label": "s", "tools": [{"name": "t"}]},
        {"type": "mcp_approval_request", "id": "b", "name": "t", "arguments": "{}", "server_label": "s"},
        {
            "type": "mcp_call",
            "id": "c",
            "name": "t",
            "arguments": "{}",
            "server_label": "s",
            "output": "done",
        },
        {
            "type": "shell_call",
            "id": "d",
            "call_id": "e",
            "action": {"commands": ["ls"]},
            "status": "completed",
        },
        {"type": "local_shell_call", "id": "f", "call_id": "g", "action": {"command": ["ls"]}},
        {"type": "apply_patch_call", "id": "h", "call_id": "i", "operation": {"type": "delete_file"}},
    ]
    made = blocks_of(*items)
    assert [block["type"] for block in made] == [
        *(
            "mcp_list_tools",
            "mcp_approval_request",
            "mcp_call",
            "shell_call",
            "shell_call",
            "apply_patch_call",
        )
    ]
    assert (made[2]["output"], made[2]["error"]) == ("done", None)
    assert facts_of(a_record({"input": "Hi"}, *items)).tool_names == ("t", "shell", "apply_patch")


def test_what_the_application_answered_to_them_is_sent() -> None:
    record = a_record(
        {
            "input": [
                {"type": "mcp_approval_response", "approval_request_id": "b", "approve": True},
                {"type": "shell_call_output", "call_id": "e", "output": [{"stdout": "a.txt"}]},
                {
                    "type": "apply_patch_call_output",
                    "call_id": "i",
                    "status": "failed",
                    "output": "no such file",
                },
                {
                    "type": "computer_call_output",
                    "call_id": "j",
                    "output": {"type": "computer_screenshot", "image_url": "https://a"},
                },
            ]
        }
    )
    approval, shell, patch, screen = input_of(record)["messages"]
    assert (approval["role"], approval["content"][0]["approve"]) == ("user", True)
    assert (shell["role"], shell["content"][0]["type"]) == ("tool", "shell_call_output")
    assert patch["content"][0]["output"] == "no such file"
    assert screen["content"][0]["image_url"]["url"] == "https://a"
    assert "a.txt" in facts_of(record).input_text


def test_citations_stay_with_their_text() -> None:
    citation = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
    assert blocks_of(a_message("So", citation)) == [text("So", annotations=[citation])]


def test_an_unknown_item_is_shown_whole() -> None:
    call, other = blocks_of(
        {"type": "dream_call", "id": "x", "about": "sheep"}, {"type": "dream", "about": "sheep"}
    )
    assert (call["name"], call["input"]) == ("dream", {"about": "sheep"})
    assert json.loads(other["text"]) == {"type": "dream", "about": "sheep"}


def test_a_prompt_kept_at_openai_shows_what_was_put_into_it() -> None:
    variables = {
        "name": "Ada",
        "file": {"type": "input_file", "filename": "a.pdf", "file_url": "https://a/a.pdf"},
    }
    (message,) = input_of(a_record({"prompt": {"id": "pmpt_1", "variables": variables}}))["messages"]
    assert message["content"][0] == text("Ada")
    assert message["content"][1]["media"]["url"] == "https://a/a.pdf"


def test_tools_are_spelled_as_promptlayer_does() -> None:
    tools = [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
        {"type": "web_search_preview", "search_context_size": "low"},
        {"type": "mcp", "server_label": "s", "server_url": "https://a"},
    ]
    template = input_of(
        a_record({"input": "Hi", "tools": tools, "tool_choice": {"type": "function", "name": "f"}})
    )
    function, search, mcp = template["tools"]
    assert function["function"] == {
        "name": "f",
        "description": "",
        "strict": True,
        "parameters": {"type": "object"},
    }
    assert (search["type"], search["provider"]) == ("web_search", "openai")
    assert search["config"] == {"search_context_size": "low"}
    assert (mcp["type"], mcp["name"]) == ("mcp", "s")
    assert template["tool_choice"] == {"type": "function", "function": {"name": "f"}}
