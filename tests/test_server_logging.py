"""Requests that clients log are in the store as they were sent, under the id that they are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch._wire import track_request
from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store, StoredRequest
from tests.support.serving import Client, client_of_another_workspace, serving

STARTED, ENDED = 1_744_640_901.32603, 1_744_640_902.440252
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
ANSWERED = {
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi there"}}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11},
}
CHAT = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path_factory.mktemp("served")) as both:
        yield both


@pytest.fixture
def client(served: tuple[Server, Client]) -> Client:
    return served[1]


@pytest.fixture
def stored(served: tuple[Server, Client]) -> Iterator[Any]:
    """Gives a request of the server's store by its id."""
    with closing(Store.open(served[0].db, read_only=True)) as store:
        yield store.get


def tracked(**fields: Any) -> dict[str, Any]:
    body = {
        "function_name": "openai.OpenAI.chat.completions.create",
        "provider_type": "openai",
        "args": [],
        "kwargs": ASKED,
        "request_response": ANSWERED,
        "request_start_time": STARTED,
        "request_end_time": ENDED,
        "tags": ["a", "b"],
        "metadata": {"user_id": "42"},
        "span_id": None,
    }
    return {**body, **fields}


def logged(**fields: Any) -> dict[str, Any]:
    body = {
        "provider": "openai",
        "model": "gpt-4o",
        "input": CHAT,
        "output": {"type": "chat", "messages": []},
        "request_start_time": STARTED,
        "request_end_time": ENDED,
    }
    return {**body, **fields}


# --- /track-request


@pytest.mark.parametrize("path", ["/track-request", "/rest/track-request"])
def test_a_tracked_request_is_stored_as_it_was_sent(client: Client, stored: Any, path: str) -> None:
    answer = client.post(path, tracked())
    assert answer.status_code == 200
    said = answer.json()
    assert said == {
        "success": True,
        "request_id": said["request_id"],
        "prompt_blueprint": None,
        "message": "Request tracked successfully",
    }
    request: StoredRequest = stored(said["request_id"])
    record = request.record
    assert (record.request, record.response) == (ASKED, ANSWERED)
    assert (record.function_name, record.client) == ("openai.chat.completions.create", "OpenAI")
    assert (record.started_at, record.ended_at) == (STARTED, ENDED)
    assert (record.tags, request.metadata) == (("a", "b"), {"user_id": "42"})
    assert (request.input_tokens, request.output_tokens) == (8, 3)


def test_the_key_may_come_in_the_header_or_in_the_body(served: tuple[Server, Client]) -> None:
    server, client = served
    nobody = Client(server.url, None)
    assert nobody.post("/track-request", tracked(api_key=server.api_key)).status_code == 200
    assert client.post("/track-request", tracked()).status_code == 200
    for body in (tracked(), tracked(api_key="pl_wrong"), tracked(api_key=7)):
        answer = nobody.post("/track-request", body)
        assert answer.status_code == 401
        assert answer.json()["success"] is False
    nobody.close()


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        (1_744_640_901.5, 1_744_640_901.5),
        (1_744_640_901, 1_744_640_901),
        ("2025-04-14T14:28:21.500Z", 1_744_640_901.5),
        ("2025-04-14T14:28:21.500", 1_744_640_901.5),
        ("2025-04-14T16:28:21.500+02:00", 1_744_640_901.5),
        ("1744640901500", 1_744_640_901.5),
        (1_744_640_901_500, 1_744_640_901.5),
    ],
)
def test_times_come_in_many_forms(client: Client, stored: Any, moment: Any, seconds: float) -> None:
    said = client.post("/track-request", tracked(request_start_time=moment)).json()
    assert stored(said["request_id"]).record.started_at == seconds


@pytest.mark.parametrize(
    "moment", ["yesterday", -1, True, None, [], 1e300, "2025-13-01T00:00:00Z", "9" * 400]
)
def test_a_time_that_is_none_is_refused(client: Client, moment: Any) -> None:
    answer = client.post("/track-request", tracked(request_start_time=moment))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "request_start_time"]


@pytest.mark.parametrize(
    "fields",
    [
        {"args": None, "tags": None, "metadata": None, "provider_type": None, "span_id": "0" * 16},
        {"function_name": None, "kwargs": {"engine": "davinci", "prompt": "Hi"}, "return_pl_id": True},
        {"request_response": "text"},
        {"request_response": [{"role": "assistant", "content": "x"}], "args": ["Hello"]},
        {"request_response": {}},
        {"metadata": {"n": 1, "o": {"p": [1]}}},
        {"anything": {"else": 1}},
        {"prompt_input_variables": ["name"], "prompt_id": "7", "prompt_version": 2},
    ],
)
def test_what_other_producers_send_is_taken(client: Client, stored: Any, fields: dict[str, Any]) -> None:
    answer = client.post("/track-request", tracked(**fields))
    assert answer.status_code == 200, answer.text
    assert stored(answer.json()["request_id"]) is not None


@pytest.mark.parametrize("missing", ["kwargs", "request_response", "request_start_time", "request_end_time"])
def test_what_is_missing_is_named(client: Client, missing: str) -> None:
    body = tracked()
    del body[missing]
    answer = client.post("/track-request", body)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(f"body.{missing}")


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        (
            {"status": "ERROR", "error_type": "PROVIDER_TIMEOUT", "error_message": "x" * 5000},
            "provider_error",
        ),
        ({"status": "WARNING", "error_type": "PROVIDER_PARTIAL_RESPONSE"}, "complete"),
        ({"status": "SUCCESS"}, "complete"),
    ],
)
def test_a_failure_is_kept_as_one(client: Client, stored: Any, fields: dict[str, Any], ending: str) -> None:
    answer = client.post("/track-request", tracked(**fields, request_response={}))
    record = stored(answer.json()["request_id"]).record
    assert record.ending.value == ending
    if "error_message" in fields:
        assert record.error == Failure("PROVIDER_TIMEOUT", "x" * 1024)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "FINE"},
        {"status": "ERROR", "error_type": "BAD_LUCK"},
        {"status": "SUCCESS", "error_type": "PROVIDER_ERROR"},
        {"status": "WARNING", "error_type": "PROVIDER_ERROR"},
        {"status": "ERROR", "error_type": "PROVIDER_PARTIAL_RESPONSE"},
        {"error_type": "UNKNOWN_ERROR"},
    ],
)
def test_a_status_that_does_not_go_with_its_error_is_refused(client: Client, fields: dict[str, Any]) -> None:
    assert client.post("/track-request", tracked(**fields)).status_code == 422


def test_a_blueprint_comes_back_to_who_asks_for_it(client: Client) -> None:
    said = client.post("/track-request", tracked(return_prompt_blueprint=True)).json()
    messages = said["prompt_blueprint"]["prompt_template"]["messages"]
    assert messages[-1]["content"][-1]["text"] == "Hi there"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
small = st.dictionaries(texts, texts | st.integers(-(2**53), 2**53) | st.booleans() | st.none(), max_size=4)
ours = st.builds(
    Record,
    id=st.builds(new_record_id),
    function_name=st.sampled_from(["openai.chat.completions.create", "openai.embeddings.create"]),
    client=st.none() | st.sampled_from(["OpenAI", "AsyncAzureOpenAI"]),
    provider=st.sampled_from(["openai", "openai.azure"]),
    endpoint=texts,
    request=small,
    response=st.none() | st.dictionaries(texts, texts, min_size=1, max_size=3),
    started_at=st.floats(1e9, 2e9),
    ended_at=st.floats(2e9, 3e9),
    ending=st.sampled_from(Ending),
    attempts=st.integers(1, 9),
    provider_request_id=st.none() | st.text("abcdef_", min_size=1),
    tags=st.lists(texts, max_size=4, unique=True).map(tuple),
    metadata=st.dictionaries(texts, texts, max_size=4),
    sdk_version=st.none() | st.just("3.57.0"),
    shortened_from=st.none() | st.integers(1, 2**40),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ours)
def test_a_record_of_ours_arrives_whole_and_once(client: Client, stored: Any, record: Record) -> None:
    """What PromptLayer has no field for travels in metadata, and is put back where it was."""
    body = track_request(record)
    first, again = (client.post("/track-request", body).json()["request_id"] for _ in range(2))
    assert first == again
    kept = stored(first).record
    names = ["id", "function_name", "client", "provider", "endpoint", "request", "started_at", "ended_at"]
    names += [
        "ending",
        "attempts",
        "provider_request_id",
        "tags",
        "metadata",
        "sdk",
        "sdk_version",
        "shortened_from",
    ]
    assert {name: getattr(kept, name) for name in names} == {name: getattr(record, name) for name in names}
    if record.ending is not Ending.PROVIDER_ERROR:
        assert kept.response == record.response


def test_metadata_that_only_looks_like_ours_is_metadata(client: Client, stored: Any) -> None:
    odd = {
        "promptlayer_patch.record_id": "x",
        "promptlayer_patch.attempts": "-1",
        "promptlayer_patch.mine": "1",
    }
    odd |= {"promptlayer_patch.first_token_s": "nan", "promptlayer_patch.ending": "well"}
    said = client.post("/track-request", tracked(metadata=odd)).json()
    assert stored(said["request_id"]).metadata == odd


# --- /log-request


def test_a_logged_request_comes_back_as_its_row(client: Client, stored: Any) -> None:
    body = logged(
        output={**CHAT, "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Tokyo"}]}]},
        parameters={"temperature": 0.2},
        tags=["t"],
        metadata={"k": "v"},
        input_tokens=5,
        output_tokens=7,
        price=0.25,
        score=90,
        score_name="accuracy",
        api_type="chat-completions",
    )
    answer = client.post("/log-request", body)
    assert answer.status_code == 201
    row = answer.json()
    assert isinstance(row["id"], int)
    assert (row["provider_type"], row["engine"], row["tokens"]) == ("openai", "gpt-4o", 12)
    assert row["function_kwargs"] == {"input": CHAT, "parameters": {"temperature": 0.2}}
    assert row["request_start_time"] == "2025-04-14T14:28:21.326030"
    assert (row["price"], row["tags_array"], row["metadata"]) == (0.25, ["t"], [{"k": "v"}])
    assert [m["role"] for m in row["prompt_version"]["prompt_template"]["messages"]] == ["user", "assistant"]
    kept: StoredRequest = stored(row["id"])
    assert (kept.input_tokens, kept.output_tokens, kept.scores) == (5, 7, {"accuracy": 90})


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "text"},
        {"input": {"type": "chart"}},
        {"score": 101},
        {"price": -1},
        {"input_tokens": -1},
        {"input_tokens": 2**70},
        {"tags": "t"},
        {"tags": ["x" * 513]},
        {"metadata": {"k" * 1025: "v"}},
        {"model": None},
        {"prompt_version_number": 0},
    ],
)
def test_a_field_of_the_wrong_form_is_refused(client: Client, fields: dict[str, Any]) -> None:
    answer = client.post("/log-request", logged(**fields))
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"][1] in fields


# --- annotating


@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_said_about_a_request_is_kept_with_it(client: Client, stored: Any, as_text: bool) -> None:
    request_id = client.post("/track-request", tracked()).json()["request_id"]
    about = {"request_id": str(request_id) if as_text else request_id}
    group_id = client.post("/create-group", {}).json()["id"]
    for path, body in (
        ("/library-track-score", {"score": 10}),
        ("/rest/track-score", {"score": 95, "name": "accuracy"}),
        ("/library-track-metadata", {"metadata": {"user_id": "7", "k": "v"}}),
        ("/rest/track-metadata", {"metadata": {"n": 1}}),
        ("/track-group", {"group_id": group_id}),
        ("/rest/track-group", {"group_id": group_id}),
    ):
        answer = client.post(path, {**about, **body})
        assert answer.status_code == 200
        assert answer.json()["success"] is True
        assert ("message" in answer.json()) is path.startswith("/rest")
    request: StoredRequest = stored(request_id)
    assert request.scores == {"default": 10, "accuracy": 95}
    assert request.metadata == {"user_id": "7", "k": "v", "n": "1"}
    assert request.groups == (group_id,)


@pytest.mark.parametrize("score", [-1, 101, True, "many", 1.5, None])
def test_a_score_is_a_whole_number_from_0_to_100(client: Client, score: Any) -> None:
    answer = client.post("/library-track-score", {"request_id": 1, "score": score})
    assert answer.status_code == 422


@pytest.mark.parametrize("request_id", [0, -1, "abc", 1.5, True, None, 2**63, "9" * 30])
def test_an_id_is_a_whole_number_from_1_on(client: Client, request_id: Any) -> None:
    assert client.post("/library-track-score", {"request_id": request_id, "score": 1}).status_code == 422


def test_nothing_is_said_about_a_request_that_is_not_there(client: Client) -> None:
    for path, body in (
        ("/library-track-score", {"score": 1}),
        ("/library-track-metadata", {"metadata": {"a": "b"}}),
        ("/track-group", {"group_id": 1}),
    ):
        assert client.post(path, {"request_id": 2**52, **body}).status_code == 404
    request_id = client.post("/track-request", tracked()).json()["request_id"]
    assert client.post("/track-group", {"request_id": request_id, "group_id": 10**9}).status_code == 404


def test_every_group_is_a_new_one(client: Client) -> None:
    made = [client.post("/create-group", {}).json()["id"] for _ in range(3)]
    assert len(set(made)) == 3


# --- prompt templates


@pytest.fixture(scope="module")
def template(served: tuple[Server, Client]) -> dict[str, Any]:
    """A published template with one version."""
    version = {"prompt_template": {**CHAT, "input_variables": ["name"]}}
    body = {"prompt_template": {"prompt_name": "greeting"}, "prompt_version": version}
    made: dict[str, Any] = served[1].post("/rest/prompt-templates", body).json()
    return made


def test_a_request_is_linked_to_its_template(client: Client, stored: Any, template: dict[str, Any]) -> None:
    said = {"prompt_name": "greeting", "prompt_input_variables": {"name": "Ada"}}
    exact = PromptLink("greeting", 1, None, {"name": "Ada"}, template["id"])
    by_name = client.post("/log-request", logged(**said)).json()["id"]
    by_id = client.post(
        "/log-request", logged(**{**said, "prompt_name": None}, prompt_id=template["id"])
    ).json()["id"]
    sent = {"prompt_id": template["id"], "prompt_version": 1, "prompt_input_variables": {"name": "Ada"}}
    tracked_id = client.post("/track-request", tracked(**sent)).json()["request_id"]
    afterwards = client.post("/track-request", tracked()).json()["request_id"]
    assert client.post("/library-track-prompt", {"request_id": afterwards, **said}).status_code == 200
    assert [stored(one).prompt for one in (by_name, by_id, tracked_id, afterwards)] == [exact] * 4


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt_name": "unheard of"},
        {"prompt_id": 10**6},
        {"prompt_name": "greeting", "prompt_version_number": 99},
    ],
)
def test_a_template_that_is_not_there_is_said_to_be_missing(
    client: Client, template: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert client.post("/log-request", logged(**fields)).status_code == 404


def test_a_provider_call_is_kept_whatever_its_template(client: Client, stored: Any) -> None:
    """Its template may live at PromptLayer: a call that was made is no place to be strict."""
    said = client.post("/track-request", tracked(prompt_id=10**6, prompt_version=3))
    assert stored(said.json()["request_id"]).prompt == PromptLink("", 3, None, {}, 10**6)


# --- workspaces


def test_another_workspaces_requests_are_not_there(served: tuple[Server, Client]) -> None:
    server, client = served
    other = client_of_another_workspace(server)
    request_id = client.post("/track-request", tracked(request_start_time=1_750_000_000)).json()["request_id"]
    theirs = other.post("/track-request", tracked(request_start_time=1_760_000_000)).json()["request_id"]
    for who, whose, status in ((other, request_id, 404), (client, theirs, 404), (other, theirs, 200)):
        assert who.post("/library-track-score", {"request_id": whose, "score": 1}).status_code == status
    other.close()


def test_secrets_do_not_reach_the_file(served: tuple[Server, Client]) -> None:
    server, client = served
    secrets = [
        "sk-proj-abcdefghij1234567890XYZ",
        "pl_0123456789abcdef0123456789abcdef",
        "eyJhbGciOiJ.eyJzdWIiOjE.c2ln",
    ]
    kwargs = {
        **ASKED,
        "api_key": secrets[0],
        "apiKey": "my-own-secret-key-1",
        "extra_headers": {"Authorization": f"Bearer {secrets[2]}"},
        "messages": [{"role": "user", "content": f"my keys are {secrets[0]} and {secrets[1]}"}],
    }
    for body in (tracked(kwargs=kwargs), tracked(metadata={"x": secrets[0]}, tags=[secrets[1]])):
        assert client.post("/track-request", {**body, "api_key": server.api_key}).status_code == 200
    text = stored_text(server.db)
    assert "my keys are" in text
    for secret in (*secrets, "my-own-secret-key-1", str(server.api_key)):
        assert secret not in text


def stored_text(path: Path) -> str:
    """Every request of a store, in plain text."""
    with closing(Store.open(path, read_only=True)) as store:
        return "".join(str(store.get(summary.request_id)) for summary in store.recent(10_000))
