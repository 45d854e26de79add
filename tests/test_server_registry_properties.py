"""Whatever is sent to the registry: a template comes back equal, and nothing is a fault of the server's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch.server.registry import getting as registry_getting
from promptlayer_patch.server.registry import legacy as registry_legacy
from promptlayer_patch.server.registry import publishing as registry_publishing
from tests.support.serving import Client, serving
from tests.support.templates import path_of

ENDPOINTS = (*registry_getting.ENDPOINTS, *registry_publishing.ENDPOINTS, *registry_legacy.ENDPOINTS)
FIELDS = sorted(
    {
        *(
            name
            for one in ENDPOINTS
            for model in (one.body, one.query)
            if model
            for name in model.model_fields
        ),
        *("prompt_name", "type", "role", "content", "text", "template_format", "model", "provider", "name"),
        *(
            "parameters",
            "template",
            "_type",
            "prompt",
            "media",
            "image_url",
            "tool_call_id",
            "url",
            "api_type",
        ),
        *("messages", "tool_calls", "function", "arguments", "id", "image_variable", "0"),
    }
)
WORDS = (
    *("p", "chat", "completion", "user", "assistant", "tool", "placeholder", "text", "media", "f-string"),
    *("jinja2", "openai", "anthropic", "responses", "{a} {{ b }} @@@p@@@", "{% x %}", "media_variable"),
    *("image_url", "chat_promptlayer_langchain", "variable", "1", "data:,x", "thinking"),
)

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
anything = st.recursive(
    scalars | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=6)
    ),
    max_leaves=30,
)
blocks = st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text() | st.just("{a} {{ b | upper }}")})
    | st.fixed_dictionaries({"type": st.just("media_variable"), "name": st.text()})
    | st.fixed_dictionaries({"type": st.text(min_size=1, max_size=9).filter(lambda kind: kind != "text")}),
    max_size=3,
)
base = {
    "input_variables": st.lists(st.text(), max_size=2, unique=True),
    "template_format": st.sampled_from(["f-string", "jinja2"]),
    "raw_request_display_role": st.text(),
    "dataset_examples": st.lists(anything, max_size=1),
}
messages = st.lists(
    st.fixed_dictionaries(
        {
            **base,
            "role": st.sampled_from(["system", "user", "developer"]),
            "content": blocks,
            "name": st.none() | st.text(),
        }
    )
    | st.fixed_dictionaries(
        {
            **base,
            "role": st.just("tool"),
            "content": blocks,
            "tool_call_id": st.text(),
            "name": st.none(),
            "newer": anything,
        }
    ),
    max_size=3,
)
chats = st.fixed_dictionaries(
    {
        "type": st.just("chat"),
        "messages": messages,
        "tools": st.none() | st.lists(st.dictionaries(st.text(), anything, max_size=2), max_size=2),
        "functions": st.none(),
        "function_call": st.none() | st.text(),
        "tool_choice": st.none() | st.text(),
        "input_variables": st.lists(st.text(), max_size=2, unique=True),
        "dataset_examples": st.just([]),
    }
)
metadata = st.none() | st.dictionaries(st.text().filter(lambda key: key != "model"), anything, max_size=3)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("server")) as (_, client):
        yield client


def without_variables(template: dict[str, Any]) -> dict[str, Any]:
    """The server adds the variables it finds."""
    messages = [{**message, "input_variables": None} for message in template["messages"]]
    return {**template, "messages": messages, "input_variables": None}


@given(
    name=st.text(min_size=1, max_size=50).filter(lambda name: name not in (".", "..")),
    template=chats,
    metadata=metadata,
)
def test_a_published_template_is_got_back_equal(
    client: Client, name: str, template: dict[str, Any], metadata: dict[str, Any] | None
) -> None:
    version = {"prompt_template": template, "metadata": metadata}
    body = {"prompt_template": {"prompt_name": name}, "prompt_version": version}
    answer = client.post("/rest/prompt-templates", body)
    assert answer.status_code == 201, answer.text
    got = client.get(f"{path_of(name)}?resolve_snippets=false").json()
    assert got["prompt_name"] == name
    assert got["metadata"] == metadata
    assert without_variables(got["prompt_template"]) == without_variables(template)
    assert set(template["input_variables"]) <= set(got["prompt_template"]["input_variables"])
    again = {"prompt_template": got["prompt_template"], "metadata": metadata}
    republished = client.post("/rest/prompt-templates", {**body, "prompt_version": again}).json()
    assert republished["prompt_template"] == got["prompt_template"]


@settings(max_examples=300)
@given(data=st.data())
def test_no_body_is_a_fault_of_the_servers(client: Client, data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from([one for one in ENDPOINTS if one.body is not None]))
    body = data.draw(anything)
    if data.draw(st.booleans()) and isinstance(body, dict):
        body = {**body, **data.draw(nearly_right(endpoint.path))}
    path = endpoint.path.format(
        identifier="p", prompt_id="1", prompt_label_id="1", source="s", external_id="e"
    )
    answer = client.send(endpoint.method, path, json=body)
    assert answer.status_code < 500, answer.text
    assert isinstance(answer.json(), dict)


def nearly_right(path: str) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies that come further than the first check."""
    if path.endswith("/prompt-templates") or "by-external-id" in path:
        version = st.fixed_dictionaries({"prompt_template": chats | anything, "metadata": anything})
        return st.fixed_dictionaries(
            {"prompt_template": st.just({"prompt_name": "p"}), "prompt_version": version}
        )
    if path == "/prompt-templates/{identifier}":
        variables = st.dictionaries(st.sampled_from(["a", "b", "p"]) | st.text(), anything, max_size=4)
        provider = st.sampled_from(["openai", "anthropic", None])
        return st.fixed_dictionaries(
            {"input_variables": variables, "provider": provider, "version": st.none()}
        )
    return st.fixed_dictionaries({"prompt_name": st.just("p"), "version": st.none(), "label": st.none()})


@settings(max_examples=100)
@given(query=st.dictionaries(st.sampled_from(FIELDS), st.text() | st.sampled_from(WORDS), max_size=4))
def test_no_query_is_a_fault_of_the_servers(client: Client, query: dict[str, str]) -> None:
    for path in ("/prompt-templates", path_of("p"), f"{path_of('p')}/snippet-usage", "/rest/prompts"):
        assert client.get(path, params=query).status_code < 500


@pytest.mark.parametrize(
    "template",
    [
        {"type": "chat", "messages": [{"role": "assistant", "content": "x", "tool_calls": []}]},
        {
            "type": "chat",
            "messages": [{"role": "function", "name": "f"}, {"role": "placeholder", "name": ""}],
        },
        {"type": "chat", "messages": [], "tools": [{"type": {}}, {"function": 1}, {"config": []}]},
        {
            "type": "chat",
            "messages": [{"role": "user", "content": [{"type": "media"}, {"type": "image_url"}]}],
        },
        {
            "type": "chat",
            "messages": [{"role": "user", "content": [{"type": "media", "media": {"type": {}}}]}],
        },
        {"type": "completion", "content": [{"type": "thinking"}, {"type": "image_url", "image_url": [1]}]},
    ],
)
@pytest.mark.parametrize("api_type", [None, "responses"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_call_can_be_made_of_every_template_that_was_taken(
    client: Client, template: dict[str, Any], provider: str, api_type: str | None
) -> None:
    model = {"provider": provider, "name": "m", "api_type": api_type}
    version = {"prompt_template": template, "metadata": {"model": model}}
    body = {"prompt_template": {"prompt_name": "odd"}, "prompt_version": version}
    assert client.post("/rest/prompt-templates", body).status_code == 201
    answer = client.post(path_of("odd"), {})
    assert answer.status_code == 200
    assert json.dumps(answer.json()["llm_kwargs"])
    assert client.get("/library-get-prompt-template?prompt_name=odd").status_code == 200
