"""What the clients ask and say in these tests."""

from __future__ import annotations

import time
from typing import Any

MODEL = "gpt-4o-mini"
HELLO: list[Any] = [{"role": "user", "content": "Where is my order?"}]
ADA = {"customer": "Ada", "question": "Where is my order?"}


def blueprint(*messages: tuple[str, str]) -> dict[str, Any]:
    return {
        "type": "chat",
        "messages": [
            {
                "role": role,
                "content": [{"type": "text", "text": text}],
                "input_variables": [],
                "template_format": "f-string",
            }
            for role, text in messages
        ],
        "input_variables": [],
    }


def template(name: str, *, model: str = MODEL, **more: Any) -> Any:
    """What is published: a chat for `ADA`, with the model to run it."""
    parameters = {"model": model, "temperature": 0.5}
    return {
        "prompt_name": name,
        "prompt_template": blueprint(("system", "You help {customer}."), ("user", "{question}")),
        "metadata": {"model": {"provider": "openai", "name": model, "parameters": parameters}},
        **more,
    }


def logged(**more: Any) -> dict[str, Any]:
    """What is logged of a call that took 1.25 seconds."""
    now = time.time()
    return {
        "provider": "openai",
        "model": MODEL,
        "input": blueprint(("user", "Where is my order?")),
        "output": blueprint(("assistant", "On its way.")),
        "request_start_time": now - 1.25,
        "request_end_time": now,
        **more,
    }
