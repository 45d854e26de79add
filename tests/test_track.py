"""What is said about a request: checked at once, and sent in the background, after its request, once."""

from __future__ import annotations

import gc
import json
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch import track
from promptlayer_patch._delivery.worker import Worker
from promptlayer_patch.annotations import GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Delivered, Delivery, Receipt, Record
from tests.support.fake_promptlayer import (
    PATIENCE_S,
    Answer,
    FakePromptLayer,
    Held,
    Numbering,
    refused,
    without_key,
)
from tests.support.programs import ROOT, printed, run_program
from tests.support.wire import MODEL, Wire

KEY = "pl_0000"
SHARED = ROOT.parent / "shared" / "cassettes" / "promptlayer"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as fake:
        yield fake


@pytest.fixture
def installed(promptlayer: FakePromptLayer) -> FakePromptLayer:
    promptlayer_patch.install(api_key=KEY, base_url=promptlayer.base_url, to="promptlayer:")
    return promptlayer


def ask(**options: Any) -> Any:
    return Wire().client().chat.completions.create(model=MODEL, messages=HELLO, **options)


# Targets and arguments


def test_an_id_a_receipt_a_scope_and_a_response_can_be_scored(sink: MemoryExporter) -> None:
    with promptlayer_patch.scope() as calls:
        first, last = ask(), ask()
    receipt = promptlayer_patch.receipt_of(first)
    assert receipt is not None
    for target in (7, receipt, calls, last):
        track.score(target, 95, name="accuracy")
    promptlayer_patch.flush()
    assert [one.request_id for one in sink.annotations] == [7, 1, 2, 2]
    assert {one.content for one in sink.annotations} == {Score(95, "accuracy")}


def test_a_stream_can_be_scored_before_it_is_read(sink: MemoryExporter) -> None:
    stream = ask(stream=True)
    track.score(stream, 10)
    promptlayer_patch.flush()
    assert sink.annotations == [], "its request is not there yet"
    list(stream)
    promptlayer_patch.flush()
    assert [one.request_id for one in sink.annotations] == [1]


@pytest.mark.parametrize(
    ("say", "names"),
    [
        (lambda: track.score(1, 101), "score"),
        (lambda: track.score(1, -1), "score"),
        (lambda: track.score(1, True), "score"),
        (lambda: track.score(1, 50.0), "score"),  # type: ignore[arg-type]
        (lambda: track.score(1, "50"), "score"),  # type: ignore[arg-type]
        (lambda: track.score(1, 50, name=""), "name"),
        (lambda: track.score(1, 50, name=3), "name"),  # type: ignore[arg-type]
        (lambda: track.metadata(1, {}), "metadata"),
        (lambda: track.metadata(1, {"a": 1}), "metadata"),  # type: ignore[dict-item]
        (lambda: track.metadata(1, {1: "a"}), "metadata"),  # type: ignore[dict-item]
        (lambda: track.metadata(1, [("a", "b")]), "metadata"),  # type: ignore[arg-type]
        (lambda: track.prompt(1, ""), "name"),
        (lambda: track.prompt(1, 7), "name"),
        (lambda: track.prompt(1, "p", ["a"]), "variables"),  # type: ignore[arg-type]
        (lambda: track.prompt(1, "p", {1: "a"}), "variables"),  # type: ignore[dict-item]
        (lambda: track.prompt(1, "p", {"a": object()}), "variables"),
        (lambda: track.prompt(1, "p", version=0), "version"),
        (lambda: track.prompt(1, "p", version=True), "version"),
        (lambda: track.prompt(1, "p", version=1, label="prod"), "label"),
        (lambda: track.prompt(1, "p", label=""), "label"),
        (lambda: track.group(1, 0), "group"),
        (lambda: track.group(1, True), "group"),
        (lambda: track.group(1, "1"), "group"),  # type: ignore[arg-type]
        (lambda: track.score(0, 50), "target"),
        (lambda: track.score(True, 50), "target"),
        (lambda: track.score("42", 50), "target"),
        (lambda: track.score(None, 50), "target"),
        (lambda: track.score(object(), 50), "target"),
        (lambda: track.score(promptlayer_patch.scope(), 50), "target"),
        (lambda: promptlayer_patch.scope(group=0), "group"),
        (lambda: promptlayer_patch.scope(group="1"), "group"),  # type: ignore[arg-type]
        (lambda: promptlayer_patch.scope(prompt=7), "prompt"),
        (lambda: promptlayer_patch.scope(prompt=("p", 0)), "version"),
        (lambda: promptlayer_patch.scope(prompt=""), "name"),
    ],
)
def test_a_wrong_argument_is_refused_at_once_and_nothing_is_sent(
    sink: MemoryExporter, say: Callable[[], object], names: str
) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        say()
    assert refusal.value.argument == names
    promptlayer_patch.flush()
    assert sink.annotations == []
    assert promptlayer_patch.stats().recorded == 0


def test_what_was_not_recorded_is_no_target(sink: MemoryExporter) -> None:
    with promptlayer_patch.suppress():
        answer = ask()
    with pytest.raises(InvalidArgument, match="a recorded call, got a ChatCompletion"):
        track.score(answer, 50)


def test_what_the_caller_changes_afterwards_does_not_show(sink: MemoryExporter) -> None:
    variables, metadata = {"names": ["Ada"]}, {"k": "v"}
    track.prompt(1, "p", variables)
    track.metadata(1, metadata)
    variables["names"].append("Bob")
    metadata["k"] = "w"
    promptlayer_patch.flush()
    assert [one.content for one in sink.annotations] == [
        PromptLink("p", variables={"names": ["Ada"]}),
        MetadataUpdate({"k": "v"}),
    ]


def test_the_names_of_promptlayers_own_library_work_too(sink: MemoryExporter) -> None:
    """Its documentation, and LangChain's, call these by name."""
    said: Any = track
    said.score(request_id=7, score=90, score_name="tone")
    said.metadata(request_id=7, metadata={"k": "v"})
    said.prompt(request_id=7, prompt_name="greeting", prompt_input_variables={"name": "Ada"}, version=2)
    said.group(request_id=7, group_id=3)
    promptlayer_patch.flush()
    assert [one.content for one in sink.annotations] == [
        Score(90, "tone"),
        MetadataUpdate({"k": "v"}),
        PromptLink("greeting", 2, variables={"name": "Ada"}),
        GroupLink(3),
    ]
    assert {one.request_id for one in sink.annotations} == {7}
    with pytest.raises(TypeError, match="by both of its names"):
        said.score(target=7, request_id=7, score=1)


# The wire


def test_each_kind_is_posted_as_promptlayer_takes_it(installed: FakePromptLayer) -> None:
    track.score(7, 95)
    track.score(7, 90, name="tone")
    track.metadata(7, {"user": "42"})
    track.prompt(7, "greeting", {"name": "Ada"}, version=2)
    track.prompt(7, "greeting", label="prod")
    track.group(7, 3)
    assert installed.wait_for_annotations(6) == [
        ("/library-track-score", {"request_id": 7, "score": 95}),
        ("/library-track-score", {"request_id": 7, "score": 90, "name": "tone"}),
        ("/library-track-metadata", {"request_id": 7, "metadata": {"user": "42"}}),
        (
            "/library-track-prompt",
            {
                "request_id": 7,
                "prompt_name": "greeting",
                "prompt_input_variables": {"name": "Ada"},
                "version": 2,
                "label": None,
            },
        ),
        (
            "/library-track-prompt",
            {
                "request_id": 7,
                "prompt_name": "greeting",
                "prompt_input_variables": {},
                "version": None,
                "label": "prod",
            },
        ),
        ("/track-group", {"request_id": 7, "group_id": 3}),
    ]
    assert {post.body["api_key"] for post in installed.annotations} == {KEY}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded PromptLayer traffic is not here")
def test_what_is_posted_is_what_promptlayer_was_recorded_to_take(installed: FakePromptLayer) -> None:
    """Method, path, content type and body of PromptLayer's own client, recorded against its backend."""
    tape = yaml.safe_load((SHARED / "test_track_and_templates.yaml").read_text(encoding="utf-8"))
    recorded: dict[str, Any] = {}
    for exchange in tape["interactions"]:
        path = "/" + exchange["request"]["uri"].split("/", 3)[3]
        if path.startswith(("/library-track-", "/track-group")):
            assert exchange["request"]["method"] == "POST"
            assert exchange["response"]["status"]["code"] == 200
            recorded[path] = json.loads(exchange["request"]["body"])
    assert {"/library-track-score", "/library-track-metadata", "/track-group"} <= set(recorded)
    score, update = recorded["/library-track-score"], recorded["/library-track-metadata"]
    group = recorded["/track-group"]
    track.score(score["request_id"], score["score"], name=score.get("name"))
    track.metadata(update["request_id"], update["metadata"])
    track.group(group["request_id"], group["group_id"])
    sent = dict(installed.wait_for_annotations(3))
    for path in sent:
        assert sent[path] == without_key(recorded[path])
    assert all(post.headers["content-type"] == "application/json" for post in installed.annotations)


def test_a_scope_puts_its_requests_into_a_group_and_links_their_prompt(installed: FakePromptLayer) -> None:
    with promptlayer_patch.scope(group=5, prompt=("greeting", 2), metadata={"k": "v"}) as calls:
        ask()
    request_id = calls.request_id(PATIENCE_S)
    assert installed.bodies[0]["group_id"] == 5
    assert installed.bodies[0]["metadata"]["k"] == "v"
    ((path, body),) = installed.wait_for_annotations(1)
    assert path == "/library-track-prompt"
    assert (body["request_id"], body["prompt_name"], body["version"]) == (request_id, "greeting", 2)


def test_a_template_with_its_id_and_version_goes_along_with_the_request(installed: FakePromptLayer) -> None:
    class Template:
        id, name, version, variables = 9, "greeting", 3, {"name": "Ada"}

    with promptlayer_patch.scope(prompt=Template()) as calls:
        ask()
    calls.request_id(PATIENCE_S)
    body = installed.bodies[0]
    assert (body["prompt_id"], body["prompt_version"]) == (9, 3)
    assert body["prompt_input_variables"] == {"name": "Ada"}
    promptlayer_patch.flush()
    assert installed.annotations == []


def test_the_innermost_group_and_prompt_hold(sink: MemoryExporter) -> None:
    with promptlayer_patch.scope(group=1, prompt="outer"):
        with promptlayer_patch.scope(group=2):
            ask()
        with promptlayer_patch.scope(prompt=("inner", "prod")):
            ask()
    ask()
    promptlayer_patch.flush()
    first, second, third = sink.records
    assert (first.group_id, first.prompt) == (2, PromptLink("outer"))
    assert (second.group_id, second.prompt) == (1, PromptLink("inner", label="prod"))
    assert (third.group_id, third.prompt) == (None, None)
    assert [(one.request_id, one.content) for one in sink.annotations] == [
        (1, PromptLink("outer")),
        (2, PromptLink("inner", label="prod")),
    ]


def test_a_decorated_function_links_its_requests(sink: MemoryExporter) -> None:
    @promptlayer_patch.scope(group=4, prompt="greeting")
    def greet() -> None:
        ask()

    greet()
    promptlayer_patch.flush()
    assert (sink.records[0].group_id, sink.records[0].prompt) == (4, PromptLink("greeting"))


@pytest.mark.parametrize(
    ("status", "delivered"), [(404, False), (422, False), (400, False), (429, True), (500, True), (503, True)]
)
def test_what_is_refused_is_set_aside_and_what_may_succeed_is_tried_again(
    installed: FakePromptLayer, caplog: pytest.LogCaptureFixture, status: int, delivered: bool
) -> None:
    installed.next_to_annotations.append(refused(status, "no such request", Retry_After="0"))
    track.score(7, 95)
    track.score(8, 96)
    assert promptlayer_patch.flush(PATIENCE_S)
    stats = promptlayer_patch.stats()
    assert (stats.recorded, stats.annotations) == (2, 2)
    assert (stats.delivered, stats.rejected) == ((2, 0) if delivered else (1, 1))
    assert len(installed.annotations) == (3 if delivered else 2)


def test_what_was_rejected_can_be_put_back(
    installed: FakePromptLayer, caplog: pytest.LogCaptureFixture
) -> None:
    from promptlayer_patch.cli import main

    installed.next_to_annotations.append(refused(404, "no such request"))
    with promptlayer_patch.scope() as calls:
        ask()
    track.score(calls, 95)
    assert promptlayer_patch.flush(PATIENCE_S)
    assert promptlayer_patch.stats().rejected == 1
    assert main(["outbox", "retry"]) == 0
    promptlayer_patch.uninstall()
    promptlayer_patch.install(api_key=KEY, base_url=installed.base_url, to="promptlayer:")
    ask()  # what others have left is looked for with the first record
    (_, first), (_, again) = installed.wait_for_annotations(2)
    assert first == again == {"request_id": calls.request_id(), "score": 95}


# Order, and nothing lost or doubled


def test_a_thousand_calls_scored_before_their_ids_are_known(installed: FakePromptLayer) -> None:
    """The endpoint refuses half of everything; each score arrives once, after its request, with its id."""
    dice, lock = random.Random(7), threading.Lock()
    arrived: list[tuple[str, Any]] = []
    numbered: dict[str, int] = {}
    scores: dict[str, int] = {}

    class Unreliable(FakePromptLayer):
        def take(self, post: Any) -> Answer:
            with lock:
                if dice.random() < 0.5:
                    return refused(503, "not now", Retry_After="0")
                answer = super().take(post)
                if post.path == "/track-request":
                    request_id = next(self.ids)
                    record_id = post.body["metadata"]["promptlayer_patch.record_id"]
                    numbered[record_id] = request_id
                    arrived.append(("request", request_id))
                    return Answer(body={"success": True, "request_id": request_id})
                arrived.append(("score", post.body["request_id"]))
                scores[post.body["name"]] = post.body["request_id"]
                return answer

    with Unreliable() as endpoint:
        promptlayer_patch.install(api_key=KEY, base_url=endpoint.base_url, to="promptlayer:")
        create = Wire().client().chat.completions.create

        def scored(number: int) -> Receipt:
            receipt = promptlayer_patch.receipt_of(create(model=MODEL, messages=HELLO))
            assert receipt is not None
            track.score(receipt, number % 101, name=receipt.record_id)
            return receipt

        with ThreadPoolExecutor(8) as pool:
            receipts = list(pool.map(scored, range(1000)))
        assert promptlayer_patch.flush(120)
    assert len(arrived) == 2000
    assert scores == numbered
    assert {receipt.record_id: receipt.request_id() for receipt in receipts} == numbered
    when = {event: at for at, event in enumerate(arrived)}
    assert len(when) == 2000, "each once"
    assert all(when["request", one] < when["score", one] for one in numbered.values())


def test_what_is_said_about_one_request_arrives_in_the_order_in_which_it_was_said(
    installed: FakePromptLayer,
) -> None:
    with promptlayer_patch.scope() as calls:
        ask()
    for number in range(30):
        track.score(calls, number)
    known = calls.request_id(PATIENCE_S)
    for number in range(30, 60):
        track.score(known, number)
        track.score(4711, number)
    bodies = [body for _, body in installed.wait_for_annotations(90)]
    assert [body["score"] for body in bodies if body["request_id"] == 4711] == list(range(30, 60))
    own = [body["score"] for body in bodies if body["request_id"] == known]
    # By id and by receipt are two ways to say it; each keeps its order.
    assert [score for score in own if score < 30] == list(range(30))
    assert [score for score in own if score >= 30] == list(range(30, 60))


def test_a_rejected_annotation_does_not_hold_up_the_next_one(
    installed: FakePromptLayer, caplog: pytest.LogCaptureFixture
) -> None:
    installed.next_to_annotations.append(refused(422, "no"))
    with promptlayer_patch.scope() as calls:
        ask()
    for number in range(3):
        track.score(calls, number)
    assert promptlayer_patch.flush(PATIENCE_S)
    assert [body["score"] for _, body in installed.wait_for_annotations(3)] == [0, 1, 2]
    assert promptlayer_patch.stats().rejected == 1


def test_annotations_of_a_rejected_request_are_not_sent(
    installed: FakePromptLayer, caplog: pytest.LogCaptureFixture
) -> None:
    installed.answer = refused(422, "no")
    with promptlayer_patch.scope() as calls:
        ask()
    for number in range(3):
        track.score(calls, number)
    assert promptlayer_patch.flush(PATIENCE_S)
    assert installed.annotations == []
    assert promptlayer_patch.stats().rejected == 4


SAYING = """
import os, signal, sys
import promptlayer_patch
from promptlayer_patch import track
from tests.support.wire import MODEL, Wire
promptlayer_patch.install(api_key="pl_0000", base_url=sys.argv[1], to="promptlayer:", shutdown_timeout_s=0.1)
create = Wire().client().chat.completions.create
for number in range(20):
    receipt = promptlayer_patch.receipt_of(create(model=MODEL, messages=[]))
    track.score(receipt, number, name=receipt.record_id)
    track.metadata(receipt, {"number": str(number)})
    track.score(1000 + number, number, name="by id")
if sys.argv[2] == "killed":
    promptlayer_patch.flush(0.2)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["ends", "killed"])
def test_what_was_said_survives_the_process(promptlayer: FakePromptLayer, end: str) -> None:
    """The endpoint is down while the first process says it; the second delivers it, in order."""
    if end == "killed" and not hasattr(signal, "SIGKILL"):
        pytest.skip("there is no such signal here")
    promptlayer.down = True
    assert run_program(SAYING, promptlayer.base_url, end).code == (0 if end == "ends" else -signal.SIGKILL)
    promptlayer.down = False
    promptlayer_patch.install(api_key=KEY, base_url=promptlayer.base_url, to="promptlayer:")
    ask()  # what others have left is looked for with the first record
    found = promptlayer.wait_for_annotations(60)
    assert len(found) == 60
    scores = {body["name"]: body["request_id"] for _, body in found if "score" in body}
    scores.pop("by id")
    assert len(scores) == 20
    assert scores.items() <= promptlayer.numbered.items()
    assert {body["request_id"] for _, body in found if body.get("name") == "by id"} == set(range(1000, 1020))
    for request_id in scores.values():
        said = [path for path, body in found if body["request_id"] == request_id]
        assert said == ["/library-track-score", "/library-track-metadata"]


# Other destinations, and none


def test_the_local_store_keeps_what_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from promptlayer_patch.store import Store

    promptlayer_patch.install(to=f"local:{tmp_path / 'requests.db'}")
    with promptlayer_patch.scope(group=3, prompt=("greeting", 2)) as calls:
        ask()
    track.score(calls, 95, name="tone")
    track.metadata(calls, {"k": "v"})
    track.score(4711, 1)
    promptlayer_patch.flush()
    assert promptlayer_patch.stats().rejected == 1, "there is no request 4711"
    with closing(Store.open(tmp_path / "requests.db", read_only=True)) as store:
        found = store.get(calls.request_id())
    assert found is not None
    assert (found.scores, found.groups, found.metadata) == ({"tone": 95}, (3,), {"k": "v"})
    assert found.prompt == PromptLink("greeting", 2)


def test_a_file_gets_a_line_that_names_the_record(tmp_path: Path) -> None:
    promptlayer_patch.install(to=f"jsonl:{tmp_path / 'calls.jsonl'}")
    with promptlayer_patch.scope() as calls:
        ask()
    track.score(calls, 95)
    track.group(7, 3)
    promptlayer_patch.flush()
    lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    record_id = calls.receipts[0].record_id
    assert lines[0]["metadata"]["promptlayer_patch.record_id"] == record_id
    assert {"annotation": "library-track-score", "record_id": record_id, "score": 95} in lines
    assert {"annotation": "track-group", "request_id": 7, "group_id": 3} in lines


def test_the_console_says_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    promptlayer_patch.install(to="console:")
    track.score(7, 95, name="tone")
    track.metadata(7, {"k": "v"})
    track.prompt(7, "greeting", version=2)
    track.group(7, 3)
    promptlayer_patch.flush()
    said = [line.split("  ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "request 7  score 95 tone",
        "request 7  metadata k",
        "request 7  prompt  greeting  2",
        "request 7  group 3",
    ]


def test_a_destination_that_takes_no_annotations_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Numbering()
    promptlayer_patch.install(to=exporter)
    with promptlayer_patch.scope() as calls:
        ask()
    track.score(calls, 1)
    track.score(calls, 2)
    promptlayer_patch.flush()
    assert len(exporter.records) == 1
    lines = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
    assert lines == ["a record was rejected: Numbering takes no annotations"]


def test_each_of_several_destinations_gets_its_own_id() -> None:
    first, second = MemoryExporter(), MemoryExporter()
    second.export([Record(id="0", function_name="earlier")])
    promptlayer_patch.install(to=[first, second])
    with promptlayer_patch.scope() as calls:
        ask()
    track.score(calls, 50)
    promptlayer_patch.flush()
    assert [one.request_id for one in first.annotations] == [1]
    assert [one.request_id for one in second.annotations] == [2]


def test_an_id_goes_to_the_destination_that_gave_it() -> None:
    numberless, numbering = MemoryExporter(), MemoryExporter()

    def export(batch: Any) -> list[Delivery]:
        return [Delivered()] * len(batch)

    numberless.export = export  # type: ignore[method-assign]
    promptlayer_patch.install(to=[numberless, numbering])
    with promptlayer_patch.scope() as calls:
        ask()
    track.score(calls.request_id(PATIENCE_S), 50)
    promptlayer_patch.flush()
    assert (numberless.annotations, [one.request_id for one in numbering.annotations]) == ([], [1])


def test_an_annotation_waits_for_a_request_that_has_to_be_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from promptlayer_patch.records import TryLater

    class Slow(MemoryExporter):
        tries = 0

        def export(self, batch: Any) -> list[Delivery]:
            self.tries += 1
            return [TryLater(0.01)] * len(batch) if self.tries < 4 else super().export(batch)

    slow = Slow()
    promptlayer_patch.install(to=slow)
    with promptlayer_patch.scope() as calls:
        ask()
    track.score(calls, 50)
    calls.request_id(PATIENCE_S)
    assert promptlayer_patch.flush(PATIENCE_S)
    assert [one.request_id for one in slow.annotations] == [1]
    assert promptlayer_patch.stats().retried == 3


ALONE = """
import promptlayer_patch
from tests.support.wire import MODEL, Wire
promptlayer_patch.track.score(7, 95)
Wire().client().chat.completions.create(model=MODEL, messages=[])
print(promptlayer_patch.stats().recorded)
"""


def test_without_install_it_goes_where_the_environment_says(
    promptlayer: FakePromptLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", promptlayer.base_url)
    found = printed(ALONE)
    assert promptlayer.wait_for_annotations(1) == [("/library-track-score", {"request_id": 7, "score": 95})]
    assert (found, promptlayer.posts) == (["1"], []), "and no call is recorded"


def test_after_uninstall_it_goes_where_records_went(installed: FakePromptLayer) -> None:
    with promptlayer_patch.scope() as calls:
        ask()
    request_id = calls.request_id(PATIENCE_S)
    promptlayer_patch.uninstall()
    track.score(calls, 95)
    assert installed.wait_for_annotations(1)[0][1] == {"request_id": request_id, "score": 95}


def test_an_annotation_of_a_call_that_was_not_sampled_is_told_of_and_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, sample_rate=0)
    track.score(ask(), 50)
    promptlayer_patch.flush()
    assert sink.annotations == []
    assert "an annotation was dropped" in caplog.text


def test_secrets_and_what_the_user_named_are_taken_out() -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, redact=["ssn"])
    key = "sk-" + "a1B2" * 12
    track.prompt(1, "greeting", {"ssn": "078-05-1120", "key": key, "name": "Ada"})
    track.metadata(1, {"note": f"used {key}"})
    with promptlayer_patch.scope(prompt=PromptLink("greeting", variables={"ssn": "078-05-1120"})):
        ask()
    promptlayer_patch.flush()
    told = repr(sink.annotations) + repr(sink.records)
    assert "078-05-1120" not in told
    assert key not in told
    assert "Ada" in told


def test_without_content_a_prompt_is_linked_without_its_variables() -> None:
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, capture_content=False)
    track.prompt(1, "greeting", {"name": "Ada"})
    with promptlayer_patch.scope(prompt=PromptLink("greeting", variables={"name": "Ada"})):
        ask()
    promptlayer_patch.flush()
    assert "Ada" not in repr(sink.annotations) + repr(sink.records[0].prompt)
    assert sink.annotations[0].content == PromptLink("greeting")


@given(
    st.one_of(
        st.builds(Score, st.integers(0, 100), st.none() | st.text(min_size=1)),
        st.builds(MetadataUpdate, st.dictionaries(st.text(), st.text(), min_size=1)),
        st.builds(GroupLink, st.integers(1, 2**53)),
        st.builds(
            PromptLink,
            st.text(min_size=1),
            st.none() | st.integers(1, 2**31),
            st.none() | st.text(min_size=1),
            st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists)),
            st.none() | st.integers(1, 2**31),
        ),
    ),
    st.none() | st.integers(1, 2**53),
)
def test_an_annotation_comes_back_from_the_disk_as_it_was(content: Any, request_id: int | None) -> None:
    from promptlayer_patch._encoding import decoded_load, encoded
    from promptlayer_patch.annotations import Annotation
    from promptlayer_patch.records import new_record_id

    one = Annotation(id=new_record_id(), content=content, request_id=request_id, record_id="a", after="b")
    assert decoded_load(encoded(one)) == one


def test_the_prompt_of_a_stream_that_is_dropped_starts_no_thread_in_the_garbage_collection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The interpreter may hold the lock that starting one needs."""
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink)
    started: list[bool] = []
    put = Worker.put

    def noting(self: Worker, cargo: Any, settle: Any, *, may_start: bool) -> None:
        started.append(may_start)
        put(self, cargo, settle, may_start=may_start)

    monkeypatch.setattr(Worker, "put", noting)
    with promptlayer_patch.scope(prompt="greeting"):
        stream = ask(stream=True)
        next(stream)
    del stream
    gc.collect()
    assert started == [False, False], "the record and what links its prompt"
    promptlayer_patch.flush()
    assert [one.content for one in sink.annotations] == [PromptLink("greeting")]


def test_what_waits_counts_with_all_it_holds() -> None:
    """The queue is bounded in bytes."""
    held = Held()
    promptlayer_patch.install(to=held, queue_max_bytes=50_000)
    for _ in range(20):
        track.prompt(7, "greeting", {"text": "x" * 10_000})
    held.let_go.set()
    promptlayer_patch.flush(PATIENCE_S)
    assert promptlayer_patch.stats().dropped > 10
