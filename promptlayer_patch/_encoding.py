"""A `Record` or an `Annotation` as bytes and back, for whoever keeps them on disk."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from promptlayer_patch._bodies import Bodies
from promptlayer_patch._vectors import as_floats
from promptlayer_patch.annotations import Annotation, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record

_FIELDS = tuple(field.name for field in dataclasses.fields(Record) if field.init)
_REST = tuple(name for name in _FIELDS if name not in ("request", "response"))
_CONTENTS = {"score": Score, "metadata": MetadataUpdate, "prompt": PromptLink, "group": GroupLink}
_NONE = Bodies()
_VECTORS = {"vectors": True}
"""Said of a response whose vectors are in base64: as floats they take four times the room, and a millisecond
each to be written."""
_LOOSE = re.compile(rb"[\[{]\s|.{0,80}?[\"\d\]}][:,]\s", re.DOTALL)
"""The beginning of a JSON text with spaces between its parts."""
_SPELLED = re.compile(rb"\\[u/]")
_PLAIN = (Failure, *_CONTENTS.values())
_NAMES = {kind: name for name, kind in _CONTENTS.items()}


def encoded(load: Record | Annotation) -> bytes:
    """`load` as JSON. Raises `ValueError` or `RecursionError` for what JSON cannot hold: a cycle."""
    if isinstance(load, Annotation):
        return _as_json({**_fields(load), "annotation": _NAMES[type(load.content)]})
    bodies = load.bodies or _NONE
    rest = {name: getattr(load, name) for name in _REST}
    # Request and response in this order: what many requests repeat is looked for in it.
    return b'{"request":%b,"response":%b,%b' % (
        _written(load, "request", bodies.request, False),
        _written(load, "response", bodies.response, bodies.vectors),
        _as_json({**_VECTORS, **rest} if bodies.vectors else rest)[1:],
    )


def _written(record: Record, part: str, body: bytes | None, as_it_came: bool) -> bytes:
    """A part of a record, by the bytes that it was decoded from if these may be used."""
    if body is not None and (as_it_came or _is_canonical(body)):
        return body
    return _as_json(getattr(record, part))


def _is_canonical(body: bytes) -> bool:
    """Whether texts and lists in a body are written as they are written here.

    One that is not is no less right, but what it has in common with others would not be found in it.
    """
    return not _LOOSE.match(body) and (b"\\" not in body or not _SPELLED.search(body))


def _as_json(data: Any) -> bytes:
    # surrogatepass, and not JSON's \u escapes: two lone halves next to each other would come back as one
    # character.
    return _JSON.encode(data).encode("utf-8", "surrogatepass")


def decoded_load(body: bytes) -> Record | Annotation:
    """What `encoded` was given."""
    data = _data(body)
    if "annotation" in data:
        content = _CONTENTS[data.pop("annotation")](**data.pop("content"))
        return Annotation(content=content, **data)
    return _record(data)


def decoded(body: bytes) -> Record:
    """The record that `encoded` was given."""
    return _record(_data(body))


def kind_of(annotation: Annotation) -> str:
    """One word for what an annotation says."""
    return _NAMES[type(annotation.content)]


def string(value: object) -> str:
    """`value` as text, whatever its own `__str__` does."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _simpler(value: object) -> Any:
    """What JSON does not know, as something it does."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, _PLAIN):
        return _fields(value)
    return string(value)


_JSON = json.JSONEncoder(default=_simpler, ensure_ascii=False, separators=(",", ":"))


def _fields(value: Any) -> dict[str, Any]:
    # Not `asdict`: it copies all the way down, and fails over what cannot be copied.
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _data(body: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(body.decode("utf-8", "surrogatepass"))
    return data


def _record(data: Mapping[str, Any]) -> Record:
    """Fields that an older version did not know have their default."""
    fields = {name: data[name] for name in _FIELDS if name in data}
    if data.get("vectors"):
        as_floats(fields["response"])
    fields["tags"] = tuple(fields["tags"])
    fields["ending"] = Ending(fields["ending"])
    if fields["error"] is not None:
        fields["error"] = Failure(**fields["error"])
    if fields.get("prompt") is not None:
        fields["prompt"] = PromptLink(**fields["prompt"])
    return Record(**fields)
