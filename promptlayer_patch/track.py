"""Saying something about a request that was made: score it, add metadata, link its prompt, put it in a group.

    receipt = promptlayer_patch.receipt_of(response)
    promptlayer_patch.track.score(receipt, 95, name="accuracy")

Whatever is wrong with the arguments is raised at once. All the rest happens in the background: what is said
is kept like a record (with PromptLayer as the destination: on disk), and sent once its request has its id,
in the order in which it was said.

A *target* is the id of a request, its receipt, the response or stream that the OpenAI client returned, or a
scope, of which the last request is meant. Where records go to several destinations, an id is taken to the one
that gave it, or else to the first that gives any; everything else goes to all of them.

Calls written for PromptLayer's own library (`request_id=`, `score_name=`, `prompt_name=`,
`prompt_input_variables=`, `group_id=`) work as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeAlias

from promptlayer_patch import _process
from promptlayer_patch._annotating import (
    checked_group,
    checked_id,
    checked_prompt,
    checked_score,
    checked_update,
    linked,
)
from promptlayer_patch._capture.receipts import receipt_of
from promptlayer_patch._scope import scope
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.records import Receipt

__all__ = ["Target", "group", "metadata", "prompt", "score"]

_P = ParamSpec("_P")

Target: TypeAlias = "int | Receipt | scope | Any"
"""An id, a receipt, a scope (of which the last request is meant), or what the OpenAI client returned."""


def _also_called(**names: str) -> Callable[[Callable[_P, None]], Callable[_P, None]]:
    """Take arguments by the names they have in PromptLayer's own library too: `also=ours`."""

    def decorate(function: Callable[_P, None]) -> Callable[_P, None]:
        @functools.wraps(function)
        def called(*args: _P.args, **kwargs: _P.kwargs) -> None:
            renamed: Any = {names.get(name, name): value for name, value in kwargs.items()}
            if len(renamed) < len(kwargs):
                raise TypeError(f"{function.__name__}() got an argument by both of its names")
            function(*args, **renamed)

        return called

    return decorate


@_also_called(request_id="target", score_name="name")
def score(target: Target, score: int, *, name: str | None = None) -> None:
    """Score a request from 0 to 100; several scores of one request need a name each.

    Raises `InvalidArgument` for a score that is no whole number from 0 to 100, an empty name, or a target
    that is not known.
    """
    content = checked_score(score, name)
    _process.annotate(_found(target), content)


@_also_called(request_id="target")
def metadata(target: Target, metadata: Mapping[str, str]) -> None:
    """Add metadata, strings by strings, to a request; a key that it has already gets the new value.

    Raises `InvalidArgument` for keys or values that are no strings, nothing at all, or a target that is not
    known.
    """
    content = checked_update(metadata)
    _process.annotate(_found(target), content)


@_also_called(request_id="target", prompt_name="name", prompt_input_variables="variables")
def prompt(
    target: Target,
    name: Any,
    variables: Mapping[str, Any] | None = None,
    *,
    version: int | None = None,
    label: str | None = None,
) -> None:
    """Link a request to the prompt template that it was made from, and the values that filled it.

    `name` is that of the template in the registry, or what `templates.get` returned. With neither a `version`
    nor a release `label` its newest version is meant.

    Raises `InvalidArgument` for an empty name, variables that are no mapping or no JSON, a version below 1, a
    version together with a label, or a target that is not known.
    """
    content = (
        linked(name, variables, version, label) if isinstance(name, str) else checked_prompt("name", name)
    )
    _process.annotate(_found(target), content)


@_also_called(request_id="target", group_id="group")
def group(target: Target, group: int) -> None:
    """Put a request into a group that `promptlayer_patch.group.create()` has made.

    Raises `InvalidArgument` for what is no group id, or a target that is not known.
    """
    content = checked_group("group", group)
    _process.annotate(_found(target), content)


def _found(target: Target) -> Receipt | int:
    if isinstance(target, int):
        return checked_id("target", target)
    if isinstance(target, Receipt):
        return target
    if isinstance(target, scope):
        if not target.receipts:
            raise InvalidArgument("target", "no OpenAI call was recorded in this scope")
        return target.receipts[-1]
    receipt = receipt_of(target)
    if receipt is None:
        expected = "a request id, a receipt, a scope or the response of a recorded call"
        raise InvalidArgument("target", f"expected {expected}, got a {type(target).__name__}")
    return receipt
