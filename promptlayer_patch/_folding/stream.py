"""Finds out what kind of stream it is and leaves the rest to the fold of that kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from promptlayer_patch._folding.choices import ChoicesFold, chat_fold, fold_for_shape, text_fold
from promptlayer_patch._folding.errors import error_in
from promptlayer_patch._folding.media import ImageFold, SpeechFold, TranscriptFold
from promptlayer_patch._folding.repeats import Alone, Repeats
from promptlayer_patch._folding.responses import ResponsesFold
from promptlayer_patch._folding.runs import RunFold
from promptlayer_patch._folding.sse import DONE, Event, parse_events
from promptlayer_patch._parsing import parsed

__all__ = ["Folded", "fold_stream"]


@dataclass(frozen=True, slots=True)
class Folded:
    """What a streamed body amounts to."""

    response: Any
    """The assembled object; `None` when no event with data arrived. Of a stream of unknown shape,
    `{"events": [...]}` with the data of each event."""
    complete: bool
    """The stream said that it was over: `[DONE]`, or the last event of its kind."""
    error: Mapping[str, Any] | None
    """The error the provider reported inside the stream."""
    first_output_at: int | None
    """Offset in the body just after the first event that carried output, for the time to the first token."""


class _Fold(Protocol):
    """Assembles the streams of one kind."""

    complete: bool

    def carries_output(self, name: str, data: dict[str, Any]) -> bool: ...
    def add(self, name: str, data: dict[str, Any]) -> None: ...
    def response(self) -> dict[str, Any]: ...


_BY_OBJECT: dict[str, Callable[[], _Fold]] = {
    "chat.completion.chunk": chat_fold,
    "chat.completion": chat_fold,
    "text_completion": text_fold,
}
_BY_PREFIX: dict[str, Callable[[], _Fold]] = {
    "response": ResponsesFold,
    "thread": RunFold,
    "transcript": TranscriptFold,
    "image_generation": ImageFold,
    "image_edit": ImageFold,
    "speech": SpeechFold,
}
_UNREADABLE = object()

_Grown: TypeAlias = tuple[Alone, Callable[[list[str]], None]]


def fold_stream(body: bytes) -> Folded:
    """Assemble the events of `body`, the raw bytes of a `text/event-stream`. Never raises."""
    folding, repeats = _Folding(), Repeats(body)
    begin, is_read = 0, False
    while not is_read:
        is_read = True
        for event in parse_events(body, begin):
            if event.data.startswith(DONE):
                return folding.folded(done=True)
            grown = None
            try:
                grown = folding.take(event)
            except RecursionError:
                pass  # nested deeper than anything a provider sends; what was folded so far stands
            end = event.end if grown is None else repeats.follow(begin, event.end, *grown)
            begin = end
            if end > event.end:
                is_read = False
                break
    return folding.folded(done=False)


class _Folding:
    """One stream on its way: its events wait until one of them tells what kind of stream it is."""

    def __init__(self) -> None:
        self._fold: _Fold | None = None
        self._waiting: list[tuple[str, Any, Event]] = []
        self._error: dict[str, Any] | None = None
        self._first_output_at: int | None = None

    def take(self, event: Event) -> _Grown | None:
        """Fold one event in. If those that repeat it can be read at once: how their texts are added."""
        data = _decoded(event.data)
        name = _name_of(event, data)
        if self._error is None:
            self._error = error_in(name, event.data if data is _UNREADABLE else data)
        if self._fold is not None:
            return self._add(self._fold, name, data, event)
        self._waiting.append((name, data, event))
        self._begin(_recognised(name, data))
        return None

    def folded(self, *, done: bool) -> Folded:
        if self._fold is None and any(_has_choices(data) for _, data, _ in self._waiting):
            # Cut after the first chunk of an Azure stream, which has neither a kind nor a choice.
            self._begin(chat_fold)
        if self._fold is not None:
            complete = done or self._fold.complete
            return Folded(self._fold.response(), complete, self._error, self._first_output_at)
        events = [event.data if data is _UNREADABLE else data for _, data, event in self._waiting]
        return Folded({"events": events} if events else None, done, self._error, None)

    def _begin(self, new_fold: Callable[[], _Fold] | None) -> None:
        if new_fold is not None:
            self._fold = new_fold()
            for name, data, event in self._waiting:
                self._add(self._fold, name, data, event)

    def _add(self, fold: _Fold, name: str, data: Any, event: Event) -> _Grown | None:
        if not isinstance(data, dict):
            return None
        if self._first_output_at is None and fold.carries_output(name, data):
            self._first_output_at = event.end
        if self._first_output_at is None or not isinstance(fold, (ChoicesFold, ResponsesFold)):
            fold.add(name, data)
            return None
        alone = fold.text_alone(name, data)  # asked first, since to add a chunk takes it apart
        fold.add(name, data)
        if alone is None or (add := fold.adding(alone)) is None:
            return None
        return alone, add


def _decoded(text: str) -> Any:
    try:
        return parsed(text)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _name_of(event: Event, data: Any) -> str:
    """The event's name. Assistants name it outside the data, most others also or only inside."""
    if not isinstance(data, dict):
        return event.event or ""
    kind, described = data.get("type"), data.get("object")
    if isinstance(kind, str) and "." in kind:
        return kind
    return event.event or (described if isinstance(described, str) else "")


def _recognised(name: str, data: Any) -> Callable[[], _Fold] | None:
    if not isinstance(data, dict):
        return None
    described = data.get("object")
    if isinstance(described, str) and described in _BY_OBJECT:
        return _BY_OBJECT[described]
    prefix, dot, _ = name.partition(".")
    return _BY_PREFIX.get(prefix) if dot else fold_for_shape(data)


def _has_choices(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("choices"), list)
