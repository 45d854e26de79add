"""A stand-in for OpenAI that every framework finds in its environment, and what was recorded beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import promptlayer_patch
from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.exporters.memory import MemoryExporter
from tests.frameworks.ledger import Ledger
from tests.support.loopback import loopback_only

__all__ = ["loopback_only"]

pytest.register_assert_rewrite("tests.frameworks.claims")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn(chunk_delay_s=0.0) as running:
        monkeypatch.setenv("OPENAI_API_KEY", "key-for-the-stand-in")
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_BASE", running.base_url)  # the older name, which LlamaIndex reads
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@pytest.fixture
def ledger(server: StandIn, record_property: Callable[[str, object], None]) -> Iterator[Ledger]:
    """Recording with the tag `suite`. However many calls a test makes, each attempt is on one record."""
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, tags=["suite"])
    kept = Ledger(server, sink)
    yield kept
    records, requests = kept.records, len(server.requests) + kept.elsewhere - kept.suppressed
    record_property("requests", requests)
    record_property("attempts", sum(record.attempts for record in records))
    record_property("records", len(records))
    assert len({record.id for record in records}) == len(records)
    assert sum(record.attempts for record in records) == requests
    assert all("suite" in record.tags for record in records)
