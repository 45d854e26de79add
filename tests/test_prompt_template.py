"""What `templates.get` answers: PromptLayer's own JSON as a plain dict, and short ways into it."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import openai
import pytest

import promptlayer_patch
from promptlayer_patch import _api, templates
from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.errors import InvalidArgument, TemplateError
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.templates import PromptTemplate
from tests.support.fake_promptlayer import Answer
from tests.support.fake_registry import KEY, MODEL, TEXT, FakeRegistry, chat
from tests.support.programs import printed

GREETING = [{"role": "system", "content": "You are {who}."}, {"role": "user", "content": "{question}"}]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    monkeypatch.setattr(_api, "_FIRST_PAUSE_S", 0.0)
    templates.clear_cache()
    with FakeRegistry() as fake:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", fake.base_url)
        yield fake
    templates.clear_cache()


def test_it_is_called_with_as_it_is(registry: FakeRegistry, sink: MemoryExporter) -> None:
    """Published, fetched, filled in, and sent by the real client."""
    templates.publish("greeting", GREETING, metadata={"model": MODEL}, release_labels=["prod"])
    template = templates.get(
        "greeting", label="prod", input_variables={"who": "Ada", "question": "Who are you?"}
    )

    with StandIn() as server:
        client = openai.OpenAI(api_key="key-for-the-stand-in", base_url=server.base_url)
        with promptlayer_patch.scope(prompt=template):
            client.chat.completions.create(**template.llm_kwargs)

    promptlayer_patch.flush()
    link = sink.records[0].prompt
    assert link is not None
    assert (link.id, link.name, link.version) == (17, "greeting", 1)
    assert link.variables == {"who": "Ada", "question": "Who are you?"}
    assert dict(sink.records[0].request) == {
        "model": "gpt-4o-mini",
        "temperature": 0.5,
        "messages": [
            {"role": "system", "content": "You are Ada."},
            {"role": "user", "content": [{"type": "text", "text": "Who are you?"}]},
        ],
    }


def test_it_says_what_a_scope_wants_to_know(registry: FakeRegistry) -> None:
    registry.put("a", chat(TEXT), tags=("live",), label="prod")
    template = templates.get("a", label="prod", input_variables={"name": "Ada"})
    assert (template.id, template.name, template.version, template.label) == (17, "a", 1, "prod")
    assert template.variables == {"name": "Ada"}
    assert template.input_variables == ["name", "topic"]
    assert template.tags == ["live"]
    unfilled = templates.get("a")
    assert (unfilled.variables, unfilled.label) == ({}, None)


def test_it_is_a_plain_dict(registry: FakeRegistry) -> None:
    registry.put("a", chat(TEXT))
    template = templates.get("a")
    assert isinstance(template, dict)
    assert isinstance(template, Mapping)
    assert json.loads(json.dumps(template)) == template == dict(template)
    assert template["prompt_template"]["messages"] == template.messages
    again = PromptTemplate(json.loads(json.dumps(template)))
    assert again.format(name="Ada", topic="x") == template.format(name="Ada", topic="x")


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, PromptTemplate.copy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_a_copy_is_as_good_as_the_first(registry: FakeRegistry, make: Any) -> None:
    registry.put("a", chat(TEXT), label="prod")
    for first in (
        templates.get("a", label="prod", model="gpt-5"),
        templates.get("a", input_variables={"name": "Ada"}),
    ):
        again = make(first)
        assert (again, type(again)) == (first, PromptTemplate)
        assert (again.variables, again.label, again.llm_kwargs) == (
            first.variables,
            first.label,
            first.llm_kwargs,
        )
        assert again.format(name="Bo") == first.format(name="Bo")
        assert again.format(name="Bo") != first


def test_filling_in_makes_a_new_one_from_the_unfilled(registry: FakeRegistry) -> None:
    registry.put("a", chat(TEXT))
    template = templates.get("a")
    before = copy.deepcopy(template)
    ada = template.format(name="Ada", topic="x")
    bo = ada.format(name="Bo")
    bo["metadata"]["model"]["name"] = "mine"
    assert bo.format().llm_kwargs["model"] == ada.llm_kwargs["model"] == "gpt-4o-mini"
    assert bo.messages[0]["content"][0]["text"] == "Write to Bo about ."
    assert (bo.variables, ada.variables) == ({"name": "Bo"}, {"name": "Ada", "topic": "x"})
    assert template == before


def test_its_content_is_in_no_repr(registry: FakeRegistry) -> None:
    registry.put("a", chat(TEXT))
    template = templates.get("a", input_variables={"name": "Ada"})
    assert repr(template) == str(template) == f"{template}" == "<PromptTemplate 'a' version 1>"


# The call


def test_the_call_is_a_copy(registry: FakeRegistry) -> None:
    registry.put("a", chat(TEXT))
    template = templates.get("a")
    template.llm_kwargs["messages"].clear()
    assert len(template.llm_kwargs["messages"]) == 1


def wire(**more: Any) -> dict[str, Any]:
    return {
        "prompt_name": "a",
        "prompt_template": chat("s", "u"),
        "metadata": None,
        "llm_kwargs": None,
        **more,
    }


SAID = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]}]


def test_a_call_is_made_where_promptlayer_gives_none() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    blueprint = {
        **chat("s", "u"),
        "tools": tools,
        "tool_choice": "auto",
        "functions": [],
        "function_call": "none",
    }
    made = PromptTemplate(wire(prompt_template=blueprint, metadata={"model": MODEL})).llm_kwargs
    assert made == {
        "model": "gpt-4o-mini",
        "messages": SAID,
        "temperature": 0.5,
        "tools": tools,
        "tool_choice": "auto",
    }


def test_the_parameters_of_the_model_go_over_everything_as_promptlayer_has_it() -> None:
    """Its own recordings show it, messages and all."""
    parameters = {"model": "gpt-4o", "messages": [{"content": "Hello", "role": "system"}], "seed": 0}
    model = {"provider": "openai", "name": "gpt-4o-mini", "parameters": parameters}
    assert PromptTemplate(wire(metadata={"model": model})).llm_kwargs == parameters


def test_the_model_that_was_asked_for_is_called(registry: FakeRegistry) -> None:
    registry.put("a", chat("s", "u"), model=None)
    assert templates.get("a", model="gpt-5").llm_kwargs == {"model": "gpt-5", "messages": SAID}
    assert templates.get("a", model="gpt-5").format().llm_kwargs["model"] == "gpt-5"
    registry.next_answers.append(Answer(200, wire(llm_kwargs={"messages": SAID})))
    assert templates.get("b", model="gpt-5").llm_kwargs == {"model": "gpt-5", "messages": SAID}


@pytest.mark.parametrize("metadata", [None, {}, {"model": None}, {"model": {"provider": "openai"}}])
def test_without_a_model_there_is_no_call(metadata: Any) -> None:
    with pytest.raises(TemplateError, match="no model is known"):
        PromptTemplate(wire(metadata=metadata)).llm_kwargs  # noqa: B018


def test_a_call_of_another_provider_is_not_made_up() -> None:
    model = {"provider": "anthropic", "name": "claude"}
    with pytest.raises(TemplateError, match="not OpenAI's"):
        PromptTemplate(wire(metadata={"model": model})).llm_kwargs  # noqa: B018
    call = {"model": "claude", "system": "s", "messages": []}
    assert PromptTemplate(wire(metadata={"model": model}, llm_kwargs=call)).llm_kwargs == call


def test_messages_of_every_kind_become_openais() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,"}, "image_variable": None}
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    text = {"type": "text", "text": "x", "id": None, "annotations": None}
    blueprint = {
        "type": "chat",
        "messages": [
            {"role": "developer", "content": [text, text], "name": None},
            {"role": "user", "content": [text, image], "name": "ada"},
            {"role": "assistant", "content": [], "tool_calls": calls, "function_call": None},
            {"role": "tool", "content": [text], "tool_call_id": "1"},
            {"role": "assistant", "content": [], "tool_calls": None},
            {"role": "placeholder", "name": "history", "content": None},
        ],
    }
    made = PromptTemplate(wire(prompt_template=blueprint, metadata={"model": MODEL})).llm_kwargs["messages"]
    part = {"type": "text", "text": "x"}
    assert made == [
        {"role": "developer", "content": "xx"},
        {
            "role": "user",
            "content": [part, {"type": "image_url", "image_url": {"url": "data:,"}}],
            "name": "ada",
        },
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "x", "tool_call_id": "1"},
        {"role": "assistant", "content": ""},
    ]


# What only PromptLayer can do is asked of it


@pytest.mark.parametrize(
    "template",
    [
        chat("@@@shared@@@ {name}"),
        {**chat("{name}"), "tools": [{"type": "variable", "name": "tools"}]},
        {
            **chat("{name}"),
            "messages": [{"role": "user", "content": [{"type": "media_variable", "name": "name"}]}],
        },
    ],
    ids=["snippet", "tool", "media"],
)
def test_what_cannot_be_done_here_is_done_there(registry: FakeRegistry, template: dict[str, Any]) -> None:
    registry.put("a", template)
    made = templates.get("a", input_variables={"name": "Ada"})
    assert [one.body.get("input_variables") for one in registry.asked()] == [None, {"name": "Ada"}]
    assert made.variables == {"name": "Ada"}


def test_a_placeholder_in_another_providers_call_is_filled_in_there(registry: FakeRegistry) -> None:
    """Only of OpenAI's it is known here what messages look like."""
    blueprint = chat("{name}")
    blueprint["messages"].append({"role": "placeholder", "name": "history", "content": None})
    registry.put("a", blueprint, model={"provider": "anthropic", "name": "claude", "parameters": {}})
    templates.get("a", input_variables={"name": "Ada", "history": []})
    assert len(registry.asked()) == 2
    registry.put("b", blueprint)
    templates.get("b", input_variables={"name": "Ada", "history": []})
    assert len(registry.asked()) == 3


def test_without_jinja2_promptlayer_is_asked(registry: FakeRegistry) -> None:
    """Who changes a template at PromptLayer does not know what is installed where."""
    registry.put("a", chat("{{ name }}", template_format="jinja2"))
    program = """
        import sys
        sys.modules["jinja2"] = None
        from promptlayer_patch import templates
        for _ in range(2):
            made = templates.get("a", input_variables={"name": "Ada"})
        print(made.messages[0]["content"][0]["text"])
    """
    assert printed(program) == ["{{ name }} (server)"]
    assert len(registry.asked()) == 3


def test_a_hostile_template_is_not_passed_on(registry: FakeRegistry) -> None:
    registry.put("a", chat("{{ ''.__class__ }}", template_format="jinja2"))
    with pytest.raises(TemplateError):
        templates.get("a", input_variables={})
    assert len(registry.asked()) == 1


# Publishing


def test_messages_are_published_as_a_template_with_its_variables(registry: FakeRegistry) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are {who}, {{not}} {who}."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "{question}"}, {"type": "image_url", "image_url": {}}],
        },
        {"role": "assistant", "tool_calls": [{"id": "1"}]},
        {"role": "placeholder", "name": "history"},
        {"role": "user", "content": "{{ x }}{{ y.z }}", "template_format": "jinja2"},
    ]
    before = copy.deepcopy(messages)
    templates.publish("a", messages)
    sent = registry.asked()[0].body["prompt_version"]["prompt_template"]
    assert sent["type"] == "chat"
    assert sent["input_variables"] == ["who", "question", "history", "x", "y"]
    assert [one["input_variables"] for one in sent["messages"]] == [
        ["who"],
        ["question"],
        [],
        ["history"],
        ["x", "y"],
    ]
    assert [one["template_format"] for one in sent["messages"]] == ["f-string"] * 4 + ["jinja2"]
    assert sent["messages"][0]["content"] == [{"type": "text", "text": "You are {who}, {{not}} {who}."}]
    assert sent["messages"][1]["content"] == messages[1]["content"]
    assert sent["messages"][2]["content"] == []
    assert messages == before


def test_what_was_fetched_can_be_published_again(registry: FakeRegistry) -> None:
    """As it was written, also when it has been filled in since; with its model, unless another is given."""
    base = {"id": 1, "name": "proxy", "provider": "openai", "url": "http://x"}
    first = registry.put("a", chat(TEXT), provider_base_url=base)
    template = templates.get("a", input_variables={"name": "Ada"})
    templates.publish("b", template)
    templates.publish("c", templates.get("a"), metadata={"model": {**MODEL, "name": "gpt-5"}})
    again, other = (one.body["prompt_version"] for one in registry.asked("/rest"))
    assert again["prompt_template"] == first["prompt_template"]
    assert (again["metadata"], again["provider_base_url_name"]) == ({"model": MODEL}, "proxy")
    assert other["metadata"]["model"]["name"] == "gpt-5"


def test_a_variable_that_is_no_data_is_refused_before_anything_is_filled_in() -> None:
    template = PromptTemplate(wire())
    with pytest.raises(InvalidArgument, match="variables"):
        template.format(a=print)
