"""Requests to search among: every kind of value, in every field, as entries and as the oracle sees them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._blueprint import facts_of
from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record
from promptlayer_patch.store import Entry, Store
from promptlayer_patch.store.indexing.intents import agent_intent, user_intent

OCTOBER_2026 = 1_790_812_800.0
_TEXT = """
    refund policy policies polite pol order orders ordered ord no not and or near user users a ab abc
    Žluťoučký kůň ÉCOLE école ecole Straße strasse naïve naive ﬁne fine ΣΊΣΥΦΟΣ привет Привет 42 4 4242
    退款 退款政策 政策 退 款 策 政策退款 订单 我要退款 ありがとう ありがと カタカナ カタ 환불 환불정책 환 정책
    e3b0c442 foo.bar foo-bar foo_bar C++ https://example.com/a?b=1 :) 🙂 '"*^ AND(NEAR)
"""
WORDS = tuple(_TEXT.split())
"""Most begin as another one does, so that a beginning means several."""
# Not in any list of prices: what a request costs is what it says.
MODELS = ("lantern-4", "lantern-4-mini", "lantern", "m'1", 'm"2', "模型", "x" * 90)
TAGS = (
    "prod",
    "production",
    "test",
    "Prod",
    "tag with spaces",
    "标签",
    "émile",
    "e",
    "%",
    "_",
    "a:b",
    "",
    "prod" * 60,
)
KEYS = ("user_id", "session", "äö", "a.b", "__proto__")
VALUES = (
    "refund " * 40 + "end",
    "退款" * 150,
    "42",
    "4",
    "user 42",
    "user 421",
    "",
    "退款政策 v2",
    "Ärger im Büro",
    "refund policy",
    "%",
    "null",
)
NAMES = ("accuracy", "default", "naïve")
PROMPTS = ("support-reply", "support", "退款")
TOOLS = ("get_weather", "get_" * 60, "get_order", "退款", "x.y")
ERRORS = ("PROVIDER_TIMEOUT", "PROVIDER_RATE_LIMIT", "PROVIDER_ERROR")
SAID = ("sorry", "I am so frustrated", "thank you", "I cannot help with that", "I am not sure", "how does")


@dataclass
class Made:
    """One request: what is stored, and what is said of it when it has been indexed."""

    entry: Entry
    later: tuple[Content, ...]
    request_id: int = 0

    def as_seen(self) -> dict[str, Any]:
        """The request as the oracle wants it, with all that was said."""
        record, entry, facts = self.entry.record, self.entry, facts_of(self.entry.record)
        metadata, scores, groups, prompt = self._said()
        variables = {key: _text(value) for key, value in prompt.variables.items()} if prompt else {}
        usage = facts.usage
        tokens = [count for count in (usage.input_tokens, usage.output_tokens) if count is not None]
        first = record.first_token_at
        return {
            "pl_id": self.request_id,
            "engine": record.request["model"] or record.model,
            "provider_type": record.provider,
            "status": entry.status,
            "function_name": record.function_name,
            "ending": record.ending.value,
            "error_type": entry.error_type,
            "http_status": record.status,
            "record_id": record.id,
            "trace_id": entry.trace_id,
            "attempts": record.attempts,
            "input_text": facts.input_text,
            "output_text": facts.output_text,
            "cost": entry.price,
            "latency_ms": record.duration_s * 1000,
            "first_token_ms": None if first is None else (first - record.started_at) * 1000,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": sum(tokens) if tokens else None,
            "cached_tokens": usage.cached_tokens,
            "thinking_tokens": usage.thinking_tokens,
            "request_start_time": record.started_at,
            "request_end_time": record.ended_at,
            "is_json": facts.shape == "json",
            "is_tool_call": facts.shape == "tool_call",
            "is_plain_text": facts.shape == "plain_text",
            "tags": list(dict.fromkeys(record.tags)),
            "metadata": metadata,
            "metadata_keys": list(metadata),
            "tool_names": list(facts.tool_names),
            "output": {path: list(values) for path, values in facts.output_values.items()},
            "output_keys": list(facts.output_values),
            "score": scores,
            "score_names": list(scores),
            "group": [str(group) for group in groups],
            "prompt": prompt and prompt.name,
            "prompt_id": None if prompt is None or prompt.id is None else str(prompt.id),
            "prompt_version_number": prompt and prompt.version,
            "prompt_label": prompt and prompt.label,
            "input_variables": variables,
            "input_variable_keys": list(variables),
            "user_intent": user_intent(facts.input_text),
            "agent_intent": agent_intent(facts.output_text),
        }

    def _said(self) -> tuple[dict[str, str], dict[str, int], set[int], PromptLink | None]:
        record = self.entry.record
        metadata, scores, groups = dict(record.metadata), {}, set()
        prompt = record.prompt
        if record.group_id is not None:
            groups.add(record.group_id)
        first = () if self.entry.score is None else (self.entry.score,)
        for said in (*first, *self.later):
            match said:
                case Score(value, name):
                    scores["default" if name is None else name] = value
                case MetadataUpdate(update):
                    metadata.update(update)
                case GroupLink(group_id):
                    groups.add(group_id)
                case PromptLink():
                    prompt = said
        return metadata, scores, groups, prompt


def requests(count: int, seed: int = 5) -> list[Made]:
    """So many requests, in no order of time; equal for equal arguments."""
    chance = random.Random(seed)
    return [_one(chance, number) for number in range(count)]


def fill(store: Store, made: list[Made]) -> None:
    """Store them all, and index; then say what is said later, and index again."""
    for one, request_id in zip(made, store.add([one.entry for one in made]), strict=True):
        one.request_id = request_id
    store.catch_up()
    for one in made:
        for said in one.later:
            store.annotate(one.request_id, said)
    store.catch_up()


def _one(chance: random.Random, number: int) -> Made:
    started = OCTOBER_2026 + chance.randrange(40 * 86_400 * 8) / 8
    failed = chance.random() < 0.1
    usage = _usage(chance)
    record = Record(
        id=f"{number:032x}",
        function_name=chance.choice(("openai.chat.completions.create", "openai.responses.create")),
        provider=chance.choice(("openai", "openai", "openai.azure", "anthropic")),
        request={
            "model": chance.choice((*MODELS, None)),
            "messages": [{"role": "user", "content": _sentence(chance)}],
        },
        response=None if failed else _answer(chance) | ({"usage": usage} if usage else {}),
        started_at=started,
        ended_at=started + chance.choice((0.0, 0.25, 0.5, 1.0, chance.randrange(800) / 8)),
        first_token_at=chance.choice((None, started + chance.randrange(64) / 16)),
        ending=Ending.PROVIDER_ERROR if failed else chance.choice((Ending.COMPLETE, Ending.CLOSED_EARLY)),
        error=Failure("RateLimitError", "slow down", 429) if failed else None,
        status=429 if failed else chance.choice((200, 201, None)),
        attempts=chance.choice((1, 1, 2, 3)),
        tags=tuple(chance.choices(TAGS, k=chance.randrange(4))),
        metadata=_metadata(chance),
        group_id=chance.choice((None, None, 1, 2, 12)),
        prompt=_prompt(chance),
    )
    entry = Entry(
        record=record,
        status="ERROR" if failed else chance.choice(("SUCCESS", "SUCCESS", "WARNING")),
        error_type=chance.choice(ERRORS) if failed else None,
        trace_id=chance.choice((None, f"{chance.randrange(9):032x}")),
        price=chance.choice((None, 0.0, 0.5, 2.0, chance.randrange(10_000) / 1024, 1e-7)),
        score=_score(chance) if chance.random() < 0.2 else None,
    )
    return Made(entry, tuple(_later(chance)))


def _sentence(chance: random.Random) -> str:
    words = chance.choices(WORDS, k=chance.randrange(8))
    if chance.random() < 0.2:
        words.append(chance.choice(SAID))
    return chance.choice((" ", " ", ", ", "\n", "")).join(words)


def _answer(chance: random.Random) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _sentence(chance)}
    kind = chance.random()
    if kind < 0.3:
        message["content"] = json.dumps(
            {chance.choice(KEYS): _value(chance) for _ in range(chance.randrange(3))}
        )
    elif kind < 0.5:
        arguments = json.dumps({chance.choice(("city", "id")): chance.choice(VALUES)})
        function = {"name": chance.choice(TOOLS), "arguments": arguments}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    model = chance.choice((*MODELS, None))
    return {"model": model, "object": "chat.completion", "choices": [{"index": 0, "message": message}]}


def _value(chance: random.Random) -> Any:
    return chance.choice((*VALUES, 42, 4.5, True, None, [1, "42"], {"inner": "user 42"}, []))


def _usage(chance: random.Random) -> dict[str, Any] | None:
    if chance.random() < 0.2:
        return None
    return {
        "prompt_tokens": chance.choice((0, 1, 8, 42, chance.randrange(100_000))),
        "completion_tokens": chance.choice((0, 1, 8, 42, chance.randrange(5_000))),
        "prompt_tokens_details": {"cached_tokens": chance.choice((0, 5, 1024))},
        "completion_tokens_details": {"reasoning_tokens": chance.choice((0, 7, 64))},
    }


def _metadata(chance: random.Random) -> Mapping[str, str]:
    return {chance.choice(KEYS): chance.choice(VALUES) for _ in range(chance.randrange(3))}


def _prompt(chance: random.Random) -> PromptLink | None:
    if chance.random() < 0.6:
        return None
    variables = {chance.choice(KEYS): _value(chance) for _ in range(chance.randrange(3))}
    version, label = chance.choice((None, 1, 2, 12)), chance.choice((None, "prod", "staging"))
    return PromptLink(chance.choice(PROMPTS), version, label, variables, chance.choice((None, 1, 12)))


def _score(chance: random.Random) -> Score:
    return Score(chance.choice((0, 50, 99, 100, chance.randrange(101))), chance.choice((None, *NAMES)))


def _later(chance: random.Random) -> Iterator[Content]:
    while chance.random() < 0.25:
        yield chance.choice(
            (
                _score(chance),
                MetadataUpdate(_metadata(chance)),
                GroupLink(chance.choice((1, 3))),
                _prompt(chance) or GroupLink(2),
            )
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
