"""The recorded exchanges of PromptLayer's own clients about templates: our server answers what theirs did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.serving import Client, serving

DIRECTORY = Path(__file__).parents[2] / "shared" / "cassettes" / "promptlayer"
OURS = {"id", "workspace_id", "request_id"}
"""What differs from one server to another."""

pytestmark = pytest.mark.skipif(
    not DIRECTORY.exists(),
    reason="../shared/cassettes is absent: the recordings are kept beside the project, not in it",
)


def exchanges() -> Iterator[Any]:
    for path in sorted(DIRECTORY.glob("*.yaml")):
        for number, exchange in enumerate(yaml.safe_load(path.read_text())["interactions"]):
            if "prompt-templates" in exchange["request"]["uri"]:
                yield pytest.param(exchange, id=f"{path.stem}-{number}")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with serving(tmp_path) as (_, client):
        yield client


@pytest.mark.parametrize("exchange", list(exchanges()))
def test_the_answer_is_the_recorded_one(client: Client, exchange: dict[str, Any]) -> None:
    request, recorded = exchange["request"], exchange["response"]
    expected = json.loads(recorded["body"]["string"])
    publish_what_is_needed(client, request["method"], expected)
    body = json.loads(request["body"]) if request["body"] else None
    if body is not None:
        body = {**body, "api_key": client.key}
    address = urlsplit(request["uri"])
    path = f"{address.path}?{address.query}" if address.query else address.path
    answer = client.send(request["method"], path, json=body)
    assert answer.status_code == recorded["status"]["code"]
    assert without_ours(answer.json(), expected) == without_ours(expected, expected)


def publish_what_is_needed(client: Client, method: str, expected: dict[str, Any]) -> None:
    """The template that PromptLayer had: as many versions as it tells."""
    if method == "POST" and "version" not in expected:
        return
    for item in reversed(expected.get("items", [expected])):
        version = {key: item[key] for key in ("prompt_template", "metadata", "commit_message")}
        template = {"prompt_name": item["prompt_name"], "tags": item["tags"]}
        for _ in range(item["version"]):
            body = {"prompt_template": template, "prompt_version": version}
            assert client.post("/rest/prompt-templates", body).status_code == 201


def without_ours(value: Any, expected: Any) -> Any:
    """Only what the recording has: later additions are no difference."""
    if isinstance(expected, dict) and isinstance(value, dict):
        return {
            key: without_ours(value.get(key, "missing"), one)
            for key, one in expected.items()
            if key not in OURS
        }
    if isinstance(expected, list) and isinstance(value, list) and len(value) == len(expected):
        return [without_ours(one, other) for one, other in zip(value, expected, strict=True)]
    return value
