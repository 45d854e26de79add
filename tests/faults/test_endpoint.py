"""The endpoint that the other tests rely on does what it says."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.faults import behaviours as b
from tests.faults.endpoint import Endpoint

TIMEOUT_S = 30.0


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as made:
        yield made


def connected(endpoint: Endpoint) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=TIMEOUT_S)


def record(name: str, key: str = "pl_old") -> bytes:
    kwargs = {"messages": [{"role": "user", "content": f"text of {name}"}]}
    return json.dumps(
        {"kwargs": kwargs, "metadata": {"promptlayer_patch.record_id": name}, "api_key": key}
    ).encode()


def read_on(client: socket.socket) -> None:
    while client.recv(10_000):
        pass


def post(
    endpoint: Endpoint, name: str = "a", *, key: str = "pl_old", on: http.client.HTTPConnection | None = None
) -> tuple[int, bytes, Any]:
    connection = on or connected(endpoint)
    try:
        connection.request("POST", "/track-request", record(name, key))
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        if on is None:
            connection.close()


def test_ok_stores_in_order_and_numbers_from_501(endpoint: Endpoint) -> None:
    answers = [json.loads(post(endpoint, name)[1]) for name in "abc"]
    assert [answer["request_id"] for answer in answers] == [501, 502, 503]
    assert answers[0]["success"] is True
    assert endpoint.texts == ["text of a", "text of b", "text of c"]
    assert [stored.record_id for stored in endpoint.stored] == ["a", "b", "c"]


def test_connections_are_kept_alive(endpoint: Endpoint) -> None:
    connection = connected(endpoint)
    post(endpoint, "a", on=connection)
    used = connection.sock
    post(endpoint, "b", on=connection)
    assert connection.sock is used
    connection.close()


def test_a_refusing_endpoint_comes_back_on_the_same_port(endpoint: Endpoint) -> None:
    kept = connected(endpoint)
    post(endpoint, "before", on=kept)
    port = endpoint.port
    for name in ("one", "two"):
        endpoint.refuse()
        with pytest.raises(ConnectionRefusedError):
            post(endpoint)
        endpoint.behave(b.ok)
        assert endpoint.port == port
        assert post(endpoint, name)[0] == 200
    with pytest.raises(ConnectionError):
        post(endpoint, "on the old connection", on=kept)
    kept.close()
    assert len(endpoint.stored) == 3


@pytest.mark.parametrize("of", ["request", "answer"])
def test_a_reset_is_no_orderly_end(endpoint: Endpoint, of: str) -> None:
    endpoint.behave(b.reset(10, of=of))
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=TIMEOUT_S) as client:
        body = record("a")
        client.sendall(b"POST /track-request HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.sendall(body)
        with pytest.raises(ConnectionResetError):
            read_on(client)
    assert len(endpoint.stored) == (of == "answer")


def test_hanging_requests_are_answered_when_they_are_let_go(endpoint: Endpoint) -> None:
    endpoint.behave(b.hang())
    connection = connected(endpoint)
    connection.request("POST", "/track-request", record("a"))
    assert endpoint.wait_until(lambda: endpoint.waiting == 1)
    assert endpoint.stored == []
    endpoint.let_go()
    assert connection.getresponse().status == 200
    connection.close()
    assert endpoint.texts == ["text of a"]


def test_whoever_left_while_it_hung_is_not_stored(endpoint: Endpoint) -> None:
    endpoint.behave(b.hang())
    connection = connected(endpoint)
    connection.request("POST", "/track-request", record("a"))
    assert endpoint.wait_until(lambda: endpoint.waiting == 1)
    connection.close()
    endpoint.let_go()
    endpoint.behave(b.ok)
    assert post(endpoint, "b")[0] == 200
    assert endpoint.texts == ["text of b"]


@pytest.mark.parametrize("date", [False, True])
def test_busy_says_when_to_come_again(endpoint: Endpoint, date: bool) -> None:
    endpoint.behave(b.busy(90, date=date))
    status, _, headers = post(endpoint)
    value = headers["Retry-After"]
    left_s = parsedate_to_datetime(value).timestamp() - time.time() if date else float(value)
    assert (status, endpoint.stored) == (429, [])
    assert 60 < left_s <= 90


@pytest.mark.parametrize(
    ("behaviour", "status", "part"),
    [
        (b.storm(), 500, b"on fire"),
        (b.nonsense, 200, b"<html>"),
        (b.wrong(), 200, b'"fine"'),
        (b.wrong([1, 2]), 200, b"[1, 2]"),
        (b.redirect, 302, b""),
        (b.unauthorized(), 401, b"Invalid API key"),
        (b.forbidden(), 403, b"may not write"),
        (b.rejects("no such model"), 400, b"no such model"),
    ],
)
def test_refusals_are_answered_and_not_stored(
    endpoint: Endpoint, behaviour: b.Behaviour, status: int, part: bytes
) -> None:
    endpoint.behave(behaviour)
    found, body, _ = post(endpoint)
    assert (found, endpoint.stored) == (status, [])
    assert part in body


def test_a_flaky_endpoint_fails_the_same_way_every_time() -> None:
    runs = []
    for _ in range(2):
        with Endpoint(b.flaky(0.5, seed=3)) as endpoint:
            runs.append([post(endpoint, str(at))[0] for at in range(40)])
            assert len(endpoint.stored) == runs[-1].count(200)
    assert runs[0] == runs[1]
    assert 5 < runs[0].count(503) < 35


def test_a_huge_answer_is_huge_and_true(endpoint: Endpoint) -> None:
    endpoint.behave(b.huge)
    _, body, _ = post(endpoint)
    assert len(body) > 10_000_000
    assert json.loads(body)["request_id"] == 501


def test_a_trickle_arrives_whole(endpoint: Endpoint) -> None:
    endpoint.behave(b.trickle(0.001))
    began = time.monotonic()
    _, body, _ = post(endpoint)
    assert json.loads(body)["request_id"] == 501
    assert time.monotonic() - began > 0.05


def test_a_truncated_answer_is_noticed(endpoint: Endpoint) -> None:
    endpoint.behave(b.truncated)
    with pytest.raises(http.client.IncompleteRead):
        post(endpoint)
    assert endpoint.texts == ["text of a"]


@pytest.mark.parametrize(("dedupe", "stored", "duplicated"), [(True, 1, 0), (False, 2, 1)])
def test_what_is_stored_before_the_connection_drops_is_known_when_it_comes_again(
    dedupe: bool, stored: int, duplicated: int
) -> None:
    with Endpoint(dedupe=dedupe) as endpoint:
        endpoint.script(b.store_then_drop)
        with pytest.raises(http.client.RemoteDisconnected):
            post(endpoint, "a")
        answer = json.loads(post(endpoint, "a")[1])
        assert (len(endpoint.stored), endpoint.duplicated, endpoint.resends) == (stored, duplicated, 1)
        assert answer["request_id"] == (501 if dedupe else 502)


@pytest.mark.parametrize("behaviour", [b.unauthorized, b.forbidden])
def test_another_key_is_let_in(endpoint: Endpoint, behaviour: Any) -> None:
    endpoint.behave(behaviour(accepted="pl_new"))
    assert post(endpoint, "a", key="pl_old")[0] in (401, 403)
    assert post(endpoint, "b", key="pl_new")[0] == 200
    assert endpoint.texts == ["text of b"]


def test_a_script_is_followed_request_by_request(endpoint: Endpoint) -> None:
    endpoint.script(b.storm(), b.ok, b.busy(1))
    endpoint.behave(b.storm(503))
    assert [post(endpoint, str(at))[0] for at in range(4)] == [500, 200, 429, 503]


def test_single_records_may_be_treated_differently(endpoint: Endpoint) -> None:
    endpoint.behave(b.for_text("bad", b.rejects("bad words")))
    assert [post(endpoint, name)[0] for name in ("good", "bad", "fine")] == [200, 400, 200]


def test_other_paths_are_noticed_and_not_stored(endpoint: Endpoint) -> None:
    connection = connected(endpoint)
    connection.request("GET", "/elsewhere")
    assert connection.getresponse().status == 404
    connection.close()
    assert [arrival.path for arrival in endpoint.arrivals] == ["/elsewhere"]
