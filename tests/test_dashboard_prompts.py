"""The pages of the prompt registry: what they show, and what their forms change, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.support.dashboard_pages import HOSTILE, Page
from tests.support.serving import TIMEOUT_S, Client, client_of_another_workspace, serving
from tests.support.stored import said

MODEL = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.5}}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path) as (server, client):
        yield server, client


def publish(client: Client, *texts: tuple[str, str], name: str = "greeting", **more: Any) -> int:
    """A version by its number; the template of this name has the id 1 where it is the first."""
    template = more.pop("template", None) or {
        "type": "chat",
        "messages": [{"role": role, "content": text} for role, text in texts],
    }
    body = {
        "prompt_template": {"prompt_name": name, "tags": more.pop("tags", None)},
        "prompt_version": {"prompt_template": template, "metadata": {"model": MODEL}, **more},
    }
    answer = client.post("/rest/prompt-templates", body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["version_number"])


def shown(client: Client, address: str) -> dict[str, Any]:
    answer = client.get(f"{address}{'&' if '?' in address else '?'}format=json")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sent(client: Client, address: str, **fields: str) -> requests.Response:
    """A form, as browsers send it."""
    return client.send("POST", address, data=fields, allow_redirects=False)


def keep(server: Server, *uses: tuple[PromptLink, int | None]) -> None:
    """Requests that were made from templates, with a score if there is one."""
    with closing(Store.open(server.db)) as store:
        ids = store.add([said("Hi", "Ho", at, prompt=link) for at, (link, _) in enumerate(uses)])
        for request_id, (_, score) in zip(ids, uses, strict=True):
            if score is not None:
                store.annotate(request_id, Score(score, "tone"))
        store.catch_up()


def test_the_list_says_what_became_of_each_template(served: tuple[Server, Client]) -> None:
    server, client = served
    publish(client, ("user", "Hi {name}"), tags=["mail"])
    publish(client, ("user", "Hello {name}"), commit_message="politer")
    publish(client, ("user", "Bye"), name="farewell")
    sent(client, "/prompts/1/labels", name="prod", version="1")
    keep(server, (PromptLink("greeting", 1), 40), (PromptLink("greeting", 2, id=1), 80))
    items = {one["name"]: one for one in shown(client, "/prompts")["items"]}
    greeting = items["greeting"]
    assert (greeting["versions"], greeting["tags"], greeting["commit_message"]) == (2, ["mail"], "politer")
    assert [(label["name"], label["version_number"]) for label in greeting["labels"]] == [("prod", 1)]
    assert greeting["used"]["requests"] == 2
    assert items["farewell"]["used"] is None
    page = Page(client.get("/prompts").text)
    assert [link.text for link in page.all("a", class_="prompts-title")] == ["farewell", "greeting"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "GREET"}, ["greeting"]),
        ({"tag": "mail"}, ["greeting"]),
        ({"label": "prod"}, ["farewell"]),
        ({"label": "none"}, []),
        ({"sort": "name"}, ["farewell", "greeting"]),
        ({"page": 2}, []),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_templates_are_found_by_name_tag_and_label(
    query: dict[str, Any], names: list[str], served: tuple[Server, Client]
) -> None:
    _, client = served
    publish(client, ("user", "Bye"), name="farewell")
    publish(client, ("user", "Hi"), tags=["mail"])
    sent(client, "/prompts/1/labels", name="prod", version="1")
    assert [one["name"] for one in shown(client, f"/prompts?{urlencode(query)}")["items"]] == names


def test_templates_that_are_only_named_by_requests_are_listed_apart(served: tuple[Server, Client]) -> None:
    server, client = served
    publish(client, ("user", "Hi"))
    keep(server, (PromptLink("greeting", 1), None), (PromptLink("elsewhere", 7), None))
    found = shown(client, "/prompts")["strangers"]
    assert [(one["name"], one["requests"], one["query"]) for one in found] == [
        ("elsewhere", 1, "prompt:elsewhere")
    ]


def test_versions_say_how_they_were_used_and_scored(served: tuple[Server, Client]) -> None:
    server, client = served
    for text in ("Hi {name}", "Hello {name}"):
        publish(client, ("user", text))
    keep(
        server,
        (PromptLink("greeting", 1), 40),
        (PromptLink("greeting", 1), 60),
        (PromptLink("renamed", 2, id=1), 90),
        (PromptLink("greeting", 2, id=99), None),
    )
    newer, older = shown(client, "/prompts/1")["rows"]
    assert (older["use"]["requests"], newer["use"]["requests"]) == (2, 1)
    assert older["use"]["scores"] == [{"name": "tone", "mean": 50.0, "count": 2}]
    assert older["use"]["errors"] == 0
    assert older["use"]["latency"] == pytest.approx(1.5, rel=0.04)
    assert older["query"] == "prompt:greeting version:1"


def test_the_name_is_the_title_and_is_never_translated(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("user", "Hi"), name="Charts")
    page = Page(client.get("/prompts/1", headers={"Accept-Language": "zh"}).text)
    assert page.one("title").text == "Charts · promptlayer_patch"
    assert page.one("h1").text == "Charts"


def test_variables_stand_out_from_the_text(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("system", 'Say {{"a": 1}} to {name}, @@@rules@@@'), ("user", "{not closed"))
    page = Page(client.get("/prompts/1").text)
    assert [one.text for one in page.all("code", class_="mark-variable")] == ["{name}"]
    assert [one.text for one in page.all("code", class_="mark-snippet")] == ["@@@rules@@@"]
    texts = [one.text for one in page.all("div", class_="prose")]
    assert texts == ['Say {{"a": 1}} to {name}, @@@rules@@@', "{not closed"]


def test_logic_of_jinja_stands_out_too(served: tuple[Server, Client]) -> None:
    _, client = served
    text = "{% if polite %}Dear {{ name }}{% endif %}"
    messages = [{"role": "user", "content": text, "template_format": "jinja2"}]
    publish(client, template={"type": "chat", "messages": messages})
    page = Page(client.get("/prompts/1").text)
    assert [one.text for one in page.all("code", class_="mark-variable")] == ["{{ name }}"]
    assert len(page.all("code", class_="mark-logic")) == 2


def test_a_label_is_put_moved_and_taken_off(served: tuple[Server, Client]) -> None:
    _, client = served
    for text in ("Hi", "Hello"):
        publish(client, ("user", text))

    def labels() -> list[tuple[str, int]]:
        return [(one["name"], one["version_number"]) for one in shown(client, "/prompts/1")["labels"]]

    answer = sent(client, "/prompts/1/labels", name=" prod ", version="1", back="2")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/prompts/1/versions/2#labels")
    assert labels() == [("prod", 1)]
    sent(client, "/prompts/1/labels", name="prod", version="2")
    assert labels() == [("prod", 2)]
    label_id = shown(client, "/prompts/1")["labels"][0]["id"]
    assert sent(client, f"/prompts/1/labels/{label_id}/delete").headers["Location"] == "/prompts/1#labels"
    assert labels() == []


def test_a_label_is_taken_off_its_own_template_only(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("user", "Hi"))
    publish(client, ("user", "Bye"), name="farewell")
    sent(client, "/prompts/1/labels", name="prod", version="1")
    label_id = shown(client, "/prompts/1")["labels"][0]["id"]
    assert sent(client, f"/prompts/2/labels/{label_id}/delete").status_code == 404
    assert len(shown(client, "/prompts/1")["labels"]) == 1


def test_a_label_without_a_name_is_refused_at_the_form(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("user", "Hi"))
    answer = sent(client, "/prompts/1/labels", name="  ", version="1")
    assert answer.status_code == 422
    assert Page(answer.text).one("p", role="alert").text == "A release label has 1 to 512 characters."


def test_differences_are_told_word_by_word(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("system", "Be brief."), ("user", "Hi {name}"))
    template = {
        "type": "chat",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Hello {name}"},
        ],
    }
    model = {"model": {**MODEL, "parameters": {"temperature": 0.9}}}
    client.post(
        "/rest/prompt-templates",
        {
            "prompt_template": {"prompt_name": "greeting"},
            "prompt_version": {"prompt_template": template, "metadata": model},
        },
    )
    page = Page(client.get("/prompts/1/diff?from=1&to=2").text)
    assert [one.text for one in page.all("li", class_="changed")] == [
        "user assistant Hi {name}Yes?",
        "user Hello {name}",
    ]
    settings = {
        one["name"]: (one["before"], one["after"]) for one in shown(client, "/prompts/1/diff")["settings"]
    }
    assert settings["temperature"] == ("0.5", "0.9")
    assert settings["name"] == ("gpt-4o", "gpt-4o")


def test_rendering_gives_what_clients_get(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("system", "Be brief."), ("user", "Hi {name}, {{braces}} stay"))
    answer = sent(client, "/prompts/1/versions/1/render", **{"variable.name": "Ada <b>"})
    assert answer.status_code == 200
    page = Page(answer.text)
    expected = client.post("/prompt-templates/1", {"input_variables": {"name": "Ada <b>"}}).json()
    assert json.loads("".join(page.one("pre", id="llm-kwargs").texts)) == expected["llm_kwargs"]
    assert "Hi Ada <b>, {braces} stay" in [one.text for one in page.all("div", class_="prose")]
    assert page.one("textarea", name="variable.name").text == "Ada <b>"


def test_messages_and_lists_are_given_as_json(served: tuple[Server, Client]) -> None:
    _, client = served
    messages = [
        {"role": "placeholder", "name": "history"},
        {
            "role": "user",
            "content": "{% for one in items %}{{ one }};{% endfor %}",
            "template_format": "jinja2",
        },
    ]
    publish(client, template={"type": "chat", "messages": messages})
    history = json.dumps([{"role": "user", "content": "before"}])
    fields = {"variable.history": history, "variable.items": "[1, 2]"}
    page = Page(sent(client, "/prompts/1/versions/1/render", **fields).text)
    assert [one.text for one in page.all("div", class_="prose")][-2:] == ["before", "1;2;"]
    refused = sent(client, "/prompts/1/versions/1/render", **{"variable.history": "no list"})
    assert refused.status_code == 422
    assert "history" in Page(refused.text).one("p", role="alert").text


FORM = {
    "as": "text",
    "action": "publish",
    "name": "greeting",
    "commit_message": "politer",
    "labels": "prod, staging",
    "tags": "mail, , help desk",
    "format": "f-string",
    "role.0": "system",
    "text.0": "Be polite.\r\nAlways.",
    "role.1": "user",
    "text.1": "Hi {name}",
    "role.2": "user",
    "text.2": "  ",
    "metadata": json.dumps({"model": MODEL}),
}


def test_a_template_is_published_from_its_form(served: tuple[Server, Client]) -> None:
    _, client = served
    answer = sent(client, "/prompts/new", **FORM)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/prompts/1/versions/1")
    kept = client.get("/prompt-templates/1").json()
    messages = kept["prompt_template"]["messages"]
    assert [(one["role"], one["content"][0]["text"]) for one in messages] == [
        ("system", "Be polite.\nAlways."),
        ("user", "Hi {name}"),
    ]
    assert kept["prompt_template"]["input_variables"] == ["name"]
    assert (kept["commit_message"], kept["metadata"]["model"]["name"]) == ("politer", "gpt-4o")
    assert [one["name"] for one in shown(client, "/prompts/1")["labels"]] == ["prod", "staging"]
    assert kept["tags"] == ["mail", "help desk"]


def test_tags_stay_where_the_form_does_not_name_them(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("user", "Hi"), tags=["one, two"])
    assert shown(client, "/prompts/1/publish")["form"]["tags"] is None
    assert not Page(client.get("/prompts/1/publish").text).all("input", name="tags")
    publish(client, ("user", "Hi"), tags=["mail"])
    assert shown(client, "/prompts/1/publish")["form"]["tags"] == "mail"
    without = {name: value for name, value in FORM.items() if name != "tags"}
    for fields, tags in ((without, ["mail"]), ({**FORM, "tags": ""}, [])):
        assert sent(client, "/prompts/1/publish", **fields).status_code == 303
        assert shown(client, "/prompts/1")["prompt"]["tags"] == tags


def test_the_next_version_begins_as_the_one_before_and_keeps_the_name(served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("system", "Be brief."), ("user", "Hi"), name="of old")
    form = shown(client, "/prompts/1/publish?from=1")["form"]
    assert [(one["role"], one["text"]) for one in form["messages"]] == [
        ("system", "Be brief."),
        ("user", "Hi"),
    ]
    assert json.loads(form["metadata"])["model"]["name"] == "gpt-4o"
    assert sent(client, "/prompts/1/publish", **FORM).headers["Location"] == "/prompts/1/versions/2"
    assert shown(client, "/prompts/1")["prompt"]["name"] == "of old"


def test_what_text_cannot_say_is_written_as_json_and_comes_back_whole(served: tuple[Server, Client]) -> None:
    _, client = served
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Find {name}"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "found", "tool_call_id": "c1"},
    ]
    publish(client, template={"type": "chat", "messages": messages})
    form = shown(client, "/prompts/1/publish")["form"]
    assert (form["as_"], form["is_plain"]) == ("json", False)
    again = {"as": "json", "template": form["template"], "metadata": form["metadata"]}
    assert sent(client, "/prompts/1/publish", **again).status_code == 303
    first, second = (
        client.get(f"/prompt-templates/1?version={number}").json()["prompt_template"] for number in (1, 2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": ""}, "prompt_template.prompt_name: String should have at least 1 character"),
        ({"commit_message": "x" * 73}, "commit_message: String should have at most 72 characters"),
        ({"metadata": "{"}, "metadata: the body is no JSON: EOF while parsing an object at line 1 column 1"),
        ({"metadata": "[]"}, "metadata: expected a JSON object"),
        ({"as": "json", "template": '{"messages": [{"role": "user"}]}'}, "Field required"),
    ],
    ids=["no name", "long message", "no JSON", "no object", "no content"],
)
def test_what_is_wrong_is_said_at_the_form_and_nothing_is_lost(
    changed: dict[str, str], told: str, served: tuple[Server, Client]
) -> None:
    _, client = served
    answer = sent(client, "/prompts/new", **{**FORM, **changed})
    assert answer.status_code == 422
    page = Page(answer.text)
    assert told in page.one("div", role="alert").text
    assert page.one("input", name="labels").attributes["value"] == "prod, staging"
    if changed.get("as") != "json":
        assert [one.text for one in page.all("textarea")][:2] == ["Be polite. Always.", "Hi {name}"]
    assert shown(client, "/prompts")["items"] == []


def test_a_message_more_and_the_other_way_of_writing_need_no_script(served: tuple[Server, Client]) -> None:
    _, client = served
    more = Page(sent(client, "/prompts/new", **{**FORM, "action": "add"}).text)
    assert len(more.all("fieldset")) == 4
    as_json = Page(sent(client, "/prompts/new", **{**FORM, "action": "json"}).text)
    template = "".join(as_json.one("textarea", id="template").texts)
    assert len(json.loads(template)["messages"]) == 2
    back = {**FORM, "as": "json", "action": "text", "template": template}
    assert len(Page(sent(client, "/prompts/new", **back).text).all("fieldset")) == 2


def test_a_request_becomes_a_template_that_renders_to_the_same(served: tuple[Server, Client]) -> None:
    server, client = served
    question = 'Answer as {"answer": "..."} and {name} {{twice}}'
    with closing(Store.open(server.db)) as store:
        (request_id,) = store.add([said(question, "{}", prompt=PromptLink("greeting"))])
    form = shown(client, f"/prompts/new?request={request_id}")["form"]
    assert form["name"] == "greeting"
    assert json.loads(form["metadata"])["model"]["name"] == "gpt-4o"
    rows = {f"role.{n}": one["role"] for n, one in enumerate(form["messages"])}
    rows |= {f"text.{n}": one["text"] for n, one in enumerate(form["messages"])}
    fields = {"as": "text", "name": "made", "metadata": form["metadata"], **rows}
    assert sent(client, "/prompts/new", **fields).status_code == 303
    made = client.post("/prompt-templates/made", {}).json()
    assert made["prompt_template"]["input_variables"] == []
    assert made["llm_kwargs"]["messages"][0]["content"] in (question, [{"type": "text", "text": question}])


def test_a_huge_template_has_a_page_of_ordinary_size(served: tuple[Server, Client]) -> None:
    _, client = served
    for word in ("a", "b"):
        publish(client, ("system", f"{word}{{" * 400_000), ("user", f"{word}{{x}} " * 300_000))
    for address in ("/prompts/1", "/prompts/1/diff"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert len(answer.content) < 1_000_000
        assert "are not shown" in Page(answer.text).one("p", class_="notice").text


@pytest.mark.parametrize(
    "address",
    [
        "/prompts/9",
        "/prompts/0x1",
        "/prompts/greeting",
        "/prompts/1/versions/9",
        "/prompts/1/versions/x",
        "/prompts/9/diff",
        "/prompts/1/diff?from=1&to=9",
        "/prompts/9/publish",
        "/prompts/1/publish?from=9",
        "/prompts/new?request=9",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(address: str, served: tuple[Server, Client]) -> None:
    _, client = served
    publish(client, ("user", "Hi"))
    answer = client.get(address)
    assert answer.status_code == 404
    assert Page(answer.text).one("h1").text == "Not found"


def test_templates_are_of_the_own_workspace(served: tuple[Server, Client]) -> None:
    server, client = served
    publish(client, ("user", "Hi"))
    forms = ("/labels", "/publish", "/versions/1/render", "/labels/1/delete")
    with closing(client_of_another_workspace(server)) as other:
        assert shown(other, "/prompts")["items"] == []
        for address in ("/prompts/1", "/prompts/1/versions/1", "/prompts/1/diff", "/prompts/1/publish"):
            assert other.get(address).status_code == 404
        for form in forms:
            assert sent(other, f"/prompts/1{form}", **{**FORM, "version": "1"}).status_code == 404


def test_forms_of_other_sites_change_nothing(served: tuple[Server, Client]) -> None:
    server, client = served
    publish(client, ("user", "Hi"))
    with requests.Session() as browser:
        browser.trust_env = False
        browser.get(server.link, timeout=TIMEOUT_S)
        for address in ("/prompts/1/labels", "/prompts/1/publish", "/prompts/new"):
            for headers in ({}, {"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "same-site"}):
                fields = {**FORM, "version": "1"}
                answer = browser.post(server.url + address, data=fields, headers=headers, timeout=TIMEOUT_S)
                assert answer.status_code == 403
        own = {"Origin": server.url}
        answer = browser.post(
            f"{server.url}/prompts/1/labels",
            data={"name": "prod", "version": "1"},
            headers=own,
            timeout=TIMEOUT_S,
        )
        assert answer.status_code == 200, "it was sent on to the page"
    assert [one["name"] for one in shown(client, "/prompts/1")["labels"]] == ["prod"]


def test_hostile_texts_are_text_on_every_page(served: tuple[Server, Client]) -> None:
    server, client = served
    tool = {"type": "function", "function": {"name": HOSTILE, "description": HOSTILE, "parameters": {}}}
    image = {"type": "image_url", "image_url": {"url": "javascript:alert(1)"}}
    messages = [
        {"role": "system", "content": HOSTILE, "name": HOSTILE},
        {"role": "user", "content": [image, {"type": "text", "text": HOSTILE + "{name}"}]},
        {"role": "user", "content": HOSTILE + "{{ name }}", "template_format": "jinja2"},
    ]
    for _ in range(2):
        publish(
            client,
            template={"type": "chat", "messages": messages, "tools": [tool]},
            name=HOSTILE,
            commit_message=HOSTILE[:72],
            tags=[HOSTILE],
        )
    sent(client, "/prompts/1/labels", name=HOSTILE, version="1")
    keep(server, (PromptLink(HOSTILE, 1), 40), (PromptLink(HOSTILE + "!", 1), 40))
    for address in ("/prompts", "/prompts/1", "/prompts/1/diff", "/prompts/1/publish"):
        page = Page(client.get(address).text)
        page.assert_harmless()
        assert any("{{7*7}}" in one.text for one in page.all("main")), address
    rendered = Page(sent(client, "/prompts/1/versions/1/render", **{"variable.name": HOSTILE}).text)
    rendered.assert_harmless()
