"""Cassettes as files that can be read and compared, and which of the recorded requests a new one is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import vcr
from replay.multipart import boundary_of, parts_of
from requests import PreparedRequest
from requests.adapters import HTTPAdapter

from .scrub import TRACK_REQUEST, Interaction, Scrubber, keys_in

HOME = Path(__file__).resolve().parents[2] / "cassettes"

OPENAI = "http://openai.test"
PROMPTLAYER = "http://promptlayer.test"
"""The addresses in the cassettes. No name under `.test` ever resolves: what is not played goes nowhere."""


class KeyFound(Exception):
    """A cassette was not written because a key stands in it."""


class Format:
    """vcrpy's serializer: one JSON document, in which JSON bodies are JSON and text is split into lines."""

    def __init__(self, scrubbed: Callable[[Iterable[Interaction]], list[Interaction]]) -> None:
        self._scrubbed = scrubbed

    def serialize(self, cassette: dict[str, Any]) -> str:
        interactions = [_written(one) for one in self._scrubbed(cassette["interactions"])]
        text = json.dumps(interactions, indent=2, ensure_ascii=False) + "\n"
        found = keys_in(text)
        if found:
            raise KeyFound(f"{len(found)} places, the first begins {found[0][:6]!r}")
        return text

    @staticmethod
    def deserialize(text: str) -> dict[str, Any]:
        return {"version": 1, "interactions": [_read(one) for one in json.loads(text)]}


class Tape:
    """One cassette, for recording or for playing."""

    def __init__(self, path: Path, scrubber: Scrubber | None = None) -> None:
        """With a `scrubber` the cassette is recorded anew, without it is played and nothing else."""
        self.posted: list[dict[str, Any]] = []
        """The body of every request that was sent PromptLayer's way, played or refused."""
        self._path = path
        self._recorder = vcr.VCR(
            record_mode="all" if scrubber else "none",
            match_on=["method", "uri", "content"],
            serializer="readable",
        )
        self._recorder.register_serializer("readable", Format(scrubber or Scrubber({})))
        self._recorder.register_matcher("content", same_content)

    @contextmanager
    def running(self) -> Iterator[Any]:
        """A with-block in which requests are recorded or played; gives vcrpy's cassette."""
        # While vcrpy makes a connection it takes its patches off, for all threads: what another thread sends
        # in that moment misses the cassette (vcrpy issues 212 and 849). Plain HTTP works without.
        with (
            patch("vcr.patch.force_reset", nullcontext),
            patch.object(HTTPAdapter, "send", self._noting(HTTPAdapter.send)),
            self._recorder.use_cassette(str(self._path), allow_playback_repeats=False) as cassette,
        ):
            yield cassette

    def _noting(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def noting(adapter: HTTPAdapter, request: PreparedRequest, **options: Any) -> Any:
            self.posted.append(json.loads(request.body or b""))
            return send(adapter, request, **options)

        return noting


def same_content(sent: Any, recorded: Any) -> None:
    """Whether two requests say the same; vcrpy's way to say no is an AssertionError."""
    assert content(sent) == content(recorded)


def content(request: Any) -> Any:
    """What a request says: fields and files of a form, the data of a JSON body.

    Of what PromptLayer is told only the call itself counts, the test compares the rest.
    """
    kind = request.headers.get("content-type", "")
    body = request.body or b""
    if boundary_of(kind):
        return sorted(parts_of(kind, body), key=lambda part: part.name)
    data = json.loads(body) if body else None
    if request.uri.endswith(TRACK_REQUEST):
        return data["function_name"], data["kwargs"]
    return data


def interactions_of(path: Path) -> list[Interaction]:
    """The content of a cassette, without vcrpy."""
    return Format.deserialize(path.read_text(encoding="utf-8"))["interactions"]


def _written(one: Interaction) -> dict[str, Any]:
    request, response = one["request"], one["response"]
    status = response["status"]
    return {
        "request": {
            "method": request["method"],
            "uri": request["uri"],
            "headers": _flat(request["headers"]),
            **_body_written(request["body"]),
        },
        "response": {
            "status": f"{status['code']} {status['message']}",
            "headers": _flat(response["headers"]),
            **_body_written(response["body"]["string"]),
        },
    }


def _read(one: dict[str, Any]) -> Interaction:
    request, response = one["request"], one["response"]
    code, _, message = response["status"].partition(" ")
    return {
        "request": {
            "method": request["method"],
            "uri": request["uri"],
            "headers": {name: [value] for name, value in request["headers"].items()},
            "body": _body_read(request),
        },
        "response": {
            "status": {"code": int(code), "message": message},
            "headers": {name: [value] for name, value in response["headers"].items()},
            "body": {"string": _body_read(response)},
        },
    }


def _flat(headers: dict[str, list[str]]) -> dict[str, str]:
    return {name: ", ".join(values) for name, values in headers.items()}


def _body_written(body: str | bytes | None) -> dict[str, Any]:
    """A body under the name of the form that shows it best and gives it back to the byte."""
    if not body:
        return {}
    if isinstance(body, bytes):
        return {"base64": base64.b64encode(body).decode()}
    try:
        data = json.loads(body)
    except ValueError:
        return {"lines": body.split("\n")}
    return {"json": data} if _compact(data) == body else {"text": body}


def _body_read(message: dict[str, Any]) -> bytes:
    if "json" in message:
        return _compact(message["json"]).encode()
    if "base64" in message:
        return base64.b64decode(message["base64"])
    text: str = message["text"] if "text" in message else "\n".join(message.get("lines", []))
    return text.encode()


def _compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
