"""The server does what its OpenAPI document says, and nobody can make it fail.

FULL_FAULTS=1 tries twenty times as much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from promptlayer_patch._query.fields import FIELDS
from promptlayer_patch.server.endpoints import Auth, Endpoint
from promptlayer_patch.server.openapi import document_of
from promptlayer_patch.server.table import DOCUMENTED, ENDPOINTS
from tests.faults.cells import is_full
from tests.support.serving import Client, serving

EXAMPLES = 200 if is_full() else 10
DOCUMENT = document_of(DOCUMENTED)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ALLOWED = {400, 401, 404, 409, 413, 415, 422}
# The next example may take as long to make as the server keeps a connection that nobody uses.
ALONE = {"Connection": "close"}
ODD_TEXTS = ["\ud800", "\0", "", "__proto__"]
TRACKED: dict[str, Any] = {
    "function_name": "openai.OpenAI.chat.completions.create",
    "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is my order?"}]},
    "request_response": {"choices": [{"message": {"role": "assistant", "content": "On its way."}}]},
    "request_start_time": 1_767_225_600,
    "request_end_time": 1_767_225_601.5,
}
bounded = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def _takes_something(operation: Any) -> bool:
    said = operation.definition.raw
    return bool(said.get("parameters") or said.get("requestBody") or said.get("security"))


def _is_right(case: Any) -> bool:
    """Whether the body is as the document wants it; where it wants none, whatever it is."""
    wanted = case.operation.definition.raw.get("requestBody")
    if wanted is None or "application/json" not in wanted["content"] or not _is_json(case.body):
        return True
    schema = {**wanted["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    return jsonschema_rs.is_valid(schema, case.body)


def _is_json(body: Any) -> bool:
    return body is None or isinstance(body, (dict, list, str, int, float))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("server")) as (_, client):
        _settle(client)
        yield client


def _settle(client: Client) -> None:
    """Something to find: for the ids that come up in trials the first group, and requests of each outcome."""
    assert client.post("/create-group").json()["id"] == 1
    for said in (
        {},
        {"status": "ERROR", "error_type": "PROVIDER_TIMEOUT"},
        {"tags": ["a"], "metadata": {"a": "b"}},
    ):
        assert client.post("/track-request", {**TRACKED, **said}).status_code == 200


@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        pytest.param(operation, mode, id=f"{operation.label}-{mode.name.lower()}")
        for operation in OPERATIONS
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or _takes_something(operation)
    ],
)
def test_answers_are_as_the_document_says(operation: Any, mode: GenerationMode, client: Client) -> None:
    """Whatever is sent, right or wrong by the document: a declared status, of the declared form."""

    @bounded
    @given(case=operation.as_strategy(generation_mode=mode))
    def conforms(case: Any) -> None:
        answer = case.call(base_url=client.url, headers={"X-API-KEY": client.key})
        case.validate_response(answer, checks=CHECKS)
        if not _is_right(case):
            assert answer.status_code >= 400, case.as_curl_command()

    conforms()


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in ENDPOINTS if endpoint.auth is Auth.KEY],
    ids=lambda endpoint: f"{endpoint.method} {endpoint.path}",
)
@pytest.mark.parametrize("key", [None, "pl_0"], ids=["no key", "unknown key"])
def test_without_a_key_nothing_is_told(endpoint: Endpoint, key: str | None, client: Client) -> None:
    """Not even whether the body is right, or whether there is such a thing."""
    stranger = Client(client.url, key)
    kind = endpoint.raw[0] if endpoint.raw else "application/json"
    address = re.sub(r"{\w+}", "1", endpoint.path)
    answer = stranger.send(endpoint.method, address, data=b"{}", headers={"Content-Type": kind})
    stranger.close()
    assert answer.status_code == 401
    assert answer.json()["success"] is False


def _values(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any JSON, with the field names of an endpoint among its keys."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(ODD_TEXTS)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
        max_leaves=20,
    )


def _bodies(endpoint: Endpoint) -> st.SearchStrategy[bytes]:
    """Bodies of all kinds: JSON of the wrong form, JSON that Python alone writes, and no JSON at all."""
    known = (list(endpoint.body.model_fields) if endpoint.body else []) or ["resourceSpans", "spans"]
    names = st.sampled_from(known) | st.text(max_size=8)
    values = _values(names)
    objects = st.dictionaries(st.sampled_from(known), values) | st.dictionaries(names, values) | values
    return st.binary(max_size=64) | objects.map(
        lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
    )


# Dots alone never arrive: whoever sends a request resolves them first, and asks for another address.
SEGMENTS = st.just("1") | st.text(min_size=1).filter(lambda text: text not in (".", ".."))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_nothing_that_is_sent_makes_it_fail(endpoint: Endpoint, client: Client) -> None:
    """Any bytes, any JSON, any part of a path and any query: it answers, and never with a 500.

    What is documented answers with JSON; the rest are pages.
    """
    kinds = st.sampled_from([*endpoint.raw, "application/json"])
    queries = st.dictionaries(
        st.sampled_from((list(endpoint.query.model_fields) if endpoint.query else []) or ["any"]),
        st.text(max_size=8) | st.lists(st.text(max_size=8), max_size=2),
    )
    parts = re.findall(r"{(\w+)}", endpoint.path)

    @bounded
    @given(
        body=_bodies(endpoint),
        kind=kinds,
        query=queries,
        path=st.fixed_dictionaries(dict.fromkeys(parts, SEGMENTS)),
    )
    def survives(body: bytes, kind: str, query: dict[str, Any], path: dict[str, str]) -> None:
        address = endpoint.path.format(**{name: quote(value, safe="") for name, value in path.items()})
        answer = client.send(
            endpoint.method, address, data=body, params=query, headers={"Content-Type": kind, **ALONE}
        )
        if endpoint not in DOCUMENTED:
            assert answer.status_code < 500, answer.text
            return
        assert answer.status_code in {endpoint.ok, *endpoint.also_ok, *ALLOWED}, answer.text
        if answer.status_code >= 400:
            assert answer.json()["success"] is False
            assert answer.json()["message"]

    survives()


OPERATORS = (
    *(
        "is",
        "is_not",
        "in",
        "not_in",
        "contains",
        "not_contains",
        "starts_with",
        "ends_with",
        "before",
        "after",
    ),
    *("eq", "neq", "gt", "gte", "lt", "lte", "between", "is_null", "is_not_null", "is_true", "is_false"),
    *("is_empty", "is_not_empty", "key_equals", "key_not_equals", "key_contains"),
)
CHART = {"id": "one", "chartType": "bar", "metric": "count"}


def _filters() -> st.SearchStrategy[dict[str, Any]]:
    """Groups of filters of which many make sense, and the others nearly."""
    moments = st.sampled_from(["2026-01-01T00:00:00Z", "1969-12-31", "9999-12-31T23:59:59.999999+14:00"])
    single = (
        st.text(max_size=6)
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | moments
        | st.booleans()
    )
    one = st.fixed_dictionaries(
        {"field": st.sampled_from(sorted(FIELDS)), "operator": st.sampled_from(OPERATORS)},
        optional={"value": single | st.lists(single, max_size=3), "nested_key": st.text(max_size=6)},
    )

    def group(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {"filters": st.lists(inner, max_size=3)}, optional={"logic": st.sampled_from(["AND", "OR"])}
        )

    return group(st.recursive(one, group, max_leaves=6))


@pytest.mark.parametrize(
    "endpoint",
    [one for one in ENDPOINTS if one.body is not None and "filter_group" in one.body.model_fields],
    ids=lambda endpoint: endpoint.path,
)
def test_no_filter_makes_it_fail(endpoint: Endpoint, client: Client) -> None:
    """It is answered, or refused as one that makes no sense."""
    more = {"customCharts": [CHART]} if "customCharts" in endpoint.body.model_fields else {}

    @bounded
    @given(group=_filters())
    def survives(group: dict[str, Any]) -> None:
        answer = client.post(endpoint.path, {"filter_group": group, **more}, headers=ALONE)
        assert answer.status_code in (200, 400), answer.text

    survives()
