"""Images, transcriptions and speech."""

from __future__ import annotations

from typing import Any

from promptlayer_patch._folding.merge import Pieces, substantial

__all__ = ["ImageFold", "SpeechFold", "TranscriptFold"]


class TranscriptFold:
    """Text and, where the server sends them, log probabilities, speaker segments and usage."""

    def __init__(self) -> None:
        self.complete = False
        self._final: dict[str, Any] = {}
        self._text = Pieces()
        self._lists: dict[str, list[Any]] = {}

    def carries_output(self, name: str, data: dict[str, Any]) -> bool:
        return any(substantial(data.get(key)) for key in ("delta", "text"))

    def add(self, name: str, data: dict[str, Any]) -> None:
        if name == "transcript.text.done":
            self._final = {key: value for key, value in data.items() if key != "type"}
            self.complete = True
        elif name == "transcript.text.segment":
            self._lists.setdefault("segments", []).append(data)
        else:
            if isinstance(delta := data.get("delta"), str):
                self._text.parts.append(delta)
            if isinstance(logprobs := data.get("logprobs"), list):
                self._lists.setdefault("logprobs", []).extend(logprobs)

    def response(self) -> dict[str, Any]:
        return {"text": str(self._text), **self._lists, **self._final}


class ImageFold:
    """The finished images in the shape of a response that was not streamed; partial images are not kept."""

    def __init__(self) -> None:
        self.complete = False
        self._images: list[dict[str, Any]] = []
        self._rest: dict[str, Any] = {"created": None}

    def carries_output(self, name: str, data: dict[str, Any]) -> bool:
        return substantial(data.get("b64_json"))

    def add(self, name: str, data: dict[str, Any]) -> None:
        for key, value in data.items():
            if key == "created_at":
                self._rest["created"] = value
            elif key not in ("b64_json", "error", "partial_image_index", "sequence_number", "type"):
                self._rest[key] = value
        if name.endswith(".completed"):
            self._images.append({"b64_json": data.get("b64_json")})
            self.complete = True

    def response(self) -> dict[str, Any]:
        return {**self._rest, "data": self._images}


class SpeechFold:
    """How many bytes of audio came, and what they cost; never the audio."""

    def __init__(self) -> None:
        self.complete = False
        self._bytes = 0
        self._usage: dict[str, Any] = {}

    def carries_output(self, name: str, data: dict[str, Any]) -> bool:
        return substantial(data.get("audio"))

    def add(self, name: str, data: dict[str, Any]) -> None:
        if isinstance(audio := data.get("audio"), str):
            self._bytes += len(audio.rstrip("=")) * 3 // 4
        if data.get("usage") is not None:
            self._usage = {"usage": data["usage"]}
        self.complete = self.complete or name == "speech.audio.done"

    def response(self) -> dict[str, Any]:
        return {"bytes": self._bytes, **self._usage}
