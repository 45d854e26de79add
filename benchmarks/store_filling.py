"""Invented requests for the benchmark of the store: the mix that the figures of its peers were taken with.

About 3.2 KB of JSON and 2.2 KB of text a request, 12 % of them Chinese, ten models, 443 tags of which some
are everywhere and most are rare, half of the words random, so that they compress worse than real text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from promptlayer_patch.records import Ending, Failure, Record

__all__ = ["COMMON_WORD", "DAYS", "FIRST", "MODELS", "RARE_WORD", "TAGS", "conversations", "records"]

FIRST = 1_767_225_600.0
"""2026-01-01 UTC, when the first request was made."""
DAYS = 60
MODELS = (
    *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano"),
    *("o3", "o4-mini", "acme-internal-7b"),
)
_MODEL_WEIGHTS = (30, 25, 12, 10, 8, 6, 4, 3, 1.95, 0.05)
TAGS = ("prod", "staging", "eval", *(f"feature-{number}" for number in range(440)))
_TAG_WEIGHTS = (60, 20, 8, *(12 / (number + 1) for number in range(440)))
COMMON_WORD, RARE_WORD = "invoice", "zyzzyva"
_DAY_S = 86_400
_CHINESE_SHARE = 0.12
_ERROR_SHARE = 0.03
_WORDS = (
    *("the", "invoice", "of", "this", "customer", "was", "paid", "late", "and", "refund", "policy", "says"),
    *(
        "that",
        "a",
        "payment",
        "after",
        "thirty",
        "days",
        "has",
        "to",
        "be",
        "checked",
        "by",
        "billing",
        "team",
    ),
    *("before", "any", "answer", "is", "given", "please", "summarize", "what", "happened", "explain", "rule"),
    *("which", "applies", "here", "in", "short", "sentences", "for", "person", "who", "asked", "about", "it"),
)
_INVENTED = tuple(f"{number * 2_654_435_761 % 2**32:x}"[:6] for number in range(1, 50_001))
_CHINESE = (
    "请根据以下内容总结客户的问题并说明退款政策如何适用我们需要在三十天之内处理每一张发票如果付款迟到账单团队必须先检查"
    "然后才能回复客户人工智能可以帮助我们更快地理解这些请求并给出清楚的回答"
)


def records(count: int, *, seed: int = 1, first: int = 0) -> Iterator[Record]:
    """The requests from number `first` on, the same ones for the same seed, spread over `DAYS` days."""
    for number in range(first, first + count):
        yield _record(number, random.Random(seed * 1_000_003 + number))


def conversations(count: int, turns: int = 8, *, seed: int = 1) -> Iterator[Record]:
    """Chats of so many turns: each request repeats all that was said before it."""
    for number in range(count):
        rng = random.Random(seed * 7_919 + number)
        messages = [{"role": "system", "content": _text(rng, 600)}]
        for turn in range(turns):
            messages.append({"role": "user", "content": _text(rng, 300)})
            answer = _text(rng, 500)
            yield _chat(number * turns + turn, rng, [*messages], answer)
            messages.append({"role": "assistant", "content": answer})


def _record(number: int, rng: random.Random) -> Record:
    messages = [
        {"role": "system", "content": _text(rng, 400)},
        {"role": "user", "content": _text(rng, 900)},
    ]
    return _chat(number, rng, messages, _text(rng, 900))


def _chat(number: int, rng: random.Random, messages: list[dict[str, str]], answer: str) -> Record:
    started_at = FIRST + (number * 61.803) % (DAYS * _DAY_S)
    duration_s = min(rng.lognormvariate(0.3, 0.8), 120)
    failed = rng.random() < _ERROR_SHARE
    model = rng.choices(MODELS, _MODEL_WEIGHTS)[0]
    return Record(
        id=f"{int(started_at * 1000):012x}{number:020x}",
        function_name="openai.chat.completions.create",
        client="OpenAI",
        endpoint="https://api.openai.com/v1/chat/completions",
        request={"model": model, "messages": messages, "temperature": 0.2, "max_tokens": 1000},
        response=None if failed else _response(number, rng, model, answer),
        started_at=started_at,
        ended_at=started_at + duration_s,
        ending=Ending.PROVIDER_ERROR if failed else Ending.COMPLETE,
        error=Failure("RateLimitError", "Too many requests", 429) if failed else None,
        status=429 if failed else 200,
        tags=tuple(dict.fromkeys(rng.choices(TAGS, _TAG_WEIGHTS, k=2))),
        metadata={"user_id": str(rng.randrange(5000)), "session": f"{rng.randrange(200_000):x}"},
        provider_request_id=f"req_{rng.getrandbits(128):032x}",
        sdk_version="2.9.0",
    )


def _response(number: int, rng: random.Random, model: str, answer: str) -> dict[str, Any]:
    asked, answered = rng.randrange(200, 900), rng.randrange(50, 400)
    message: dict[str, Any] = {"role": "assistant", "content": answer, "refusal": None, "annotations": []}
    return {
        "id": f"chatcmpl-{rng.getrandbits(96):024x}",
        "object": "chat.completion",
        "created": int(FIRST) + number,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
            "prompt_tokens_details": {"cached_tokens": rng.choice((0, 0, 128)), "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }


def _text(rng: random.Random, chars: int) -> str:
    if rng.random() < _CHINESE_SHARE:
        return "".join(rng.choices(_CHINESE, k=chars // 3))
    words: list[str] = []
    length = 0
    while length < chars:
        word = rng.choice(_WORDS) if rng.random() < 0.5 else _INVENTED[rng.randrange(len(_INVENTED))]
        words.append(word)
        length += len(word) + 1
    if rng.random() < 0.0002:
        words.append(RARE_WORD)
    return " ".join(words)
