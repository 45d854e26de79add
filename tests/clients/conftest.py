"""A server in a process of its own and a stand-in for OpenAI, which clients find in their environment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.store import Store
from promptlayer_patch.store.reading import StoredRequest
from tests.support.loopback import loopback_only
from tests.support.serving import Client
from tests.support.serving_process import ServerProcess

__all__ = ["loopback_only"]

INDEXED_WITHIN_S = 30.0


@dataclass(frozen=True)
class Kept:
    """What the server has kept, as a client and as the store show it."""

    client: Client
    store: Store

    def __getitem__(self, request_id: object) -> StoredRequest:
        assert type(request_id) is int
        found = self.store.get(request_id)
        assert found is not None
        return found

    def found(self, **asked: object) -> list[dict[str, Any]]:
        """What a search gives, once the index has something to give."""
        deadline = time.monotonic() + INDEXED_WITHIN_S
        while True:
            answer = self.client.post("/api/public/v2/requests/search", asked)
            assert answer.status_code == 200, answer.text
            items: list[dict[str, Any]] = answer.json()["items"]
            if items:
                return items
            assert time.monotonic() < deadline, f"nothing is found by {asked}"
            threading.Event().wait(0.05)

    def newest(self, count: int = 1) -> list[StoredRequest]:
        """The requests that came last, newest first."""
        return [self[one.request_id] for one in self.store.recent(count)]


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    place = tmp_path_factory.mktemp("server")
    with ServerProcess(place / "requests.db", place / "log") as process:
        yield process
    assert process.log == ""


@pytest.fixture(scope="session")
def standin() -> Iterator[StandIn]:
    with StandIn(chunk_delay_s=0.0) as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(process: ServerProcess, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", process.url)
    monkeypatch.setenv("PROMPTLAYER_API_KEY", process.api_key)
    monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "key-for-the-stand-in")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def kept(process: ServerProcess) -> Iterator[Kept]:
    client, store = Client(process.url, process.api_key), Store.open(process.db, read_only=True)
    yield Kept(client, store)
    client.close()
    store.close()
