"""What other sites, other machines and hostile clients may send: it is refused, and the server goes on."""

from __future__ import annotations

import gzip
import json
import os
import socket
import stat
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptlayer_patch.server.endpoints import Auth
from promptlayer_patch.server.running import Server, ServerError
from promptlayer_patch.server.table import ENDPOINTS
from promptlayer_patch.store import Store, StoreError
from promptlayer_patch.store.keys import Keys, local_key
from tests.support.serving import TIMEOUT_S, Client, command, serving

linux_only = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read in /proc")
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX file modes")

JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path_factory.mktemp("served")) as both:
        yield both


@pytest.fixture
def server(served: tuple[Server, Client]) -> Server:
    return served[0]


@pytest.fixture
def client(served: tuple[Server, Client]) -> Iterator[Client]:
    yield served[1]
    assert served[1].get("/health").json()["success"] is True, "the server goes on"


def raw(server: Server, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """What the server says to exactly these bytes; 0 if it closes without a word."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S) as connection:
        said = b""
        try:
            connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + body)
            while b"\r\n\r\n" not in said and (piece := connection.recv(65536)):
                said += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
    return (int(said.split(b" ", 2)[1]), said) if said else (0, b"")


# --- where it listens, and for whom


@linux_only
def test_it_listens_on_one_address_of_this_machine(server: Server) -> None:
    """Where a server listens on all addresses, nobody else gets its port on any of them."""
    with socket.socket() as neighbour:
        neighbour.bind(("127.0.0.2", server.port))


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_are_let_in_only_with_a_key_made_for_them(tmp_path: Path, host: str) -> None:
    db = tmp_path / "requests.db"
    with pytest.raises(ServerError, match="keys create"):
        Server(db, host=host)
    with closing(Store.open(db)) as store:
        key, _ = Keys(store).create("others", 1)
    with pytest.raises(ServerError, match="--name"):
        Server(db, host=host)
    if host == "::":
        return
    with Server(db, host=host, names=["desk.example"]) as server:
        server.start()
        assert server.api_key is None
        named = {"Host": f"desk.example:{server.port}"}
        for given, status in ((key, 200), (local_key(db), 401)):
            client = Client(f"http://127.0.0.1:{server.port}", given)
            assert client.post("/create-group", {}, headers=named).status_code == status
            client.close()


@pytest.mark.parametrize(
    ("name", "host", "status"),
    [
        ("desk.example:443", "desk.example", 200),
        ("desk.example:443", "desk.example:443", 200),
        ("desk.example:80", "DESK.example", 200),
        ("desk.example:8080", "desk.example", 421),
        ("desk.example", "desk.example", 421),
        ("[2001:db8::1]:443", "[2001:db8::1]", 200),
    ],
)
def test_a_name_with_its_schemes_own_port_is_known_without_it(
    tmp_path: Path, name: str, host: str, status: int
) -> None:
    """As clients of a proxy that speaks HTTPS say it."""
    with Server(tmp_path / "requests.db", names=[name]) as server:
        server.start()
        client = Client(server.url, None)
        assert client.get("/health", headers={"Host": host}).status_code == status
        client.close()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:{port}",
        "localhost.:{port}",
        "192.168.1.7:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}0",
        "user@127.0.0.1:{port}",
        "127.0.0.1:{port}.evil.example",
        "[::ffff:127.0.0.1]:{port}",
        "0.0.0.0:{port}",
        "",
    ],
)
def test_another_name_is_not_answered_to(server: Server, host: str) -> None:
    status, _ = raw(server, f"GET /health HTTP/1.1\nHost: {host.format(port=server.port)}\n\n")
    assert status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
def test_its_own_names_are_answered_to_in_any_case(server: Server, host: str) -> None:
    assert raw(server, f"GET /health HTTP/1.1\nHost: {host}:{server.port}\n\n")[0] == 200


@pytest.mark.parametrize(
    "head",
    [
        "GET /health HTTP/1.1\n\n",
        "GET /health HTTP/1.1\nHost: 127.0.0.1:{port}\nHost: evil.example\n\n",
        "GET http://evil.example/health HTTP/1.1\nHost: 127.0.0.1:{port}\n\n",
        "GET http://127.0.0.1:{port}/health HTTP/1.1\nHost: evil.example\n\n",
    ],
)
def test_a_request_with_no_one_host_is_refused(server: Server, head: str) -> None:
    assert raw(server, head.format(port=server.port))[0] == 400


def test_what_a_proxy_is_said_to_have_seen_does_not_count(server: Server) -> None:
    forwarded = "X-Forwarded-Host: 127.0.0.1:{port}\nX-Forwarded-For: 127.0.0.1\nForwarded: host=localhost"
    head = f"GET /health HTTP/1.1\nHost: evil.example\n{forwarded}\n\n"
    assert raw(server, head.format(port=server.port))[0] == 421


# --- other sites


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "anything"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_page_of_another_site_changes_nothing(client: Client, method: str, headers: dict[str, str]) -> None:
    assert client.send(method, "/create-group", headers=headers, json={}).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}])
def test_a_page_of_its_own_and_no_page_at_all_may(client: Client, headers: dict[str, str]) -> None:
    own = {"Origin": client.url} if headers else {}
    assert client.post("/create-group", {}, headers={**headers, **own}).status_code == 200


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PURGE"])
def test_other_methods_are_not_known(server: Server, method: str) -> None:
    status, said = raw(server, f"{method} /create-group HTTP/1.1\nHost: 127.0.0.1:{server.port}\n\n")
    assert status in (400, 405)
    assert b"access-control" not in said.lower()


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/jsonp",
    ],
)
def test_what_a_form_can_send_is_not_read(client: Client, content_type: str) -> None:
    body = json.dumps({"request_id": 1, "score": 1}).encode()
    answer = client.send("POST", "/library-track-score", data=body, headers={"Content-Type": content_type})
    assert answer.status_code == 415


def test_every_answer_tells_browsers_to_be_careful(client: Client) -> None:
    answers = [client.get(path) for path in ("/health", "/openapi.json", "/nothing", "/create-group")]
    answers += [
        client.post("/create-group", {}),
        client.post("/track-request", {}),
        client.post("/nothing", {}),
    ]
    answers.append(client.get("/health", headers={"Host": "evil.example"}))
    for answer in answers:
        headers = answer.headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert "Server" not in headers
        assert answer.json() is not None


def test_whoever_has_no_key_reads_and_changes_nothing(server: Server) -> None:
    """Every endpoint of the table says who may use it; a new one is tested by being there."""
    open_to_all = {endpoint.path for endpoint in ENDPOINTS if endpoint.auth is Auth.NONE}
    assert open_to_all == {"/health", "/openapi.json", "/favicon.ico", "/static/{version}/{name}"}
    for key in (None, "pl_wrong"):
        nobody = Client(server.url, key)
        for endpoint in ENDPOINTS:
            if endpoint.auth is Auth.KEY:
                path = endpoint.path.replace("{", "").replace("}", "")
                kind = {"Content-Type": endpoint.raw[0]} if endpoint.raw else JSON
                answer = nobody.send(endpoint.method, path, headers=kind)
                assert answer.status_code == 401, endpoint
                assert answer.json()["success"] is False
        nobody.close()


# --- hostile bodies

ENDLESS = {
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b"[" * 150 + b"]" * 150,
    "deep where anything may be": b'{"kwargs": {"a": ' + b"[" * 80 + b"]" * 80 + b"}}",
    "many keys": json.dumps({str(n): n for n in range(10_001)}).encode(),
    "a huge whole number": b'{"score": ' + b"9" * 100_000 + b"}",
    "NaN": b'{"request_id": 1, "score": NaN}',
    "Infinity": b'{"request_id": 1, "score": Infinity}',
    "half a surrogate pair": b'{"request_id": 1, "score": 1, "name": "\\ud800"}',
    "broken UTF-8": b'{"request_id": 1, "score": 1, "name": "\xff\xfe"}',
    "overlong UTF-8": b'{"request_id": 1, "score": 1, "name": "\xc0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"request_id": 1}'.encode("utf-16"),
    "cut off": b'{"request_id": 1, "sco',
    "two values": b"{} {}",
    "no object": b"7",
    "a list": b"[]",
    "null": b"null",
    "single quotes": b"{'a': 1}",
    "a comment": b"{/* */}",
}


@pytest.mark.parametrize("path", ["/library-track-score", "/track-request", "/log-request"])
@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_json_of_no_ordinary_form_is_refused(client: Client, path: str, body: bytes) -> None:
    answer = client.send("POST", path, data=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["success"] is False


def test_a_nul_is_a_character(client: Client) -> None:
    body = b'{"request_id": 1099511627776, "score": 1, "name": "a\\u0000b"}'
    assert client.send("POST", "/library-track-score", data=body, headers=JSON).status_code == 404


def test_keys_that_mean_something_elsewhere_are_data_here(client: Client) -> None:
    kwargs = {"__proto__": {"polluted": True}, "constructor.prototype": 1, "a.b": 2, "k" * MIB: 3}
    body = {"kwargs": kwargs, "request_response": {"__class__": "x"}, "metadata": {"__proto__": "1"}}
    times = {"request_start_time": 1_750_000_000, "request_end_time": 1_750_000_001}
    assert client.post("/track-request", {**body, **times}).status_code == 200


def test_a_body_that_is_too_long_is_refused_before_it_is_read(server: Server, client: Client) -> None:
    head = f"POST /track-request HTTP/1.1\nHost: 127.0.0.1:{server.port}\nContent-Type: application/json\n"
    status, _ = raw(server, head + f"X-API-KEY: {server.api_key}\nContent-Length: {11 * MIB}\n\n", b"{")
    assert status == 413
    chunk = b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
    status, _ = raw(server, head + f"X-API-KEY: {server.api_key}\nTransfer-Encoding: chunked\n\n", chunk * 11)
    assert status in (413, 0)  # 0: it has answered and closed while we still sent


def bomb(letter: bytes = b" ", wbits: int = 31) -> bytes:
    """200 MiB in 200 KB."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(squeezer.compress(letter * MIB) for _ in range(200)) + squeezer.flush()


PACKED = {
    "a bomb in gzip": ("gzip", bomb(), 413),
    "a bomb in deflate": ("deflate", bomb(wbits=15), 413),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(b"{}")), 415),
    "brotli": ("br", b"{}", 415),
    "zstd": ("zstd", b"{}", 415),
    "no gzip": ("gzip", b"{}", 400),
    "gzip without an end": ("gzip", gzip.compress(b"{}" * 100)[:-9], 400),
    "plain": ("identity", b"{}", 422),
    "gzip": ("gzip", gzip.compress(b"{}"), 422),
}


@pytest.mark.parametrize(("encoding", "body", "status"), PACKED.values(), ids=PACKED)
def test_an_encoding_is_undone_within_bounds(client: Client, encoding: str, body: bytes, status: int) -> None:
    headers = {**JSON, "Content-Encoding": encoding}
    assert client.send("POST", "/track-request", data=body, headers=headers).status_code == status


MANY = {
    "empty objects": b"[" + b"{}," * 3_000_000 + b"{}]",
    "empty lists": b"[" + b"[]," * 3_000_000 + b"[]]",
    "short texts": b"[" + b'"ab",' * 2_000_000 + b'"ab"]',
    "numbers": b"[" + b"1.25," * 900_000 + b"1]",
    "one long text": b'{"a": "' + b"x" * (9 * MIB) + b'"}',
    "one long text of commas": b'{"a": "' + b"{," * (4 * MIB) + b'"}',
    "one long text of escapes": b'{"a": "' + rb"{,\n\"" * (MIB + MIB // 2) + b'"}',
}


def test_what_stands_in_a_text_is_one_value(client: Client) -> None:
    text = json.dumps([{}] * 300_000 + [0] * 1_600_000)
    body = {
        "kwargs": {"prompt": text},
        "request_response": {},
        "request_start_time": 1,
        "request_end_time": 2,
    }
    assert client.post("/track-request", body).status_code == 200


PACKED_MANY = {f"{name}, packed": gzip.compress(body, 1) for name, body in MANY.items()}


@linux_only
@pytest.mark.parametrize("name", [*MANY, *PACKED_MANY, "a bomb"])
def test_no_body_takes_much_memory(tmp_path: Path, name: str) -> None:
    body = MANY.get(name) or PACKED_MANY.get(name) or bomb(b"[")
    headers = JSON if name in MANY else {**JSON, "Content-Encoding": "gzip"}
    with command("--db", tmp_path / "requests.db", "--port", 0) as (process, url, key):
        client = Client(url, key)
        assert client.get("/health").status_code == 200
        before = mib_of(process.pid, "VmRSS")
        assert client.send("POST", "/track-request", data=body, headers=headers).status_code in (413, 422)
        assert mib_of(process.pid, "VmHWM") - before < 100
        client.close()


def mib_of(pid: int, what: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


# --- hostile connections


@pytest.mark.parametrize(
    "head",
    ["GET /health HTTP/1.1\nX: " + "a" * 200_000, "GET /" + "a" * 200_000, "X: y\n" * 50_000],
    ids=["header", "path", "no request"],
)
def test_a_head_of_no_ordinary_length_ends_the_connection(server: Server, client: Client, head: str) -> None:
    assert raw(server, head)[0] in (0, 400)


@pytest.mark.parametrize("said", [b"\x00\x01\x02\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x\r\n"])
def test_what_is_no_http_ends_the_connection(server: Server, client: Client, said: bytes) -> None:
    assert raw(server, said.decode("latin-1"))[0] in (0, 400)


def test_what_is_sent_at_once_is_answered_in_order(server: Server) -> None:
    """Whole answers are written past ASGI, and must not get in front of those that are not."""
    host = f"Host: 127.0.0.1:{server.port}\r\n"
    key = f"X-API-KEY: {server.api_key}\r\nContent-Type: application/json\r\n"
    sent = [
        f"POST /create-group HTTP/1.1\r\n{host}{key}Content-Length: 2\r\n\r\n{{}}",
        f"GET /health HTTP/1.1\r\n{host}\r\n",
        f"HEAD /health HTTP/1.1\r\n{host}\r\n",
        f"GET /nothing HTTP/1.1\r\n{host}\r\n",
        f"GET /health HTTP/1.1\r\n{host}Connection: close\r\n\r\n",
    ]
    said = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S) as connection:
        connection.sendall("".join(sent).encode())
        while piece := connection.recv(65536):
            said += piece
    answers = said.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"200", b"200", b"404", b"200"]
    assert [answer.count(b"\r\ndate: ") for answer in answers] == [1] * 5
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
    assert bodies[2] == b""
    assert [json.loads(body)["success"] for body in bodies if body] == [True, True, False, True]


def test_connections_that_say_nothing_hold_up_nobody(server: Server, client: Client) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S) for _ in range(200)]
    try:
        for connection in silent[:100]:
            connection.sendall(b"POST /track-request HTTP/1.1\r\nHost: 127.")
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.post("/create-group", {}).status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 8
    finally:
        for connection in silent:
            connection.close()


def test_a_path_is_what_was_sent(client: Client) -> None:
    paths = [
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..",
        "//health",
        "/health/",
        "/health%00",
        "/C:/x",
    ]
    for path in paths:
        assert client.get(path).status_code == 404


# --- files


@posix_only
def test_the_files_are_for_this_user_alone(server: Server) -> None:
    for path in server.db.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@posix_only
def test_a_key_file_that_was_emptied_is_not_served_with(tmp_path: Path) -> None:
    (tmp_path / "requests.db.key").write_text("")
    with pytest.raises(StoreError, match="holds no key"):
        Server(tmp_path / "requests.db")
