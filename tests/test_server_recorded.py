"""What PromptLayer was asked and answered when its own SDK was recorded: this server answers the same.

Each test has a server of its own, with what the recording presupposes, and plays it up to one exchange.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.recorded import RECORDINGS, Exchange, differences, recordings
from tests.support.serving import Client, serving

CASSETTES = recordings() if RECORDINGS.exists() else {}

needs_recordings = pytest.mark.skipif(
    not CASSETTES,
    reason="../shared/cassettes is absent: recordings are kept beside the project, not in it",
)

IN_SCOPE = [
    (name, number)
    for name, exchanges in CASSETTES.items()
    for number, exchange in enumerate(exchanges)
    if exchange.is_with_promptlayer and exchange.left_out is None
]

IDS_IN_BODIES = {"request_id": "request", "group_id": "group", "prompt_id": "template"}
IDS_IN_ANSWERS = {
    "/track-request": ("request", "request_id"),
    "/create-group": ("group", "id"),
    "/rest/prompt-templates": ("template", "id"),
}


@dataclass
class Player:
    """Sends what was recorded to our server, with our ids in the place of the recorded ones."""

    client: Client
    ids: dict[tuple[str, int], int] = field(default_factory=dict)

    def play(self, exchange: Exchange) -> requests.Response:
        headers = dict(exchange.headers)
        if "x-api-key" in headers:
            headers["x-api-key"] = str(self.client.key)
        options = {} if exchange.body is None else {"json": self._translated(exchange.body)}
        answer = requests.request(
            exchange.method, self.client.url + exchange.path, headers=headers, timeout=60, **options
        )
        if answer.ok and exchange.kind in IDS_IN_ANSWERS:
            what, key = IDS_IN_ANSWERS[exchange.kind]
            self.ids[what, exchange.answer[key]] = answer.json()[key]
        return answer

    def prepare(self, exchanges: Sequence[Exchange]) -> None:
        """Publish the templates that are read and not published in the recording."""
        published = {
            exchange.body["prompt_template"]["prompt_name"]
            for exchange in exchanges
            if exchange.kind == "/rest/prompt-templates"
        }
        wanted = {one["prompt_name"]: one for exchange in exchanges for one in _read_in(exchange)}
        for template in sorted(wanted.values(), key=lambda one: int(one["id"])):
            if template["prompt_name"] not in published:
                self.ids["template", template["id"]] = self._publish(template)

    def _publish(self, template: dict[str, Any]) -> int:
        about = {key: template[key] for key in ("prompt_name", "tags")}
        version = {key: template[key] for key in ("prompt_template", "commit_message", "metadata")}
        for _ in range(template["version"]):
            made = self.client.post(
                "/rest/prompt-templates", {"prompt_template": about, "prompt_version": version}
            )
            assert made.status_code == 201, made.text
        return int(made.json()["id"])

    def _translated(self, body: dict[str, Any]) -> dict[str, Any]:
        ours = {**body, "api_key": self.client.key} if "api_key" in body else dict(body)
        for key, what in IDS_IN_BODIES.items():
            if ours.get(key) is not None:
                ours[key] = self.ids[what, ours[key]]
        return ours


def _read_in(exchange: Exchange) -> list[dict[str, Any]]:
    if exchange.kind == "/prompt-templates":
        return list(exchange.answer["items"])
    return [exchange.answer] if exchange.kind == "/prompt-templates/" else []


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    with serving(tmp_path) as (_, client):
        yield Player(client)


@needs_recordings
@pytest.mark.parametrize(
    ("name", "number"), IN_SCOPE or [("none", 0)], ids=lambda value: str(value).removeprefix("test_")
)
def test_a_recorded_request_is_answered_as_it_was_recorded(name: str, number: int, player: Player) -> None:
    """The status, and field by field keys, types and values, but for what `VARYING` and `ADDED` name."""
    exchanges = [one for one in CASSETTES[name][: number + 1] if one.is_with_promptlayer]
    player.prepare(exchanges)
    for earlier in exchanges[:-1]:
        player.play(earlier)
    recorded = exchanges[-1]
    answer = player.play(recorded)
    assert answer.status_code == recorded.status, answer.text
    assert list(differences(recorded.answer, answer.json(), recorded.kind)) == []
    if recorded.kind == "/prompt-templates/":
        assert answer.json()["id"] == player.ids["template", recorded.answer["id"]]


@needs_recordings
def test_no_recorded_exchange_is_left_out_silently(capsys: pytest.CaptureFixture[str]) -> None:
    """What is compared, what this server does not have, and what was said to a model add up to all of it."""
    exchanges = [one for cassette in CASSETTES.values() for one in cassette]
    with_promptlayer = [one for one in exchanges if one.is_with_promptlayer]
    left_out = [one for one in with_promptlayer if one.left_out]
    to_models = [one for one in exchanges if one.host in ("api.openai.com", "api.anthropic.com")]
    assert len(IN_SCOPE) + len(left_out) + len(to_models) == len(exchanges)
    assert sorted(CASSETTES) == sorted(path.stem for path in RECORDINGS.glob("*.yaml"))
    with capsys.disabled():
        print(
            f"\n{len(CASSETTES)} recordings: {len(IN_SCOPE)} exchanges compared, {len(to_models)} with models"
        )
        for one in left_out:
            print(f"left out: {one.method} {one.path}: it {one.left_out}")
