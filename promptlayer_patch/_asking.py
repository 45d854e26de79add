"""Recording what asks for it by itself, also in a program that never calls `install()`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptlayer_patch import _process, _scope
from promptlayer_patch._guard import quietly, warn_once
from promptlayer_patch.errors import InvalidArgument


def asking(*, tags: Iterable[str] = (), metadata: Mapping[str, str] | None = None) -> _scope.scope:
    """A scope whose calls are recorded, wherever the environment says that records go.

    Where `install()` has been called it is a scope like any other. Elsewhere nothing beside it is recorded.
    """
    quietly("getting ready to record", _prepare)
    return _scope.asking(tags, metadata)


def _prepare() -> None:
    try:
        _process.prepare()
    except InvalidArgument as wrong:
        warn_once("asking", "nothing is recorded: %s", wrong)
