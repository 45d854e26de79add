"""A request as something to run again: with curl, or in Python. Keys come from the environment, always."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pprint import pformat
from typing import Any
from urllib.parse import urlsplit

from promptlayer_patch._blueprint.apis import Api, api_of
from promptlayer_patch.records import Record
from promptlayer_patch.server.dashboard.visible import visible_json

__all__ = ["Repeat", "repeat"]

_OPENAI = "https://api.openai.com/v1"
_LONGEST = 30_000
"""A longer body is not written out: the shell takes no such argument, and nobody reads it."""
_METHODS = {
    Api.CHAT: ("/chat/completions", "chat.completions.create"),
    Api.RESPONSES: ("/responses", "responses.create"),
    Api.COMPLETIONS: ("/completions", "completions.create"),
    Api.EMBEDDINGS: ("/embeddings", "embeddings.create"),
    Api.IMAGES: ("/images/generations", "images.generate"),
    Api.SPEECH: ("/audio/speech", "audio.speech.create"),
    Api.MODERATIONS: ("/moderations", "moderations.create"),
}
_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Repeat:
    curl: str
    python: str | None
    """With the openai library."""
    file: str | None
    """What the body has to be saved as first; `None` where it is written out."""


def repeat(record: Record, request_id: int) -> Repeat | None:
    """How to make the request of `record` again; `None` if that is no JSON over HTTP we know."""
    body = dict(record.request)
    api = api_of(record.function_name, body, record.response)
    if api not in _METHODS or not record.provider.startswith("openai") or _has_files(body):
        return None
    path, method = _METHODS[api]
    endpoint = record.endpoint or (_OPENAI + path if record.provider == "openai" else "")
    if not _is_web(endpoint):
        return None
    try:
        text = visible_json(json.dumps(body, ensure_ascii=False, allow_nan=False))
    except ValueError:
        return None
    file = f"request-{request_id}.json" if len(text) > _LONGEST else None
    python = _python(endpoint, path, method, body, file)
    return Repeat(_curl(endpoint, record.provider, text, file), python, file)


def _curl(endpoint: str, provider: str, text: str, file: str | None) -> str:
    data = shlex.quote(f"@{file}" if file else text)
    if provider == "openai.azure":
        key = '"api-key: $AZURE_OPENAI_API_KEY"'
    else:
        key = f'"Authorization: Bearer ${_variable(endpoint)}"'
    # Not --data, which would read a file where the body begins with @; with a file, that is what is meant.
    option = "--data-binary" if file else "--data-raw"
    return " \\\n  ".join(
        (
            f"curl {shlex.quote(endpoint)}",
            f"-H {key}",
            "-H 'Content-Type: application/json'",
            f"{option} {data}",
        )
    )


def _python(endpoint: str, path: str, method: str, body: dict[str, Any], file: str | None) -> str | None:
    if not endpoint.endswith(path):
        return None
    base, variable = endpoint.removesuffix(path), _variable(endpoint)
    standard, client = [], "OpenAI()"
    if file:
        standard += ["import json", "from pathlib import Path"]
        given = f"json.loads(Path({file!r}).read_text(encoding='utf-8'))"
    else:
        given = pformat(body, sort_dicts=False, width=96).replace("\n", "\n      ")
    if base != _OPENAI:
        standard.insert(0, "import os")
        client = f"OpenAI(base_url={base!r}, api_key=os.environ[{variable!r}])"
    lines = [*standard, *([""] if standard else []), "from openai import OpenAI", "", f"client = {client}"]
    return "\n".join([*lines, f"answer = client.{method}(", f"    **{given}", ")", "print(answer)"])


def _variable(endpoint: str) -> str:
    """The variable with the key: OpenAI's is for OpenAI alone, whatever host a record names."""
    return "OPENAI_API_KEY" if endpoint.startswith(_OPENAI + "/") else "API_KEY"


def _is_web(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc) is not None


def _has_files(body: dict[str, Any]) -> bool:
    """Whether it was no JSON: of files, a record has names and sizes."""
    return any(isinstance(one, dict) and {"name", "bytes"} <= one.keys() for one in body.values())
