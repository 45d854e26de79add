"""What an assertion about requests says when it fails: to whoever runs the test, hence with what was said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptlayer_patch.records import Record

_SHOWN_REQUESTS = 20
_SHOWN_CHARACTERS = 200


def asked_model(record: Record) -> str | None:
    model = record.request.get("model")
    return model if isinstance(model, str) else record.model


def models_of(record: Record) -> tuple[str | None, str | None]:
    return asked_model(record), record.model


def said(record: Record) -> Any:
    found = (record.request[name] for name in ("messages", "input", "prompt") if name in record.request)
    return next(found, None)


def texts_in(said: Any) -> Iterator[str]:
    """Every string in it."""
    match said:
        case str():
            yield said
        case Mapping():
            for value in said.values():
                yield from texts_in(value)
        case Sequence():
            for value in said:
                yield from texts_in(value)


def counted(found: Sequence[Record]) -> str:
    return f"there {'is' if len(found) == 1 else 'are'} {len(found) or 'none'}"


def unmet(wanted: Mapping[str, tuple[Any, object]], times: int | None, fitting: int) -> str:
    much = "a request" if times is None else f"{times} request{'s' * (times != 1)}"
    like = " and ".join(f"{name} {_short(value)}" for name, (value, _) in wanted.items())
    much += f" with {like}" if like else ""
    return f"expected {much}; there {'is' if fitting == 1 else 'are'} {fitting or 'none'}"


def listed(found: Sequence[Record], differs: Sequence[Sequence[str]] = ()) -> str:
    lines: list[str] = []
    for at, record in enumerate(found[-_SHOWN_REQUESTS:], max(0, len(found) - _SHOWN_REQUESTS)):
        lines.append(f"  {at + 1}: {named(record)}")
        lines += [f"       {line}" for line in _lines_of(said(record))]
        if differs and differs[at]:
            lines.append(f"       differs in {', '.join(differs[at])}")
    return "".join(f"\n{line}" for line in lines)


def named(record: Record) -> str:
    parts = [record.function_name, f"model {asked_model(record)}", f"tags {', '.join(record.tags) or 'none'}"]
    return ", ".join([*parts, record.ending.value])


def _lines_of(said: Any) -> list[str]:
    messages = said if isinstance(said, list) else [said]
    lines = []
    for message in messages:
        if isinstance(message, Mapping) and isinstance(message.get("content"), str):
            lines.append(f"{message.get('role')}: {_short(message['content'])}")
        elif message is not None:
            lines.append(_short(message))
    return lines


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
