"""What a cassette says has happened, read from the bytes on it and not by the code under test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import openai
from openai.types.chat import ParsedChatCompletion

from .scrub import TRACK_REQUEST, Interaction

_NO_MODEL_ASKED = ("/v1/files",)


@dataclass(frozen=True)
class Recorded:
    """The content of one cassette."""

    calls: list[Interaction]
    """The last attempt of each call that PromptLayer is to hear of."""
    attempts: list[int]
    """How many requests each of those calls took."""
    accounts: dict[int, dict[str, Any]]
    """What PromptLayer was told, by the request id it answered."""


def recorded(interactions: list[Interaction]) -> Recorded:
    calls: list[Interaction] = []
    attempts: list[int] = []
    accounts: dict[int, dict[str, Any]] = {}
    for one in interactions:
        uri = one["request"]["uri"]
        if uri.endswith(TRACK_REQUEST):
            answer = json.loads(one["response"]["body"]["string"])
            accounts[answer["request_id"]] = json.loads(one["request"]["body"])
        elif not uri.endswith(_NO_MODEL_ASKED):
            retry = int(one["request"]["headers"]["x-stainless-retry-count"][0])
            if retry:
                calls.pop()
                attempts.pop()
            calls.append(one)
            attempts.append(retry + 1)
    return Recorded(calls, attempts, accounts)


def result_of(call: Interaction) -> Any:
    """What the application gets of a recorded answer, as plain data."""
    response = call["response"]
    body, code = response["body"]["string"], response["status"]["code"]
    kind = response["headers"]["content-type"][0]
    if code >= 400:
        return {"status": code, "error": json.loads(body)["error"]}
    if kind.startswith("text/event-stream"):
        lines = [line for line in body.decode().split("\n") if line.startswith("data: ")]
        return [json.loads(line.removeprefix("data: ")) for line in lines if line != "data: [DONE]"]
    return json.loads(body) if kind.startswith("application/json") else body


def plain(result: Any) -> Any:
    """What the application got, as plain data."""
    if isinstance(result, openai.APIStatusError):
        return {"status": result.status_code, "error": result.body}
    if isinstance(result, list):
        return [plain(item) for item in result]
    if isinstance(result, bytes):
        return result
    data = result.to_dict()
    if isinstance(result, ParsedChatCompletion):
        for choice in data["choices"]:
            for added in ("parsed", "tool_calls"):
                assert choice["message"].pop(added) is None
    return data
