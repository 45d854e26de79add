"""PromptLayer's own recordings, read: what was asked, what was answered, and how ours may differ from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

RECORDINGS = Path(__file__).parents[3] / "shared" / "cassettes" / "promptlayer"

OUT_OF_SCOPE = {
    "/workflows/": "runs a workflow: programs on PromptLayer's machines, not requests",
    "/ws-token-request-library": "opens the channel that the results of a workflow arrive on",
    "/workflow-version-execution-results": "fetches the results of a workflow",
}
"""Beginnings of the paths that this server does not have, each with the reason."""

VARYING = {
    "created_at": r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    "id": r"\d+",
    "request_id": r"\d+|[0-9a-f]{32}",  # of a request, or of the exchange with the registry
    "share_hash": r"[0-9a-f]{32}",
    "workspace_id": r"\d+",
}
"""What no two servers say alike: ids, times and hashes; they have the recorded type, and this form."""

ADDED = {
    # PromptLayer's document of its API has these; no recording is as young.
    "/log-request": {"request_id", "status", "error_type", "error_message"},
    "/rest/prompt-templates": {"prompt_version_id", "version_number", "external_ids"},
    "/prompt-templates": {"external_ids", "is_snippet", "llm_kwargs"},
    # In the recordings of 2026, not yet in those of 2025.
    "/prompt-templates/": {"provider_id", "custom_provider", "request_id"},
    "prompt blueprint": {"provider_id"},
    "model": {"model_config_display_name", "base_model", "display_params", "api_type"},
    "text": {"id", "annotations"},
}
"""What our answers say beyond an older recording."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    method: str
    host: str
    path: str
    """With the query, as it was sent."""
    headers: Mapping[str, str]
    body: Any
    status: int
    answer: Any

    @property
    def is_with_promptlayer(self) -> bool:
        return self.host == "localhost:8000"

    @property
    def left_out(self) -> str | None:
        """Why it is none of this server's."""
        return next((why for begin, why in OUT_OF_SCOPE.items() if self.path.startswith(begin)), None)

    @property
    def kind(self) -> str:
        """What the answers of different requests have in common: the path, without a name in it."""
        path = urlsplit(self.path).path
        return "/prompt-templates/" if path.startswith("/prompt-templates/") else path

    @property
    def template(self) -> str:
        """The name in the path of a template."""
        return unquote(urlsplit(self.path).path.removeprefix("/prompt-templates/"))


def recordings() -> dict[str, list[Exchange]]:
    """The exchanges of each file that the index names."""
    index = json.loads((RECORDINGS / "index.json").read_text(encoding="utf-8"))
    return {Path(one["file"]).stem: _exchanges(RECORDINGS / one["file"]) for one in index["cassettes"]}


def _exchanges(path: Path) -> list[Exchange]:
    cassette = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_exchange(one["request"], one["response"]) for one in cassette["interactions"]]


def _exchange(request: Mapping[str, Any], response: Mapping[str, Any]) -> Exchange:
    address = urlsplit(request["uri"])
    of_promptlayer = address.netloc == "localhost:8000"
    return Exchange(
        method=request["method"],
        host=address.netloc,
        path=address.path + (f"?{address.query}" if address.query else ""),
        headers={name: values[0] for name, values in request["headers"].items()},
        body=json.loads(request["body"]) if request["body"] else None,
        status=response["status"]["code"],
        answer=json.loads(response["body"]["string"]) if of_promptlayer else None,
    )


def differences(recorded: Any, ours: Any, kind: str, place: str = "") -> Iterator[str]:
    """Every field that is missing, added, of another type or of another value, with its place."""
    if type(recorded) is not type(ours):
        yield f"{place}: {type(recorded).__name__} was recorded, this is {type(ours).__name__}: {ours!r}"
    elif isinstance(recorded, dict):
        yield from _of_objects(recorded, ours, kind, place)
    elif isinstance(recorded, list):
        if len(recorded) != len(ours):
            yield f"{place}: {len(recorded)} elements were recorded, these are {len(ours)}"
        for index, (one, other) in enumerate(zip(recorded, ours)):  # noqa: B905  their numbers are told apart
            yield from differences(one, other, kind, f"{place}[{index}]")
    elif recorded != ours:
        form = VARYING.get(place.rpartition(".")[2])
        if form is None or not re.fullmatch(form, str(ours)):
            yield f"{place}: {recorded!r} was recorded, this is {ours!r}"


def _of_objects(recorded: dict[str, Any], ours: dict[str, Any], kind: str, place: str) -> Iterator[str]:
    for key in recorded.keys() - ours.keys():
        yield f"{place}.{key}: is missing; {recorded[key]!r} was recorded"
    for key in ours.keys() - recorded.keys() - _may_be_added(recorded, kind, place):
        yield f"{place}.{key}: was not recorded; this is {ours[key]!r}"
    for key in recorded.keys() & ours.keys():
        yield from differences(recorded[key], ours[key], kind, f"{place}.{key}")


def _may_be_added(recorded: Mapping[str, Any], kind: str, place: str) -> set[str]:
    if not place or re.fullmatch(r"\.items\[\d+\]", place):
        return ADDED.get(kind, set())
    if place.endswith(".metadata.model"):
        return ADDED["model"]
    if recorded.get("type") == "text":
        return ADDED["text"]
    is_blueprint = {"prompt_template", "inference_client_name"} <= recorded.keys()
    return ADDED["prompt blueprint"] if is_blueprint else set()
