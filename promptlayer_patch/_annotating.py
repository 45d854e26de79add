"""What annotations may say, checked where the caller still can be told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptlayer_patch._options import checked_metadata
from promptlayer_patch.annotations import GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.errors import InvalidArgument


def checked_score(value: object, name: object) -> Score:
    """PromptLayer takes whole numbers from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument("score", f"expected a whole number from 0 to 100, got {_kind(value)}")
    if not 0 <= value <= 100:
        raise InvalidArgument("score", f"expected a whole number from 0 to 100, got {value}")
    if name is not None:
        checked_name("name", name)
    return Score(value, name if isinstance(name, str) else None)


def checked_update(metadata: object) -> MetadataUpdate:
    update = checked_metadata("metadata", metadata)
    if not update:
        raise InvalidArgument("metadata", "there is nothing in it")
    return MetadataUpdate(update)


def checked_group(argument: str, group: object) -> GroupLink:
    return GroupLink(checked_id(argument, group))


def checked_id(argument: str, value: object) -> int:
    """An id of PromptLayer's: a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(argument, f"expected an id, which is a whole number, got {_kind(value)}")
    if value < 1:
        raise InvalidArgument(argument, f"expected an id, which is 1 or more, got {value}")
    return value


def checked_prompt(argument: str, prompt: object) -> PromptLink:
    """A template of the registry, as what `scope(prompt=...)` and `track.prompt` take for one.

    That is its name, `(name, version)`, `(name, label)`, a `PromptLink`, or what `templates.get` returned.
    """
    match prompt:
        case PromptLink():
            return linked(prompt.name, prompt.variables, prompt.version, prompt.label, prompt.id)
        case str():
            return linked(prompt, {})
        case (name, str(label)):
            return linked(name, {}, label=label)
        case (name, version):
            return linked(name, {}, version)
    name = getattr(prompt, "name", None)
    if name is None:
        expected = "a name, (name, version), (name, label) or a template"
        raise InvalidArgument(argument, f"expected {expected}, got {_kind(prompt)}")
    return linked(
        name,
        getattr(prompt, "variables", None),
        getattr(prompt, "version", None),
        id=getattr(prompt, "id", None),
    )


def linked(
    name: object, variables: object, version: object = None, label: object = None, id: object = None
) -> PromptLink:
    """A `PromptLink` of one's own, whose parts are what PromptLayer takes."""
    if version is not None and label is not None:
        raise InvalidArgument("label", "give a version or a label, not both")
    return PromptLink(
        checked_name("name", name),
        None if version is None else checked_version(version),
        None if label is None else checked_name("label", label),
        _checked_variables({} if variables is None else variables),
        None if id is None else checked_id("id", id),
    )


def checked_version(version: object) -> int:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise InvalidArgument("version", f"expected a whole number from 1 on, got {_kind(version)}")
    return version


def checked_name(argument: str, name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgument(argument, f"expected a non-empty string, got {_kind(name)}")
    return name


def _checked_variables(variables: object) -> dict[str, Any]:
    """A copy that later changes do not reach, and that can be written as JSON."""
    if not isinstance(variables, Mapping):
        raise InvalidArgument("variables", f"expected a mapping by name, got {_kind(variables)}")
    for key in variables:
        if not isinstance(key, str):
            raise InvalidArgument("variables", f"names must be strings, one is a {type(key).__name__}")
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(variables)))
    except (TypeError, ValueError, RecursionError):
        raise InvalidArgument("variables", "they cannot be written as JSON") from None
    return copy


def _kind(value: object) -> str:
    # Never the value: it may be a prompt.
    return "an empty one" if isinstance(value, str) and not value.strip() else f"a {type(value).__name__}"
