"""The runs that are followed by callbacks, and which of them a request of openai belongs to.

A handler cannot open a scope for the run it is told of: LangChain calls it in another thread or task when the
run is asynchronous, and in the context of the consumer when it is a stream. But whoever makes the request has
the run's manager at hand, further up the stack.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import BaseRunManager

from promptlayer_patch import _scope
from promptlayer_patch._guard import report
from promptlayer_patch.langchain._requests import Outside

if TYPE_CHECKING:
    from promptlayer_patch.langchain._callbacks import PromptLayerCallbackHandler

_MOST_RUNS = 10_000
_LONGEST_RUN_S = 3600.0
"""LangChain never tells the end of some runs, such as a cancelled `ainvoke`. They are forgotten after this
time, or when so many others have begun."""
_CALLBACKS = "langchain_core.callbacks.manager"
_MANAGER, _MANAGERS = "run_manager", "run_managers"
_HELPERS = frozenset({"_generate_helper", "_agenerate_helper"})
"""They make the requests of several runs together, in the name of the first."""


@dataclass(frozen=True, slots=True)
class Follower:
    """A handler that is told of a run."""

    handler: PromptLayerCallbackHandler
    labels: Mapping[str, str]
    """Metadata for the run's requests."""
    calls: _scope.scope
    """Gets the receipts of the run's requests."""


@dataclass(slots=True)
class Run:
    """One run of a model, from its start to its end."""

    name: str
    request: Mapping[str, Any]
    by_openai: bool
    """Whether the openai library makes its requests."""
    started_at: float = field(default_factory=time.time)
    first_token_at: float | None = None
    followers: list[Follower] = field(default_factory=list)


_live: dict[UUID, Run] = {}


def begin(run_id: UUID, run: Run) -> Run:
    """The run of this id: the one that another handler has begun, or `run`."""
    run = _live.setdefault(run_id, run)
    while (oldest := _oldest()) is not None and _is_lost(oldest[1]):
        _live.pop(oldest[0], None)
    return run


def _oldest() -> tuple[UUID, Run] | None:
    try:
        return next(iter(_live.items()), None)
    except RuntimeError:
        return None  # another thread has begun or ended a run meanwhile


def _is_lost(run: Run) -> bool:
    return len(_live) > _MOST_RUNS or time.time() - run.started_at > _LONGEST_RUN_S


def going_on(run_id: UUID) -> Run | None:
    """The run of this id, if it is followed."""
    return _live.get(run_id)


def end(run_id: UUID) -> Run | None:
    """The run of this id, for whoever asks first."""
    return _live.pop(run_id, None)


def scopes_here() -> tuple[_scope.scope, ...]:
    """The scopes of the run that the code running now makes a request for."""
    if not _live:
        return ()
    try:
        return tuple(one.calls for run in _runs_here() for one in run.followers)
    except Exception as fault:
        report("looking for a LangChain run", fault)
        return ()


def _runs_here() -> list[Run]:
    """The innermost run on the stack; last in the list, after those that share its request."""
    found: tuple[UUID, Run] | None = None
    for frame in _callers():
        if frame.f_globals.get("__name__") == _CALLBACKS:
            break  # what a callback asks is not the model's
        if found is None:
            manager = _local(frame, _MANAGER)
            run = _live.get(manager.run_id) if isinstance(manager, (BaseRunManager, Outside)) else None
            found = None if run is None else (manager.run_id, run)
        elif frame.f_code.co_name in _HELPERS:
            ids = [manager.run_id for manager in _local(frame, _MANAGERS) or ()]
            if found[0] in ids:
                others = [_live.get(other) for other in reversed(ids) if other != found[0]]
                return [*(run for run in others if run is not None), found[1]]
            break
    return [found[1]] if found is not None else []


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _local(frame: FrameType, name: str) -> Any:
    # Asking for all local variables of each frame would be slow.
    code = frame.f_code
    if name in code.co_varnames or name in code.co_cellvars or name in code.co_freevars:
        return frame.f_locals.get(name)
    return None


_scope.finders.append(scopes_here)
