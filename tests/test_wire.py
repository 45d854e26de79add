"""Records in PromptLayer's field names, held against its own recordings of its SDK and its server."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch import Ending, Failure, Record, scope
from promptlayer_patch._wire import encoded, message_in, request_id_in, track_request
from tests.replay.cases import Case
from tests.replay.runs import run_case
from tests.support.fake_promptlayer import Answer, FakePromptLayer
from tests.support.wire import MODEL, Wire

LEGAL = {
    "WARNING": {
        "PROVIDER_RATE_LIMIT",
        "PROVIDER_QUOTA_LIMIT",
        "UNKNOWN_ERROR",
        "PROVIDER_PARTIAL_RESPONSE",
        "VARIABLE_MISSING_OR_EMPTY",
    },
    "ERROR": {
        "PROVIDER_RATE_LIMIT",
        "PROVIDER_QUOTA_LIMIT",
        "UNKNOWN_ERROR",
        "PROVIDER_TIMEOUT",
        "PROVIDER_AUTH_ERROR",
        "PROVIDER_ERROR",
        "TEMPLATE_RENDER_ERROR",
    },
}
"""PromptLayer checks `error_type` against `status`."""


def a_record(**fields: Any) -> Record:
    return Record(**{"id": "01a2", "function_name": "openai.chat.completions.create", **fields})


# Names


@pytest.mark.parametrize(
    ("function_name", "client", "expected"),
    [
        ("openai.chat.completions.create", "OpenAI", "openai.OpenAI.chat.completions.create"),
        ("openai.chat.completions.create", "AsyncOpenAI", "openai.AsyncOpenAI.chat.completions.create"),
        ("openai.chat.completions.create", "AzureOpenAI", "openai.AzureOpenAI.chat.completions.create"),
        ("openai.chat.completions.create", None, "openai.chat.completions.create"),
        ("openai.responses.create", "OpenAI", "openai.OpenAI.responses.create"),
        ("openai.embeddings.create", None, "openai.embeddings.create"),
        ("openai.chat.completions.parse", "OpenAI", "openai.OpenAI.chat.completions.create"),
        ("openai.beta.chat.completions.stream", None, "openai.chat.completions.create"),
        ("openai.responses.stream", "AsyncOpenAI", "openai.AsyncOpenAI.responses.create"),
    ],
)
def test_function_names_are_ones_promptlayer_can_parse(
    function_name: str, client: str | None, expected: str
) -> None:
    """Its parser is chosen by name, and it knows the names of the plain methods only."""
    assert track_request(a_record(function_name=function_name, client=client))["function_name"] == expected


# Endings


@pytest.mark.parametrize(
    "ending", [Ending.COMPLETE, Ending.CLOSED_EARLY, Ending.ABANDONED, Ending.NEVER_READ]
)
def test_an_end_of_the_applications_choice_is_no_error(ending: Ending) -> None:
    body = track_request(a_record(ending=ending, response={"id": "x"}))
    assert not {"status", "error_type", "error_message"} & body.keys()
    assert body["request_response"] == {"id": "x"}
    assert body["metadata"]["promptlayer_patch.ending"] == ending.value


@pytest.mark.parametrize("ending", [Ending.CONSUMER_ERROR, Ending.CANCELLED])
@pytest.mark.parametrize("error", [None, Failure("KeyError", "'x'")])
def test_an_end_the_provider_had_no_part_in_is_a_warning(ending: Ending, error: Failure | None) -> None:
    body = track_request(a_record(ending=ending, error=error, response={"partial": True}))
    assert (body["status"], body["error_type"]) == ("WARNING", "UNKNOWN_ERROR")
    assert body["error_message"] == ("KeyError: 'x'" if error else ending.value)
    assert body["request_response"] == {"partial": True}


def test_every_ending_has_a_place_and_is_legal() -> None:
    for ending in Ending:
        for error in (None, Failure("RateLimitError", "slow down", 429)):
            body = track_request(a_record(ending=ending, error=error))
            if "status" in body:
                assert body["error_type"] in LEGAL[body["status"]]
                assert body["error_message"]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure("RateLimitError", "slow down", 429), "PROVIDER_RATE_LIMIT"),
        (Failure("RateLimitError", "slow down"), "PROVIDER_RATE_LIMIT"),
        (Failure("RateLimitError", "You exceeded your current quota", 429), "PROVIDER_QUOTA_LIMIT"),
        (Failure("insufficient_quota", "", None), "PROVIDER_QUOTA_LIMIT"),
        (Failure("APIStatusError", "Payment required", 402), "PROVIDER_QUOTA_LIMIT"),
        (Failure("AuthenticationError", "Incorrect API key provided: ***", 401), "PROVIDER_AUTH_ERROR"),
        (Failure("AuthenticationError", "no"), "PROVIDER_AUTH_ERROR"),
        (Failure("APITimeoutError", "Request timed out."), "PROVIDER_TIMEOUT"),
        (Failure("ReadTimeout", ""), "PROVIDER_TIMEOUT"),
        (Failure("APIConnectionError", "Connection error."), "PROVIDER_ERROR"),
        (Failure("BadRequestError", "Set a timeout of a number", 400), "PROVIDER_ERROR"),
        (Failure("InternalServerError", "oops", 500), "PROVIDER_ERROR"),
        (Failure("server_error", "The desk is on fire.", None), "PROVIDER_ERROR"),
        (None, "PROVIDER_ERROR"),
    ],
    ids=str,
)
def test_the_kind_of_error(failure: Failure | None, expected: str) -> None:
    body = track_request(a_record(ending=Ending.PROVIDER_ERROR, error=failure))
    assert (body["status"], body["error_type"]) == ("ERROR", expected)


@given(st.builds(Failure, st.text(), st.text(), st.one_of(st.none(), st.integers(100, 599))))
def test_any_failure_is_legal(failure: Failure) -> None:
    body = track_request(a_record(ending=Ending.PROVIDER_ERROR, error=failure))
    assert body["error_type"] in LEGAL["ERROR"]
    assert len(body["error_message"]) <= 1024


def test_a_failed_call_has_an_empty_response_and_a_broken_stream_what_came() -> None:
    """`{}` is what PromptLayer takes for a failed call; the partial text of a stream is worth keeping."""
    error = {"error": {"message": "no"}}
    failed = a_record(ending=Ending.PROVIDER_ERROR, response=error)
    assert track_request(failed)["request_response"] == {}
    broken = a_record(ending=Ending.PROVIDER_ERROR, response={"choices": []}, streamed=True)
    assert track_request(broken)["request_response"] == {"choices": []}
    assert track_request(a_record(ending=Ending.CANCELLED))["request_response"] == {}


# Everything else


def test_tags_and_metadata() -> None:
    body = track_request(a_record(tags=("a", "b"), metadata={"user_id": "42"}))
    assert body["tags"] == ["a", "b"]
    assert body["metadata"]["user_id"] == "42"
    assert track_request(a_record())["tags"] is None


def test_our_facts_stand_in_the_metadata_as_strings() -> None:
    body = track_request(
        a_record(
            attempts=3,
            provider_request_id="req_1",
            sdk_version="1.2.3",
            endpoint="https://api.openai.com/v1/chat/completions",
            started_at=100.0,
            first_token_at=100.25,
        )
    )
    assert body["metadata"] == {
        "promptlayer_patch.record_id": "01a2",
        "promptlayer_patch.ending": "complete",
        "promptlayer_patch.attempts": "3",
        "promptlayer_patch.x_request_id": "req_1",
        "promptlayer_patch.sdk": "openai-python/1.2.3",
        "promptlayer_patch.endpoint": "https://api.openai.com/v1/chat/completions",
        "promptlayer_patch.first_token_s": "0.250",
    }


def test_what_is_not_known_is_left_out_of_the_metadata() -> None:
    assert track_request(a_record())["metadata"].keys() == {
        "promptlayer_patch.record_id",
        "promptlayer_patch.ending",
        "promptlayer_patch.attempts",
        "promptlayer_patch.sdk",
    }


def test_the_body_is_made_anew_and_the_record_left_alone() -> None:
    record = a_record(request={"model": "m"}, metadata={"k": "v"}, tags=("a",))
    body = track_request(record)
    body["kwargs"]["model"] = body["metadata"]["k"] = "changed"
    body["tags"].append("changed")
    assert (record.request, record.metadata, record.tags) == ({"model": "m"}, {"k": "v"}, ("a",))


# JSON

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Also lone surrogates, which models do produce."""
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(ANY_TEXT, inner, max_size=4)),
    max_leaves=20,
)


def strictly(data: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(data.decode("ascii"), parse_constant=refuse)


def sendable(value: Any) -> Any:
    """What every reader of JSON takes: no NaN, and half a surrogate pair spelled out."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list():
            return [sendable(item) for item in value]
        case dict():
            return {sendable(key): sendable(item) for key, item in value.items()}
    return value


@given(ANY_JSON, ANY_JSON, ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3))
def test_any_data_can_be_sent(request: Any, response: Any, tag: str, metadata: dict[str, str]) -> None:
    record = a_record(request={"it": request}, response=response, tags=(tag,), metadata=metadata)
    body = strictly(encoded(track_request(record)))
    assert body["kwargs"] == {"it": sendable(request)}
    assert body["request_response"] == ({} if response is None else sendable(response))
    assert body["tags"] == [sendable(tag)]
    theirs = {key: value for key, value in metadata.items() if not key.startswith("promptlayer_patch.")}
    assert body["metadata"].items() >= sendable(theirs).items()


@pytest.mark.parametrize("leaf", [b"bytes", {1, 2}, object(), Path("a"), Ending.COMPLETE, 1j, ...])
def test_leaves_that_are_no_json_are_sent_as_text(leaf: Any) -> None:
    body = strictly(encoded({"it": leaf, "nan": float("nan")}))
    assert isinstance(body["it"], str)
    assert body["nan"] is None


# Answers


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"success": True, "request_id": 142, "prompt_blueprint": None}, 142),
        ({"request_id": "142"}, 142),
        ({"id": 7}, 7),
        ({"request_id": "02fc80dfe1334e66a5d4c025e0bf1520"}, None),
        ({"request_id": True}, None),
        ({"request_id": None}, None),
        ({"request_id": 1.5}, None),
        ({"request_id": "²"}, None),
        ({"request_id": "9" * 5000}, None),
        ({"success": True}, None),
        ([{"request_id": 1}], None),
        ("142", None),
        (None, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_id_in_an_answer(answer: Any, expected: int | None) -> None:
    assert request_id_in(answer) == expected


@given(ANY_JSON)
def test_any_answer_is_looked_at_without_harm(answer: Any) -> None:
    for data in (answer, {"request_id": answer}, {"message": answer}, {"detail": [answer]}):
        assert request_id_in(data) is None or isinstance(request_id_in(data), int)
        assert isinstance(message_in(data), str)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"success": False, "message": "no"}, "no"),
        ({"error": "no"}, "no"),
        ({"message": "first", "error": "second", "detail": "third"}, "first"),
        ({"message": "", "detail": [{"msg": "field required"}]}, "field required"),
        ({"detail": "no"}, "no"),
        ({"detail": ["no", 7]}, "no; 7"),
        (
            {"detail": [{"loc": ["body", 0, "name"], "msg": "missing", "input": "of the caller"}]},
            "body.0.name: missing",
        ),
        ({"detail": [{"loc": "odd", "type": "missing"}, {}]}, "missing; is refused"),
        ({}, ""),
        ("plain", ""),
        (None, ""),
    ],
)
def test_the_servers_own_words(answer: Any, expected: str) -> None:
    assert message_in(answer) == expected


# PromptLayer's recordings of its own SDK and server

INDEX = Path(__file__).parents[2] / "shared" / "cassettes" / "promptlayer" / "index.json"


@dataclass(frozen=True)
class Recording:
    """A call of a model and how PromptLayer's SDK told PromptLayer about it."""

    file: Path
    call: Mapping[str, Any]
    posted: Mapping[str, Any] | None
    """`None` where the SDK did not post at all."""
    answer: Mapping[str, Any] | None

    @property
    def is_async(self) -> bool:
        return bool(self.call["request"]["headers"]["x-stainless-async"] != ["false"])

    @property
    def case(self) -> Case:
        """The call, to be made again with the real client and answered as it was then."""
        kwargs = json.loads(self.call["request"]["body"])
        call = {"method": "chat.completions.create", "kwargs": kwargs, "interactions": [self._at]}
        if self.call["response"]["status"]["code"] == 401:
            call["raises"] = "AuthenticationError"
        return Case(self.file.stem, self.file, {"client": {}, "calls": [call]})

    @property
    def _at(self) -> int:
        return list(_interactions(self.file)).index(self.call)

    def __str__(self) -> str:
        return self.file.stem.removeprefix("test_")


def _interactions(file: Path) -> list[Any]:
    found: list[Any] = yaml.safe_load(file.read_text())["interactions"]
    return found


def _recordings() -> Iterator[Recording]:
    for entry in json.loads(INDEX.read_text())["cassettes"]:
        file = INDEX.parent / entry["file"]
        interactions = _interactions(file)
        calls = [one for one in interactions if one["request"]["uri"].endswith("/v1/chat/completions")]
        posts = [one for one in interactions if one["request"]["uri"].endswith("/track-request")]
        if calls:
            post = posts[0] if posts else None
            posted = json.loads(post["request"]["body"]) if post else None
            answer = json.loads(post["response"]["body"]["string"]) if post else None
            yield Recording(file, calls[0], posted, answer)


RECORDINGS = list(_recordings()) if INDEX.exists() else []
ANSWERS = [
    (f"{file.stem.removeprefix('test_')} {one['request']['uri'].rpartition('/')[2]}", one)
    for file in (sorted(INDEX.parent.glob("*.yaml")) if INDEX.exists() else [])
    for one in _interactions(file)
    if one["request"]["uri"].endswith(("/track-request", "/log-request"))
]
needs_recordings = pytest.mark.skipif(
    not RECORDINGS,
    reason="../shared/cassettes is absent: the recordings are kept beside the project, not in it",
)


def same(ours: Any, theirs: Any) -> Any:
    return ours == theirs


def same_but_for_the_client(ours: Any, theirs: Any) -> bool:
    clients = ("OpenAI.", "AsyncOpenAI.")
    return ours == theirs or ours in [theirs.replace("openai.", f"openai.{name}") for name in clients]


def same_but_for_nulls(ours: Any, theirs: Any) -> Any:
    return without_nulls(ours) == without_nulls(theirs)


def without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: without_nulls(item) for key, item in value.items() if item is not None}
        case list():
            return [without_nulls(item) for item in value]
    return value


def whole_instead_of_the_last_chunk(ours: Any, theirs: Any) -> bool:
    (choice,) = ours["choices"]
    said = {"role": choice["message"]["role"], "content": choice["message"]["content"]}
    shared = ("id", "created", "model", "service_tier", "system_fingerprint")
    return (
        theirs["choices"] == [said]
        and choice["finish_reason"] == "stop"
        and ours["object"] == "chat.completion"
        and all(ours.get(key) == theirs[key] for key in shared)
    )


def another_moment(ours: Any, theirs: Any) -> bool:
    return isinstance(ours, float) and isinstance(theirs, float)


def our_facts_only(ours: Any, theirs: Any) -> bool:
    return theirs is None and all(key.startswith("promptlayer_patch.") for key in ours)


def named_and_in_the_installed_openais_words(ours: Any, theirs: Any) -> bool:
    said = "Incorrect API key provided: REDACTED."
    return ours.startswith("AuthenticationError: Error code: 401 - ") and said in ours and said in theirs


def not_sent_by_us(ours: Any, theirs: Any) -> bool:
    return ours is None


JUSTIFIED = {
    "function_name": (same_but_for_the_client, "`run()` leaves out the client's class, the proxies do not"),
    "provider_type": (same, ""),
    "args": (same, ""),
    "kwargs": (same, ""),
    "tags": (same, ""),
    "request_response": (same_but_for_nulls, "theirs is a pydantic dump, which adds nulls for unset fields"),
    "request_start_time": (another_moment, "another day"),
    "request_end_time": (another_moment, "another day"),
    "metadata": (our_facts_only, "ours says how the call ended, and our own id of it"),
    "span_id": (same, ""),
    "api_key": (lambda ours, theirs: (ours, theirs) == ("pl_test", "sanitized"), "another key"),
    "status": (same, ""),
    "error_type": (same, ""),
    "error_message": (
        named_and_in_the_installed_openais_words,
        "ours names the exception as well; its text is up to the version of openai",
    ),
    "prompt_id": (not_sent_by_us, "only where a template of the registry was run"),
    "prompt_version": (not_sent_by_us, "only where a template of the registry was run"),
    "prompt_input_variables": (not_sent_by_us, "only where a template of the registry was run"),
    "group_id": (not_sent_by_us, "only where a template of the registry was run"),
    "return_prompt_blueprint": (not_sent_by_us, "we have no use for the blueprint"),
}
"""How each field of ours may differ from what PromptLayer's SDK sent for the same call, and why."""
OF_A_STREAM = {
    "request_response": (
        whole_instead_of_the_last_chunk,
        "theirs is the last chunk with the text put into it, and since June 2025 without; ours is the whole",
    ),
}


def posted_by_us(recording: Recording) -> list[dict[str, Any]]:
    """What we post when the recorded call is made again; PromptLayer answers as it did."""
    with FakePromptLayer() as server, scope() as calls:
        promptlayer_patch.install(api_key="pl_test", base_url=server.base_url)
        if recording.answer is not None:
            server.next_answers.append(Answer(200, recording.answer))
        loop = asyncio.new_event_loop() if recording.is_async else None
        run_case(recording.case, loop)
        if loop is not None:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
        ids = calls.request_ids()
    if recording.answer is not None:
        assert ids == [recording.answer["request_id"]]
    return server.bodies


@needs_recordings
@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_we_post_what_promptlayers_own_sdk_posts(recording: Recording) -> None:
    """Field by field; every difference stands in the table with its reason."""
    (ours,) = posted_by_us(recording)
    if recording.posted is None:
        # Their SDK did not post this stream at all.
        assert ours["request_response"]["choices"][0]["message"]["content"]
        return
    justified = {**JUSTIFIED, **(OF_A_STREAM if ours["kwargs"].get("stream") else {})}
    different = {
        field: (ours.get(field), recording.posted.get(field))
        for field in ours.keys() | recording.posted.keys()
        if not justified[field][0](ours.get(field), recording.posted.get(field))
    }
    assert different == {}


@needs_recordings
def test_every_recorded_call_of_openai_was_compared() -> None:
    assert len(RECORDINGS) == 9
    assert sum(recording.posted is not None for recording in RECORDINGS) == 8


@needs_recordings
@pytest.mark.parametrize("exchange", [one for _, one in ANSWERS], ids=[name for name, _ in ANSWERS])
def test_we_understand_every_answer_promptlayer_gave(exchange: Any) -> None:
    """Also those to calls of other providers: the id is the point."""
    data = json.loads(exchange["response"]["body"]["string"])
    status = exchange["response"]["status"]["code"]
    expected = data.get("request_id", data.get("id"))
    assert isinstance(expected, int)
    assert request_id_in(data) == expected
    if status != 200:
        return  # `/log-request` answers 201; we do not post there
    with FakePromptLayer() as server, scope() as calls:
        promptlayer_patch.install(api_key="pl_test", base_url=server.base_url)
        server.next_answers.append(Answer(status, data))
        create = Wire().client().chat.completions.create
        create(model=MODEL, messages=[{"role": "user", "content": "?"}])
        assert calls.request_id() == expected
