"""Spans go to the server in each form that clients write, and come back as traces with their requests."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from promptlayer_patch._spans.model import Span
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store, StoredRequest
from promptlayer_patch.store.spans.spans import SpanEntry, Spans

TRACE = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"
SPAN = "1a2b3c4d5e6f7a8b"
START = 1_700_000_000_000_000_000
PROTOBUF = "application/x-protobuf"
GEN_AI = {
    "gen_ai.request.model": "gpt-4",
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.input_tokens": 25,
    "gen_ai.usage.output_tokens": 120,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "requests.db") as started:
        yield started.start()


def post(server: Server, path: str, body: Any = None, **options: Any) -> requests.Response:
    headers = {"X-API-KEY": server.api_key or "", **options.pop("headers", {})}
    given = {"data": body} if isinstance(body, bytes) else {"json": body}
    return requests.post(server.url + path, headers=headers, timeout=30, **given, **options)


def trace(server: Server, trace_id: str = TRACE) -> list[dict[str, Any]]:
    address = f"{server.url}/api/public/v2/traces/{trace_id}"
    answer = requests.get(address, headers={"X-API-KEY": server.api_key or ""}, timeout=30)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"success", "trace_id", "spans"}
    spans: list[dict[str, Any]] = body["spans"]
    return spans


def request(server: Server, request_id: int) -> StoredRequest:
    with closing(Store.open(server.db, read_only=True)) as store:
        found = store.get(request_id)
    assert found is not None
    return found


def count(server: Server) -> int:
    with closing(Store.open(server.db, read_only=True)) as store:
        return store.count()


def exported(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    """What an exporter of OpenTelemetry sends."""
    message = ExportTraceServiceRequest()
    of_resource = message.resource_spans.add()
    of_resource.resource.attributes.extend(_pairs(resource or {"service.name": "app"}))
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "opentelemetry.util.genai.handler"
    for fields in spans:
        of_scope.spans.append(_proto_span(**fields))
    return message


def _proto_span(**fields: Any) -> ProtoSpan:
    return ProtoSpan(
        trace_id=bytes.fromhex(fields.get("trace_id", TRACE)),
        span_id=bytes.fromhex(fields.get("span_id", SPAN)),
        parent_span_id=bytes.fromhex(fields.get("parent_id", "")),
        name=fields.get("name", "chat gpt-4"),
        kind=ProtoSpan.SPAN_KIND_CLIENT,
        start_time_unix_nano=START,
        end_time_unix_nano=START + 1_500_000_000,
        attributes=_pairs(fields.get("attributes", GEN_AI)),
    )


def _pairs(values: dict[str, Any]) -> list[KeyValue]:
    kinds: dict[type, str] = {
        str: "string_value",
        bool: "bool_value",
        int: "int_value",
        float: "double_value",
    }
    return [KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value})) for key, value in values.items()]


def export(server: Server, *spans: dict[str, Any], **options: Any) -> requests.Response:
    body = exported(*spans).SerializeToString()
    return post(server, "/v1/traces", body, headers={"Content-Type": PROTOBUF}, **options)


def bulk_span(span_id: str = SPAN, **fields: Any) -> dict[str, Any]:
    return {
        "name": "llm_call",
        "context": {"trace_id": TRACE, "span_id": span_id, "trace_state": ""},
        "kind": "SpanKind.CLIENT",
        "parent_id": None,
        "start_time": 1630000000000000000,
        "end_time": 1630000001000000000,
        "status": {"status_code": "StatusCode.OK", "description": None},
        "attributes": {},
        "events": [],
        "links": [],
        "resource": {"attributes": {}, "schema_url": ""},
        **fields,
    }


LOG_REQUEST: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-3.5-turbo",
    "input": {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "output": {
        "type": "chat",
        "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}],
    },
    "input_tokens": 10,
    "output_tokens": 12,
    "tags": ["production", "greeting"],
    "metadata": {"user_id": "user123"},
}


# --- /v1/traces


def test_an_export_in_protobuf_is_answered_in_protobuf(server: Server) -> None:
    answer = export(server, {})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, PROTOBUF)
    assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()


def in_hex(message: ExportTraceServiceRequest) -> dict[str, Any]:
    data = json_format.MessageToDict(message, use_integers_for_enums=True)
    for span in data["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            span[name] = base64.b64decode(span[name]).hex()
    return dict(data)


@pytest.mark.parametrize("form", [in_hex, json_format.MessageToDict])
def test_an_export_in_json_is_answered_in_json(server: Server, form: Any) -> None:
    answer = post(server, "/v1/traces", form(exported({})))
    assert (answer.status_code, answer.json()) == (200, {"partialSuccess": None})
    assert [span["span_id"] for span in trace(server)] == [SPAN]


def test_an_export_may_be_gzipped(server: Server) -> None:
    body = gzip.compress(exported({}).SerializeToString())
    headers = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
    assert post(server, "/v1/traces", body, headers=headers).status_code == 200
    assert len(trace(server)) == 1


def test_a_span_of_a_call_becomes_a_request_of_the_trace(server: Server) -> None:
    assert export(server, {}, {"span_id": "2" * 16, "name": "step", "attributes": {"a": 1}}).ok
    call, step = trace(server)
    assert step["request_log_id"] is None
    stored = request(server, call["request_log_id"])
    assert (stored.record.model, stored.record.provider) == ("gpt-4", "openai")
    assert (stored.input_tokens, stored.output_tokens) == (25, 120)
    assert stored.record.duration_s == 1.5
    assert count(server) == 1


def test_a_span_is_read_as_it_was_sent(server: Server) -> None:
    export(server, {"parent_id": "3" * 16})
    (span,) = trace(server)
    assert {key: span[key] for key in ("name", "span_id", "parent_id", "start_time", "end_time", "kind")} == {
        "name": "chat gpt-4",
        "span_id": SPAN,
        "parent_id": "3" * 16,
        "start_time": "2023-11-14T22:13:20Z",
        "end_time": "2023-11-14T22:13:21.500000Z",
        "kind": "SpanKind.CLIENT",
    }
    assert span["attributes"] == GEN_AI
    assert span["resource"]["attributes"] == {"service.name": "app"}
    assert isinstance(span["id"], int)


def test_an_export_that_is_sent_again_changes_nothing(server: Server) -> None:
    export(server, {})
    before = trace(server)
    export(server, {})
    assert trace(server) == before
    assert count(server) == 1


def test_a_bad_span_is_rejected_and_the_others_are_kept(server: Server) -> None:
    body = in_hex(exported({}, {"span_id": "2" * 16}))
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] = "abc"
    answer = post(server, "/v1/traces", body)
    partial = {"rejectedSpans": 1, "errorMessage": "Invalid spanId length"}
    assert (answer.status_code, answer.json()) == (200, {"partialSuccess": partial})
    assert [span["span_id"] for span in trace(server)] == ["2" * 16]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/x-www-form-urlencoded", b"a=b", 415),
        (PROTOBUF, b"\xff\xff", 400),
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"\xff", 400),
        ("application/json", b'{"a": NaN}', 400),
        ("application/json", b"[" * 100_000, 400),
    ],
)
def test_what_is_no_export_is_refused_as_json(
    server: Server, content_type: str, body: bytes, status: int
) -> None:
    answer = post(server, "/v1/traces", body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_an_export_without_a_key_is_refused(server: Server) -> None:
    body = exported({}).SerializeToString()
    for key in ("", "pl_wrong"):
        headers = {"X-API-KEY": key, "Content-Type": PROTOBUF}
        assert post(server, "/v1/traces", body, headers=headers).status_code == 401


def test_what_the_client_logs_itself_is_one_request(server: Server) -> None:
    """`run()` logs the call with the id of its own span, and marks the provider's span as managed."""
    run, nested = "1" * 16, "2" * 16
    managed = {**GEN_AI, "promptlayer.request_log.managed": True, "promptlayer.request_log.span_id": run}
    export(server, {"span_id": nested, "parent_id": run, "attributes": managed})
    log = {
        "function_name": "openai.chat.completions.create",
        "provider_type": "openai",
        "kwargs": {"model": "gpt-4", "messages": []},
        "request_response": {},
        "request_start_time": 1_700_000_000.0,
        "request_end_time": 1_700_000_001.0,
        "span_id": run,
    }
    request_id = post(server, "/track-request", log).json()["request_id"]
    export(server, {"span_id": run, "name": "PromptLayer Run", "attributes": {}})
    assert [span["request_log_id"] for span in trace(server)] == [request_id, request_id]
    assert count(server) == 1


def test_metadata_comes_from_the_program_too(server: Server) -> None:
    body = exported({}, resource={"promptlayer.metadata.team": "blue", "user.id": "u1"}).SerializeToString()
    post(server, "/v1/traces", body, headers={"Content-Type": PROTOBUF})
    (span,) = trace(server)
    assert request(server, span["request_log_id"]).metadata == {"team": "blue", "user_id": "u1"}


def test_secrets_in_spans_are_not_stored(server: Server) -> None:
    key = "sk-proj-" + "a1B2c3D4e5F6" * 4
    export(server, {"attributes": {**GEN_AI, "gen_ai.prompt.0.content": f"my key is {key}"}})
    (span,) = trace(server)
    assert span["attributes"]["gen_ai.prompt.0.content"] == "my key is ***"
    assert key not in repr(request(server, span["request_log_id"]))


@pytest.mark.parametrize("key", ["__proto__", "constructor.prototype", "a.b", "k" * 1_000_000])
def test_attribute_keys_are_data(server: Server, key: str) -> None:
    export(server, {"attributes": {key: "value"}})
    assert trace(server)[0]["attributes"] == {key: "value"}


# --- /spans-bulk


def test_spans_and_their_requests_are_answered_with_their_ids(server: Server) -> None:
    answer = post(server, "/spans-bulk", {"spans": [bulk_span(log_request=LOG_REQUEST), bulk_span("2" * 16)]})
    assert answer.status_code == 201
    body = answer.json()
    call, step = trace(server)
    assert body == {
        "success": True,
        "spans": [
            {"id": call["id"], "name": "llm_call", "span_id": SPAN},
            {"id": step["id"], "name": "llm_call", "span_id": "2" * 16},
        ],
        "request_logs": [{"id": call["request_log_id"], "span_id": SPAN}],
    }
    stored = request(server, call["request_log_id"])
    assert stored.record.tags == ("production", "greeting")
    assert stored.metadata == {"user_id": "user123"}
    assert (stored.input_tokens, stored.output_tokens) == (10, 12)
    assert (stored.record.started_at, stored.record.ended_at) == (1_630_000_000.0, 1_630_000_001.0)


def test_times_in_the_request_win_over_the_spans(server: Server) -> None:
    log = {**LOG_REQUEST, "request_start_time": "2021-01-01T00:00:00Z", "request_end_time": None}
    body = post(server, "/spans-bulk", {"spans": [bulk_span(log_request=log)]}).json()
    record = request(server, body["request_logs"][0]["id"]).record
    assert (record.started_at, record.ended_at) == (1_609_459_200.0, 1_630_000_001.0)


def test_the_same_post_again_has_the_same_ids(server: Server) -> None:
    body = {"spans": [bulk_span(log_request=LOG_REQUEST)]}
    first, second = (post(server, "/spans-bulk", body).json() for _ in range(2))
    assert first == second
    assert count(server) == 1


def test_genai_attributes_make_no_second_request_of_a_logged_one(server: Server) -> None:
    post(server, "/spans-bulk", {"spans": [bulk_span(log_request=LOG_REQUEST)]})
    export(server, {})
    assert count(server) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"context": {"trace_id": "xyz", "span_id": SPAN}},
        {"context": {"trace_id": TRACE, "span_id": "0" * 16}},
        {"kind": "SpanKind.FRIEND"},
        {"start_time": "soon"},
        {"start_time": 10**30},
        {"attributes": []},
        {"log_request": {"provider": "openai"}},
        {"log_request": {**LOG_REQUEST, "input_tokens": -1}},
        {"log_request": {**LOG_REQUEST, "status": "SUCCESS", "error_type": "PROVIDER_ERROR"}},
    ],
    ids=repr,
)
def test_a_span_that_is_not_in_order_is_refused_with_its_place_and_nothing_is_stored(
    server: Server, wrong: dict[str, Any]
) -> None:
    body = {"spans": [bulk_span(log_request=LOG_REQUEST), bulk_span("2" * 16, **wrong)]}
    answer = post(server, "/spans-bulk", body)
    assert answer.status_code == 422
    assert answer.json()["success"] is False
    assert "spans.1" in answer.json()["message"]
    assert count(server) == 0


@pytest.mark.parametrize("body", [[], {}, {"spans": {}}, {"spans": [1]}, {"spans": None}])
def test_a_body_without_spans_is_refused(server: Server, body: Any) -> None:
    assert post(server, "/spans-bulk", body).status_code == 422


def test_many_clients_that_send_the_same_spans_get_the_same_ids(server: Server) -> None:
    body = {"spans": [bulk_span(f"{n:016x}", log_request=LOG_REQUEST) for n in range(1, 20)]}
    answers: list[dict[str, Any]] = []
    barrier = threading.Barrier(4)

    def send() -> None:
        barrier.wait()
        answers.extend(post(server, "/spans-bulk", body).json() for _ in range(3))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12
    assert all(answer == answers[0] for answer in answers)
    assert count(server) == 19


# --- prompt templates


def publish(server: Server, name: str, labels: list[str] | None = None) -> int:
    template = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
    body = {
        "prompt_template": {"prompt_name": name},
        "prompt_version": {"prompt_template": template},
        "release_labels": labels,
    }
    answer = post(server, "/rest/prompt-templates", body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ({"promptlayer.prompt.name": "greeting", "promptlayer.prompt.version": "1"}, 1),
        ({"promptlayer.prompt.name": "greeting", "promptlayer.prompt.label": "prod"}, 1),
        ({"promptlayer.prompt.name": "greeting"}, 2),
        ({"promptlayer.prompt.id": 1, "promptlayer.prompt.version": 2}, 2),
    ],
)
def test_a_span_is_linked_to_the_prompt_template_it_names(
    server: Server, said: dict[str, Any], version: int
) -> None:
    prompt_id = publish(server, "greeting", ["prod"])
    assert (prompt_id, publish(server, "greeting")) == (1, 1)
    export(server, {"attributes": {**GEN_AI, **said}})
    link = request(server, trace(server)[0]["request_log_id"]).prompt
    assert link is not None
    assert (link.id, link.name, link.version) == (prompt_id, "greeting", version)


def test_a_span_that_names_an_unknown_prompt_template_has_its_request(server: Server) -> None:
    export(server, {"attributes": {**GEN_AI, "promptlayer.prompt.name": "nobody knows"}})
    link = request(server, trace(server)[0]["request_log_id"]).prompt
    assert link is not None
    assert (link.name, link.id) == ("nobody knows", None)


def test_a_request_in_a_span_that_names_an_unknown_prompt_template_is_left_out(server: Server) -> None:
    publish(server, "greeting")
    variables = {"prompt_version_number": 1, "prompt_input_variables": {"name": "Ada"}}
    known = {**LOG_REQUEST, "prompt_name": "greeting", **variables}
    unknown = {**LOG_REQUEST, "prompt_name": "nobody knows", **variables}
    spans = [bulk_span(log_request=known), bulk_span("2" * 16, log_request=unknown)]
    body = post(server, "/spans-bulk", {"spans": spans}).json()
    assert len(body["spans"]) == 2
    (made,) = body["request_logs"]
    assert made["span_id"] == SPAN
    link = request(server, made["id"]).prompt
    assert link is not None
    assert (link.name, link.version, link.variables) == ("greeting", 1, {"name": "Ada"})


# --- anything

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server") / "requests.db") as started:
        yield started.start()


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(sorted(bulk_span())), json_values), json_values)
def test_any_span_of_a_bulk_is_taken_or_refused(
    shared_server: Server, fields: dict[str, Any], log_request: Any
) -> None:
    log = {**LOG_REQUEST, **log_request} if isinstance(log_request, dict) else log_request
    answer = post(shared_server, "/spans-bulk", {"spans": [bulk_span(**fields, log_request=log)]})
    assert answer.status_code in (201, 422)


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(["attributes", "events", "links", "status", "kind", "traceId"]), json_values
    )
)
def test_any_span_of_an_export_is_taken_or_rejected(shared_server: Server, fields: dict[str, Any]) -> None:
    body = in_hex(exported({}))
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(fields)
    assert post(shared_server, "/v1/traces", body).status_code == 200


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=100), st.sampled_from([PROTOBUF, "application/json"]))
def test_any_bytes_are_an_export_or_refused(shared_server: Server, body: bytes, content_type: str) -> None:
    answer = post(shared_server, "/v1/traces", body, headers={"Content-Type": content_type})
    assert answer.status_code in (200, 400)


BOMBS = {
    "programs": (b"\x0a\x00", ()),
    "spans": (b"\x12\x00", (b"\x12", b"\x0a")),
    "attributes": (b"\x4a\x00", (b"\x12", b"\x12", b"\x0a")),
}
"""Empty messages of two bytes, and the fields of protobuf in which they stand."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read in /proc")
@pytest.mark.parametrize(("one", "fields"), BOMBS.values(), ids=BOMBS)
def test_no_export_takes_much_memory(shared_server: Server, one: bytes, fields: tuple[bytes, ...]) -> None:
    """The server is in this process."""
    body = one * (20 * 1024 * 1024)
    for field in fields:
        body = field + _varint(len(body)) + body
    packed = gzip.compress(body, 1)
    headers = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
    before = resident_mib()
    assert post(shared_server, "/v1/traces", packed, headers=headers).status_code == 400
    assert resident_mib() - before < 100


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def resident_mib() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)
    return int(line.split()[1]) / 1024


# --- closing and reading


def test_a_closed_trace_refuses_exports(server: Server) -> None:
    export(server, {})
    answer = post(server, f"/api/public/v2/traces/{TRACE}/close")
    assert answer.status_code == 201
    closure = answer.json()["closure"]
    assert closure.keys() == {"id", "workspace_id", "trace_id", "status", "created_at", "updated_at"}
    assert (closure["trace_id"], closure["status"], closure["workspace_id"]) == (TRACE, "closed", 1)

    refused = export(server, {"span_id": "2" * 16}, {"span_id": "3" * 16, "trace_id": "b2" * 16})

    assert refused.status_code == 409
    assert refused.json()["error"] == f"Trace already closed: {TRACE}"
    assert refused.json()["trace_ids"] == [TRACE]
    assert len(trace(server)) == 1


def test_a_closed_trace_drops_spans_of_a_bulk_and_says_so(server: Server) -> None:
    export(server, {}, params={"close_after": "true"})
    other = {"trace_id": "b2" * 16, "span_id": "3" * 16}
    spans = [bulk_span("2" * 16, log_request=LOG_REQUEST), bulk_span(context=other)]
    answer = post(server, "/spans-bulk", {"spans": spans})
    assert answer.status_code == 201
    body = answer.json()
    assert [span["span_id"] for span in body["spans"]] == ["3" * 16]
    assert body["request_logs"] == []
    assert body["rejected_span_ids"] == ["2" * 16]
    assert body["rejected_trace_ids"] == [TRACE]
    assert body["rejection_reason"] == "trace_closed"


def test_a_bulk_may_close_its_traces(server: Server) -> None:
    post(server, "/spans-bulk", {"spans": [bulk_span()], "close_after": True})
    answer = post(server, f"/api/public/v2/traces/{TRACE}/close")
    assert answer.status_code == 409
    assert answer.json() == {"success": False, "message": "Trace already closed"}


@pytest.mark.parametrize("trace_id", ["b2" * 16, "short", "%2e%2e", "'; DROP TABLE spans"])
def test_a_trace_that_is_not_here_is_not_found(server: Server, trace_id: str) -> None:
    address = f"{server.url}/api/public/v2/traces/{trace_id}"
    headers = {"X-API-KEY": server.api_key or ""}
    for answer in (
        requests.get(address, headers=headers, timeout=30),
        requests.post(f"{address}/close", headers=headers, timeout=30),
    ):
        assert answer.status_code == 404
        assert answer.json()["success"] is False


def test_a_trace_needs_the_key(server: Server) -> None:
    export(server, {})
    assert requests.get(f"{server.url}/api/public/v2/traces/{TRACE}", timeout=30).status_code == 401


def test_a_long_trace_is_read_whole(server: Server) -> None:
    spans = [{"span_id": f"{n:016x}", "name": f"step {n}", "attributes": {"n": n}} for n in range(1, 2_001)]
    assert export(server, *spans).status_code == 200
    assert sorted(span["attributes"]["n"] for span in trace(server)) == list(range(1, 2_001))


def test_of_a_trace_without_end_the_first_spans_are_shown(server: Server) -> None:
    """More than 20,000 of them; exporters send a few hundred at once, a body has at most 10,000."""
    with closing(Store.open(server.db)) as store:
        for first in (1, 10_001, 20_001):
            said = {"trace_id": TRACE, "start_ns": START, "end_ns": START}
            batch = [Span(span_id=f"{n:016x}", name=str(n), **said) for n in range(first, first + 10_000)]
            Spans(store).put([SpanEntry(span) for span in batch])
    address = f"{server.url}/api/public/v2/traces/{TRACE}"
    body = requests.get(address, headers={"X-API-KEY": server.api_key or ""}, timeout=60).json()
    assert body["truncated"] is True
    assert [span["name"] for span in body["spans"]] == [str(n) for n in range(1, 20_001)]


def test_the_openapi_document_has_the_endpoints(server: Server) -> None:
    paths = json.loads(requests.get(f"{server.url}/openapi.json", timeout=30).content)["paths"]
    assert paths["/v1/traces"]["post"]["requestBody"]["content"].keys() == {PROTOBUF, "application/json"}
    assert {
        "/spans-bulk",
        "/api/public/v2/traces/{trace_id}",
        "/api/public/v2/traces/{trace_id}/close",
    } <= paths.keys()
