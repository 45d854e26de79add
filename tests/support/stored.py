"""A small store for the commands that look into one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.store import Store

__all__ = ["JANUARY_2026", "fill", "said"]

JANUARY_2026 = 1_767_225_600.0


def said(question: str, answer: str, at: float = 0.0, **fields: Any) -> Record:
    """A chat of two messages, so many seconds into 2026."""
    defaults: dict[str, Any] = {
        "id": new_record_id(),
        "function_name": "openai.chat.completions.create",
        "client": "OpenAI",
        "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": question}]},
        "response": {
            "model": "gpt-4o",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12},
        },
        "started_at": JANUARY_2026 + at,
        "ended_at": JANUARY_2026 + at + 1.5,
        "status": 200,
    }
    return Record(**{**defaults, **fields})


def fill(path: Path) -> list[int]:
    """Four requests of different kinds, oldest first, by their ids."""
    with closing(Store.open(path)) as store:
        ids = store.add(
            [
                said("Where is my refund?", "On its way.", 0, tags=("prod", "mail")),
                said(
                    "退款政策是什么?",
                    "30 天内可以退款。",
                    60,
                    tags=("prod",),
                    metadata={"user_id": "42"},
                    prompt=PromptLink("reply", 3, None, {"topic": "退款"}),
                ),
                said(
                    "Hello",
                    "",
                    120,
                    response=None,
                    ending=Ending.PROVIDER_ERROR,
                    error=Failure("RateLimitError", "slow down", 429),
                    attempts=3,
                ),
                said("=cmd|' /C calc'!A0", "-1 is\nnegative", 180, tags=("test",)),
            ]
        )
        store.annotate(ids[0], Score(90, "accuracy"))
        return ids
