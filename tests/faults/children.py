"""A program that calls openai over a line of memory, notes each call that has returned, and ends in some way.

    python -m tests.faults.children ENDING --id ID --notes FILE [--calls N] [--bare]

With `--bare` promptlayer_patch is not even imported. The notes are written by one system call each, so that
they are whole and complete whatever becomes of the process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import openai
import openai._base_client as base_client

http: Any = getattr(base_client, "httpx2", None) or getattr(base_client, "httpx")  # noqa: B009

CALLS = 30
MODEL = "gpt-4o-mini"
ANSWER = "It is seven."
_MESSAGE = {"role": "assistant", "content": ANSWER, "refusal": None}
_COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": MODEL,
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }
).encode()


class Child:
    """One process that calls. `call` returns when the call is noted as returned."""

    def __init__(self, name: str, notes: str, *, calls: int = CALLS, bare: bool = False) -> None:
        self.calls = calls
        self.bare = bare
        self.notes = notes
        self._file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.become(name)

    def become(self, name: str) -> None:
        """Be another process, as after a fork."""
        self.name = name
        self._numbers = itertools.count(1)
        self._create = client().chat.completions.create

    def install(self, **options: Any) -> None:
        if not self.bare:
            import promptlayer_patch

            promptlayer_patch.install(**options)

    def call(self, calls: int = 1, *, every_s: float = 0.0) -> None:
        pace = threading.Event()
        for _ in range(calls):
            number = next(self._numbers)
            answer = self._create(model=MODEL, messages=self._messages(number))
            self._returned(number, answer)
            if every_s:
                pace.wait(every_s)

    async def acall(self, calls: int = 1) -> None:
        create = async_client().chat.completions.create
        for _ in range(calls):
            number = next(self._numbers)
            self._returned(number, await create(model=MODEL, messages=self._messages(number)))

    def ends(self) -> None:
        """Note that the ending begins here."""
        self._note(f"end {self.name} 0")

    def say(self, line: str) -> None:
        """Say something that the bare program says as well."""
        os.write(1, f"{line}\n".encode())

    def _messages(self, number: int) -> Any:
        return [{"role": "user", "content": text_of(self.name, number)}]

    def _returned(self, number: int, answer: Any) -> None:
        if answer.choices[0].message.content != ANSWER:
            raise AssertionError("the answer was changed")
        self._note(f"call {self.name} {number}")

    def _note(self, what: str) -> None:
        os.write(self._file, f"{what} {time.monotonic_ns()}\n".encode())


def text_of(name: str, number: int) -> str:
    return f"child-{name} call {number}"


def client() -> Any:
    transport = http.MockTransport(_answer)
    return openai.OpenAI(api_key="sk-test", max_retries=0, http_client=http.Client(transport=transport))


def async_client() -> Any:
    transport = http.MockTransport(_answer)
    return openai.AsyncOpenAI(
        api_key="sk-test", max_retries=0, http_client=http.AsyncClient(transport=transport)
    )


def _answer(_: Any) -> Any:
    return http.Response(200, content=_COMPLETION, headers={"content-type": "application/json"})


def main(arguments: Sequence[str] | None = None) -> None:
    from tests.faults.endings import BEFORE_INSTALL, ENDINGS

    parser = argparse.ArgumentParser()
    parser.add_argument("ending", choices=ENDINGS)
    parser.add_argument("--id", required=True)
    parser.add_argument("--notes", required=True)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--bare", action="store_true")
    found = parser.parse_args(arguments)
    child = Child(found.id, found.notes, calls=found.calls, bare=found.bare)
    if found.ending in BEFORE_INSTALL:
        BEFORE_INSTALL[found.ending](child)
    child.install()
    ENDINGS[found.ending](child)


if __name__ == "__main__":
    main()
