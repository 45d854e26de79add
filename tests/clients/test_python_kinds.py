"""Templates of every kind that PromptLayer's Python SDK runs with OpenAI's client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from promptlayer import PromptLayer

from tests.clients.conftest import Kept
from tests.clients.desk import ADA, MODEL, blueprint, template

TOOL = {
    "type": "function",
    "function": {
        "name": "order_status",
        "description": "Where an order is.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}},
    },
}


@pytest.fixture
def promptlayer() -> PromptLayer:
    return PromptLayer()


def of_api(name: str, api_type: str) -> Any:
    body = template(name)
    body["metadata"]["model"]["api_type"] = api_type
    return body


def last_of(ran: dict[str, Any]) -> dict[str, Any]:
    """The last message of the blueprint that came back."""
    message: dict[str, Any] = ran["prompt_blueprint"]["prompt_template"]["messages"][-1]
    return message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_template_for_responses_is_run_so(stream: bool, promptlayer: PromptLayer, kept: Kept) -> None:
    name = f"responses {stream}"
    promptlayer.templates.publish(of_api(name, "responses"))
    ran: Any = promptlayer.run(name, input_variables=ADA, stream=stream)
    last = list(ran)[-1] if stream else ran
    stored = kept[last["request_id"]]
    assert stored.record.function_name == "openai.responses.create"
    assert stored.record.request["input"]
    said = "".join(block.get("text", "") for block in last_of(last)["content"])
    assert said
    assert said in json.dumps(stored.record.response)


def test_a_completion_is_run_as_one(promptlayer: PromptLayer, kept: Kept) -> None:
    model = "gpt-3.5-turbo-instruct"
    body = template("completion", model=model)
    body["prompt_template"] = {
        "type": "completion",
        "content": [{"type": "text", "text": "Dear {customer}, your order"}],
        "input_variables": ["customer"],
    }
    promptlayer.templates.publish(body)
    ran = promptlayer.run("completion", input_variables={"customer": "Ada"})
    stored = kept[ran["request_id"]]
    assert stored.record.function_name == "openai.completions.create"
    assert stored.record.request["prompt"] == "Dear Ada, your order"
    assert stored.record.request["model"] == model


def test_a_template_with_tools_lets_the_model_call_them(promptlayer: PromptLayer, kept: Kept) -> None:
    body = template("tools")
    body["prompt_template"] = {**blueprint(("user", "Where is order {order}?")), "tools": [TOOL]}
    body["prompt_template"]["tool_choice"] = "required"
    promptlayer.templates.publish(body)
    ran = promptlayer.run("tools", input_variables={"order": "1042"})
    (called,) = ran["raw_response"].choices[0].message.tool_calls
    (told,) = last_of(ran)["tool_calls"]
    assert told["function"] == {"name": "order_status", "arguments": called.function.arguments}
    assert last_of(ran)["content"] == []
    assert kept[ran["request_id"]].record.request["tools"][0]["function"]["name"] == "order_status"


def test_a_jinja_template_is_rendered_by_the_server(promptlayer: PromptLayer, kept: Kept) -> None:
    body = template("jinja")
    text = "{% for one in items %}{{ loop.index }}. {{ one.name|upper }}\n{% endfor %}{{ missing }}"
    messages = blueprint(("user", text))
    messages["messages"][0]["template_format"] = "jinja2"
    body["prompt_template"] = messages
    promptlayer.templates.publish(body)
    ran = promptlayer.run("jinja", input_variables={"items": [{"name": "lamp"}, {"name": "oil"}]})
    (asked,) = kept[ran["request_id"]].record.request["messages"]
    said = asked["content"]
    assert (said if isinstance(said, str) else said[0]["text"]) == "1. LAMP\n2. OIL\n"


def test_a_placeholder_becomes_the_messages_that_are_given(promptlayer: PromptLayer, kept: Kept) -> None:
    body = template("placeholder")
    body["prompt_template"]["messages"].insert(1, {"role": "placeholder", "name": "history"})
    promptlayer.templates.publish(body)
    history = blueprint(("user", "Hello"), ("assistant", "How can I help?"))["messages"]
    ran = promptlayer.run("placeholder", input_variables={**ADA, "history": history})
    asked = kept[ran["request_id"]].record.request["messages"]
    assert [one["role"] for one in asked] == ["system", "user", "assistant", "user"]


def test_parameters_and_the_model_may_be_changed_for_one_run(promptlayer: PromptLayer, kept: Kept) -> None:
    promptlayer.templates.publish(template("changed"))
    ran = promptlayer.run(
        "changed",
        input_variables=ADA,
        model_parameter_overrides={"temperature": 0.9, "max_tokens": 5},
    )
    asked = kept[ran["request_id"]].record.request
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == (MODEL, 0.9, 5)


def test_a_snippet_is_put_in(promptlayer: PromptLayer) -> None:
    tone: Any = {"type": "completion", "content": [{"type": "text", "text": "Be kind to {customer}."}]}
    promptlayer.templates.publish({"prompt_name": "tone", "prompt_template": tone})
    promptlayer.templates.publish(
        {"prompt_name": "with tone", "prompt_template": blueprint(("system", "@@@tone@@@ Be brief."))}
    )
    got = promptlayer.templates.get("with tone", {"input_variables": {"customer": "Ada"}})
    assert got["prompt_template"]["messages"][0]["content"][0]["text"] == "Be kind to Ada. Be brief."
    assert [one["prompt_name"] for one in got["snippets"]] == ["tone"]
