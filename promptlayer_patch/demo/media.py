"""The stand-in's `/embeddings` and `/audio/speech`."""

from __future__ import annotations

import base64
import struct
from typing import Any

from promptlayer_patch.demo import desk
from promptlayer_patch.demo.replies import ApiError, Binary, Body, Json, Reply, required

__all__ = ["embeddings", "speech"]

_DIMENSIONS = 1536
# One MPEG-1 layer III frame of silence (128 kbit/s, 44.1 kHz): players accept the file.
_SILENCE = b"\xff\xfb\x90\x00" + bytes(413)
_FRAMES_PER_PIECE = 4


def embeddings(body: Body) -> Reply:
    """One vector for each input, as numbers or as base64."""
    given = required(body, "input")
    inputs = given if isinstance(given, list) and isinstance(given[0], (str, list)) else [given]
    dimensions = body.get("dimensions") or _DIMENSIONS
    as_base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _embedding(each, dimensions, as_base64)}
        for index, each in enumerate(inputs)
    ]
    used = sum(desk.tokens(each) if isinstance(each, str) else len(each) for each in inputs)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return Json({"object": "list", "data": data, "model": body["model"], "usage": usage})


def _embedding(given: Any, dimensions: int, as_base64: bool) -> str | list[float]:
    numbers = desk.vector(str(given), dimensions)
    if as_base64:
        return base64.b64encode(struct.pack(f"<{dimensions}f", *numbers)).decode()
    return list(numbers)


def speech(body: Body) -> Reply:
    """Silence, as MP3, the longer the longer the text."""
    text = str(required(body, "input"))
    required(body, "voice")
    if body.get("response_format", "mp3") != "mp3":
        raise ApiError("This stand-in speaks mp3 only.", param="response_format", code="unsupported_value")
    return Binary("audio/mpeg", [_SILENCE * _FRAMES_PER_PIECE] * max(2, len(desk.pieces(text))))
