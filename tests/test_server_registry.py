"""The prompt registry of the server: publishing, finding, listing, changing and labelling templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch.server.running import Server
from tests.support.serving import Client, client_of_another_workspace, serving
from tests.support.templates import MODEL, chat, completion, model_of, path_of, publish, rendered, user


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path) as both:
        yield both


@pytest.fixture
def client(served: tuple[Server, Client]) -> Client:
    return served[1]


def names(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/prompt-templates?{query}")
    assert answer.status_code == 200, answer.text
    return [item["prompt_name"] for item in answer.json()["items"]]


# Publishing


def test_a_published_template_has_the_form_that_promptlayer_gives_it(client: Client) -> None:
    answer = publish(
        client,
        "greeting",
        chat({"role": "system", "content": "Be {tone}."}, user("Hi {name}", extra=1), unknown=2),
        tags=["a"],
        metadata={**model_of(), "owner": "us"},
        commit_message="first",
        labels=["prod"],
    )
    system, said = answer["prompt_template"]["messages"]
    assert system["content"] == [{"type": "text", "text": "Be {tone}."}]
    assert (system["input_variables"], system["template_format"]) == (["tone"], "f-string")
    assert said["extra"] == 1
    assert "unknown" not in answer["prompt_template"]
    assert answer["prompt_template"]["input_variables"] == ["tone", "name"]
    assert answer["metadata"] == {**model_of(), "owner": "us"}
    assert (answer["version_number"], answer["release_labels"], answer["tags"]) == (1, ["prod"], ["a"])


def test_the_variables_of_jinja_media_and_placeholders_are_found(client: Client) -> None:
    template = chat(
        user("{{ a }} {b} @@@tone@label:c@@@", template_format="jinja2"),
        {"role": "placeholder", "name": "history"},
        {"role": "user", "content": [{"type": "media_variable", "name": "photos"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {}, "image_variable": "pages"}]},
    )
    published = publish(client, "all", template)
    assert published["prompt_template"]["input_variables"] == ["a", "history", "photos", "pages"]


def test_publishing_the_same_again_is_a_new_version(client: Client) -> None:
    first, second = publish(client, "p", chat(user("x"))), publish(client, "p", chat(user("x")))
    assert (first["version_number"], second["version_number"]) == (1, 2)
    assert first["id"] == second["id"]


@pytest.mark.parametrize(
    ("template", "version", "place"),
    [
        ({"prompt_name": ""}, {}, "prompt_name"),
        ({"prompt_name": "x" * 513}, {}, "prompt_name"),
        ({"tags": ["x" * 513]}, {}, "tags"),
        ({"folder_id": 2**63}, {}, "folder_id"),
        ({}, {"commit_message": "x" * 73}, "commit_message"),
        ({}, {"provider_base_url_name": "x" * 256}, "provider_base_url_name"),
        ({}, {"inference_client_name": "x" * 256}, "inference_client_name"),
        ({}, {"metadata": {"model": {"provider": "openai"}}}, "name"),
        ({}, {"prompt_template": None}, "prompt_template"),
        ({}, {"prompt_template": {"type": "poem"}}, "prompt_template"),
        ({}, {"prompt_template": {"type": "chat"}}, "messages"),
        ({}, {"prompt_template": chat({"role": "wizard", "content": []})}, "messages"),
        ({}, {"prompt_template": chat({"role": "user", "content": None})}, "content"),
        ({}, {"prompt_template": chat({"role": "user", "content": [{"type": "text"}]})}, "content"),
        ({}, {"prompt_template": chat({"role": "tool", "content": "x"})}, "tool_call_id"),
        ({}, {"prompt_template": chat(user("x", template_format="mustache"))}, "template_format"),
        ({}, {"prompt_template": completion("x", input_variables=[1])}, "input_variables"),
    ],
)
def test_what_is_no_template_is_refused_and_leaves_nothing(
    client: Client, template: dict[str, Any], version: dict[str, Any], place: str
) -> None:
    body = {
        "prompt_template": {"prompt_name": "p", **template},
        "prompt_version": {"prompt_template": chat(user("x")), **version},
    }
    answer = client.post("/rest/prompt-templates", body)
    assert answer.status_code == 422
    assert any(place in finding["loc"] for finding in answer.json()["detail"])
    assert names(client) == []


@pytest.mark.parametrize(
    "more",
    [
        {"release_labels": ["x" * 513]},
        {"release_labels": [""]},
        {"external_ids": [{"source": "x" * 129, "external_id": "1"}]},
        {"external_ids": [{"source": "crm", "external_id": "x" * 513}]},
    ],
)
def test_labels_and_external_ids_have_limits(client: Client, more: dict[str, Any]) -> None:
    version = {"prompt_template": chat(user("x"))}
    body = {"prompt_template": {"prompt_name": "p"}, "prompt_version": version, **more}
    assert client.post("/rest/prompt-templates", body).status_code == 422
    assert names(client) == []


# Finding


@pytest.mark.parametrize(
    "name", ["a/b", "test:one", "two words", "100%", "?#&=", "naïve 日本語", "a+b", "%2F"]
)
def test_a_name_may_have_any_character(client: Client, name: str) -> None:
    published = publish(client, name, chat(user("x")))
    assert rendered(client, name)["prompt_name"] == name
    assert client.get(path_of(name)).json()["id"] == published["id"]
    assert client.get(f"{path_of(name)}/labels").status_code == 200


def test_a_template_is_found_by_id_but_a_name_of_digits_goes_first(client: Client) -> None:
    first = publish(client, "first", chat(user("x")))
    assert rendered(client, first["id"])["prompt_name"] == "first"
    digits = str(first["id"])
    publish(client, digits, chat(user("x")))
    assert rendered(client, digits)["prompt_name"] == digits


@pytest.mark.parametrize("place", [{"version": 9}, {"version": 2**80}, {"label": "none"}])
def test_an_unknown_version_or_label_is_not_found(client: Client, place: dict[str, Any]) -> None:
    publish(client, "p", chat(user("x")))
    answer = client.post(path_of("p"), place)
    assert answer.status_code in (404, 422)
    assert answer.json()["success"] is False


def test_an_unknown_template_is_not_found(client: Client) -> None:
    assert client.post(path_of("nothing"), {}).status_code == 404
    assert client.get(path_of("nothing")).status_code == 404
    assert client.get(path_of("9" * 30)).status_code == 404


def test_a_label_goes_over_a_version_when_rendered_and_excludes_it_when_raw(client: Client) -> None:
    publish(client, "p", chat(user("one")), labels=["prod"])
    publish(client, "p", chat(user("two")))
    assert rendered(client, "p", version=2, label="prod")["version"] == 1
    assert rendered(client, "p")["version"] == 2
    assert rendered(client, "p", version="1")["version"] == 1
    assert client.get(f"{path_of('p')}?label=prod").json()["version"] == 1
    assert client.get(f"{path_of('p')}?label=prod&version=2").status_code == 400


def test_templates_of_another_workspace_are_not_there(served: tuple[Server, Client]) -> None:
    server, client = served
    published = publish(client, "p", chat(user("x")), labels=["prod"])
    stranger = client_of_another_workspace(server)
    assert stranger.post(path_of("p"), {}).status_code == 404
    assert stranger.get(path_of(published["id"])).status_code == 404
    assert names(stranger) == []
    publish(stranger, "p", chat(user("y")))
    assert rendered(client, "p")["version"] == 1
    stranger.close()


def test_a_raw_template_is_as_it_was_published(client: Client) -> None:
    published = publish(client, "p", chat(user("Hi {name}")), metadata=model_of(), tags=["t"])
    raw = client.get(f"{path_of('p')}?include_llm_kwargs=true").json()
    assert raw["prompt_template"] == published["prompt_template"]
    assert raw["llm_kwargs"]["messages"][0]["content"][0]["text"] == "Hi {name}"
    assert raw["success"] is True
    assert raw["created_at"].endswith("Z")
    assert client.get(path_of("p")).json()["llm_kwargs"] is None


# Lists


def test_lists_have_pages_filters_and_an_order(client: Client) -> None:
    publish(client, "Alpha", chat(user("1")), tags=["x", "y"], labels=["prod"])
    publish(client, "Alpha", chat(user("2")))
    publish(client, "beta", completion("3"), tags=["x"], is_snippet=True)
    publish(client, "gamma", chat(user("4")))
    assert names(client) == ["gamma", "beta", "Alpha"]
    assert names(client, "name=ALP") == ["Alpha"]
    assert names(client, "tags=x&tags=y") == ["Alpha"]
    assert names(client, "tags=x") == ["beta", "Alpha"]
    assert names(client, "is_snippet=true") == ["beta"]
    assert names(client, "sort_by=name&sort_order=asc") == ["Alpha", "beta", "gamma"]
    assert names(client, "created_before=2001-01-01") == []
    assert names(client, "updated_after=2001-01-01T00:00:00Z&status=all") == ["gamma", "beta", "Alpha"]
    assert names(client, "status=deleted") == []
    assert names(client, "created_by_email=a@b.c") == []
    (labelled,) = client.get("/prompt-templates?label=prod").json()["items"]
    assert (labelled["version"], labelled["prompt_name"]) == (1, "Alpha")
    page = client.get("/prompt-templates?page=2&per_page=2").json()
    assert [item["prompt_name"] for item in page.pop("items")] == ["Alpha"]
    assert page == {
        "page": 2,
        "pages": 2,
        "per_page": 2,
        "total": 3,
        "has_next": False,
        "has_prev": True,
        "next_num": None,
        "prev_num": 1,
    }


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "per_page=0", "per_page=1001", "status=x", "sort_by=x", "created_after=x"]
)
def test_a_list_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/prompt-templates?{query}").status_code == 422


# Changing


def test_a_patch_changes_what_it_names(client: Client) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    template = chat(user("one"), user("two {b}"), tools=tools, tool_choice="auto")
    publish(client, "p", template, metadata=model_of(), tags=["t"])
    patch = {
        "messages": {"0": {"content": [{"type": "text", "text": "new {a}"}]}},
        "tools": None,
        "tool_choice": None,
        "model_parameters": {"max_tokens": 5},
        "response_format": {"type": "json_object"},
        "commit_message": "smaller",
        "release_labels": ["staging"],
    }
    answer = client.send("PATCH", f"/rest{path_of('p')}", json=patch)
    assert answer.status_code == 201
    changed = answer.json()
    assert [one["content"][0]["text"] for one in changed["prompt_template"]["messages"]] == [
        "new {a}",
        "two {b}",
    ]
    assert changed["prompt_template"]["input_variables"] == ["b", "a"]
    assert (changed["prompt_template"]["tools"], changed["prompt_template"]["tool_choice"]) == (None, None)
    assert changed["metadata"]["model"]["parameters"] == {
        "temperature": 0.5,
        "max_tokens": 5,
        "response_format": {"type": "json_object"},
    }
    assert (changed["version_number"], changed["tags"], changed["commit_message"]) == (2, ["t"], "smaller")
    assert rendered(client, "p", label="staging")["version"] == 2
    again = client.send("PATCH", f"/rest{path_of('p')}", json={"response_format": None}).json()
    assert "response_format" not in again["metadata"]["model"]["parameters"]


def test_a_patch_begins_with_the_version_it_names(client: Client) -> None:
    publish(client, "p", completion("one"), labels=["prod"])
    publish(client, "p", completion("two"))
    for base in ({"version": 1}, {"label": "prod"}):
        made = client.send("PATCH", f"/rest{path_of('p')}", json={**base, "commit_message": "again"}).json()
        assert made["prompt_template"]["content"][0]["text"] == "one"
    replaced = {"content": [{"type": "text", "text": "three"}]}
    made = client.send("PATCH", f"/rest{path_of('p')}", json=replaced).json()
    assert made["prompt_template"]["content"] == replaced["content"]


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ({"version": 1, "label": "prod"}, 400),
        ({"version": 7}, 404),
        ({"messages": {"1": {}}}, 422),
        ({"messages": {"x": {}}}, 422),
        ({"messages": None}, 422),
        ({"messages": [{"role": "wizard"}]}, 422),
        ({"content": []}, 400),
        ({"model_parameters": {"a": 1}}, 400),
        ({"commit_message": "x" * 73}, 422),
    ],
)
def test_a_patch_that_makes_no_sense_makes_no_version(
    client: Client, patch: dict[str, Any], status: int
) -> None:
    publish(client, "p", chat(user("x")), labels=["prod"])
    assert client.send("PATCH", f"/rest{path_of('p')}", json=patch).status_code == status
    assert rendered(client, "p")["version"] == 1


def test_a_template_can_be_kept_under_the_id_of_another_system(client: Client) -> None:
    path = "/prompt-templates/by-external-id/my%2Fcrm/4%202"
    body = {"prompt_template": {"prompt_name": "p"}, "prompt_version": {"prompt_template": completion("x")}}
    first = client.send("PUT", path, json=body)
    second = client.send("PUT", path, json={**body, "prompt_template": {"prompt_name": "renamed"}})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["external_ids"] == [{"source": "my/crm", "external_id": "4 2"}]
    assert second.json()["id"] == first.json()["id"]
    assert (second.json()["prompt_name"], second.json()["version_number"]) == ("renamed", 2)
    assert names(client, "external_source=my/crm&external_id=4%202") == ["renamed"]
    too_long = client.send("PUT", f"/prompt-templates/by-external-id/{'s' * 129}/1", json=body)
    assert too_long.status_code == 422


def test_an_external_id_belongs_to_one_template(client: Client) -> None:
    known = [{"source": "crm", "external_id": "1"}]
    version = {"prompt_template": completion("x")}
    for name, status in (("one", 201), ("one", 201), ("two", 409)):
        body = {"prompt_template": {"prompt_name": name}, "prompt_version": version, "external_ids": known}
        assert client.post("/rest/prompt-templates", body).status_code == status
    assert names(client) == ["one"]


# Labels


def test_labels_are_put_listed_moved_and_taken_off(client: Client) -> None:
    first = publish(client, "p", chat(user("1")))
    second = publish(client, "p", chat(user("2")))
    put = client.post(f"/prompts/{first['id']}/label", {"name": "prod", "prompt_version_number": 1})
    assert put.status_code == 200
    label = put.json()
    assert label["prompt_version_id"] == first["prompt_version_id"]
    assert client.get(f"{path_of('p')}/labels").json()["release_labels"] == [
        {
            "prompt_version_id": first["prompt_version_id"],
            "prompt_version_number": 1,
            "release_label": "prod",
            "release_label_id": label["id"],
        }
    ]
    again = client.post(f"/prompts/{first['id']}/label", {"name": "prod", "prompt_version_number": 2})
    assert again.status_code == 409
    path = f"/prompt-labels/{label['id']}"
    moved = client.send("PATCH", path, json={"prompt_version_id": second["prompt_version_id"]})
    assert (moved.status_code, moved.json()["prompt_version_id"]) == (200, second["prompt_version_id"])
    assert rendered(client, "p", label="prod")["version"] == 2
    deleted = client.send("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.send("DELETE", path).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/prompts/1/label", {"name": "prod"}, 422),
        ("/prompts/1/label", {"name": "prod", "prompt_version_number": 1, "prompt_version_id": 1}, 422),
        ("/prompts/1/label", {"name": "", "prompt_version_number": 1}, 422),
        ("/prompts/1/label", {"name": "prod", "prompt_version_number": 9}, 404),
        ("/prompts/99/label", {"name": "prod", "prompt_version_number": 1}, 404),
        ("/prompts/p/label", {"name": "prod", "prompt_version_number": 1}, 404),
        ("/prompts/%C2%B2/label", {"name": "prod", "prompt_version_number": 1}, 404),
    ],
)
def test_a_label_that_makes_no_sense_is_refused(
    client: Client, path: str, body: dict[str, Any], status: int
) -> None:
    publish(client, "p", chat(user("x")))
    assert client.post(path, body).status_code == status
    assert client.get(f"{path_of('p')}/labels").json() == {"release_labels": []}


# Paths of before 2024


def test_old_clients_publish_and_get_langchains_form(client: Client) -> None:
    prompt = {
        "_type": "prompt",
        "template": "Hi {name}",
        "input_variables": ["name"],
        "template_format": "f-string",
    }
    for family in ("library-", "rest/"):
        body = {"prompt_name": "old", "prompt_template": prompt, "tags": ["t"], "api_key": client.key}
        answer = client.post(f"/{family}publish-prompt-template", body)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        got = client.get(f"/{family}get-prompt-template?prompt_name=old").json()
        assert (got["prompt_template"], got["tags"], got["deleted"]) == (prompt, ["t"], False)
    posted = client.post("/library-get-prompt-template", {"prompt_name": "old", "version": 1})
    assert posted.json()["version"] == 1
    listed = client.get("/rest/prompts?page=1&per_page=5").json()
    assert (listed["total"], listed["items"][0]["prompt_template"]) == (1, prompt)
    assert rendered(client, "old", input_variables={"name": "Ada"})["prompt_template"]["content"] == [
        {"type": "text", "text": "Hi Ada"}
    ]


def test_old_chat_templates_are_kept_and_come_back(client: Client) -> None:
    def prompt(text: str, *variables: str) -> dict[str, Any]:
        return {
            "_type": "prompt",
            "template": text,
            "input_variables": list(variables),
            "template_format": "f-string",
        }

    template = {
        "_type": "chat_promptlayer_langchain",
        "messages": [
            {"role": "system", "prompt": prompt("Be {tone}", "tone")},
            {"role": "user", "prompt": prompt("Hi")},
            {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
        ],
        "functions": [{"name": "f", "parameters": {}}],
        "function_call": "auto",
        "input_variables": ["tone"],
    }
    body = {"prompt_name": "old", "prompt_template": template}
    assert client.post("/library-publish-prompt-template", body).status_code == 200
    got = client.get("/library-get-prompt-template?prompt_name=old").json()
    assert got["prompt_template"] == template
    assert rendered(client, "old")["prompt_template"]["messages"][0]["role"] == "system"


def test_a_template_of_today_can_be_read_by_old_clients(client: Client) -> None:
    publish(client, "new", chat(user("Hi {name}")), metadata={"model": MODEL})
    got = client.get("/library-get-prompt-template?prompt_name=new").json()
    assert got["prompt_template"]["messages"][0]["prompt"]["template"] == "Hi {name}"
    assert got["metadata"]["model"] == MODEL
    assert client.get("/library-get-prompt-template").status_code == 422
    assert client.get("/library-get-prompt-template?prompt_name=none").status_code == 404


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"_type": "few_shot"},
        {"_type": "prompt"},
        {"_type": "chat", "messages": 1},
        {"_type": "chat", "messages": [1]},
        {"_type": "chat", "messages": [{"prompt": {}}]},
        {"template": "x", "template_format": "mustache"},
    ],
)
def test_what_langchain_never_wrote_is_refused(client: Client, template: dict[str, Any]) -> None:
    body = {"prompt_name": "old", "prompt_template": template}
    assert client.post("/library-publish-prompt-template", body).status_code == 422
    assert names(client) == []
