"""Going along with a call from its start to its return. The same code serves sync and async methods."""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any

from promptlayer_patch._capture.call import Call, enter, leave
from promptlayer_patch._capture.keeping import keep_result
from promptlayer_patch._capture.receipts import remember
from promptlayer_patch._capture.unawaited import standing_for
from promptlayer_patch._guard import report
from promptlayer_patch.records import Ending


def follow(call: Call, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make the call, and notice how it goes; its return is the end of it."""
    token = enter(call)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        try:
            call.fail(error)
        except Exception as fault:
            report("recording a failed call", fault)
        raise
    finally:
        leave(token)
    if isinstance(result, CoroutineType):
        try:
            return standing_for(result, call, _follow_async)
        except Exception as fault:
            report("following a coroutine", fault)
            return result
    try:
        _returned(call, result)
    except Exception as fault:
        report("recording a call", fault)
    return result


def accompany(call: Call, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make the request of a call that is followed already; nobody can have caught a failure yet."""
    try:
        return wrapped(*args, **kwargs)
    except BaseException as error:
        try:
            call.fail(error)
        except Exception as fault:
            report("recording a failed call", fault)
        raise


async def accompany_async(
    call: Call, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`accompany` for a client that is awaited.

    The library awaits its request where it makes it. So the request can be made here, and no coroutine of the
    client's has to be held until then.
    """
    try:
        coroutine = wrapped(*args, **kwargs)
        del wrapped, args, kwargs  # or each collection looks at them for as long as the answer takes
        return await coroutine
    except BaseException as error:
        try:
            call.fail(error)
        except Exception as fault:
            report("recording a failed call", fault)
        raise


async def _follow_async(call: Call) -> Any:
    coroutine, call.coroutine = call.coroutine, None
    try:
        call.start()
    except Exception as fault:
        report("timing a call", fault)
    token = enter(call)
    try:
        result = await coroutine
    except BaseException as error:
        try:
            call.fail(error)
        except Exception as fault:
            report("recording a failed call", fault)
        raise
    finally:
        try:
            leave(token)
        except ValueError:
            pass  # closed from another context, which has no use for the value either
    try:
        _returned(call, result)
    except Exception as fault:
        report("recording a call", fault)
    return result


def _returned(call: Call, result: Any) -> None:
    if not (call.unsettled or call.streaming):
        return  # nobody's, or failed already beneath a tool that tried again
    remember(result, call.receipt)
    if call.claimed and call.status is None:
        keep_result(call, result)
    if not call.streaming:  # else the stream ends the call
        call.finish(Ending.COMPLETE)
