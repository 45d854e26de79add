"""An application as it stands in production: it installs at import, everything on."""

from __future__ import annotations

from typing import Any

from provider import MODEL, new_async_client, new_client

import promptlayer_patch

TO = ["promptlayer:", "local:calls.db", "jsonl:calls.jsonl"]

promptlayer_patch.install(to=TO, tags=["app"], metadata={"release": "7"}, redact="ssn")

client = new_client()
async_client = new_async_client()


def ask(text: str, **options: Any) -> Any:
    return client.chat.completions.create(**_asked(text), **options)


async def aask(text: str, **options: Any) -> Any:
    return await async_client.chat.completions.create(**_asked(text), **options)


def _asked(text: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}
