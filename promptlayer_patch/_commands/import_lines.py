"""One line of an imported file, checked: it comes from outside, and nothing in it may harm the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._commands import import_checks as checks
from promptlayer_patch._encoding import decoded
from promptlayer_patch._wire import record_in
from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Record
from promptlayer_patch.store import Entry

__all__ = ["BadLine", "Said", "Told", "read_line"]


class BadLine(Exception):
    """A line that cannot be imported; the text says why, and quotes nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Told:
    """A request, and what was said about it later."""

    entry: Entry
    said: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """Something said about a request that an earlier line has."""

    record_id: str
    content: Content


def read_line(line: bytes) -> Told | Said:
    """What a line holds that `export` wrote, or the destination `jsonl:`. Raises `BadLine`."""
    data = _parsed(line)
    try:
        if isinstance(data.get("record"), dict):
            return _exported(data)
        if "annotation" in data:
            return _annotation(data)
        if "function_name" in data:
            return _tracked(data)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise BadLine(f"it is malformed ({type(error).__name__})") from error
    raise BadLine("it is no request: neither export nor jsonl: writes such lines")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        data = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError:
        raise BadLine("it is nested too deep") from None
    except UnicodeDecodeError:
        raise BadLine("it is not UTF-8") from None
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise BadLine(f"it is no JSON: {reason}") from None
    if not isinstance(data, dict):
        raise BadLine("it is no JSON object")
    return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _exported(data: dict[str, Any]) -> Told:
    _check(data["record"], checks.RECORD, checks.REQUIRED)
    _check(data, checks.BESIDE)
    record = decoded(json.dumps(data["record"]).encode())
    told = Entry.of(record)
    entry = Entry(
        record=record,
        status=data.get("status") or told.status,
        error_type=data.get("error_type") or told.error_type,
        error_message=data.get("error_message") or told.error_message,
        api_type=data.get("api_type"),
        span_id=data.get("span_id"),
        trace_id=data.get("trace_id"),
        input_tokens=data.get("input_tokens"),
        output_tokens=data.get("output_tokens"),
        price=data.get("cost"),
    )
    return Told(entry, tuple(_said(data, record)))


def _said(data: dict[str, Any], record: Record) -> list[Content]:
    said: list[Content] = [Score(value, name) for name, value in (data.get("scores") or {}).items()]
    metadata = data.get("metadata") or {}
    added = {key: value for key, value in metadata.items() if record.metadata.get(key) != value}
    if added:
        said.append(MetadataUpdate(added))
    if data.get("prompt"):
        said.append(
            PromptLink(**{name: value for name, value in data["prompt"].items() if name in checks.PROMPT})
        )
    said.extend(GroupLink(group_id) for group_id in data.get("groups") or ())
    return said


def _tracked(data: dict[str, Any]) -> Told:
    shape = {
        "function_name": checks.text,
        "kwargs": checks.maybe(checks.mapping),
        "request_start_time": checks.moment,
        "request_end_time": checks.moment,
        "metadata": checks.maybe(checks.texts_by_name),
        "tags": checks.maybe(checks.texts),
        "group_id": checks.maybe(checks.group),
        **{name: checks.BESIDE[name] for name in ("status", "error_type", "error_message", "span_id")},
    }
    _check(data, shape, ("function_name", "request_start_time", "request_end_time"))
    record = record_in(data)
    fields = {name: getattr(record, name) for name in ("id", "attempts", "first_token_at")}
    _check(fields, checks.RECORD)
    told = Entry.of(record)
    entry = Entry(
        record=record,
        status=data.get("status") or told.status,
        error_type=data.get("error_type"),
        error_message=data.get("error_message"),
    )
    return Told(entry, ())


def _annotation(data: dict[str, Any]) -> Said:
    _check(data, {"record_id": checks.name}, ("record_id",))
    return Said(data["record_id"], _content(data))


def _content(data: dict[str, Any]) -> Content:
    match data["annotation"]:
        case "library-track-score":
            _check(data, {"score": checks.score, "name": checks.maybe(checks.name)}, ("score",))
            return Score(data["score"], data.get("name"))
        case "library-track-metadata":
            _check(data, {"metadata": checks.texts_by_name}, ("metadata",))
            return MetadataUpdate(data["metadata"])
        case "library-track-prompt":
            shape = {
                "prompt_name": checks.name,
                "version": checks.maybe(checks.integer),
                "label": checks.maybe(checks.text),
                "prompt_input_variables": checks.mapping,
            }
            _check(data, shape, tuple(shape))
            return PromptLink(
                data["prompt_name"], data["version"], data["label"], data["prompt_input_variables"]
            )
        case "track-group":
            _check(data, {"group_id": checks.group}, ("group_id",))
            return GroupLink(data["group_id"])
    raise BadLine("its annotation is of no known kind")


def _check(
    data: Mapping[str, Any], shape: Mapping[str, checks.Holds], required: tuple[str, ...] = ()
) -> None:
    wrong = checks.wrong(data, shape, required)
    if wrong:
        raise BadLine(f"{wrong} is missing or has a wrong value")
