"""`promptlayer-patch tail`: requests as they come."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from promptlayer_patch._commands.showing import moment, money, seconds, tokens
from promptlayer_patch._commands.stored import add_query, add_store, caught_up, read_filter
from promptlayer_patch._told import in_brief, json_line
from promptlayer_patch.demo.screen import Screen
from promptlayer_patch.demo.table import clip, display_width, one_line

if TYPE_CHECKING:
    from promptlayer_patch._query import Filter
    from promptlayer_patch.store import Store, Summary

__all__ = ["add_arguments", "run"]

_LOOK_S = 0.25
"""How often the file is asked whether somebody has changed it, which reads no page of it."""
_NEWEST = 500
"""So many are looked through for new ones. A request has its place by its start: one that took long turns up
among those that began after it."""
_STYLES = {"ERROR": "red", "WARNING": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_query(parser)
    add_store(parser)
    parser.add_argument(
        "-n", type=_count, default=10, dest="last", metavar="N", help="begin with so many (%(default)s)"
    )
    parser.add_argument("--jsonl", action="store_true", help="one JSON object a line, for programs")


def run(chosen: argparse.Namespace) -> None:
    """Goes on until Ctrl-C. Raises `CommandFailed`, `InvalidQuery` or the store's own errors."""
    screen = Screen.of(sys.stdout)
    asked = read_filter(chosen.query)
    with caught_up(chosen.db, create=True) as store:
        for request in _arriving(store, asked, chosen.last):
            if chosen.jsonl:
                print(json_line(in_brief(request)), flush=True)
            else:
                screen.raw(_line(request, screen))


def _arriving(store: Store, asked: Filter, last: int) -> Iterator[Summary]:
    """The last of the requests, then every new one."""
    seen: set[int] = set()
    floor = 0  # what began before it is not looked for: it is older than what was looked through
    for turn, newest in enumerate(_newest(store, asked)):
        new = [one for one in newest if one.request_id > floor and one.request_id not in seen]
        yield from reversed(new if turn else new[:last])
        if len(newest) == _NEWEST:
            floor = max(floor, newest[-1].request_id)
        seen = {one for one in seen if one > floor}.union(one.request_id for one in newest)


def _newest(store: Store, asked: Filter) -> Iterator[tuple[Summary, ...]]:
    """The newest requests, now, and again whenever somebody has changed the file."""
    from promptlayer_patch._query import Query
    from promptlayer_patch.store import StoreUnavailable

    pause = threading.Event()
    known = None
    while True:
        try:
            version = store.version()
            if version != known:
                store.catch_up()
                yield store.search(Query(asked), _NEWEST).items
                known = version
        except StoreUnavailable:
            pass  # somebody else is writing: the next look comes soon
        pause.wait(_LOOK_S)


def _line(request: Summary, screen: Screen) -> str:
    status = request.pl_status or request.ending.value
    parts = [
        (moment(request.started_at)[-len("hh:mm:ss") :], "dim"),
        (str(request.request_id), "dim"),
        (status, _STYLES.get(status, "green")),
        (request.model or request.function_name, "cyan"),
        (seconds(request.duration_s), ""),
        (tokens(request.input_tokens, request.output_tokens), ""),
        (money(request.cost), ""),
        (" ".join(f"#{tag}" for tag in request.tags), "dim"),
        (request.preview or request.error_message or "", ""),
    ]
    return "  ".join(_fitted(parts, screen))


def _fitted(parts: list[tuple[str, str]], screen: Screen) -> Iterator[str]:
    """The parts that there are, as far as the line goes."""
    left = screen.width
    for text, style in parts:
        shown = clip(one_line(text), left)
        if shown:
            yield screen.styled(shown, style)
            left = max(0, left - display_width(shown) - 2)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError
    return count


_count.__name__ = "number"
