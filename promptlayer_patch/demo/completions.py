"""The stand-in's older `/completions`."""

from __future__ import annotations

from collections.abc import Iterator

from promptlayer_patch.demo import desk
from promptlayer_patch.demo.chat import FINGERPRINT, usage_of, wants_usage
from promptlayer_patch.demo.replies import (
    CREATED,
    Body,
    Events,
    Json,
    Reply,
    choice_count,
    required,
    stable_id,
)

__all__ = ["completions"]


def completions(body: Body) -> Reply:
    """Answer one or several prompts, whole or as a stream."""
    prompt = required(body, "prompt")
    prompts = prompt if isinstance(prompt, list) and isinstance(prompt[0], (str, list)) else [prompt]
    asked = [each if isinstance(each, str) else f"{len(each)} tokens" for each in prompts]
    each_n = choice_count(body)
    limit = body.get("max_tokens")
    answers = [_text(question, variant) for question in asked for variant in range(each_n)]
    cuts = [desk.shorten(text, limit) for text in answers]
    texts = [text for text, _ in cuts]
    finishes = ["length" if cut else "stop" for _, cut in cuts]
    usage = usage_of("".join(asked), texts)
    envelope = {
        "id": stable_id("cmpl-", body),
        "object": "text_completion",
        "created": CREATED,
        "model": body["model"],
        "system_fingerprint": FINGERPRINT,
    }
    if body.get("stream"):
        return Events(_text_chunks(envelope, texts, finishes, usage if wants_usage(body) else None))
    choices = [_text_choice(index, text, finishes[index]) for index, text in enumerate(texts)]
    return Json({**envelope, "choices": choices, "usage": usage})


def _text(question: str, variant: int) -> str:
    return f" {desk.answer(desk.Inquiry(question), variant)}"


def _text_choice(index: int, text: str, finish_reason: str | None = None) -> Body:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


def _text_chunks(envelope: Body, texts: list[str], finishes: list[str], usage: Body | None) -> Iterator[Body]:
    for index, text in enumerate(texts):
        for piece in desk.pieces(text):
            yield {**envelope, "choices": [_text_choice(index, piece)]}
        yield {**envelope, "choices": [_text_choice(index, "", finishes[index])]}
    if usage is not None:
        yield {**envelope, "choices": [], "usage": usage}
