"""Our own client against our own server: every call of `promptlayer_patch.templates`, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptlayer_patch import errors, templates
from tests.support.serving import Client, serving
from tests.support.templates import chat, completion, model_of, publish, user

MESSAGES = [
    {"role": "system", "content": "Be {tone}."},
    {"role": "user", "content": "Write to {name}."},
]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The environment of a program that uses the server, and a client for what only a server's owner does."""
    templates.clear_cache()
    with serving(tmp_path) as (server, client):
        monkeypatch.setenv("PROMPTLAYER_API_KEY", server.api_key or "")
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", server.url)
        yield client


def test_a_template_is_published_and_got(client: Client) -> None:
    published = templates.publish(
        "mail/support: reply",
        MESSAGES,
        tags=["mail"],
        metadata=model_of(),
        commit_message="first",
        release_labels=["prod"],
    )
    assert (published.name, published.version, published.tags) == ("mail/support: reply", 1, ["mail"])
    got = templates.get("mail/support: reply", input_variables={"tone": "kind", "name": "Ada"}, label="prod")
    assert got.llm_kwargs == {
        "model": "gpt-4o-mini",
        "temperature": 0.5,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Write to Ada."}]},
        ],
    }
    assert published.id is not None
    assert templates.get(published.id).input_variables == ["tone", "name"]


def test_the_server_and_the_client_render_alike(client: Client) -> None:
    template = [
        {"role": "system", "content": "{% for x in many %}{{ x }};{% endfor %}{{ gone }}"},
        {"role": "user", "content": "{{ name | upper }}"},
    ]
    templates.publish("p", template, template_format="jinja2", metadata=model_of())
    variables = {"many": [1, "two"], "name": "Ada"}
    here = templates.get("p", input_variables=variables)
    there = templates.get("p", input_variables=variables, cache_ttl_s=0)
    assert here.llm_kwargs == there.llm_kwargs
    assert here.messages == there.messages
    assert there.messages[0]["content"][0]["text"] == "1;two;"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("api_type", ["chat-completions", "responses"])
def test_a_call_is_the_same_wherever_it_is_filled_in(client: Client, provider: str, api_type: str) -> None:
    publish(client, "p", chat(user("Hi {name}")), metadata=model_of(provider=provider, api_type=api_type))
    there = templates.get("p", input_variables={"name": "Ada"}, cache_ttl_s=0)
    assert templates.get("p", input_variables={"name": "Ada"}).llm_kwargs == there.llm_kwargs


def test_what_only_the_server_can_fill_in_comes_from_there(client: Client) -> None:
    tools = [{"type": "variable", "name": "tools"}]
    publish(client, "p", chat(user("Hi {name}"), tools=tools), metadata=model_of())
    tool = {"type": "function", "function": {"name": "f"}}
    assert templates.get("p", input_variables={"name": "Ada", "tools": [tool]}).llm_kwargs["tools"] == [tool]


def test_snippets_are_resolved_before_the_client_fills_in(client: Client) -> None:
    publish(client, "tone", completion("Be {how}."))
    publish(client, "p", chat(user("@@@tone@@@ @@@missing@label:x@@@")))
    got = templates.get("p", input_variables={"how": "kind"})
    assert got.messages[0]["content"][0]["text"] == "Be kind. @@@missing@label:x@@@"


def test_parameters_and_providers_can_be_chosen(client: Client) -> None:
    templates.publish("p", MESSAGES, metadata=model_of())
    cold = templates.get("p", model_parameter_overrides={"temperature": 0}, metadata_filters={"a": "b"})
    assert cold.llm_kwargs["temperature"] == 0
    other = templates.get("p", input_variables={}, provider="anthropic", model="claude")
    assert other.llm_kwargs["system"] == [{"type": "text", "text": "Be ."}]
    assert templates.get("p", input_variables={}, model="gpt-5").llm_kwargs["model"] == "gpt-5"


def test_all_templates_are_listed_page_after_page(client: Client) -> None:
    for number in range(5):
        templates.publish(f"p{number}", MESSAGES, tags=["odd"] if number % 2 else ["even", "x"])
    listing = templates.all(per_page=2)
    assert (listing.total, listing.pages) == (5, 3)
    assert [template.name for template in listing] == ["p4", "p3", "p2", "p1", "p0"]
    assert [template.name for template in templates.all(tags=["even", "x"], sort_order="asc")] == [
        "p0",
        "p2",
        "p4",
    ]
    assert [template.name for template in templates.all(name="P3", status="active", is_snippet=False)] == [
        "p3"
    ]
    assert list(templates.all(created_after="2999-01-01")) == []


def test_a_listed_template_can_be_published_again(client: Client) -> None:
    templates.publish("p", MESSAGES, metadata=model_of())
    (template,) = templates.all()
    again = templates.publish("copy", template)
    assert again["prompt_template"] == template["prompt_template"]
    assert again["metadata"] == model_of()


def test_a_patch_makes_a_version(client: Client) -> None:
    templates.publish("p", MESSAGES, metadata=model_of(), release_labels=["prod"])
    changed = templates.patch(
        "p",
        label="prod",
        messages={1: {"role": "user", "content": "Call {name}."}},
        model_parameters={"max_tokens": 5},
        tools=[{"type": "function", "function": {"name": "f"}}],
        commit_message="calls",
    )
    assert changed.version == 2
    kwargs = templates.get("p", input_variables={"tone": "kind", "name": "Ada"}, version=2).llm_kwargs
    assert kwargs["messages"][1]["content"] == [{"type": "text", "text": "Call Ada."}]
    assert (kwargs["max_tokens"], len(kwargs["tools"])) == (5, 1)
    assert templates.get("p", label="prod").version == 1


def test_labels_are_set_moved_and_deleted(client: Client) -> None:
    templates.publish("p", MESSAGES)
    templates.publish("p", MESSAGES)
    made = templates.set_label("p", "prod", 1)
    assert templates.get("p", label="prod").version == 1
    assert templates.set_label("p", "prod", 2).id == made.id
    assert templates.move_label("p", "prod", 1).id == made.id
    assert [(label.name, label.version) for label in templates.labels("p")] == [("prod", 1)]
    templates.delete_label("p", "prod")
    assert templates.labels("p") == []
    with pytest.raises(errors.NotFound):
        templates.move_label("p", "prod", 1)


def test_refusals_become_the_clients_errors(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.NotFound, match="there is no prompt template"):
        templates.get("nothing")
    with pytest.raises(errors.Unprocessable):
        templates.publish("p", {"type": "chat", "messages": [{"role": "wizard"}]})
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_of_nobody")
    with pytest.raises(errors.AuthenticationFailed):
        templates.get("p")


def test_the_awaited_calls_work_too(client: Client) -> None:
    async def run() -> list[str]:
        await templates.apublish("p", MESSAGES, metadata=model_of())
        await templates.apatch("p", commit_message="again")
        await templates.aset_label("p", "prod", 2)
        assert (await templates.aget("p", input_variables={"name": "Ada"}, label="prod")).version == 2
        assert len(await templates.alabels("p")) == 1
        await templates.adelete_label("p", "prod")
        return [template.name async for template in templates.aall()]

    assert asyncio.run(run()) == ["p"]
