"""PromptLayer's own JavaScript SDK, as it is published: what it says arrives, what it asks is answered."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch.demo.standin import UNKNOWN_MODEL
from promptlayer_patch.records import Ending
from tests.clients.conftest import Kept
from tests.clients.desk import ADA, HELLO, MODEL, logged, template

STEPS = Path(__file__).with_name("steps.cjs")
MODULES = Path(sys.prefix, "node_modules")
TOO_LONG_S = 120


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_PATH", str(MODULES))


def came(step: str, given: Any = None, *, tracing: bool = False) -> Any:
    """What the SDK gave back, or `{"error", "message"}`."""
    command = ["node", str(STEPS), step, json.dumps(given), "tracing" if tracing else "quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOO_LONG_S, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer.get("value", answer)


def in_iso(**more: Any) -> dict[str, Any]:
    """What is logged, with times as JavaScript writes them."""
    body = logged(**more)
    for key in ("request_start_time", "request_end_time"):
        moment = datetime.fromtimestamp(body[key], timezone.utc)
        body[key] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return body


def test_a_proxied_call_is_kept_with_its_tags(kept: Kept) -> None:
    seen = came("proxied", {"pl_tags": ["proxied", "node"]})
    stored = kept[seen["request_id"]]
    assert stored.record.function_name == "openai.chat.completions.create"
    assert stored.record.request["model"] == MODEL
    assert stored.record.request["messages"] == HELLO
    assert stored.record.response["id"] == seen["response"]["id"]
    assert stored.record.tags == ("proxied", "node")
    assert stored.output_tokens == seen["response"]["usage"]["completion_tokens"]


def test_a_proxied_stream_is_kept_whole(kept: Kept) -> None:
    seen = came("streamed")
    stored = kept[seen["request_id"]]
    assert stored.record.response["choices"][0]["message"]["content"] == seen["text"]
    assert seen["text"]


def test_a_logged_request_is_kept(kept: Kept) -> None:
    answer = came("logged", in_iso(tags=["logged"], metadata={"user": "42"}, score=90, score_name="accuracy"))
    stored = kept[answer["id"]]
    assert (stored.record.tags, stored.metadata, stored.scores) == (
        ("logged",),
        {"user": "42"},
        {"accuracy": 90},
    )
    assert stored.record.duration_s == pytest.approx(1.25, abs=0.01)


def test_what_is_tracked_is_kept(kept: Kept) -> None:
    came("published", template("tracked"))
    request_id = came("logged", in_iso())["id"]
    said = came("tracked", {"request_id": request_id, "prompt_name": "tracked"})
    assert said["done"] == [True, True, True, True]
    stored = kept[request_id]
    assert (stored.scores, stored.metadata) == ({"accuracy": 95}, {"user": "42"})
    assert stored.groups == (said["group_id"],)
    assert stored.prompt is not None
    assert (stored.prompt.name, stored.prompt.version) == ("tracked", 1)


def test_a_published_template_is_fetched_rendered_and_listed() -> None:
    made = came("published", template("replies: 1", tags=["support"], release_labels=["prod"]))
    got = came("fetched", {"name": "replies: 1", "params": {"input_variables": ADA, "label": "prod"}})
    assert (got["id"], got["version"]) == (made["id"], 1)
    assert got["prompt_template"]["messages"][0]["content"][0]["text"] == "You help Ada."
    assert got["llm_kwargs"]["model"] == MODEL
    listed = came("listed", {"per_page": 100})
    assert "replies: 1" in [one["prompt_name"] for one in listed]


def test_a_template_is_fetched_without_any_words() -> None:
    """The SDK sends an empty object then."""
    came("published", template("wordless"))
    assert came("fetched", {"name": "wordless"})["version"] == 1


def test_a_run_is_kept_and_linked_to_its_template(kept: Kept) -> None:
    came("published", template("run"))
    ran = came(
        "run",
        {"promptName": "run", "inputVariables": ADA, "tags": ["ran"], "metadata": {"user": "42"}},
    )
    stored = kept[ran["request_id"]]
    assert stored.record.response["id"] == ran["raw_response"]["id"]
    assert (stored.record.tags, stored.metadata) == (("ran",), {"user": "42"})
    assert stored.prompt is not None
    assert (stored.prompt.name, stored.prompt.version) == ("run", 1)
    answer = ran["prompt_blueprint"]["prompt_template"]["messages"][-1]
    assert answer["content"][-1]["text"] == ran["raw_response"]["choices"][0]["message"]["content"]


def test_a_streamed_run_is_kept_whole(kept: Kept) -> None:
    came("published", template("streamed run"))
    last = came("streamedRun", {"promptName": "streamed run", "inputVariables": ADA})
    text = kept[last["request_id"]].record.response["choices"][0]["message"]["content"]
    assert text
    assert last["prompt_blueprint"]["prompt_template"]["messages"][-1]["content"][-1]["text"] == text


def test_a_run_whose_provider_refuses_is_kept_as_an_error(kept: Kept) -> None:
    came("published", template("refused", model=UNKNOWN_MODEL))
    assert "no-such-model" in came("run", {"promptName": "refused", "inputVariables": ADA})["message"]
    (stored,) = kept.newest()
    assert stored.record.ending is Ending.PROVIDER_ERROR


def test_errors_have_the_words_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no prompt template" in came("fetched", {"name": "no such template"})["message"]
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_" + "0" * 32)
    assert "the API key is unknown" in came("fetched", {"name": "anything"})["message"]


def test_a_traced_run_is_one_request_in_one_trace(kept: Kept) -> None:
    came("published", template("traced"))
    before = kept.store.count()
    ran = came("run", {"promptName": "traced", "inputVariables": ADA}, tracing=True)
    assert kept.store.count() == before + 1
    trace_id = kept.client.get(f"/api/public/v2/requests/{ran['request_id']}").json()["trace_id"]
    spans = kept.client.get(f"/api/public/v2/traces/{trace_id}").json()["spans"]
    linked = {one["name"]: one["request_log_id"] for one in spans}
    assert linked["PromptLayer Run"] == ran["request_id"]


def test_a_wrapped_function_is_a_span(kept: Kept) -> None:
    assert came("wrapped", {"name": "support desk", "question": "orders"}, tracing=True) == "about orders"
    rows = kept.store.run(lambda connection: connection.execute("SELECT name FROM spans").fetchall())
    assert ("support desk",) in rows
