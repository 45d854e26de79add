"""`promptlayer-patch show`: one request, as it can be read."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.showing import moment, money, plural, readable, seconds
from promptlayer_patch._commands.stored import add_store, caught_up
from promptlayer_patch._told import json_line, whole
from promptlayer_patch.demo.screen import Screen

if TYPE_CHECKING:
    from promptlayer_patch.store import Store, StoredRequest, Summary

__all__ = ["add_arguments", "run"]

_LONGEST = 2_000
"""Characters of what is no text: an image in base64 is not for reading."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request's id, or the record's")
    add_store(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, as one JSON object")
    form.add_argument("--raw", action="store_true", help="what was sent and what came back, as recorded")


def run(chosen: argparse.Namespace) -> None:
    """Raises `CommandFailed` or the store's own errors."""
    with caught_up(chosen.db) as store:
        request, stored = _found(store, chosen.id)
    if chosen.json:
        _print_json(whole(request, stored))
    elif chosen.raw:
        facts = whole(request, stored)["record"]
        _print_json({"request": facts["request"], "response": facts["response"]})
    else:
        _show(request, stored, Screen.of(sys.stdout))


def _found(store: Store, wanted: str) -> tuple[Summary, StoredRequest]:
    from promptlayer_patch._query import Operator, Query, condition

    field = "pl_id" if wanted.isdecimal() and len(wanted) < 20 else "record_id"
    page = store.search(Query(condition(field, Operator.EQUALS, wanted)), 1)
    stored = store.get(page.items[0].request_id) if page.items else None
    if stored is None:
        raise CommandFailed(f"there is no request {readable(wanted[:80])}")
    return page.items[0], stored


def _print_json(data: Any) -> None:
    print(json.dumps(json.loads(json_line(data)), indent=2))


def _show(request: Summary, stored: StoredRequest, screen: Screen) -> None:
    from promptlayer_patch._blueprint import input_of, output_of

    for name, value in _facts(request, stored):
        screen.raw(f"{screen.styled(name.ljust(9), 'dim')} {readable(value)}")
    for template in (input_of(stored.record), output_of(stored.record)):
        for tool in template.get("tools") or ():
            screen.raw(f"\n{screen.styled('[tool]', 'bold')} {_data(tool)}")
        for message in template.get("messages") or ():
            _message(message, screen)
        if template.get("content"):
            _blocks(template["content"], screen)


def _facts(request: Summary, stored: StoredRequest) -> Iterator[tuple[str, str]]:
    """What there is to know, by name; what there is not is left out."""
    record = stored.record
    yield "request", f"{request.request_id}  record {record.id}"
    yield "status", " ".join(filter(None, (request.pl_status, f"({record.ending.value})")))
    if record.error is not None:
        http = f" (HTTP {record.error.status})" if record.error.status else ""
        yield "error", f"{record.error.type}: {record.error.message}{http}"
    first = record.first_token_at
    waited = f", first output after {seconds(first - record.started_at)}" if first is not None else ""
    yield "started", f"{moment(record.started_at)}, took {seconds(record.duration_s)}{waited}"
    tried = f", {record.attempts} attempts" if record.attempts > 1 else ""
    yield "method", f"{record.function_name}{tried}"
    yield "model", f"{request.model or '-'} ({request.provider})"
    yield "tokens", _tokens(request)
    yield "cost", money(request.cost)
    yield from _said(stored)
    if request.trace_id:
        yield "trace", f"{request.trace_id}  span {request.span_id or '-'}"


def _said(stored: StoredRequest) -> Iterator[tuple[str, str]]:
    if stored.record.tags:
        yield "tags", ", ".join(stored.record.tags)
    for key, value in stored.metadata.items():
        yield "metadata", f"{key}: {value}"
    for name, score in stored.scores.items():
        yield "score", f"{name}: {score}"
    if stored.groups:
        yield "groups", ", ".join(map(str, stored.groups))
    link = stored.prompt
    if link is not None:
        which = f", version {link.version}" if link.version is not None else ""
        label = f", label {link.label}" if link.label else ""
        yield "prompt", f"{link.name}{which}{label}"


def _tokens(request: Summary) -> str:
    counted = [f"{request.input_tokens} in"] if request.input_tokens is not None else []
    counted += [f"{request.cached_tokens} of them cached"] if request.cached_tokens else []
    counted += [f"{request.output_tokens} out"] if request.output_tokens is not None else []
    counted += [f"{request.thinking_tokens} of them thinking"] if request.thinking_tokens else []
    return ", ".join(counted) or "-"


def _message(message: Mapping[str, Any], screen: Screen) -> None:
    name = f" {readable(message['name'])}" if isinstance(message.get("name"), str) else ""
    screen.raw("")
    screen.raw(f"[{readable(str(message.get('role')))}]{name}", "bold")
    _blocks(message.get("content") or (), screen)
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        called = f"{readable(str(function.get('name')))}({_data(function.get('arguments'))})"
        screen.raw(f"{screen.styled('calls', 'cyan')} {called}")


def _blocks(blocks: Any, screen: Screen) -> None:
    for block in [blocks] if isinstance(blocks, str) else blocks:
        text = block if isinstance(block, str) else block.get("text")
        screen.raw(readable(text) if isinstance(text, str) else _data(block))


def _data(value: Any) -> str:
    text = readable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}... ({plural(len(text), 'character')}; --json shows all)"
