"""Tests of an application, which want nothing but to be left alone, and some of them the requests."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import app
import pytest

import promptlayer_patch
from promptlayer_patch import scope
from promptlayer_patch.errors import InvalidArgument, RequestIdUnavailable
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Delivered
from promptlayer_patch.testing import Requests, capture

open_streams: list[Any] = []
CHILD = "import app, promptlayer_patch; app.ask('of a child'); print(promptlayer_patch.flush())"


@pytest.fixture
def called_before() -> None:
    app.ask("by a fixture")


@pytest.fixture
def installed_anew() -> Iterator[None]:
    yield
    promptlayer_patch.install(to=app.TO, tags=["app"])


def texts(requests: Requests) -> list[str]:
    return [messages[0]["content"] for messages in requests.messages]


def test_the_fixture_has_the_requests(promptlayer_requests: Requests) -> None:
    assert promptlayer_requests == []
    with scope(tags=["x"]) as calls:
        app.ask("one")
        app.ask("two")
    assert calls.request_ids() == [1, 2]
    assert texts(promptlayer_requests) == ["one", "two"]
    assert promptlayer_requests.tags == [("app", "x")] * 2
    assert promptlayer_requests[0].metadata["release"] == "7"


def test_each_test_has_its_own(promptlayer_requests: Requests) -> None:
    assert promptlayer_requests == []
    with scope() as calls:
        app.ask("three")
    assert calls.request_id() == 1
    assert texts(promptlayer_requests) == ["three"]


def test_ids_are_there_without_the_fixture() -> None:
    with scope() as calls:
        app.ask("nobody looks")
    assert calls.request_id() == 1


def test_what_its_fixtures_asked_is_in_it(called_before: None, promptlayer_requests: Requests) -> None:
    app.ask("by the test")
    assert texts(promptlayer_requests) == ["by a fixture", "by the test"]


def test_an_open_stream_is_not_in_it_yet(promptlayer_requests: Requests) -> None:
    stream = app.ask("slowly", stream=True)
    open_streams.append(app.ask("left open", stream=True))
    assert len(promptlayer_requests) == 0
    list(stream)
    assert texts(promptlayer_requests) == ["slowly"]


def test_a_stream_of_another_test_is_not_in_it(promptlayer_requests: Requests) -> None:
    receipt = promptlayer_patch.receipt_of(open_streams[0]) if open_streams else None
    for stream in open_streams:
        list(stream)
    assert promptlayer_requests == []
    if receipt is not None:
        with pytest.raises(RequestIdUnavailable, match="the test that it began in is over"):
            receipt.request_id(0)


def test_redaction_is_in_force(promptlayer_requests: Requests) -> None:
    app.ask("x", extra_body={"ssn": "123"})
    assert "123" not in str(promptlayer_requests.one().request)


def test_a_wrong_argument_is_refused() -> None:
    for wrong in ({"to": "nowhere:"}, {"tags": "one"}, {"to": "jsonl:"}):
        with pytest.raises(InvalidArgument):
            promptlayer_patch.install(**wrong)


def test_uninstalling_works(installed_anew: None, promptlayer_requests: Requests) -> None:
    app.ask("before")
    promptlayer_patch.uninstall()
    app.ask("after")
    assert texts(promptlayer_requests) == ["before"]


def test_an_exporter_that_was_handed_over_gets_its_records(
    installed_anew: None, promptlayer_requests: Requests
) -> None:
    class Numbering(MemoryExporter):
        def export(self, batch: Any) -> Any:
            super().export(batch)
            return [Delivered(70 + len(self.records))] * len(batch)

    sink = Numbering()
    promptlayer_patch.install(to=sink)
    with scope() as calls:
        app.ask("one")
    assert calls.request_id() == 71
    assert promptlayer_patch.flush()
    assert promptlayer_patch.stats().recorded == promptlayer_patch.stats().delivered == len(sink.records) == 1
    assert texts(promptlayer_requests) == ["one"]


def test_capture_nests_in_the_fixture(promptlayer_requests: Requests) -> None:
    app.ask("outside")
    with capture() as requests:
        app.ask("inside")
    app.ask("outside again")
    assert texts(requests) == ["inside"]
    assert texts(promptlayer_requests) == ["outside", "outside again"]


def test_a_forked_child_sends_nothing() -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    child = multiprocessing.get_context("fork").Process(target=app.ask, args=("of a fork",))
    child.start()
    child.join()
    assert child.exitcode == 0


def test_a_program_that_a_test_starts_sends_nothing() -> None:
    home = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=home, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_thread_of_the_application_is_seen(promptlayer_requests: Requests) -> None:
    thread = threading.Thread(target=app.ask, args=("from a thread",))
    thread.start()
    thread.join()
    assert texts(promptlayer_requests) == ["from a thread"]


def test_nothing_is_there_that_could_send() -> None:
    names = {thread.name for thread in threading.enumerate()}
    assert "promptlayer-sender" not in names
    assert "requests" not in sys.modules or "promptlayer_patch.exporters.promptlayer" in sys.modules


@pytest.mark.promptlayer_send
def test_marked(promptlayer_requests: Requests) -> None:
    with scope(tags=["asked for"]) as calls:
        app.ask("sent")
    assert calls.request_id() > 500
    assert texts(promptlayer_requests) == ["sent"]
    assert "PROMPTLAYER_SEND" not in os.environ


def test_after_a_marked_one_all_is_quiet(promptlayer_requests: Requests) -> None:
    with scope() as calls:
        app.ask("not sent")
    assert calls.request_id() == 1
    assert texts(promptlayer_requests) == ["not sent"]
