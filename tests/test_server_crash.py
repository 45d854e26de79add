"""The server is killed while it takes requests: what it has acknowledged is there, once.

FULL_FAULTS=1 kills it a hundred times.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from promptlayer_patch._query import Condition, Operator, Query, condition
from promptlayer_patch._wire import track_request
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Store
from tests.faults.cells import is_full
from tests.support.serving_process import ServerProcess

KILLS = 100 if is_full() else 8
CLIENTS = 4
BODIES = """
    SELECT request_id FROM bodies UNION ALL SELECT request_id FROM split_bodies ORDER BY request_id
"""
MOST_BETWEEN_KILLS = 100
INDEXED_WITHIN_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


def record(text: str) -> Record:
    now = time.time()
    return Record(
        id=new_record_id(),
        function_name="openai.chat.completions.create",
        client="OpenAI",
        request={"model": "gpt-4o", "messages": [{"role": "user", "content": text}]},
        response={"choices": [{"message": {"role": "assistant", "content": text * 20}}]},
        started_at=now,
        ended_at=now,
        tags=("crash", text),
        metadata={"text": text},
    )


def span(text: str) -> dict[str, Any]:
    now = time.time_ns()
    said = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}
    return {
        "name": "call",
        "context": {"trace_id": os.urandom(16).hex(), "span_id": os.urandom(8).hex(), "trace_state": ""},
        "kind": "SpanKind.CLIENT",
        "parent_id": None,
        "start_time": now,
        "end_time": now,
        "status": {"status_code": "StatusCode.OK"},
        "attributes": {},
        "resource": {"attributes": {}, "schema_url": ""},
        "log_request": {
            "provider": "openai",
            "model": "gpt-4o",
            "input": said,
            "output": said,
            "tags": ["crash", text],
        },
    }


@dataclass
class Traffic:
    """Clients that post requests one after another, each until it is acknowledged."""

    server: ServerProcess
    up: threading.Event = field(default_factory=threading.Event)
    enough: threading.Event = field(default_factory=threading.Event)
    records: dict[str, int] = field(default_factory=dict)
    """The request id that was told for each record."""
    spans: dict[str, int] = field(default_factory=dict)
    """The request id that was told for each span."""
    told_anew: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    unanswered: int = 0
    """Posts that got no answer, and so were sent again."""

    def client(self, name: int) -> None:
        """Every second one speaks of spans, whose ids are to the server what a record's id is."""
        number = 0
        with requests.Session() as session:
            while not self.enough.is_set():
                number += 1
                text = f"text{number} of client{name}"
                if name % 2:
                    self._span(session, text)
                else:
                    self._record(session, text)
                self.told_anew.release()

    def _record(self, session: requests.Session, text: str) -> None:
        """A request, and a score for it."""
        sent = record(text)
        answer = self._acknowledged(session, "/track-request", track_request(sent))
        self.records[sent.id] = answer["request_id"]
        self._acknowledged(session, "/library-track-score", {"request_id": answer["request_id"], "score": 5})

    def _span(self, session: requests.Session, text: str) -> None:
        """A span, and the request that it tells of."""
        sent = span(text)
        answer = self._acknowledged(session, "/spans-bulk", {"spans": [sent]})
        (told,) = answer["request_logs"]
        self.spans[told["span_id"]] = told["id"]

    def _acknowledged(self, session: requests.Session, path: str, body: dict[str, Any]) -> Any:
        answer = None
        while answer is None:
            answer = self._post(session, path, {**body, "api_key": self.server.api_key})
        return answer

    def _post(self, session: requests.Session, path: str, body: dict[str, Any]) -> Any:
        self.up.wait()
        try:
            answer = session.post(self.server.url + path, json=body, timeout=60)
        except (requests.ConnectionError, ChunkedEncodingError):  # killed before the answer, or within it
            self.unanswered += 1
            return None
        assert answer.ok, answer.text
        return answer.json()


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[Traffic]:
    with ServerProcess(tmp_path / "requests.db", tmp_path / "log") as server:
        traffic = Traffic(server)
        traffic.up.set()
        yield traffic


def killed_in_full_flight(traffic: Traffic, kills: int) -> None:
    """Kill the server again and again, each time after some more acknowledgements, and start it anew."""
    chance = random.Random(kills)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients: list[Future[None]] = [pool.submit(traffic.client, name) for name in range(CLIENTS)]
        try:
            for _ in range(kills):
                for _ in range(chance.randint(1, MOST_BETWEEN_KILLS)):
                    assert traffic.told_anew.acquire(timeout=60), traffic.server.log
                traffic.up.clear()
                traffic.server.kill()
                traffic.server.start()
                traffic.up.set()
        finally:
            traffic.enough.set()
            traffic.up.set()
    for client in clients:
        client.result()


def rows(db: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(statement).fetchall()


def count(db: Path, table: str) -> int:
    return int(rows(db, f"SELECT count(*) FROM {table}")[0][0])


def found(db: Path, asked: Condition) -> list[int]:
    """The ids of all requests that the index has so, newest first."""
    query = Query(asked)
    ids, after = [], None
    with closing(Store.open(db, read_only=True)) as store:
        while True:
            page = store.search(query, 200, after)
            ids += [item.request_id for item in page.items]
            after = page.next
            if after is None:
                return ids


def wait_until_indexed(db: Path) -> None:
    deadline = time.monotonic() + INDEXED_WITHIN_S
    while rows(db, "SELECT 1 FROM unindexed LIMIT 1"):
        assert time.monotonic() < deadline, "the index has not caught up"
        threading.Event().wait(0.05)


def test_what_was_acknowledged_before_a_kill_is_there_exactly_once(
    traffic: Traffic, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    killed_in_full_flight(traffic, KILLS)
    db = traffic.server.db
    stored = rows(db, "SELECT record_id, request_id, span_id FROM requests")
    records = {record: number for record, number, span in stored if span is None}
    spans = {span: number for _, number, span in stored if span is not None}
    with capsys.disabled():
        print(
            f"\n{KILLS} kills: {len(traffic.records)} records and {len(traffic.spans)} spans acknowledged, "
            f"{len(stored)} requests stored, {traffic.unanswered} posts sent again, "
            f"{time.monotonic() - began:.0f} s"
        )
    # Nothing else was sent: whoever was not answered came again, and was told the id of the first time.
    assert (records, spans) == (traffic.records, traffic.spans)
    assert len(stored) == len(records) + len(spans)
    assert rows(db, "PRAGMA integrity_check") == [("ok",)]
    assert rows(db, "PRAGMA foreign_key_check") == []
    assert rows(db, BODIES) == rows(db, "SELECT request_id FROM requests ORDER BY request_id")
    parts = {"request_tags": 2 * len(stored), "scores": len(records)}
    assert {name: count(db, name) for name in parts} == parts


def test_the_index_catches_up_after_kills(traffic: Traffic) -> None:
    """With all that was acknowledged, once."""
    killed_in_full_flight(traffic, 2)
    db = traffic.server.db
    wait_until_indexed(db)
    acknowledged = sorted([*traffic.records.values(), *traffic.spans.values()], reverse=True)
    assert found(db, condition("tags", Operator.EQUALS, "crash")) == acknowledged
    assert len(found(db, condition("text", Operator.CONTAINS, "text1 of client0"))) == 1


def test_it_ends_well_after_it_was_killed(traffic: Traffic) -> None:
    """A server that takes over what a killed one has left stops like any other, and has logged no fault."""
    killed_in_full_flight(traffic, 2)
    assert traffic.server.stop() == 0
    assert traffic.server.log == ""
