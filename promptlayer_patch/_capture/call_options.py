"""PromptLayer's own options on a call: `pl_tags` and `return_pl_id`. They never reach OpenAI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple

from promptlayer_patch._capture.unawaited import Unawaited, standing_for
from promptlayer_patch._guard import quietly, report, warn_once
from promptlayer_patch._options import checked_tags
from promptlayer_patch.errors import PromptLayerError

if TYPE_CHECKING:
    from promptlayer_patch._capture.call import Call
    from promptlayer_patch._scope import scope

OURS = frozenset({"pl_tags", "return_pl_id"})
RAW_HEADER = "X-Stainless-Raw-Response"

ID_TIMEOUT_S = 5.0
"""How long `return_pl_id=True` waits before it gives `None` for the id."""


class CallOptions(NamedTuple):
    """What one call asked of us."""

    tags: tuple[str, ...] = ()
    wants_id: bool = False


NO_OPTIONS = CallOptions()


def options_in(arguments: Mapping[str, Any]) -> CallOptions:
    """`pl_tags` and `return_pl_id` of a call. Raises `InvalidArgument` for tags that are not strings."""
    tags = checked_tags("pl_tags", arguments.get("pl_tags"))
    return CallOptions(tags, bool(arguments.get("return_pl_id")))


def hold(manager: Any, held: scope) -> None:
    """Have the request that `manager` makes when it is entered made in the scope `held`."""
    if not held.announces:
        return  # the manager holds a coroutine of `create`, which has read the scope already
    for attribute, request in list(vars(manager).items()):
        if not attribute.endswith("__api_request"):
            continue
        if isinstance(request, CoroutineType):
            setattr(manager, attribute, standing_for(request, Unawaited(held), _in_scope, held))
        else:
            setattr(manager, attribute, _InScope(request, held))


class _InScope:
    """Stands for the request of a manager: makes it in a scope that announces it, if it is made at all."""

    __slots__ = ("_held", "_request")

    def __init__(self, request: Callable[[], Any], held: scope) -> None:
        self._request = request
        self._held = held

    def __call__(self) -> Any:
        quietly("entering a scope", self._held.__enter__)
        try:
            return self._request()
        finally:
            _leave(self._held)

    def __del__(self) -> None:
        try:
            self._held.unused()
        except Exception as fault:  # also if `__init__` never ran
            report("dropping a stream that was never opened", fault)


async def _in_scope(unawaited: Unawaited, held: scope) -> Any:
    coroutine, unawaited.coroutine = unawaited.coroutine, None
    quietly("entering a scope", held.__enter__)
    try:
        return await coroutine
    finally:
        _leave(held)


def _leave(held: scope) -> None:
    quietly("leaving a scope", held.__exit__)
    quietly("settling a receipt", held.unused)


def with_id(result: Any, call: Call | None, kwargs: dict[str, Any]) -> Any:
    """`result` with its request id (of a stream: its receipt), for `return_pl_id=True`."""
    headers = kwargs.get("extra_headers")
    if isinstance(headers, Mapping) and headers.get(RAW_HEADER) == "stream":
        warn_once("streaming id", "return_pl_id has no effect on with_streaming_response; use receipt_of()")
        return result
    if isinstance(result, CoroutineType):
        try:
            unawaited = Unawaited()
        except Exception as fault:
            report("preparing for a coroutine", fault)
            return _without_id(result)
        ours = standing_for(result, unawaited, _async_with_id, call)
        return _without_id(result) if ours is result else ours
    try:
        if call is None or call.streaming:
            return result, call.receipt if call is not None else None
        return result, call.receipt.request_id(ID_TIMEOUT_S)
    except Exception as problem:
        explain_none(problem)
        return result, None


async def _without_id(coroutine: Any) -> Any:
    return await coroutine, None


async def _async_with_id(unawaited: Unawaited, call: Call | None) -> Any:
    coroutine, unawaited.coroutine = unawaited.coroutine, None
    result = await coroutine
    try:
        if call is None or call.streaming:
            return result, call.receipt if call is not None else None
        return result, await call.receipt.arequest_id(ID_TIMEOUT_S)
    except Exception as problem:
        explain_none(problem)
        return result, None


def explain_none(problem: Exception) -> None:
    if isinstance(problem, PromptLayerError):
        warn_once("return_pl_id", "return_pl_id gives None: %s", problem)
    else:
        report("waiting for an id", problem)
