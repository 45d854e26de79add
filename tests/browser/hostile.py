"""A store in which every text that a program or a model can put there means harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Entry, Store
from tests.support.serving import Client

__all__ = ["TEXTS", "fill", "publish"]

_RUNS = "window.ran=1;alert(1)"
TEXTS = {
    "script": f"<script>{_RUNS}</script>",
    "image": f"<img src=x onerror={_RUNS}><svg onload={_RUNS}>",
    "attribute": f'" autofocus onfocus="{_RUNS}" x="',
    "single quotes": f"' onmouseover='{_RUNS}' autofocus onfocus='{_RUNS}",
    "end of script": f"</script><script>{_RUNS}</script>",
    "end of title": f"</title></textarea></style><script>{_RUNS}</script>",
    "javascript address": f"javascript:{_RUNS}",
    "markdown": f"[look](javascript:{_RUNS}) ![x](http://evil.example/x.png) <a href='javascript:{_RUNS}'>",
    "template": "{{7*7}} ${7*7} {% for x in 'ab' %}{{ self._TemplateReference__context }}{% endfor %} #{7*7}",
    "htmx": '<p hx-get="http://evil.example/" hx-trigger="load" hx-on:load="alert(1)" data-hx-get="/x">',
    "elsewhere": "<link rel=stylesheet href=http://evil.example/x.css><iframe src=http://evil.example/></iframe>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#x3C;img src=x onerror=alert(1)&#x3E;",
    "json": f'</script>{{"__proto__": {{"x": 1}}}}<!--<script>{_RUNS}',
    "formula": "=HYPERLINK(\"http://evil.example\",\"x\")\n@SUM(1)\t+1-1|' /C calc'!A0",
    "query": "tag:\"x\" OR -model:* NEAR(a b) ') ; DROP TABLE requests; -- %_\\",
    "direction": "safe\u202egnp.exe\u2066\u2069\u202d\u200f",
    "invisible": "a\u200bb\u200dc\ufeffd\u00ade",
    "control": "nul\x00 bell\x07 escape\x1b[31m return\r\nline\u2028paragraph\u2029",
    "emoji": "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿 e\u0301\u0323" + "\u0300" * 60,
    "half": "half \ud83d of a pair \udc00",
    "names": "__proto__.constructor.prototype..a[0]/../%2e%2e",
    "long": "W" * 100_000,
}  # fmt: skip
"""By what they try."""
_KEPT = 200
"""Of the long one, where only a name fits."""
_KINDS = 3
"""Requests that are made of each."""
_NOW = 1_795_000_000.0


def fill(path: Path) -> list[int]:
    """A chat, a failure and an image for each text, with it everywhere; their ids."""
    with closing(Store.open(path)) as store:
        ids = store.add([entry for text in TEXTS.values() for entry in _entries(text)])
        store.catch_up()
    return ids


def publish(server: Server) -> Iterator[str]:
    """Put templates and spans there as programs do; gives what was refused."""
    client = Client(server.url, server.api_key)
    try:
        for number, (name, text) in enumerate(TEXTS.items()):
            short = text[:_KEPT]
            for path, body in (
                ("/rest/prompt-templates", _template(short, text)),
                ("/spans-bulk", {"spans": list(_spans(number, short, text))}),
            ):
                answer = client.post(path, body)
                if answer.status_code != 201:
                    yield f"{name} {path} {answer.status_code} {answer.text[:200]}"
    finally:
        client.close()


def _entries(text: str) -> Iterator[Entry]:
    short = text[:_KEPT]
    call = {
        "id": short,
        "type": "function",
        "function": {"name": short, "arguments": json.dumps({short: text})},
    }
    tool = {"type": "function", "function": {"name": short, "description": text, "parameters": {short: text}}}
    picture = {"type": "image_url", "image_url": {"url": text}}
    yield _entry(
        short,
        request={
            "model": short,
            "messages": [
                {"role": "system", "content": text, "name": short},
                {"role": short, "content": text},
                {"role": "user", "content": [{"type": "text", "text": text}, picture, {"type": short}]},
                {"role": "assistant", "content": text, "refusal": text, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": short, "content": text},
            ],
            "tools": [tool],
            "stop": text,
            short: {short: [text]},
        },
        response={
            "model": short,
            "choices": [
                {"index": 0, "finish_reason": short, "message": {"role": "assistant", "content": text,
                 "reasoning_content": text, "refusal": text, "tool_calls": [call]}},
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, short: short},
        },
    )  # fmt: skip
    yield _entry(
        short,
        function_name=short,
        request={"model": short, "input": text, "prompt": text},
        response=None,
        ending=Ending.PROVIDER_ERROR,
        error=Failure(short, text, 500),
        status=500,
    )
    yield _entry(
        short,
        function_name="openai.images.generate",
        request={"model": short, "prompt": text},
        response={"data": [{"url": text, "b64_json": text, "revised_prompt": text}], "output_format": short},
    )


_made = iter(range(10_000))


def _entry(short: str, **fields: Any) -> Entry:
    number = next(_made)
    record = Record(
        **{
            "id": f"{int(_NOW * 1000):012x}{number:020x}",
            "function_name": "openai.chat.completions.create",
            "client": short,
            "provider": short,
            "endpoint": short,
            "started_at": _NOW + number,
            "ended_at": _NOW + number + 1,
            "tags": (short, "hostile"),
            "metadata": {short: short, "user_id": short, "session": short},
            "prompt": PromptLink(short, 1, short, {short: short}),
            "provider_request_id": short,
            "sdk": short,
            "sdk_version": short,
            "group_id": 7,
            **fields,
        }
    )
    said = Entry.of(record)
    return Entry(
        record=record,
        status=said.status,
        error_type=said.error_type,
        error_message=said.error_message,
        trace_id=f"{number // _KINDS + 1:032x}",
        span_id=f"{number + 1:016x}",
        score=Score(50, short),
    )


def _template(name: str, text: str) -> dict[str, Any]:
    message = {"role": "user", "content": [{"type": "text", "text": text}], "template_format": "jinja2"}
    metadata = {"model": {"provider": name, "name": name, "parameters": {name: text}}, name: name}
    return {
        "prompt_template": {"prompt_name": name, "tags": [name]},
        "prompt_version": {
            "prompt_template": {"type": "chat", "messages": [message]},
            "commit_message": name[:72],
            "metadata": metadata,
        },
        "release_labels": [name],
    }


def _spans(number: int, name: str, text: str) -> Iterator[dict[str, Any]]:
    trace_id = f"{number + 1:032x}"
    for place, parent in ((1, None), (2, f"{number * 10 + 1:016x}")):
        yield {
            "name": name,
            "context": {"trace_id": trace_id, "span_id": f"{number * 10 + place:016x}", "trace_state": ""},
            "kind": "SpanKind.INTERNAL",
            "parent_id": parent,
            "start_time": int(_NOW * 1e9),
            "end_time": int((_NOW + place) * 1e9),
            "status": {"status_code": "StatusCode.ERROR", "description": text},
            "attributes": {name: text, "function_input": text, "node_type": name},
            "events": [{"name": name, "timestamp": int(_NOW * 1e9), "attributes": {name: text}}],
            "links": [],
            "resource": {"attributes": {"service.name": name, name: text}, "schema_url": name},
        }
