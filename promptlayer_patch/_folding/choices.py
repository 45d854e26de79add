"""Chat completions and legacy completions: chunks with `choices`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from promptlayer_patch._folding.merge import Pieces, merge, settle, substantial
from promptlayer_patch._folding.repeats import Alone

__all__ = ["ChoicesFold", "chat_fold", "fold_for_shape", "text_fold"]

# `obfuscation` only pads the chunks of a stream; an error is reported beside the response.
_NOT_KEPT = frozenset({"error", "object"})
# The first chunk of an Azure stream has these empty; some servers give each chunk another time.
_FIRST_WINS = frozenset({"created", "id", "model"})
_NO_TEXT = frozenset({"message", "obfuscation"})


def chat_fold() -> ChoicesFold:
    return ChoicesFold("chat.completion", _ChatChoice)


def text_fold() -> ChoicesFold:
    return ChoicesFold("text_completion", _TextChoice)


def fold_for_shape(chunk: dict[str, Any]) -> Callable[[], ChoicesFold] | None:
    """The fold for a chunk that does not say what it is; some compatible servers leave `object` out."""
    for choice in _choices_of(chunk):
        if "delta" in choice or "message" in choice:
            return chat_fold
        if "text" in choice:
            return text_fold
    return None


class _Choice(Protocol):
    def add(self, choice: dict[str, Any]) -> None: ...
    def result(self, index: int) -> dict[str, Any]: ...

    def growing(self, key: str) -> Any: ...


class ChoicesFold:
    """Assembles every choice by its index, and keeps what stands beside the choices."""

    complete = False  # only `[DONE]` ends these streams

    def __init__(self, kind: str, new_choice: Callable[[], _Choice]) -> None:
        self._new_choice = new_choice
        self._choices: dict[int, _Choice] = {}
        self._top: dict[str, Any] = {"id": None, "object": kind, "created": None, "model": None}
        self._latest: dict[str, Any] | None = None

    def carries_output(self, name: str, chunk: dict[str, Any]) -> bool:
        return any(
            substantial(choice.get(key))
            for choice in _choices_of(chunk)
            for key in ("delta", "text", "message")
        )

    def add(self, name: str, chunk: dict[str, Any]) -> None:
        for position, choice in enumerate(_entries(chunk.pop("choices", None))):
            index = choice.get("index")
            if not isinstance(index, int):
                index = position
            if index not in self._choices:
                self._choices[index] = self._new_choice()
            self._choices[index].add(choice)
        chunk.pop("obfuscation", None)
        if chunk != self._latest:  # beside the choices most chunks say what the one before has said
            self._latest = chunk
            self._add_beside(chunk)

    def text_alone(self, name: str, chunk: dict[str, Any]) -> Alone | None:
        """What a chunk adds, if that is nothing but text."""
        choices = chunk.get("choices")
        if not isinstance(choices, list) or len(choices) != 1 or "error" in chunk:
            return None
        choice = choices[0]
        if not isinstance(choice, dict) or choice.get("logprobs") or not choice.keys().isdisjoint(_NO_TEXT):
            return None
        delta, index = choice.get("delta"), choice.get("index")
        if delta is None:
            said = {"text": choice.get("text")}
        elif isinstance(delta, dict) and "text" not in choice:
            said = {key: value for key, value in delta.items() if value is not None}
            if said.get("role"):
                del said["role"]  # said again
        else:
            return None
        if len(said) != 1 or type(index) is not int:
            return None
        ((key, text),) = said.items()
        return Alone(key, text, ("obfuscation",), index) if isinstance(text, str) else None

    def adding(self, alone: Alone) -> Callable[[list[str]], None] | None:
        """What adds more texts after such a one, if there is some already."""
        text = self._choices[alone.where].growing(alone.key)
        return text.parts.extend if isinstance(text, Pieces) else None

    def _add_beside(self, chunk: dict[str, Any]) -> None:
        top = self._top
        for key, value in chunk.items():
            if key in _NOT_KEPT:
                continue
            if value is None or (key in _FIRST_WINS and top.get(key)):
                top.setdefault(key, None)
            else:
                top[key] = value

    def response(self) -> dict[str, Any]:
        choices = [self._choices[index].result(index) for index in sorted(self._choices)]
        return {**self._top, "choices": choices}


class _Rest:
    """What a choice has beside its text: finish reason, log probabilities, content filter results."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._latest: dict[str, Any] | None = None

    def add(self, choice: dict[str, Any]) -> None:
        """Add what is left of a choice when its text has been taken out."""
        if choice == self._latest and not choice.get("logprobs"):
            return  # nothing new, as in most chunks
        self._latest = choice
        for key, value in choice.items():
            if key == "index":
                continue
            if value is None:
                self._values.setdefault(key, None)
            elif key == "logprobs":
                self._extend_logprobs(value)
            elif isinstance(value, dict) and isinstance(self._values.get(key), dict):
                self._values[key].update(value)
            else:
                self._values[key] = value

    def values(self) -> dict[str, Any]:
        return {"finish_reason": None, **self._values}

    def _extend_logprobs(self, more: Any) -> None:
        known = self._values.get("logprobs")
        if not isinstance(known, dict) or not isinstance(more, dict):
            self._values["logprobs"] = more
            return
        for key, value in more.items():
            if isinstance(value, list) and isinstance(known.get(key), list):
                known[key].extend(value)
            elif value is not None or key not in known:
                known[key] = value


class _TextChoice:
    def __init__(self) -> None:
        self._text = Pieces()
        self._rest = _Rest()

    def add(self, choice: dict[str, Any]) -> None:
        if isinstance(text := choice.pop("text", None), str):
            self._text.parts.append(text)
        self._rest.add(choice)

    def result(self, index: int) -> dict[str, Any]:
        return {"index": index, "text": str(self._text), **self._rest.values()}

    def growing(self, key: str) -> Any:
        return self._text


class _ChatChoice:
    def __init__(self) -> None:
        self._message: dict[str, Any] = {"role": None, "content": None}
        self._calls = _ToolCalls()
        self._whole: dict[str, Any] | None = None
        self._rest = _Rest()

    def add(self, choice: dict[str, Any]) -> None:
        if isinstance(delta := choice.pop("delta", None), dict):
            if calls := delta.pop("tool_calls", None):
                for call in _entries(calls):
                    self._calls.add(call)
            merge(self._message, delta)
        if isinstance(message := choice.pop("message", None), dict):
            self._whole = message
        self._rest.add(choice)

    def result(self, index: int) -> dict[str, Any]:
        return {"index": index, "message": self._folded_message(), **self._rest.values()}

    def growing(self, key: str) -> Any:
        return self._message.get(key)

    def _folded_message(self) -> dict[str, Any]:
        message, calls = settle(self._message), self._calls.result()
        if self._whole is not None and not calls and not substantial(message):
            return self._whole  # a server that sends the message in one piece
        message["role"] = message["role"] or "assistant"
        if calls:
            message["tool_calls"] = calls
        if message["content"] == "" and any(
            substantial(message.get(key)) for key in ("tool_calls", "function_call", "refusal", "audio")
        ):
            message["content"] = None
        return message


class _ToolCalls:
    """Tool calls by their index; also from servers that send no index, or the same one for every call."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, dict[str, Any]]] = []
        self._by_index: dict[int, dict[str, Any]] = {}

    def add(self, part: dict[str, Any]) -> None:
        index = part.pop("index", None)
        if not isinstance(index, int):
            index = None
        call = self._continued(index, part)
        if call is None:
            call = {}
            self._calls.append((len(self._calls) if index is None else index, call))
            if index is not None:
                self._by_index[index] = call
        merge(call, part)

    def result(self) -> list[dict[str, Any]]:
        return [settle(call) for _, call in sorted(self._calls, key=lambda entry: entry[0])]

    def _continued(self, index: int | None, part: dict[str, Any]) -> dict[str, Any] | None:
        call_id = part.get("id")
        if index is not None:
            call = self._by_index.get(index)
            another = call is not None and call_id and call.get("id") and call["id"] != call_id
            return None if another and _named(part) else call
        if call_id:
            return next((call for _, call in self._calls if call.get("id") == call_id), None)
        return self._calls[-1][1] if self._calls and not _named(part) else None


def _named(part: dict[str, Any]) -> bool:
    return any(isinstance(tool, dict) and tool.get("name") for tool in part.values())


def _entries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _choices_of(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    return _entries(chunk.get("choices"))
