"""The calls that wait for PromptLayer: what they send, what they answer, and what they raise."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import vcr
import yaml

import promptlayer_patch
from promptlayer_patch import _api, errors, group, templates
from promptlayer_patch.errors import APIConnectionError, APIStatusError, APITimeoutError, InvalidArgument
from tests.support.fake_promptlayer import SILENCE, Answer, nobody_listening, refused
from tests.support.fake_registry import DROPPED, KEY, MODEL, TEXT, FakeRegistry, chat
from tests.support.programs import printed

SHARED = Path(__file__).parents[2] / "shared" / "cassettes" / "promptlayer"
recorded_only = pytest.mark.skipif(
    not SHARED.is_dir(), reason="../shared/cassettes is absent: the recordings are kept beside the project"
)
GROUPED = Answer(200, {"success": True, "id": 7})
FOUND = Answer(200, {"id": 1, "prompt_name": "x", "version": 1, "prompt_template": chat("a")})


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """PromptLayer, where the environment says; without pauses between attempts."""
    monkeypatch.setattr(_api, "_FIRST_PAUSE_S", 0.0)
    templates.clear_cache()
    with FakeRegistry() as fake:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", fake.base_url)
        yield fake


# As recorded


def recorded(file: str, path: str) -> tuple[dict[str, Any], Answer]:
    """A request to a path of a recording, and what it was answered with."""
    cassette = yaml.safe_load((SHARED / file).read_text(encoding="utf-8"))
    for one in cassette["interactions"]:
        if urlsplit(one["request"]["uri"]).path == path:
            answer = one["response"]
            return one["request"], Answer(answer["status"]["code"], json.loads(answer["body"]["string"]))
    raise AssertionError(f"{path} is not in {file}")


def same_request(registry: FakeRegistry, request: dict[str, Any]) -> dict[str, Any]:
    """Compare what came in with a recording, down to the headers that matter; the test compares bodies."""
    (asked,) = registry.asked()
    uri = urlsplit(request["uri"])
    assert asked.method == request["method"]
    assert asked.path == uri.path + (f"?{uri.query}" if uri.query else "")
    assert asked.headers.get("content-type") == request["headers"].get("content-type", [None])[0]
    assert ("x-api-key" in asked.headers) == ("x-api-key" in request["headers"])
    assert asked.headers.get("x-api-key", KEY) == KEY
    body: dict[str, Any] = json.loads(request["body"] or "{}")
    if "api_key" in body:
        body["api_key"] = KEY
    return body


@recorded_only
@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("test_track_and_templates.yaml", "sample_template"),
        ("test_get_template_async.yaml", "sample_template"),
        ("test_get_prompt_template_provider_base_url_name.yaml", "test_template:test"),
    ],
)
def test_a_template_is_asked_for_as_recorded(registry: FakeRegistry, file: str, name: str, form: str) -> None:
    request, answer = recorded(file, f"/prompt-templates/{name.replace(':', '%3A')}")
    registry.next_answers.append(answer)
    asked: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-3.5-turbo",
        "input_variables": {},
        "cache_ttl_s": 0,
    }

    get = templates.get if form == "sync" else lambda *a, **k: asyncio.run(templates.aget(*a, **k))
    template = get(name, **asked)

    assert same_request(registry, request) == registry.asked()[0].body
    assert template == answer.body
    assert (template.name, template.version) == (name, 1)
    assert template.llm_kwargs == {"model": "gpt-3.5-turbo", **template["llm_kwargs"]}


@recorded_only
def test_a_group_is_made_as_recorded(registry: FakeRegistry) -> None:
    request, answer = recorded("test_track_and_templates.yaml", "/create-group")
    registry.next_answers.append(answer)
    assert group.create() == 1
    assert same_request(registry, request) == registry.asked()[0].body


@recorded_only
def test_the_list_is_asked_for_as_recorded(registry: FakeRegistry) -> None:
    request, answer = recorded("test_get_all_templates.yaml", "/prompt-templates")
    registry.next_answers.append(answer)
    listing = templates.all()
    names = [template.name for template in listing]
    assert names == ["sample_template", "simple", "Example: page_title"]
    assert (listing.total, listing.pages) == (3, 1)
    same_request(registry, request)


@recorded_only
@pytest.mark.parametrize(
    "file", ["test_publish_template_async.yaml", "test_get_prompt_template_provider_base_url_name.yaml"]
)
def test_a_template_is_published_as_recorded(registry: FakeRegistry, file: str) -> None:
    """PromptLayer's own library sends every field twice; here each is where the API documents it."""
    request, answer = recorded(file, "/rest/prompt-templates")
    registry.next_answers.append(answer)
    flat = json.loads(request["body"])["prompt_version"]
    options = {
        name: flat[name]
        for name in ("tags", "commit_message", "metadata", "provider_base_url_name")
        if name in flat
    }

    published = templates.publish(flat["prompt_name"], flat["prompt_template"], **options)

    body, ours = same_request(registry, request), registry.asked()[0].body
    assert ours["release_labels"] == body["release_labels"]
    sent = {**ours["prompt_template"], **ours["prompt_version"]}
    assert sent == flat
    for part in ("prompt_template", "prompt_version"):
        assert ours[part].items() <= body[part].items()
    assert published == answer.body


# Round trips


def test_what_is_published_can_be_fetched_labelled_and_changed(registry: FakeRegistry) -> None:
    first = templates.publish(
        "support/reply", [{"role": "user", "content": TEXT}], metadata={"model": MODEL}, tags=["live"]
    )
    second = templates.patch(first.name, messages={0: {"role": "user", "content": "Hello {name}"}})
    assert (first.version, second.version) == (1, 2)
    assert templates.get("support/reply", version=1).messages[0]["content"][0]["text"] == TEXT

    label = templates.set_label("support/reply", "prod", 1)
    assert (label.name, label.version) == ("prod", 1)
    assert templates.get("support/reply", label="prod").version == 1
    assert templates.set_label("support/reply", "prod", 2).id == label.id
    assert templates.get("support/reply", label="prod").version == 2
    assert templates.move_label(first.id or 0, "prod", 1).version == 1
    assert [(one.name, one.version) for one in templates.labels("support/reply")] == [("prod", 1)]
    templates.delete_label("support/reply", "prod")
    assert templates.labels("support/reply") == []
    with pytest.raises(errors.NotFound, match="no release label 'prod'"):
        templates.move_label("support/reply", "prod", 1)
    with pytest.raises(errors.NotFound):
        templates.delete_label("support/reply", "prod")


def test_every_call_has_a_form_that_is_awaited(registry: FakeRegistry) -> None:
    async def calls() -> list[Any]:
        made = await templates.apublish("a", [{"role": "user", "content": TEXT}])
        await templates.apatch("a", messages=[{"role": "user", "content": "b"}], release_labels=["x"])
        await templates.aset_label("a", "prod", 1)
        await templates.amove_label("a", "prod", 2)
        listing = templates.aall()
        names = [one.name async for one in listing]
        total = await listing.total()
        labels = [one.name for one in await templates.alabels("a")]
        await templates.adelete_label("a", "prod")
        version = (await templates.aget("a", label="x")).version
        return [made.version, names, total, sorted(labels), version, await group.acreate()]

    assert asyncio.run(calls()) == [1, ["a"], 1, ["prod", "x"], 2, 1]
    assert asyncio.iscoroutinefunction(templates.aget)


def test_the_event_loop_goes_on_while_a_call_waits(registry: FakeRegistry) -> None:
    registry.next_answers.append(SILENCE)

    async def other() -> str:
        call = asyncio.create_task(group.acreate(timeout_s=20.0))
        await asyncio.to_thread(registry.wait_for, 1)
        registry.over.set()
        with pytest.raises(APIConnectionError):
            await call
        return "went on"

    assert asyncio.run(other()) == "went on"


def test_all_pages_come_one_after_another_and_only_when_wanted(registry: FakeRegistry) -> None:
    for number in range(7):
        registry.put(f"t{number}", chat("x"), tags=("odd",) if number % 2 else ())
    listing = templates.all(per_page=3)
    assert registry.asked() == []
    assert next(listing).name == "t6"
    assert len(registry.asked()) == 1
    assert [one.name for one in listing] == ["t5", "t4", "t3", "t2", "t1", "t0"]
    assert len(registry.asked()) == 3
    assert next(listing, None) is None
    assert (listing.total, listing.pages) == (7, 3)

    page = templates.all(page=2, per_page=3)
    assert ([one.name for one in page], page.total) == (["t3", "t2", "t1"], 7)
    assert [one.name for one in templates.all(name="T", tags=["odd"], per_page=2)] == ["t5", "t3", "t1"]
    assert list(templates.all(name="nothing")) == []


def test_every_filter_is_sent(registry: FakeRegistry) -> None:
    filters: dict[str, Any] = {
        "label": "prod",
        "name": "a&b ä",
        "tags": ["x", "y"],
        "status": "all",
        "is_snippet": False,
        "created_by_email": "ada@example.com",
        "created_after": "2026-01-01",
        "created_before": "2026-01-02",
        "updated_after": "2026-01-03",
        "updated_before": "2026-01-04",
        "sort_by": "name",
        "sort_order": "asc",
        "external_source": "git",
        "external_id": "7",
    }
    list(templates.all(**filters))
    (asked,) = registry.asked()
    assert asked.path == (
        "/prompt-templates?page=1&per_page=30&label=prod&name=a%26b+%C3%A4&tags=x&tags=y&status=all"
        "&is_snippet=false&created_by_email=ada%40example.com&created_after=2026-01-01"
        "&created_before=2026-01-02&updated_after=2026-01-03&updated_before=2026-01-04&sort_by=name"
        "&sort_order=asc&external_source=git&external_id=7"
    )


@pytest.mark.parametrize("name", ["a/b", "a:b", "a b?c#d", "../x", "é💡", "%41", "a~b", "17"])
def test_any_name_arrives_as_it_is(registry: FakeRegistry, name: str) -> None:
    registry.put(name, chat("x"))
    assert templates.get(name).name == name
    assert registry.asked()[0].path.count("/") == 2


def test_an_id_is_as_good_as_a_name(registry: FakeRegistry) -> None:
    made = registry.put("a", chat("x"))
    assert templates.get(made["id"]).name == "a"


def test_a_patch_sends_only_what_is_given(registry: FakeRegistry) -> None:
    """`None` takes something out, `...` leaves it as it is."""
    registry.put("a", chat("x"))
    templates.patch("a")
    templates.patch(
        "a", label="prod", tools=None, model_parameters={"temperature": 0}, commit_message="cooler"
    )
    templates.patch(
        "a", version=1, messages=[{"role": "user", "content": "x"}], tools={0: {"type": "function"}}
    )
    assert [one.body for one in registry.asked()] == [
        {},
        {"label": "prod", "tools": None, "model_parameters": {"temperature": 0}, "commit_message": "cooler"},
        {
            "version": 1,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
            "tools": {"0": {"type": "function"}},
        },
    ]


# What goes wrong

CALLS: dict[str, Callable[[], Any]] = {
    "get": lambda: templates.get("x"),
    "publish": lambda: templates.publish("x", [{"role": "user", "content": "x"}]),
    "patch": lambda: templates.patch("x"),
    "all": lambda: next(templates.all()),
    "labels": lambda: templates.labels("x"),
    "set_label": lambda: templates.set_label("x", "prod", 1),
    "move_label": lambda: templates.move_label("x", "prod", 1),
    "delete_label": lambda: templates.delete_label("x", "prod"),
    "group.create": group.create,
}
any_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)

STATUSES = [
    (400, errors.BadRequest),
    (401, errors.AuthenticationFailed),
    (403, errors.PermissionDenied),
    (404, errors.NotFound),
    (409, errors.Conflict),
    (415, APIStatusError),
    (422, errors.Unprocessable),
    (302, APIStatusError),
]


@any_call
@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_status_is_an_error_of_its_own(
    registry: FakeRegistry, call: Callable[[], Any], status: int, kind: type[APIStatusError]
) -> None:
    registry.next_answers.append(refused(status, "because"))
    with pytest.raises(APIStatusError) as raised:
        call()
    error = raised.value
    assert (type(error), error.status, error.message) == (kind, status, "because")
    assert error.body == {"success": False, "message": "because"}
    assert str(error) == f"HTTP {status}: because"
    assert len(registry.asked()) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "no key"}, "no key"),
        (
            {"detail": [{"loc": ["body", "label"], "msg": "too long"}, {"msg": "odd"}]},
            "body.label: too long; odd",
        ),
        ({"detail": "not here"}, "not here"),
        (b"<html>", "not PromptLayer's answer"),
        (b"", "not PromptLayer's answer"),
        ([], "not PromptLayer's answer"),
        ({}, "not PromptLayer's answer"),
    ],
)
def test_the_message_is_the_servers(registry: FakeRegistry, body: Any, message: str) -> None:
    registry.next_answers.append(Answer(422, body))
    with pytest.raises(errors.Unprocessable) as raised:
        templates.get("x")
    assert raised.value.message == message


@any_call
@pytest.mark.parametrize("body", [b"<html>hotel</html>", b"", b"[", b'"x"', b"7", b"null", b"[]", b"{}"])
def test_a_success_that_is_not_promptlayers_is_an_error(
    registry: FakeRegistry, call: Callable[[], Any], body: bytes
) -> None:
    """Of a publication nothing is demanded but an object, as there is nothing that has to be in it."""
    registry.next_answers.append(Answer(200, body))
    if body == b"{}" and call in (CALLS["publish"], CALLS["patch"]):
        assert call() == {}
    else:
        with pytest.raises(APIStatusError) as raised:
            call()
        assert raised.value.status == 200


def test_what_is_out_of_order_is_asked_again(registry: FakeRegistry) -> None:
    registry.next_answers.extend([refused(500), DROPPED, refused(429, Retry_After="0"), FOUND])
    assert templates.get("x").name == "x"
    assert len(registry.asked()) == 4


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused(500), errors.ServerError),
        (refused(503), errors.ServerError),
        (refused(429), errors.RateLimited),
        (DROPPED, APIConnectionError),
        (Answer(200, {"a": "b" * 100}, cut=20), APIConnectionError),
    ],
)
def test_it_is_given_up_after_four_times(
    registry: FakeRegistry, answer: Answer, kind: type[Exception]
) -> None:
    registry.next_answers.extend([answer] * 5)
    with pytest.raises(kind) as raised:
        templates.get("x")
    assert type(raised.value) is kind
    assert len(registry.asked()) == 4


ONCE = ["publish", "patch", "group.create"]


@pytest.mark.parametrize("call", [CALLS[name] for name in ONCE], ids=ONCE)
@pytest.mark.parametrize("answer", [refused(500), refused(502), DROPPED], ids=["500", "502", "dropped"])
def test_what_may_have_happened_is_not_done_twice(
    registry: FakeRegistry, call: Callable[[], Any], answer: Answer
) -> None:
    registry.next_answers.append(answer)
    with pytest.raises((errors.ServerError, APIConnectionError)):
        call()
    assert len(registry.asked()) == 1


def test_what_cannot_have_happened_is_done_again(registry: FakeRegistry) -> None:
    registry.next_answers.extend([refused(429), refused(429), GROUPED])
    assert group.create() == 7
    assert len(registry.asked()) == 3


def test_retry_after_is_followed_where_it_fits_into_the_time(registry: FakeRegistry) -> None:
    registry.next_answers.extend([refused(429, Retry_After="0.01"), FOUND])
    assert templates.get("x").name == "x"
    for value, at_least in (("60", 60.0), (formatdate(4e9, usegmt=True), 1e6)):
        registry.next_answers.append(refused(429, "slow down", Retry_After=value))
        with pytest.raises(errors.RateLimited) as raised:
            templates.get("y")
        assert raised.value.retry_after_s is not None
        assert raised.value.retry_after_s >= at_least
    assert len(registry.asked()) == 4


@any_call
def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any]) -> None:
    monkeypatch.setattr(_api, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    with nobody_listening() as url:
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", url.replace("//", "//user:secret-word@"))
        with pytest.raises(APIConnectionError, match="ConnectionRefusedError") as raised:
            call()
    assert not isinstance(raised.value, TimeoutError)
    assert "secret-word" not in str(raised.value)


def test_a_silent_server_is_a_timeout(registry: FakeRegistry) -> None:
    """A `TimeoutError` too, as for everything else that waits."""
    registry.next_answers.extend([SILENCE] * 3)
    with pytest.raises(APITimeoutError, match=r"within 0\.05 s") as raised:
        templates.get("x", timeout_s=0.05)
    assert isinstance(raised.value, TimeoutError)
    assert isinstance(raised.value, APIConnectionError)
    with pytest.raises(APITimeoutError):
        group.create(timeout_s=0.05)


def test_an_answer_that_trickles_in_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for all of it, and not for each piece."""
    over = threading.Event()

    def trickle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            while not over.wait(0.005):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread = threading.Thread(target=trickle, args=(listening,))
        thread.start()
        try:
            with pytest.raises(APITimeoutError):
                group.create(timeout_s=0.2)
        finally:
            over.set()
            thread.join()


def test_a_long_answer_is_read_to_its_end(registry: FakeRegistry) -> None:
    registry.put("long", chat("x" * 3_000_000))
    assert len(next(templates.all()).messages[0]["content"][0]["text"]) == 3_000_000


# In tests of programs


@any_call
def test_in_a_test_that_does_not_ask_for_it_nobody_is_asked(
    call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A test must not publish a template by mistake; a cassette, or a server on this machine, is none."""
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", "https://promptlayer.invalid")
    monkeypatch.setenv("PROMPTLAYER_SEND", "false")
    if call is group.create:
        assert call() == 1, "from memory, as ids are"
        return
    with pytest.raises(errors.APIConnectionError, match="mark the test with promptlayer_send"):
        call()
    with (
        vcr.use_cassette(str(tmp_path / "empty.yaml"), record_mode="none"),
        pytest.raises(errors.APIConnectionError, match="CannotOverwriteExistingCassetteException"),
    ):
        call()


# The key


@any_call
def test_without_a_key_nothing_is_sent(
    registry: FakeRegistry, call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMPTLAYER_API_KEY")
    monkeypatch.setenv("PROMPTLAYER_TO", "promptlayer:")  # else a group is made in the local store
    with pytest.raises(InvalidArgument, match="PROMPTLAYER_API_KEY") as raised:
        call()
    assert raised.value.argument == "api_key"
    assert registry.asked() == []


@any_call
def test_the_key_is_in_no_error(registry: FakeRegistry, call: Callable[[], Any]) -> None:
    """Not even where the server quotes it."""
    registry.next_answers.append(Answer(403, {"message": f"{KEY} may not", "sent": [{KEY: f"key {KEY}"}]}))
    with pytest.raises(errors.PermissionDenied, match=r"\*\*\* may not") as raised:
        call()
    told = f"{raised.value!r} {raised.value} {raised.value.body} {vars(raised.value)}"
    assert KEY not in told
    assert KEY not in repr(_api.account())


def test_the_settings_of_install_come_before_the_environment(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "of the environment")
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", "http://127.0.0.1:1")
    for options in (
        {"base_url": registry.base_url},
        {"to": f"promptlayer:{registry.base_url}/"},
        {"to": ["memory:", f"promptlayer:{registry.base_url}"]},
        {"to": "memory:", "base_url": registry.base_url},
    ):
        promptlayer_patch.install(api_key=KEY, **options)
        assert group.create() >= 1
        promptlayer_patch.uninstall()
    assert _api.account() == _api.Account("http://127.0.0.1:1", "of the environment")


# Arguments

LONG = "x" * 513
MESSAGES = [{"role": "user", "content": "x"}]


def each(argument: str, call: Callable[[Any], Any], *values: Any) -> list[tuple[str, Callable[[], Any]]]:
    return [(argument, partial(call, value)) for value in values]


WRONG = [
    *each("name_or_id", templates.get, "", " ", LONG, 0, -1, True, None, 1.5, ".", "..", "\ud800"),
    *each("version", lambda one: templates.get("x", one), 0, -1, True, "1", 1.0),
    *each("version", lambda one: templates.get("x", one, "prod"), 1),
    *each("version", lambda one: templates.patch("x", version=one, label="prod"), 1),
    *each("label", lambda one: templates.get("x", label=one), "", 7, LONG),
    *each("input_variables", lambda one: templates.get("x", input_variables=one), "a", ["a"], {1: "a"}),
    *each("input_variables", lambda one: templates.get("x", input_variables={"a": one}), object(), {1}, b"x"),
    *each("provider", lambda one: templates.get("x", provider=one), 7, ""),
    *each("model", lambda one: templates.get("x", model=one), 7, ""),
    *each("metadata_filters", lambda one: templates.get("x", metadata_filters=one), {"a": 1}, "a"),
    *each("model_parameter_overrides", lambda one: templates.get("x", model_parameter_overrides=one), 7, []),
    *each("cache_ttl_s", lambda one: templates.get("x", cache_ttl_s=one), -1, "1", True, float("nan")),
    *each("timeout_s", lambda one: templates.get("x", timeout_s=one), 0, -1, "1", True, float("inf")),
    *each("timeout_s", group.create, 0, None),
    *each("timeout_s", lambda one: templates.publish("x", MESSAGES, timeout_s=one), 0),
    *each("name", lambda one: templates.publish(one, MESSAGES), "", LONG, 7),
    *each("prompt_template", lambda one: templates.publish("x", one), "x", [], [7], [{}], {}, None),
    *each("prompt_template", lambda one: templates.publish("x", one), [{"role": "x"}], {"messages": 7}),
    *each("template_format", lambda one: templates.publish("x", MESSAGES, template_format=one), "mustache"),
    *each("tags", lambda one: templates.publish("x", MESSAGES, tags=one), "x", [LONG], [7]),
    *each("commit_message", lambda one: templates.publish("x", MESSAGES, commit_message=one), "x" * 73, 7),
    *each(
        "provider_base_url_name",
        lambda one: templates.publish("x", MESSAGES, provider_base_url_name=one),
        "x" * 256,
    ),
    *each("release_labels", lambda one: templates.publish("x", MESSAGES, release_labels=one), [""], "prod"),
    *each("folder_id", lambda one: templates.publish("x", MESSAGES, folder_id=one), 0, True),
    *each("metadata", lambda one: templates.publish("x", MESSAGES, metadata=one), [], {"a": object()}),
    *each("messages", lambda one: templates.patch("x", messages={one: {}}), "a", -1, True, 1.5),
    *each("page", templates.all, 0, True, "1"),
    *each("per_page", lambda one: templates.all(per_page=one), 0, True),
    *each("status", lambda one: templates.all(status=one), "gone", 7),
    *each("sort_by", lambda one: templates.all(sort_by=one), "size"),
    *each("sort_order", lambda one: templates.all(sort_order=one), "up"),
    *each("is_snippet", lambda one: templates.all(is_snippet=one), 1, "yes"),
    *each("label", lambda one: templates.set_label("x", one, 1), "", LONG),
    *each("version", lambda one: templates.set_label("x", "prod", one), 0, True),
    *each("version", lambda one: templates.move_label("x", "prod", one), 0, True),
    *each("label", lambda one: templates.delete_label("x", one), "", 7),
]


@pytest.mark.parametrize(("argument", "call"), WRONG, ids=[f"{n}-{one[0]}" for n, one in enumerate(WRONG)])
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    registry: FakeRegistry, argument: str, call: Callable[[], Any]
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        call()
    assert raised.value.argument == argument
    assert registry.asked() == []


def test_the_errors_can_be_pickled() -> None:
    """They cross processes in pools, and are copied for each thread that waited for the same template."""
    error = errors.RateLimited(429, "slow down", {"a": 1}, 2.5)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.body, again.retry_after_s) == (
        errors.RateLimited,
        "HTTP 429: slow down",
        {"a": 1},
        2.5,
    )


# Threads and processes


def test_threads_share_connections_but_never_one_at_a_time(registry: FakeRegistry) -> None:
    registry.put("a", chat(TEXT))
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for number in range(10):
                assert templates.get("a", cache_ttl_s=0).name == "a"
                assert templates.all(name=str(number)).total == 0
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(registry.asked()) == 160


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_connections_of_its_own(registry: FakeRegistry) -> None:
    """Two processes on one socket would read each other's answers."""
    registry.put("a", chat(TEXT))
    program = """
        import os
        from promptlayer_patch import _api, templates
        templates.get("a")
        assert _api._POOL._idle
        child = os.fork()
        if not child:
            empty = not _api._POOL._idle
            asked = templates.get("a", cache_ttl_s=0).name == "a" and templates.get("a").name == "a"
            os._exit(0 if empty and asked else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), templates.get("a", cache_ttl_s=0).name)
    """
    assert printed(program, options=("-W", "ignore::DeprecationWarning")) == ["0 a"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
def test_a_pause_can_be_interrupted(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a call that waits for its next attempt."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    registry.next_answers.append(refused(429, Retry_After="20"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            templates.get("x", timeout_s=60.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
