from __future__ import annotations

import asyncio
from typing import Any

import desk


def test_reply() -> None:
    assert "support desk" in desk.reply("Is anybody there?")


def test_reply_twice(tape: Any) -> None:
    first, second = desk.reply("Is anybody there?"), desk.reply("Hello?")
    assert first
    assert second


def test_pieces() -> None:
    found = list(desk.pieces("Is anybody there?"))
    assert len(found) > 3
    assert "support desk" in "".join(found)


def test_reply_later() -> None:
    assert "support desk" in asyncio.run(desk.reply_later("Is anybody there?"))


def test_near() -> None:
    assert len(desk.near("a lantern")) > 1


def test_unknown_model() -> None:
    assert desk.unknown() == 404


def test_a_stream_that_is_left() -> None:
    for piece in desk.pieces("Is anybody there?"):
        if piece:
            break
