"""Requests for charts, and in plain Python what a chart of them has to show."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Ending, Record, new_record_id
from promptlayer_patch.store import Entry

_T = TypeVar("_T")

MONDAY = 1_767_571_200.0  # 2026-01-05, midnight in UTC
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

_MODELS = ("gpt-9", "gpt-9-mini", "grok-77", None)
_TAGS = ("prod", "dev", "Küche", "支付", "a b")
_ERRORS = {
    "SUCCESS": (None,),
    "WARNING": ("PROVIDER_RATE_LIMIT", "UNKNOWN_ERROR"),
    "ERROR": ("PROVIDER_TIMEOUT", "PROVIDER_RATE_LIMIT"),
}
_PROMPTS = (("greeting", 7), ("refund", 8), ("ungiven", None))


@dataclass(frozen=True)
class Known:
    """What is known of one request, for whoever counts without the store."""

    started_at: float
    duration_s: float
    model: str | None
    provider: str
    status: str
    error_type: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    thinking_tokens: int | None
    cost: float | None
    shape: str
    turns: int
    tools: tuple[str, ...]
    output_keys: tuple[str, ...]
    tags: tuple[str, ...]
    prompt: tuple[str, int | None, int] | None
    trace_id: str | None
    metadata: dict[str, str] = field(default_factory=dict)


def made(seed: int, count: int, days: float = 3.0) -> list[Known]:
    """Requests of some days from a Monday on, all of them different."""
    chance = random.Random(seed)
    return [_made(chance, days) for _ in range(count)]


def _made(chance: random.Random, days: float) -> Known:
    status = chance.choice(("SUCCESS", "SUCCESS", "SUCCESS", "WARNING", "ERROR"))
    shape = chance.choice(("json", "tool_call", "plain_text"))
    tools = tuple(chance.choices(("search", "refund", "mail"), k=chance.randint(1, 3)))
    prompt = chance.choice(_PROMPTS)
    tokens = chance.random() < 0.9
    return Known(
        started_at=MONDAY + round(chance.uniform(0, days * DAY_S), 3),
        duration_s=chance.choice((0.0, chance.uniform(0, 1e-4), chance.lognormvariate(0, 2))),
        model=chance.choice(_MODELS),
        provider=chance.choice(("openai", "anthropic")),
        status=status,
        error_type=chance.choice(_ERRORS[status]),
        input_tokens=chance.randint(0, 5000) if tokens else None,
        output_tokens=chance.randint(0, 500) if tokens else None,
        cached_tokens=chance.randint(0, 100) if tokens and chance.random() < 0.5 else None,
        thinking_tokens=chance.randint(0, 100) if tokens and chance.random() < 0.5 else None,
        cost=chance.choice((None, 0.0, 0.1 + 0.2, chance.uniform(0, 3), chance.uniform(0, 1e-6))),
        shape=shape,
        turns=chance.randint(1, 4),
        tools=tools if shape == "tool_call" else (),
        output_keys=tuple(chance.sample(("answer", "score", "why"), 2)) if shape == "json" else (),
        tags=tuple(chance.sample(_TAGS, chance.randint(0, 3))),
        prompt=(*prompt, chance.randint(1, 3)) if chance.random() < 0.5 else None,
        trace_id=f"{chance.getrandbits(128):032x}" if chance.random() < 0.3 else None,
        metadata={key: chance.choice(("one", "two")) for key in ("user", "plan") if chance.random() < 0.5},
    )


def entry_of(known: Known) -> Entry:
    """The request as it is stored."""
    return Entry(
        record=Record(
            id=new_record_id(),
            function_name="openai.chat.completions.create",
            provider=known.provider,
            request={
                **({} if known.model is None else {"model": known.model}),
                "messages": [{"role": "user", "content": "word"}] * known.turns,
            },
            response={"choices": [{"index": 0, "message": _message(known)}], "usage": _usage(known)},
            started_at=known.started_at,
            ended_at=known.started_at + known.duration_s,
            ending=Ending.COMPLETE,
            tags=known.tags,
            metadata=known.metadata,
            prompt=known.prompt and PromptLink(known.prompt[0], known.prompt[2], None, {}, known.prompt[1]),
        ),
        status=known.status,
        error_type=known.error_type,
        price=known.cost,
        trace_id=known.trace_id,
    )


def _message(known: Known) -> dict[str, Any]:
    if known.shape == "json":
        fields = ", ".join(f'"{key}": 1' for key in known.output_keys)
        return {"role": "assistant", "content": f"{{{fields}}}"}
    if known.shape == "plain_text":
        return {"role": "assistant", "content": "good day"}
    calls = [
        {"id": str(place), "type": "function", "function": {"name": name, "arguments": "{}"}}
        for place, name in enumerate(known.tools)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _usage(known: Known) -> dict[str, Any] | None:
    if known.input_tokens is None:
        return None
    usage: dict[str, Any] = {"prompt_tokens": known.input_tokens, "completion_tokens": known.output_tokens}
    if known.cached_tokens is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": known.cached_tokens}
    if known.thinking_tokens is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": known.thinking_tokens}
    return usage


def nanos(cost: float | None) -> int:
    return math.floor((cost or 0.0) * 1e9 + 0.5)


def nearest_rank(numbers: Iterable[float], percent: float) -> float:
    ordered = sorted(numbers)
    return ordered[max(1, math.ceil(percent * len(ordered) / 100)) - 1]


def by(items: Iterable[_T], keys: Callable[[_T], Iterable[Any]]) -> dict[Any, list[_T]]:
    """The items of each of their keys."""
    found: dict[Any, list[_T]] = {}
    for item in items:
        for key in dict.fromkeys(keys(item)):
            found.setdefault(key, []).append(item)
    return found
