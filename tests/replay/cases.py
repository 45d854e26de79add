"""The recordings: cases, their calls, and the exchanges that answer them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from .multipart import boundary_of, parts_of

_FIRST_OF_MANY = 0


@dataclass(frozen=True)
class Exchange:
    """One HTTP request and the answer it got when it was recorded."""

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Call:
    """One call of a client method and the exchanges it is answered with (several where it is retried)."""

    method: str
    style: str | None
    kwargs: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    raises: str | None = None
    ignore_body_keys: frozenset[str] = frozenset()
    variant: str | None = None
    reads_request: bool = False
    """Whether the transport has the request read its body into memory."""

    @property
    def name(self) -> str:
        shown = self.method if self.style is None else f"{self.method} ({self.style})"
        return shown if self.variant is None else f"{shown} [variant {self.variant}]"


@dataclass(frozen=True)
class Case:
    """The calls one cassette holds, in order, and the arguments of the client that makes them."""

    id: str
    file: Path
    entry: Mapping[str, Any]

    @property
    def client(self) -> dict[str, Any]:
        return dict(self.entry["client"])

    @cached_property
    def calls(self) -> list[tuple[Call, list[Call]]]:
        """Each recorded call with its variants: other ways to make the same request."""
        exchanges = [_exchange(raw) for raw in _load(self.file)["interactions"]]
        return [_call_and_variants(entry, exchanges) for entry in self.entry["calls"]]


def load_cases(index: Path) -> list[Case]:
    entries = json.loads(index.read_text())["cases"]
    return [Case(entry["id"], index.parent / entry["file"], entry) for entry in entries]


def _load(file: Path) -> Any:
    # Without libyaml's loader the nine megabytes take most of a minute.
    with file.open("rb") as cassette:
        return yaml.load(cassette, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _exchange(raw: Mapping[str, Any]) -> Exchange:
    request, response = raw["request"], raw["response"]
    return Exchange(
        method=request["method"],
        url=request["uri"],
        request_headers={name.lower(): values[0] for name, values in request["headers"].items()},
        request_body=_bytes(request["body"]),
        status=response["status"]["code"],
        reason=response["status"]["message"],
        headers=tuple((name, value) for name, values in response["headers"].items() for value in values),
        body=_bytes(response["body"]["string"]),
    )


def _bytes(body: str | bytes | None) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""


def _call_and_variants(entry: Mapping[str, Any], exchanges: list[Exchange]) -> tuple[Call, list[Call]]:
    answers = tuple(exchanges[number] for number in entry["interactions"])
    call = Call(
        method=entry["method"],
        style=entry.get("style"),
        kwargs=_resolve(entry["kwargs"], answers[_FIRST_OF_MANY]),
        exchanges=answers,
        raises=entry.get("raises"),
        ignore_body_keys=frozenset(entry.get("ignore_body_keys", ())),
    )
    variants = [_variant(call, other) for other in entry.get("variants", ())]
    if boundary_of(answers[_FIRST_OF_MANY].request_headers.get("content-type", "")):
        variants.append(replace(call, variant="read by the transport", reads_request=True))
    return call, variants


def _variant(call: Call, other: Mapping[str, Any]) -> Call:
    dropped = other.get("drop_kwargs", ())
    return replace(
        call,
        method=other["method"],
        style=other.get("style"),
        kwargs={name: value for name, value in call.kwargs.items() if name not in dropped},
        ignore_body_keys=call.ignore_body_keys | frozenset(other.get("ignore_body_keys", ())),
        variant=other["name"],
    )


def _resolve(value: Any, exchange: Exchange) -> Any:
    """`value` with its pointers into the recorded request replaced by what they point at."""
    if isinstance(value, list):
        return [_resolve(item, exchange) for item in value]
    if not isinstance(value, dict):
        return value
    if "$body" in value:
        return _at(json.loads(exchange.request_body), value["$body"])
    if "$file" in value:
        return _file(exchange, value["$file"], value["nth"])
    return {name: _resolve(item, exchange) for name, item in value.items()}


def _at(document: Any, pointer: str) -> Any:
    for step in _steps(pointer):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _steps(pointer: str) -> Iterator[str]:
    for step in pointer.split("/")[1:]:
        yield step.replace("~1", "/").replace("~0", "~")


def _file(exchange: Exchange, field: str, nth: int) -> tuple[str | None, bytes, str | None]:
    parts = parts_of(exchange.request_headers["content-type"], exchange.request_body)
    part = [part for part in parts if part.name == field and part.filename is not None][nth]
    return (part.filename, part.content, part.content_type)
