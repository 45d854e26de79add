"""Which template a request was made from: what clients say of it is made exact, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.support.serving import Client, serving

TEMPLATE = {
    "type": "chat",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi {name}"}]}],
}
TRACKED: dict[str, Any] = {
    "function_name": "openai.OpenAI.chat.completions.create",
    "kwargs": {"model": "gpt-4o", "messages": []},
    "request_response": {},
    "request_start_time": 1_760_000_000,
    "request_end_time": 1_760_000_001,
}
LOGGED: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": {"type": "chat", "messages": []},
    "output": {"type": "chat", "messages": []},
    "request_start_time": 1_760_000_000,
    "request_end_time": 1_760_000_001,
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path) as (server, client):
        for _ in range(2):
            client.post(
                "/rest/prompt-templates",
                {
                    "prompt_template": {"prompt_name": "greeting"},
                    "prompt_version": {"prompt_template": TEMPLATE},
                    "release_labels": ["prod"],
                },
            )
        yield server, client


def link_of(server: Server, request_id: int) -> PromptLink | None:
    store = Store.open(server.db, read_only=True)
    try:
        found = store.get(request_id)
    finally:
        store.close()
    assert found is not None
    return found.prompt


@pytest.mark.parametrize(
    ("said", "version"),
    [({}, 2), ({"version": 1}, 1), ({"version": "1"}, 1), ({"label": "prod"}, 2)],
    ids=["newest", "version", "version in digits", "label"],
)
def test_a_tracked_prompt_is_the_version_it_names(
    said: dict[str, Any], version: int, served: tuple[Server, Client]
) -> None:
    server, client = served
    request_id = client.post("/track-request", TRACKED).json()["request_id"]
    body = {"request_id": request_id, "prompt_name": "greeting", "prompt_input_variables": {"name": "Ada"}}
    assert client.post("/rest/track-prompt", {**body, **said}).status_code == 200
    link = link_of(server, request_id)
    assert link is not None
    assert (link.name, link.version, link.id, link.variables) == ("greeting", version, 1, {"name": "Ada"})


@pytest.mark.parametrize(
    "said",
    [{"prompt_name": "nowhere"}, {"version": 3}, {"label": "staging"}],
    ids=["name", "version", "label"],
)
def test_a_tracked_prompt_that_is_not_there_is_refused(
    said: dict[str, Any], served: tuple[Server, Client]
) -> None:
    server, client = served
    request_id = client.post("/track-request", TRACKED).json()["request_id"]
    body = {"request_id": request_id, "prompt_name": "greeting", "prompt_input_variables": {}, **said}
    assert client.post("/library-track-prompt", body).status_code == 404
    assert link_of(server, request_id) is None


def test_a_logged_request_names_its_template_or_gives_its_id(served: tuple[Server, Client]) -> None:
    server, client = served
    for said in ({"prompt_name": "greeting", "prompt_version_number": 1}, {"prompt_id": 1}):
        answer = client.post("/log-request", {**LOGGED, **said})
        link = link_of(server, answer.json()["id"])
        assert link is not None
        assert (link.name, link.id) == ("greeting", 1)
        assert answer.json()["prompt_id"] == 1
        assert answer.json()["prompt_version_number"] == link.version


def test_a_logged_request_with_an_unknown_template_is_refused_whole(served: tuple[Server, Client]) -> None:
    server, client = served
    assert client.post("/log-request", {**LOGGED, "prompt_name": "nowhere"}).status_code == 404
    assert server.count() == 0


@pytest.mark.parametrize(
    ("kept", "told"),
    [(None, "chat-completions"), ("responses", "responses")],
    ids=["where none is said", "as it is said"],
)
def test_a_fetched_template_of_openai_says_which_api_is_meant(
    kept: str | None, told: str, served: tuple[Server, Client]
) -> None:
    """The JavaScript client runs none that does not."""
    _, client = served
    model = {"provider": "openai", "name": "gpt-4o", **({"api_type": kept} if kept else {})}
    version = {"prompt_template": TEMPLATE, "metadata": {"model": model}}
    client.post(
        "/rest/prompt-templates", {"prompt_template": {"prompt_name": "api"}, "prompt_version": version}
    )
    assert client.post("/prompt-templates/api").json()["metadata"]["model"] == {**model, "api_type": told}


def test_a_tracked_call_is_kept_even_if_its_template_is_of_another_registry(
    served: tuple[Server, Client],
) -> None:
    server, client = served
    answer = client.post("/track-request", {**TRACKED, "prompt_id": 4711, "prompt_version": 3})
    assert answer.status_code == 200
    link = link_of(server, answer.json()["request_id"])
    assert link is not None
    assert (link.id, link.version) == (4711, 3)
