"""A month of invented requests, for looking at before there are any of one's own."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.demo import history_shapes, prompts
from promptlayer_patch.demo.stories import CONVERSATIONS, ERRORS, INVOICES, ORDERS, SEARCHES, SYSTEM
from promptlayer_patch.records import Ending, Failure, Record
from promptlayer_patch.store import Entry, Store

__all__ = ["entries", "fill"]

_DAYS = 30
_CALLS = 1_200
_DAY_S = 86_400.0
_SEED = 20_261_126


def fill(path: Path, out: TextIO, now: float | None = None) -> None:
    """Put a month of requests, up to `now`, into the store at `path`, unless there are some already."""
    with closing(Store.open(path)) as store:
        if store.count():
            return
        count = history_shapes.add(store, entries(time.time() if now is None else now))
        prompts.publish(store)
        print(f"Filled {path} with {count} invented requests.", file=out)


def entries(now: float, seed: int = _SEED) -> Iterator[Entry]:
    """A month of them in order of time; equal for equal arguments."""
    desk = _Desk(random.Random(seed))
    moments = sorted(now - _business_time(desk.chance) for _ in range(_CALLS))
    for moment in moments:
        tell = desk.chance.choices(
            (desk.conversation, desk.order, desk.invoice, desk.search, desk.digest), (50, 18, 16, 10, 6)
        )[0]
        yield from tell(moment)


def _business_time(chance: random.Random) -> float:
    """Seconds before now: most of it in the daytime, and a little more each week."""
    days = _DAYS * (1 - chance.random() ** 0.7)
    hour = min(23.9, max(0.1, chance.gauss(13.5, 3.5)))
    return max(60.0, int(days) * _DAY_S + (24 - hour) * 3600)


@dataclass
class _Desk:
    """The programs of Lantern that ask a model, and what they send."""

    chance: random.Random
    customers: tuple[str, ...] = field(default_factory=lambda: tuple(f"customer-{n}" for n in range(1, 60)))

    def conversation(self, moment: float) -> Iterator[Entry]:
        """A customer's chat, every turn with all that was said before."""
        story = self.chance.choice(CONVERSATIONS)
        version = self.chance.choices((1, 2, 3), (2, 3, 5))[0]
        model = self.chance.choices(("gpt-4o-mini", "gpt-4o", "gpt-4.1-mini"), (6, 2, 2))[0]
        customer, session = self.chance.choice(self.customers), f"chat-{self.chance.randrange(10**6):06}"
        messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM[version]}]
        for question, answer in story.turns:
            messages = [*messages, {"role": "user", "content": question}]
            yield self._chat(
                moment,
                {"model": model, "messages": messages, "temperature": 0.3, "stream": True},
                {"role": "assistant", "content": answer},
                tags=("support", "production"),
                metadata={"user_id": customer, "session": session, "topic": story.topic},
                prompt=PromptLink("support-reply", version, None, {"question": question}),
                score=self._score(version),
            )
            messages = [*messages, {"role": "assistant", "content": answer}]
            moment += self.chance.uniform(20, 180)

    def order(self, moment: float) -> Iterator[Entry]:
        """A question that takes a tool: the call of it, then the answer from what it gave."""
        question, number, found = self.chance.choice(ORDERS)
        tool = {
            "type": "function",
            "function": {
                "name": "find_order",
                "description": "Where an order is",
                "parameters": {"type": "object", "properties": {"number": {"type": "string"}}},
            },
        }
        call = {
            "id": f"call_{self.chance.randrange(16**8):08x}",
            "type": "function",
            "function": {"name": "find_order", "arguments": json.dumps({"number": number})},
        }
        asked = [{"role": "system", "content": "You look up orders."}, {"role": "user", "content": question}]
        wish = {"role": "assistant", "content": None, "tool_calls": [call]}
        result = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(found)}
        told = f"Order {number} is {found['status']}; {found['courier']} has it, {found['days']} days to go."
        request = {"model": "gpt-4o", "tools": [tool]}
        metadata = {"user_id": self.chance.choice(self.customers)}
        for messages, said in (
            (asked, wish),
            ([*asked, wish, result], {"role": "assistant", "content": told}),
        ):
            yield self._chat(
                moment, {**request, "messages": messages}, said, ("orders", "production"), metadata
            )
            moment += self.chance.uniform(0.5, 3)

    def invoice(self, moment: float) -> Iterator[Entry]:
        """Fields of an invoice, as JSON."""
        text, total, currency = self.chance.choice(INVOICES)
        read = {
            "total": total,
            "currency": currency,
            "vendor": text.split(",")[1].strip() if "," in text else text,
        }
        yield self._chat(
            moment,
            {
                "model": "gpt-4.1-mini",
                "messages": [{"role": "user", "content": f"Read this invoice: {text}"}],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "invoice", "strict": True},
                },
            },
            {"role": "assistant", "content": json.dumps(read, ensure_ascii=False)},
            tags=("invoices", self.chance.choice(("production", "staging"))),
            metadata={"batch": f"{int(moment // _DAY_S)}"},
        )

    def search(self, moment: float) -> Iterator[Entry]:
        """A vector for the help pages' search."""
        text = self.chance.choice(SEARCHES)
        tokens = max(2, len(text) // 4)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        vector = [round(self.chance.uniform(-0.1, 0.1), 6) for _ in range(8)]
        yield self._entry(
            moment,
            self.chance.uniform(0.08, 0.4),
            "openai.embeddings.create",
            {"model": "text-embedding-3-small", "input": text, "dimensions": 8},
            {
                "object": "list",
                "model": "text-embedding-3-small",
                "data": [{"object": "embedding", "index": 0, "embedding": vector}],
                "usage": usage,
            },
            tags=("search", "production"),
        )

    def digest(self, moment: float) -> Iterator[Entry]:
        """What happened at the desk today, by a model that thinks about it."""
        thought, said = self.chance.randrange(300, 2500), self.chance.randrange(80, 220)
        text = (
            "Most questions were about refunds; two customers asked for a person. Reply to both before noon."
        )
        yield self._entry(
            moment,
            (thought + said) / self.chance.uniform(70, 130),
            "openai.responses.create",
            {
                "model": "o4-mini",
                "input": "Summarise today's support chats.",
                "reasoning": {"effort": "medium"},
            },
            {
                "object": "response",
                "model": "o4-mini",
                "status": "completed",
                "output": [
                    {"type": "reasoning", "id": "rs_1", "summary": []},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": text}],
                    },
                ],
                "usage": {
                    "input_tokens": self.chance.randrange(2_000, 9_000),
                    "output_tokens": thought + said,
                    "output_tokens_details": {"reasoning_tokens": thought},
                },
            },
            tags=("digest", "nightly"),
            prompt=PromptLink("daily-digest", 1),
        )

    def _chat(
        self,
        moment: float,
        request: Mapping[str, Any],
        said: Mapping[str, Any],
        tags: tuple[str, ...],
        metadata: Mapping[str, str],
        prompt: PromptLink | None = None,
        score: Score | None = None,
    ) -> Entry:
        sent, told = (
            max(1, len(json.dumps(text, ensure_ascii=False)) // 4) for text in (request["messages"], said)
        )
        cached = sent // 2 if sent > 200 and self.chance.random() < 0.4 else 0
        answer = {
            "object": "chat.completion",
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "message": said,
                    "finish_reason": "tool_calls" if said.get("tool_calls") else "stop",
                }
            ],
            "usage": {
                "prompt_tokens": sent,
                "completion_tokens": told,
                "total_tokens": sent + told,
                "prompt_tokens_details": {"cached_tokens": cached},
            },
        }
        took = self.chance.lognormvariate(0, 0.35) * (0.3 + told / 60)
        method = "openai.chat.completions.create"
        return self._entry(moment, took, method, request, answer, tags, metadata, prompt, score)

    def _entry(
        self,
        moment: float,
        took: float,
        method: str,
        request: Mapping[str, Any],
        answer: Mapping[str, Any],
        tags: tuple[str, ...],
        metadata: Mapping[str, str] | None = None,
        prompt: PromptLink | None = None,
        score: Score | None = None,
    ) -> Entry:
        streamed = bool(request.get("stream"))
        failure = self._failure()
        early = streamed and failure is None and self.chance.random() < 0.03
        record = Record(
            id=f"{int(moment * 1000):012x}{self.chance.randrange(16**20):020x}",
            function_name=method,
            client="OpenAI",
            endpoint="https://api.openai.com/v1/" + "/".join(method.split(".")[1:-1]),
            request=request,
            response=None if failure else answer,
            streamed=streamed,
            started_at=moment,
            ended_at=moment + took,
            first_token_at=moment + took * 0.3 if streamed and failure is None else None,
            ending=Ending.PROVIDER_ERROR if failure else Ending.CLOSED_EARLY if early else Ending.COMPLETE,
            error=failure,
            status=failure.status if failure else 200,
            attempts=3 if failure else self.chance.choices((1, 2), (97, 3))[0],
            provider_request_id=f"req_{self.chance.randrange(16**16):016x}",
            tags=tags,
            metadata=metadata or {},
            prompt=prompt,
        )
        said = Entry.of(record)
        return Entry(
            record=record,
            status=said.status,
            error_type=said.error_type,
            error_message=said.error_message,
            score=None if failure else score,
        )

    def _failure(self) -> Failure | None:
        if self.chance.random() >= 0.03:
            return None
        return Failure(*self.chance.choices(ERRORS, (5, 3, 1, 2))[0])

    def _score(self, version: int) -> Score | None:
        if self.chance.random() > 0.35:
            return None
        return Score(round(min(100, max(0, self.chance.gauss(55 + 12 * version, 12)))), "helpfulness")
