"""Two requests beside each other: their figures, their parameters, and the words of what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from promptlayer_patch._blueprint import facts_of, input_of, output_of
from promptlayer_patch._blueprint.reading import Json, mapping, mappings, string
from promptlayer_patch._blueprint.texts import TEXT_CHARS, calls_of, spoken
from promptlayer_patch.records import Record
from promptlayer_patch.server.dashboard.request_finding import Found
from promptlayer_patch.server.dashboard.request_texts import pretty
from promptlayer_patch.server.dashboard.request_view import parameters
from promptlayer_patch.server.dashboard.visible import visible
from promptlayer_patch.server.wording import Change, Run, compared
from promptlayer_patch.store import Summary

__all__ = ["Comparison", "Figure", "Parameter", "Stretch", "Texts", "comparison"]

_SHOWN = 400
"""Of a long stretch that is the same on both sides, so much is seen at its ends."""
_FOLDED = 30_000
"""So much of it can be unfolded."""
_CHANGED = 40_000
"""So much of one changed stretch is shown."""
_VALUE_CHARS = 2_000

Unit = Literal["seconds", "money", "count"]


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    unit: Unit
    before: float | None
    after: float | None

    @property
    def difference(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def share(self) -> float | None:
        """The difference as a part of what was before."""
        return self.difference / self.before if self.difference is not None and self.before else None


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    before: str | None
    after: str | None

    @property
    def differs(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run as it is shown: a long one that is the same has its middle folded away."""

    change: Change
    text: str
    folded: str = ""
    tail: str = ""
    left_out: int = 0
    """Characters that are not shown at all, after the folded ones."""


@dataclass(frozen=True, slots=True)
class Texts:
    before: tuple[Stretch, ...]
    after: tuple[Stretch, ...]
    equal: bool
    exact: bool
    whole: bool
    """False where only the beginnings were compared."""


@dataclass(frozen=True, slots=True)
class Comparison:
    figures: tuple[Figure, ...]
    parameters: tuple[Parameter, ...]
    prompt: Texts
    output: Texts


def comparison(first: Found, second: Found) -> Comparison:
    one, other = first.stored.record, second.stored.record
    return Comparison(
        tuple(_figures(first.summary, second.summary)),
        tuple(_parameters(one, other)),
        _texts(_sent(one), _sent(other)),
        _texts(_received(one), _received(other)),
    )


def _figures(first: Summary, second: Summary) -> Iterator[Figure]:
    for name, unit, read in _FIGURES:
        figure = Figure(name, unit, read(first), read(second))
        if figure.before is not None or figure.after is not None:
            yield figure


def _first_token(summary: Summary) -> float | None:
    return None if summary.first_token_at is None else summary.first_token_at - summary.started_at


_FIGURES: tuple[tuple[str, Unit, Callable[[Summary], float | None]], ...] = (
    ("Latency", "seconds", lambda summary: summary.duration_s),
    ("First token", "seconds", _first_token),
    ("Input tokens", "count", lambda summary: summary.input_tokens),
    ("Cached tokens", "count", lambda summary: summary.cached_tokens),
    ("Output tokens", "count", lambda summary: summary.output_tokens),
    ("Thinking tokens", "count", lambda summary: summary.thinking_tokens),
    ("Cost", "money", lambda summary: summary.cost),
)


def _parameters(first: Record, second: Record) -> Iterator[Parameter]:
    one, other = _said_of(first), _said_of(second)
    for name in dict.fromkeys((*one, *other)):
        yield Parameter(visible(name), one.get(name), other.get(name))


def _said_of(record: Record) -> dict[str, str]:
    tools = [string(mapping(tool.get("function") or tool).get("name")) for tool in _tools(record)]
    told = {
        "model": record.model or "",
        "function": record.function_name,
        "provider": record.provider,
        **parameters(record),
        "tools": ", ".join(tools),
    }
    return {name: visible(value[:_VALUE_CHARS]) for name, value in told.items() if value}


def _tools(record: Record) -> list[Json]:
    asked = input_of(record)
    return [*mappings(asked.get("tools")), *mappings(asked.get("functions"))]


def _sent(record: Record) -> str:
    return visible(facts_of(record).input_text)


def _received(record: Record) -> str:
    """The answer for reading: objects on lines, where search has them flat."""
    template = output_of(record)
    messages = mappings(template.get("messages")) or [{"content": template.get("content") or ()}]
    pieces = [piece for message in messages for piece in _pieces(message)]
    return visible("\n\n".join(pieces)[:TEXT_CHARS] or facts_of(record).output_text)


def _pieces(message: Json) -> Iterator[str]:
    for text in spoken(message.get("content") or ()):
        yield pretty(text) or text
    for name, arguments in calls_of(message):
        yield f"{name}({pretty(arguments) or arguments})"


def _texts(before: str, after: str) -> Texts:
    wording = compared(before, after)
    return Texts(
        tuple(_stretches(wording.before)),
        tuple(_stretches(wording.after)),
        wording.equal,
        wording.exact,
        max(len(before), len(after)) < TEXT_CHARS,
    )


def _stretches(runs: Iterable[Run]) -> Iterator[Stretch]:
    for run in runs:
        text = run.text
        if run.change is not Change.SAME:
            yield Stretch(run.change, text[:_CHANGED], left_out=max(0, len(text) - _CHANGED))
        elif len(text) <= 4 * _SHOWN:
            yield Stretch(run.change, text)
        else:
            folded = text[_SHOWN:-_SHOWN]
            left_out = max(0, len(folded) - _FOLDED)
            yield Stretch(run.change, text[:_SHOWN], folded[:_FOLDED], text[-_SHOWN:], left_out)
