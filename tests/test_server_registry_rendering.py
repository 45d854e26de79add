"""Templates rendered by the server: variables, snippets, and the call that is ready to be sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import Client, serving
from tests.support.templates import chat, completion, model_of, path_of, publish, rendered, user


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with serving(tmp_path) as (_, client):
        yield client


def texts(answer: dict[str, Any]) -> list[str]:
    """Of a rendered template, one for each message."""
    template = answer["prompt_template"]
    messages = template.get("messages", [template])
    return ["".join(block.get("text", "") for block in message["content"] or ()) for message in messages]


def usage(client: Client, name: str, query: str = "") -> list[tuple[str, int]]:
    answer = client.get(f"{path_of(name)}/snippet-usage{query}")
    assert answer.status_code == 200, answer.text
    return [(use["prompt_name"], use["prompt_version_number"]) for use in answer.json()["snippet_usage"]]


# Variables


def test_each_message_is_rendered_in_its_format(client: Client) -> None:
    template = chat(
        user("{name} {{ name }} {missing}!"),
        user("{% for x in many %}{{ x }};{% endfor %}{{ gone.far }}", template_format="jinja2"),
        user('{"json": {name}}'),
    )
    publish(client, "p", template)
    answer = rendered(client, "p", input_variables={"name": "Ada", "many": [1, 2]})
    assert texts(answer) == ["Ada { name } !", "1;2;", '{"json": {name}}']


def test_without_variables_they_are_empty_and_with_skip_they_stay(client: Client) -> None:
    publish(client, "p", chat(user("Hi {name}")), metadata=model_of())
    assert texts(rendered(client, "p")) == ["Hi "]
    skipped = rendered(client, "p", skip_input_variable_rendering=True, input_variables={"name": "Ada"})
    assert texts(skipped) == ["Hi {name}"]
    assert skipped["llm_kwargs"]["messages"][0]["content"][0]["text"] == "Hi {name}"


def test_placeholders_tools_and_media_come_from_variables(client: Client) -> None:
    template = chat(
        {"role": "placeholder", "name": "history"},
        {"role": "placeholder", "name": "nothing"},
        {
            "role": "user",
            "content": [
                {"type": "media_variable", "name": "photos"},
                {"type": "image_url", "image_url": {"url": "", "detail": "low"}, "image_variable": "pages"},
            ],
        },
        tools=[
            {"type": "function", "function": {"name": "own"}},
            {"type": "variable", "name": "more"},
            {"type": "variable", "name": "none"},
        ],
    )
    publish(client, "p", template, metadata=model_of())
    tool = {"type": "function", "function": {"name": "given"}}
    answer = rendered(
        client,
        "p",
        input_variables={
            "history": [
                {"role": "user", "content": "{not rendered}"},
                {"role": "assistant", "content": None},
            ],
            "photos": ["https://x.test/a.png", "data:image/jpeg;base64,AAAA"],
            "pages": "https://x.test/b.png",
            "more": [tool],
        },
    )
    assert [message["role"] for message in answer["prompt_template"]["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
    assert [one["function"]["name"] for one in answer["llm_kwargs"]["tools"]] == ["own", "given"]
    first, _, last = answer["llm_kwargs"]["messages"]
    assert first["content"] == [{"type": "text", "text": "{not rendered}"}]
    assert [part["image_url"] for part in last["content"]] == [
        {"url": "https://x.test/a.png"},
        {"url": "data:image/jpeg;base64,AAAA"},
        {"url": "https://x.test/b.png", "detail": "low"},
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {"history": "no messages"},
        {"history": [{"role": "wizard", "content": "x"}]},
        {"history": [{"role": "user", "content": [1]}]},
        {"more": [1]},
        {"more": {}},
        {"photos": [1]},
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(client: Client, variables: dict[str, Any]) -> None:
    template = chat(
        {"role": "placeholder", "name": "history"},
        {"role": "user", "content": [{"type": "media_variable", "name": "photos"}]},
        tools=[{"type": "variable", "name": "more"}],
    )
    publish(client, "p", template, metadata=model_of())
    answer = client.post(path_of("p"), {"input_variables": variables})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][-1] == next(iter(variables))


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ x | pprint }}",
        "{{a}}" * 8_000,
        "{{ 9 ** 999999 }}",
    ],
)
def test_a_hostile_template_is_refused_before_it_hangs_the_server(client: Client, text: str) -> None:
    publish(client, "p", chat(*[user(text, template_format="jinja2")] * 5))
    assert client.post(path_of("p"), {"input_variables": {"a": "b"}}).status_code == 422
    assert rendered(client, "p", skip_input_variable_rendering=True)["version"] == 1


@pytest.mark.parametrize(
    "part",
    [
        {"messages": [{"role": "user", "content": [{"type": "media_variable", "name": "v"}] * 1_000}]},
        {"messages": [{"role": "placeholder", "name": "v"}] * 1_000},
        {"messages": [], "tools": [{"type": "variable", "name": "v"}] * 1_000},
    ],
)
def test_a_variable_that_stands_in_a_template_many_times_is_weighed_each_time(
    client: Client, part: dict[str, Any]
) -> None:
    publish(client, "p", {"type": "chat", **part})
    given = {"role": "user", "content": "x" * 20_000}
    answer = client.post(path_of("p"), {"input_variables": {"v": [given]}})
    assert answer.status_code == 422
    assert "more" in answer.json()["message"]


# Snippets


def test_snippets_are_put_in_before_variables(client: Client) -> None:
    publish(client, "tone", completion("Be {how}."), labels=["prod"])
    publish(client, "tone", completion("Be very {how}."))
    publish(client, "outer", completion("<@@@tone@@@>"))
    parts = "@@@tone@@@ @@@tone@version_number:1@@@ @@@tone@label:prod@@@ @@@outer@@@"
    publish(client, "p", chat(user(parts)))
    answer = rendered(client, "p", input_variables={"how": "kind"})
    assert texts(answer) == ["Be very kind. Be kind. Be kind. <Be very kind.>"]
    assert answer["snippets"] == [
        {"prompt_name": "tone", "version": 2},
        {"prompt_name": "tone", "version": 1},
        {"prompt_name": "tone", "version": 1, "label": "prod"},
        {"prompt_name": "outer", "version": 1},
    ]
    assert answer["warning"] is None
    assert answer["prompt_template"]["input_variables"] == ["how"]


def test_a_raw_template_keeps_its_snippets_when_asked(client: Client) -> None:
    publish(client, "tone", completion("Be kind."))
    publish(client, "p", chat(user("@@@tone@@@")))
    kept = client.get(f"{path_of('p')}?resolve_snippets=false").json()
    assert texts(kept) == ["@@@tone@@@"]
    assert kept["snippets"] == [{"prompt_name": "tone", "version": 1}]
    assert texts(client.get(path_of("p")).json()) == ["Be kind."]


def test_a_snippet_that_is_missing_stays_and_is_told_of(client: Client) -> None:
    publish(client, "conversation", chat(user("no text to stand in another")))
    publish(client, "loop", completion("@@@loop@@@"))
    publish(client, "p", chat(user("{a} @@@missing@@@ @@@conversation@@@ @@@loop@@@")))
    answer = rendered(client, "p", input_variables={"a": "b"})
    assert texts(answer) == ["b @@@missing@@@ @@@conversation@@@ @@@loop@@@"]
    assert "@@@missing@@@, @@@conversation@@@, @@@loop@@@" in answer["warning"]


def test_snippets_that_multiply_are_refused(client: Client) -> None:
    publish(client, "s0", completion("x" * 100))
    for level in range(1, 6):
        publish(client, f"s{level}", completion(f"@@@s{level - 1}@@@" * 10))
    answer = client.post(path_of("s5"), {})
    assert answer.status_code == 400
    assert "snippets" in answer.json()["message"]


def test_it_is_known_where_a_snippet_is_used(client: Client) -> None:
    publish(client, "tone", completion("1"), labels=["prod"])
    publish(client, "a", chat(user("@@@tone@@@")))
    publish(client, "b", completion("@@@tone@label:prod@@@"))
    publish(client, "tone", completion("2"))
    assert usage(client, "tone") == [("a", 1), ("b", 1)]
    assert usage(client, "tone", "?prompt_version_number=1") == [("b", 1)]
    assert usage(client, "tone", "?prompt_version_number=2") == [("a", 1)]
    assert client.get(f"{path_of('tone')}/snippet-usage?prompt_version_number=3").status_code == 404
    listed = client.get("/prompt-templates?is_snippet=true").json()["items"]
    assert [item["prompt_name"] for item in listed] == ["tone"]


# The call

PDF = {"type": "application/pdf", "format": "base64"}
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
CONVERSATION = chat(
    {"role": "system", "content": "Be kind."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "See", "id": None, "annotations": None},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
            {"type": "media", "media": {"title": "b.pdf", "url": "QUJD", **PDF}},
        ],
    },
    {"role": "assistant", "content": [], "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "blue"},
    tools=[TOOL],
    tool_choice={"type": "function", "function": {"name": "look"}},
)


def test_a_chat_call_is_ready_to_be_sent(client: Client) -> None:
    publish(client, "p", CONVERSATION, metadata=model_of())
    answer = rendered(client, "p", model_parameter_overrides={"temperature": 0, "seed": 1})
    assert answer["llm_kwargs"] == {
        "model": "gpt-4o-mini",
        "temperature": 0,
        "seed": 1,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                    {
                        "type": "file",
                        "file": {"filename": "b.pdf", "file_data": "data:application/pdf;base64,QUJD"},
                    },
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "blue"},
        ],
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
    }


def test_a_responses_call_is_ready_to_be_sent(client: Client) -> None:
    publish(client, "p", CONVERSATION, metadata=model_of(api_type="responses"))
    assert rendered(client, "p")["llm_kwargs"] == {
        "model": "gpt-4o-mini",
        "temperature": 0.5,
        "input": [
            {"role": "system", "content": [{"type": "input_text", "text": "Be kind."}]},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "See"},
                    {"type": "input_image", "image_url": "https://x.test/a.png"},
                    {
                        "type": "input_file",
                        "filename": "b.pdf",
                        "file_data": "data:application/pdf;base64,QUJD",
                    },
                ],
            },
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"at": "sky"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "blue"},
        ],
        "tools": [{"type": "function", **TOOL["function"]}],  # type: ignore[dict-item]
        "tool_choice": {"type": "function", "name": "look"},
    }


def test_a_call_of_anthropics_is_ready_to_be_sent(client: Client) -> None:
    publish(client, "p", CONVERSATION, metadata=model_of(provider="anthropic", name="claude"))
    assert rendered(client, "p")["llm_kwargs"] == {
        "model": "claude",
        "temperature": 0.5,
        "max_tokens": 1024,
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "sky"}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_1",
                        "content": [{"type": "text", "text": "blue"}],
                    }
                ],
            },
        ],
        "tools": [{"name": "look", "description": "d", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "tool", "name": "look"},
    }


def test_a_completion_call_is_ready_to_be_sent(client: Client) -> None:
    publish(client, "p", completion("Say {word}"), metadata=model_of())
    said = rendered(client, "p", input_variables={"word": "hi"})["llm_kwargs"]
    assert said == {"model": "gpt-4o-mini", "temperature": 0.5, "prompt": "Say hi"}
    publish(client, "p", completion("Say {word}"), metadata=model_of(api_type="responses"))
    said = rendered(client, "p", input_variables={"word": "hi"})["llm_kwargs"]
    assert said["input"] == [{"role": "user", "content": [{"type": "input_text", "text": "Say hi"}]}]


def test_another_provider_takes_neither_the_model_nor_its_parameters(client: Client) -> None:
    publish(client, "p", chat(user("x")), metadata=model_of())
    other = rendered(client, "p", provider="anthropic", model="claude")["llm_kwargs"]
    assert (other["model"], "temperature" in other) == ("claude", False)
    assert rendered(client, "p", provider="openai.azure")["llm_kwargs"]["model"] == "gpt-4o-mini"
    assert rendered(client, "p", model="gpt-5")["llm_kwargs"]["model"] == "gpt-5"


def test_without_a_provider_we_know_there_is_no_call(client: Client) -> None:
    publish(client, "p", chat(user("x")))
    assert rendered(client, "p")["llm_kwargs"] is None
    assert rendered(client, "p", provider="mistral")["llm_kwargs"] is None
    publish(client, "p", chat(user("x")), metadata=model_of(provider="cohere"))
    assert rendered(client, "p")["llm_kwargs"] is None
