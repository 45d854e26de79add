"""What is in one workspace is not there for whoever has the key of another, by whatever route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from promptlayer_patch.server.endpoints import Auth, Endpoint
from promptlayer_patch.server.table import ENDPOINTS
from tests.support.serving import Client, client_of_another_workspace, serving
from tests.support.templates import chat, publish, user

TRACE, SPAN = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6", "1a2b3c4d5e6f7a8b"
SECRET = "quincunx"
"""In everything that is stored."""
VERSION = {"prompt_template": chat(user(SECRET))}
FORM = {"as": "text", "name": SECRET, "role.0": "user", "text.0": "Hi"}
LINK = {"prompt_name": "{template}", "prompt_input_variables": {}}

NAMED: dict[tuple[str, str], tuple[str, Any]] = {
    **{
        ("POST", f"/{prefix}-track-{what}" if prefix == "library" else f"/{prefix}/track-{what}"): ("", body)
        for prefix in ("library", "rest")
        for what, body in (
            ("score", {"request_id": "{request}", "score": 1}),
            ("metadata", {"request_id": "{request}", "metadata": {"a": "b"}}),
            ("prompt", {"request_id": "{request}", **LINK}),
        )
    },
    ("POST", "/track-group"): ("", {"request_id": "{request}", "group_id": "{group}"}),
    ("POST", "/rest/track-group"): ("", {"request_id": "{request}", "group_id": "{group}"}),
    ("GET", "/api/public/v2/requests/{request_id}"): ("{request}", None),
    ("GET", "/api/public/v2/traces/{trace_id}"): (TRACE, None),
    ("POST", "/api/public/v2/traces/{trace_id}/close"): (TRACE, {}),
    ("POST", "/prompt-templates/{identifier}"): ("{template}", {}),
    ("GET", "/prompt-templates/{identifier}"): ("{prompt}", None),
    ("GET", "/prompt-templates/{identifier}/snippet-usage"): ("{template}", None),
    ("GET", "/prompt-templates/{identifier}/labels"): ("{template}", None),
    ("PATCH", "/rest/prompt-templates/{identifier}"): ("{template}", {"commit_message": "more"}),
    ("GET", "/library-get-prompt-template"): ("?prompt_name={template}", None),
    ("GET", "/rest/get-prompt-template"): ("?prompt_name={template}", None),
    ("POST", "/library-get-prompt-template"): ("", {"prompt_name": "{template}"}),
    ("POST", "/prompts/{prompt_id}/label"): ("{prompt}", {"name": "new", "prompt_version_number": 1}),
    ("PATCH", "/prompt-labels/{prompt_label_id}"): ("{label}", {"prompt_version_number": 2}),
    ("GET", "/compare"): ("?a={request}", None),
    ("GET", "/groups/{id}"): ("{group}", None),
    ("GET", "/traces/{id}"): (TRACE, None),
    ("GET", "/requests/{id}"): ("{request}", None),
    ("GET", "/requests/{id}/request.json"): ("{request}", None),
    ("GET", "/requests/{id}/response.json"): ("{request}", None),
    ("POST", "/requests/{id}/scores"): ("{request}", {"name": "a", "value": "1"}),
    ("POST", "/requests/{id}/metadata"): ("{request}", {"key": "a", "value": "1"}),
    ("POST", "/requests/{id}/tags"): ("{request}", {"add": "a"}),
    ("POST", "/requests/{id}/groups"): ("{request}", {"group": "{group}"}),
    ("GET", "/prompts/{id}"): ("{prompt}", None),
    ("GET", "/prompts/{id}/versions/{number}"): ("{prompt} 1", None),
    ("GET", "/prompts/{id}/diff"): ("{prompt}", None),
    ("GET", "/prompts/{id}/versions/{number}/render"): ("{prompt} 1", None),
    ("POST", "/prompts/{id}/versions/{number}/render"): ("{prompt} 1", {}),
    ("GET", "/prompts/{id}/publish"): ("{prompt}", None),
    ("POST", "/prompts/{id}/publish"): ("{prompt}", FORM),
    ("POST", "/prompts/{id}/labels"): ("{prompt}", {"name": "b", "version": "1"}),
    # What ends something comes last: whoever owns it does it, too.
    ("POST", "/prompts/{id}/labels/{label}/delete"): ("{prompt} {other_label}", {}),
    ("DELETE", "/prompt-labels/{prompt_label_id}"): ("{label}", None),
}
"""What stands for the braces of the path, a query, or nothing; and a body."""

SELECTED: dict[tuple[str, str], Any] = {
    ("POST", "/requests/tag"): {"tag": "theirs"},
    ("POST", "/requests/score"): {"score": 7, "name": "theirs"},
    ("POST", "/requests/export"): {},
    ("POST", "/requests/delete"): {"sure": "yes"},
}
"""What is done to requests that are chosen by their ids."""

NOBODYS = {
    ("PUT", "/prompt-templates/by-external-id/{source}/{external_id}"): "makes what is not there",
    ("GET", "/static/{version}/{name}"): "says nothing about anybody's requests",
    ("POST", "/track-request"): "its prompt may live at PromptLayer",
    ("POST", "/rest/track-request"): "its prompt may live at PromptLayer",
}


@dataclass(frozen=True)
class Two:
    """An owner of one of everything, and somebody who has nothing."""

    owner: Client
    stranger: Client
    known: dict[str, Any]

    def ask(self, client: Client, key: tuple[str, str]) -> int:
        method, path = key
        said, body = NAMED[key]
        parts = self._filled(said)
        if "{" in path:
            for part in str(parts).split():
                begin, end = path.index("{"), path.index("}")
                path = path[:begin] + part + path[end + 1 :]
        else:
            path += str(parts)
        asked = {} if body is None else {"json": self._filled(body)}
        return client.send(method, path, allow_redirects=method == "GET", **asked).status_code

    def _filled(self, said: Any) -> Any:
        if isinstance(said, dict):
            return {name: self._filled(value) for name, value in said.items()}
        if isinstance(said, str) and said[1:-1] in self.known and said.startswith("{"):
            return self.known[said[1:-1]]
        return said.format(**self.known) if isinstance(said, str) and "{" in said else said


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with serving(tmp_path_factory.mktemp("workspaces")) as (server, owner):
        stranger = client_of_another_workspace(server)
        yield Two(owner, stranger, _everything(owner))
        stranger.close()


def _everything(owner: Client) -> dict[str, Any]:
    tracked = {
        "function_name": "openai.OpenAI.chat.completions.create",
        "kwargs": {"model": SECRET, "messages": [{"role": "user", "content": SECRET}]},
        "request_response": {"choices": [{"message": {"role": "assistant", "content": SECRET}}]},
        "request_start_time": 1_767_225_600,
        "request_end_time": 1_767_225_601.5,
        "tags": [SECRET],
        "metadata": {SECRET: SECRET},
    }
    request = owner.post("/track-request", tracked).json()["request_id"]
    group = owner.post("/create-group").json()["id"]
    assert owner.post("/track-group", {"request_id": request, "group_id": group}).ok
    prompt = publish(owner, SECRET, chat(user(SECRET)), labels=["prod", "staging"])["id"]
    publish(owner, SECRET, chat(user(f"{SECRET} again")))
    labels = owner.get(f"/prompt-templates/{prompt}/labels").json()
    context = {"trace_id": TRACE, "span_id": SPAN}
    span = {"name": SECRET, "context": context, "start_time": 1, "end_time": 2, "kind": "INTERNAL"}
    assert owner.post("/spans-bulk", {"spans": [span]}).status_code == 201
    ids = [one["release_label_id"] for one in labels["release_labels"]]
    return {
        "request": request,
        "group": group,
        "template": SECRET,
        "prompt": prompt,
        "label": ids[0],
        "other_label": ids[1],
    }


def _key(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.method, endpoint.path


def _names_something(endpoint: Endpoint) -> bool:
    fields = {
        name for model in (endpoint.body, endpoint.query) for name in getattr(model, "model_fields", ())
    }
    return "{" in endpoint.path or bool(fields & {"request_id", "group_id"})


def test_every_route_that_names_something_is_here() -> None:
    asked = {_key(endpoint) for endpoint in ENDPOINTS if _names_something(endpoint)}
    assert asked <= {*NAMED, *NOBODYS}
    assert {*NAMED, *SELECTED, *NOBODYS} <= {_key(endpoint) for endpoint in ENDPOINTS}


@pytest.mark.parametrize("key", NAMED, ids=" ".join)
def test_what_a_route_names_is_there_for_its_owner_alone(key: tuple[str, str], two: Two) -> None:
    assert two.ask(two.stranger, key) == 404
    assert two.ask(two.owner, key) < 400


@pytest.mark.parametrize("key", SELECTED, ids=" ".join)
def test_requests_that_are_chosen_by_ids_stay_as_they_are(key: tuple[str, str], two: Two) -> None:
    path = f"/api/public/v2/requests/{two.known['request']}"
    before = two.owner.get(path).json()
    answer = two.stranger.send(
        *key, json={"id": [two.known["request"]], **SELECTED[key]}, allow_redirects=False
    )
    assert answer.status_code < 500
    assert SECRET not in answer.text
    assert two.owner.get(path).json() == before


@pytest.mark.parametrize(
    "path",
    [
        endpoint.path
        for endpoint in ENDPOINTS
        if endpoint.method == "GET" and endpoint.auth is not Auth.NONE and _key(endpoint) not in NAMED
    ],
)
def test_lists_charts_and_suggestions_tell_nothing_of_it(path: str, two: Two) -> None:
    needed = "?field=engine" if path.endswith("suggestions") else ""
    answer = two.stranger.get(path + needed)
    assert answer.status_code < 400
    assert SECRET not in answer.text
    assert str(two.known["request"]) not in answer.text
