"""Release labels: names such as `prod` that stand at one version of a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._api import Account, ask
from promptlayer_patch._registry.fetching import template_path
from promptlayer_patch.errors import APIStatusError, NotFound

__all__ = ["ReleaseLabel"]


@dataclass(frozen=True, slots=True)
class ReleaseLabel:
    """A name that stands at one version of a prompt template.

    Attributes:
        id: PromptLayer's number of the label.
        name: such as `prod`.
        version: the number of the version it stands at; `None` where PromptLayer does not tell it.
        version_id: PromptLayer's number of that version, unique over all templates.
    """

    id: int
    name: str
    version: int | None
    version_id: int | None


def listed(account: Account, identifier: str, timeout_s: float) -> list[ReleaseLabel]:
    answer = ask(account, "GET", f"{template_path(identifier)}/labels", timeout_s=timeout_s)
    found = answer.get("release_labels") if isinstance(answer, Mapping) else None
    if not isinstance(found, list):
        raise APIStatusError(200, "the answer is no list of release labels")
    return [
        ReleaseLabel(
            one["release_label_id"],
            str(one.get("release_label")),
            one.get("prompt_version_number"),
            one.get("prompt_version_id"),
        )
        for one in found
        if isinstance(one, Mapping) and isinstance(one.get("release_label_id"), int)
    ]


def named(account: Account, identifier: str, label: str, timeout_s: float) -> ReleaseLabel:
    for one in listed(account, identifier, timeout_s):
        if one.name == label:
            return one
    raise NotFound(404, f"the prompt template has no release label {label!r}")


def created(account: Account, identifier: str, label: str, version: int, timeout_s: float) -> ReleaseLabel:
    raw = ask(
        account,
        "GET",
        template_path(identifier),
        query=[("version", str(version)), ("resolve_snippets", "false")],
        timeout_s=timeout_s,
    )
    prompt_id = raw.get("id") if isinstance(raw, Mapping) else None
    if not isinstance(prompt_id, int):
        raise APIStatusError(200, "the answer names no id of the prompt template")
    answer = ask(
        account,
        "POST",
        f"/prompts/{prompt_id}/label",
        body={"name": label, "prompt_version_number": version},
        repeatable=False,
        timeout_s=timeout_s,
    )
    return _label(answer, label, version)


def moved(account: Account, label: ReleaseLabel, version: int, timeout_s: float) -> ReleaseLabel:
    answer = ask(
        account,
        "PATCH",
        f"/prompt-labels/{label.id}",
        body={"prompt_version_number": version},
        timeout_s=timeout_s,
    )
    return _label(answer, label.name, version)


def deleted(account: Account, label: ReleaseLabel, timeout_s: float) -> None:
    try:
        ask(account, "DELETE", f"/prompt-labels/{label.id}", timeout_s=timeout_s)
    except NotFound:
        pass  # it was there a moment ago: the first of two tries has deleted it, or somebody else


def _label(answer: Any, name: str, version: int) -> ReleaseLabel:
    if not isinstance(answer, Mapping) or not isinstance(answer.get("id"), int):
        raise APIStatusError(200, "the answer is no release label")
    return ReleaseLabel(
        answer["id"], str(answer.get("name") or name), version, answer.get("prompt_version_id")
    )
