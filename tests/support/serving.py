"""Servers for tests: real ones, on free ports of this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from promptlayer_patch.store.keys import Keys

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60


class Client:
    """Whoever talks to a server with one key."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        self.key = key
        self._session = requests.Session()
        self._session.trust_env = False
        if key is not None:
            self._session.headers["X-API-KEY"] = key

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.send("POST", path, **({} if body is None else {"json": body}), **options)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, self.url + path, timeout=TIMEOUT_S, **options)

    def close(self) -> None:
        self._session.close()


@contextmanager
def serving(directory: Path) -> Iterator[tuple[Server, Client]]:
    """A server over a new store in `directory`, and a client with the local key."""
    with Server(directory / "requests.db") as server:
        server.start()
        client = Client(server.url, server.api_key)
        try:
            yield server, client
        finally:
            client.close()


def client_of_another_workspace(server: Server) -> Client:
    """A client with a key of a workspace of its own."""
    home = Store.open(server.db)
    try:
        key, _ = Keys(home).create("another")
    finally:
        home.close()
    return Client(server.url, key)


@contextmanager
def command(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`promptlayer-patch serve` as a process, its URL and the key it has shown."""
    process = subprocess.Popen(
        [sys.executable, "-m", "promptlayer_patch", "serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    try:
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if line.startswith("Ctrl-C"):
                break
        url, key = re.search(r"URL +(\S+)", said), re.search(r"API key +(\S+)", said)
        assert url, said
        assert key, said
        yield process, url[1], key[1]
    finally:
        process.kill()
        process.communicate()
