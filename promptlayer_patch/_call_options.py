"""PromptLayer's own options on a call: `pl_tags` and `return_pl_id`. They never reach OpenAI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple

from promptlayer_patch._guard import warn_once
from promptlayer_patch._settings import checked_tags
from promptlayer_patch._unawaited import Unawaited, like
from promptlayer_patch.errors import PromptLayerError

if TYPE_CHECKING:
    from promptlayer_patch._call import Call
    from promptlayer_patch._scope import scope
    from promptlayer_patch.records import Receipt

OURS = frozenset({"pl_tags", "return_pl_id"})
RAW_HEADER = "X-Stainless-Raw-Response"

_ID_TIMEOUT_S = 5.0
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
            setattr(manager, attribute, like(request, _in_scope(Unawaited(request, held), held)))
        else:
            setattr(manager, attribute, _InScope(request, held))


class _InScope:
    """Stands for the request of a manager: makes it in a scope that announces it, if it is made at all."""

    __slots__ = ("_held", "_request")

    def __init__(self, request: Callable[[], Any], held: scope) -> None:
        self._request = request
        self._held = held

    def __call__(self) -> Any:
        try:
            with self._held:
                return self._request()
        finally:
            self._held.unused()

    def __del__(self) -> None:
        self._held.unused()


async def _in_scope(unawaited: Unawaited, held: scope) -> Any:
    coroutine, unawaited.coroutine = unawaited.coroutine, None
    try:
        with held:
            return await coroutine
    finally:
        held.unused()


def with_id(result: Any, call: Call | None, kwargs: dict[str, Any]) -> Any:
    """`result` with its request id (of a stream: its receipt), for `return_pl_id=True`."""
    headers = kwargs.get("extra_headers")
    if isinstance(headers, Mapping) and headers.get(RAW_HEADER) == "stream":
        warn_once("streaming id", "return_pl_id has no effect on with_streaming_response; use receipt_of()")
        return result
    receipt = call.receipt if call is not None else None
    if isinstance(result, CoroutineType):
        return like(result, _async_with_id(Unawaited(result), call, receipt))
    if receipt is None or (call is not None and call.streaming):
        return result, receipt
    try:
        return result, receipt.request_id(_ID_TIMEOUT_S)
    except PromptLayerError as problem:
        warn_once("return_pl_id", "return_pl_id gives None: %s", problem)
        return result, None


async def _async_with_id(unawaited: Unawaited, call: Call | None, receipt: Receipt | None) -> Any:
    coroutine, unawaited.coroutine = unawaited.coroutine, None
    result = await coroutine
    if receipt is None or (call is not None and call.streaming):
        return result, receipt
    try:
        return result, await receipt.arequest_id(_ID_TIMEOUT_S)
    except PromptLayerError as problem:
        warn_once("return_pl_id", "return_pl_id gives None: %s", problem)
        return result, None
