"""Following one OpenAI call from the wrapper around it to its ending, on the caller's thread.

Two layers meet here. The wrapper around a create method (`around_call`) names the call, takes our own options
out and reads the scope. The tap beneath (`around_request`, `around_response`) sees every HTTP request and
response of the client: it adds them to the open call, or opens one for what arrives without (bound methods
taken before `install()`, `client.post()`, assistants streams).

Every step of ours stands in a `try` of its own, apart from the user's call, so that none can reach it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CoroutineType
from typing import Any, TypeAlias

from promptlayer_patch import _scope
from promptlayer_patch._capture.call import Call, current_call
from promptlayer_patch._capture.call_options import (
    NO_OPTIONS,
    OURS,
    CallOptions,
    hold,
    options_in,
    with_id,
)
from promptlayer_patch._capture.following import accompany, accompany_async, follow
from promptlayer_patch._capture.keeping import keep
from promptlayer_patch._capture.opening import Kind, Opening, Routes, Sink, to_nobody
from promptlayer_patch._guard import report
from promptlayer_patch._settings import Settings
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.records import Ending, Receipt

Wrapper: TypeAlias = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]

NOBODY = Call("", ("", ""), to_nobody, Receipt())
"""Stands in for the open call while a request runs that is none of its business."""
NOBODY.claimed = True
NOBODY.unsettled.clear()


class Capture:
    """What the wrappers do; one for the life of the process, switched on and off."""

    def __init__(self, routes: Routes) -> None:
        self.active = False
        self._routes = routes
        self._opening = Opening(routes)

    @property
    def tapped(self) -> bool:
        """Whether the tap is in place; without it a call is captured from its arguments and result."""
        return self._opening.tapped

    @tapped.setter
    def tapped(self, tapped: bool) -> None:
        self._opening.tapped = tapped

    def switch_on(
        self,
        settings: Settings,
        sink: Sink,
        urge: Callable[[], object],
        *,
        only_asked: bool = False,
        begins: Callable[[Call], object] | None = None,
    ) -> None:
        """Hand every call that ends from now on to `sink`; `urge` is called when somebody waits for an id.

        With `only_asked` just the calls made in a scope that asks for it. `begins` is told of each call that
        begins.
        """
        self._opening.prepare(settings, sink, urge, only_asked, begins)
        self.active = True

    def switch_off(self) -> None:
        self.active = False

    def around_call(self, name: str, kind: Kind) -> Wrapper:
        """The wrapper for a create method of this name, whose request is of this kind."""
        with_options = self._around(name, partial(self._call, kind))
        opening = self._opening

        def wrapper(
            wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> Any:
            # Most calls ask for nothing of ours: they take the short way.
            if opening.only_asked or "pl_tags" in kwargs or "return_pl_id" in kwargs or not self.active:
                return with_options(wrapped, instance, args, kwargs)
            call = None
            try:
                call = opening.begin(name, kind, instance, kwargs)
            except Exception as fault:
                report("opening a record", fault)
            if call is None:
                return wrapped(*args, **kwargs)
            return follow(call, wrapped, args, kwargs)

        return wrapper

    def around_helper(self, name: str, kind: Kind) -> Wrapper:
        """The wrapper for a `.stream()` method: its manager makes the request later, through `create`."""
        return self._around(name, self._announce)

    def _around(self, name: str, proceed: Callable[..., Any]) -> Wrapper:
        def wrapper(
            wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> Any:
            try:
                recording = self.active and self._opening.is_asked()
            except Exception as fault:
                report("looking for a scope", fault)
                recording = not self._opening.only_asked  # our options must not reach the library
            if not recording:
                return wrapped(*args, **kwargs)
            options = NO_OPTIONS
            if "pl_tags" in kwargs or "return_pl_id" in kwargs:
                try:
                    options = options_in(kwargs)
                except InvalidArgument:
                    raise  # before anything is sent
                except Exception as fault:
                    report("reading pl_tags", fault)
                    options = CallOptions((), bool(kwargs.get("return_pl_id")))
                kwargs = {key: value for key, value in kwargs.items() if key not in OURS}
            return proceed(name, options, wrapped, instance, args, kwargs)

        return wrapper

    def _call(
        self,
        kind: Kind,
        name: str,
        options: CallOptions,
        wrapped: Callable[..., Any],
        instance: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        call = None
        try:
            call = self._opening.begin(name, kind, instance, kwargs, options.tags)
        except Exception as fault:
            report("opening a record", fault)
        result = wrapped(*args, **kwargs) if call is None else follow(call, wrapped, args, kwargs)
        if not options.wants_id:
            return result
        try:
            return with_id(result, call, kwargs)
        except Exception as fault:
            report("waiting for an id", fault)
            return result if isinstance(result, CoroutineType) else (result, None)

    def _announce(
        self,
        name: str,
        options: CallOptions,
        wrapped: Callable[..., Any],
        instance: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        receipt = held = None
        try:
            receipt = Receipt(self._opening.urge)
            held = _scope.announcing(name, receipt, options.tags)
            held.__enter__()
        except Exception as fault:
            report("announcing a call", fault)
        try:
            manager = wrapped(*args, **kwargs)
        finally:
            try:
                if held is not None:
                    held.__exit__()
            except Exception as fault:
                report("announcing a call", fault)
        try:
            if held is not None:
                hold(manager, held)
        except Exception as fault:
            report("announcing a call", fault)
        return (manager, receipt) if options.wants_id else manager

    def around_request(self, awaited: bool) -> Wrapper:
        """The wrapper for the `request` of a client, which may be an awaited one.

        It sees one request for each call, HTTP retries included.
        """
        kind_of = self._routes.kind_of
        go_along = accompany_async if awaited else accompany

        def wrapper(
            wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> Any:
            if not self.active:
                return wrapped(*args, **kwargs)
            call, ends = None, False
            try:
                if instance is not None and len(args) > 1:
                    client, options = instance, args[1]
                else:
                    client, options = _passed(instance, args, kwargs)
                current = current_call()
                if (
                    current is not None
                    and not current.claimed
                    and kind_of(options.method, options.url) == current.kind
                ):
                    # The wrapper above ends it; only a failure is noticed here, where nobody can have
                    # caught it.
                    current.claim(client, options)
                    call = current
                else:
                    call, ends = self._departing(current, client, options)
            except Exception as fault:
                report("following a request", fault)
            if call is None:
                return wrapped(*args, **kwargs)
            return (follow if ends else go_along)(call, wrapped, args, kwargs)

        return wrapper

    def around_attempt(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The wrapper for the client's `_build_request`, which runs once for every HTTP attempt."""
        request = wrapped(*args, **kwargs)
        if self.active:
            try:
                call = current_call()
                if call is not None and call.unsettled:
                    call.attempts += 1
                    call.request = request
            except Exception as fault:
                report("keeping a request", fault)
        return request

    def around_response(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The wrapper for the client's `_process_response`, sync or async: the last attempt's response."""
        if self.active:
            try:
                call = current_call()
                if call is not None and call.claimed and call.unsettled:
                    keep(call, kwargs["response"], kwargs)
                else:
                    self._arrived(call, args[0] if instance is None else instance, kwargs)
            except Exception as fault:
                report("keeping a response", fault)
        return wrapped(*args, **kwargs)

    def _departing(self, current: Call | None, client: Any, options: Any) -> tuple[Call | None, bool]:
        """The call of a request that is not plainly the open call's own: one that ends with the request.

        Arguments may make requests too while they are read. False if that call ends elsewhere.
        """
        if current is None:
            return self._opening.open_for(client, options), True
        if current.options is options:
            return None, False  # the same request once more, through a client that calls its base class
        if not current.claimed and self._asks_like(current, client, options):
            current.claim(client, options)
            return current, False
        return self._opening.open_for(client, options) or NOBODY, True

    def _asks_like(self, call: Call, client: Any, options: Any) -> bool:
        """Whether a client that has addresses of its own asks in the way the open call would."""
        return (
            self._routes.kind_of(options.method, options.url) is None
            and not type(client).__module__.startswith("openai")
            and options.method.lower() == call.kind[0]
        )

    def _arrived(self, call: Call | None, client: Any, kwargs: dict[str, Any]) -> None:
        response, options = kwargs["response"], kwargs["options"]
        if call is None:
            # Another tool's patch went round our `request`.
            call = self._opening.open_for(client, options)
            if call is not None:
                keep(call, response, kwargs)
                if not call.streaming:
                    call.backdate(response)
                    call.finish(Ending.COMPLETE)
        elif call.unsettled:
            call.claim(client, options)
            keep(call, response, kwargs)


def _passed(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Client and options that `request` was called with, in one of the less common ways."""
    # With the instance in front where another tool calls it as a plain function.
    given = args if instance is not None else args[1:]
    client = args[0] if instance is None else instance
    return client, given[1] if len(given) > 1 else kwargs["options"]
