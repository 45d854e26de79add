"""Tags and metadata for a block of code, the receipts of the calls made in it, and suppression.

The scopes that are open live as one tuple in a context variable. Leaving a scope removes it from that tuple
wherever it stands, instead of resetting a token: a generator or an async fixture may be left in another
context than it was entered in, where a token cannot be used.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, cast

from promptlayer_patch._annotating import checked_id, checked_prompt
from promptlayer_patch._options import checked_metadata, checked_tags
from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.errors import RequestIdUnavailable
from promptlayer_patch.records import Receipt, Rejected

P = ParamSpec("P")
R = TypeVar("R")

_open: ContextVar[tuple[scope, ...]] = ContextVar("promptlayer_patch_scopes", default=())

finders: list[Callable[[], tuple[scope, ...]]] = []
"""Asked, whenever a call begins, for scopes that hold for it without having been entered."""


class scope:
    """Tag every OpenAI call made in a block, and hold the receipts of those calls.

        with promptlayer_patch.scope(tags=["onboarding"], metadata={"user_id": "42"}) as calls:
            client.chat.completions.create(...)
        calls.request_id()

    `group` is the id of a group that every request of the block is put into. `prompt` is the template of the
    registry that they are made from: its name, `(name, version)`, `(name, label)`, or what `templates.get`
    returned, which links its variables too.

    Scopes nest: tags add up in order without repeats; the inner metadata, group and prompt win. A scope
    follows asyncio tasks and `asyncio.to_thread`; take it to a thread of your own with
    `scope.bind(function)`. It is also a decorator for functions, coroutine functions and generators of both
    kinds (there it holds while the generator runs, not while its consumer does).

    Raises `InvalidArgument` when `tags` is not a list of strings, `metadata` not a mapping of strings,
    `group` no id or `prompt` no prompt.
    """

    __slots__ = (
        "_announced",
        "_asks",
        "_group",
        "_metadata",
        "_prompt",
        "_silent",
        "_tags",
        "receipts",
    )

    def __init__(
        self,
        *,
        tags: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        group: int | None = None,
        prompt: Any = None,
    ) -> None:
        self._tags = checked_tags("tags", tags)
        self._metadata = checked_metadata("metadata", metadata)
        self._group = None if group is None else checked_id("group", group)
        self._prompt = None if prompt is None else checked_prompt("prompt", prompt)
        self._silent = False
        self._asks = False
        self._announced: list[tuple[str, Receipt]] = []
        self.receipts: list[Receipt] = []
        """One for each call that began in this scope or in a scope within it, in order."""

    def request_id(self, timeout_s: float = 5.0) -> int:
        """PromptLayer's id of the last request of this scope; waits for it up to `timeout_s` seconds.

        Raises `RequestIdTimeout`, or `RequestIdUnavailable` when there was no call or its id can never come.
        """
        return self._last().request_id(timeout_s)

    def request_ids(self, timeout_s: float = 5.0) -> list[int]:
        """The ids of all requests of this scope, in order; waits for them up to `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        return [receipt.request_id(_until(deadline)) for receipt in list(self.receipts)]

    async def arequest_id(self, timeout_s: float = 5.0) -> int:
        """`request_id` for coroutines."""
        return await self._last().arequest_id(timeout_s)

    async def arequest_ids(self, timeout_s: float = 5.0) -> list[int]:
        """`request_ids` for coroutines."""
        deadline = time.monotonic() + timeout_s
        return [await receipt.arequest_id(_until(deadline)) for receipt in list(self.receipts)]

    @staticmethod
    def bind(function: Callable[P, R]) -> Callable[P, R]:
        """`function`, to be called in the scopes that are open here, whatever thread it is called from."""
        scopes = _open.get()

        @functools.wraps(function)
        def bound(*args: P.args, **kwargs: P.kwargs) -> R:
            before = _open.get()
            _open.set(scopes)
            try:
                return function(*args, **kwargs)
            finally:
                _open.set(before)

        return bound

    def unused(self) -> None:
        """The call that was announced will not come: its receipt can never be filled."""
        while self._announced:
            _, receipt = self._announced.pop()
            receipt.settle(Rejected("nothing was recorded for this stream"))

    @property
    def announces(self) -> bool:
        """Whether the call that was announced has yet to begin."""
        return bool(self._announced)

    def __enter__(self) -> scope:
        _open.set((*_open.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        scopes = _open.get()
        for at in range(len(scopes) - 1, -1, -1):
            if scopes[at] is self:
                _open.set(scopes[:at] + scopes[at + 1 :])
                return

    async def __aenter__(self) -> scope:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate `function`; every call of it gets a scope of its own."""
        return cast(Callable[P, R], _decorated(function, self._again))

    def _again(self) -> scope:
        again = scope(tags=self._tags, metadata=self._metadata, group=self._group, prompt=self._prompt)
        again._silent, again._asks = self._silent, self._asks
        return again

    def _last(self) -> Receipt:
        if not self.receipts:
            raise RequestIdUnavailable("no OpenAI call was recorded in this scope")
        return self.receipts[-1]


def suppress() -> scope:
    """A with-block (or decorator) in which nothing is recorded."""
    silent = scope()
    silent._silent = True
    return silent


def asking(tags: Iterable[str] = (), metadata: Mapping[str, str] | None = None) -> scope:
    """A scope whose calls are to be recorded even where only what asks for it is."""
    held = scope(tags=tags, metadata=metadata)
    held._asks = True
    return held


def announcing(name: str, receipt: Receipt, tags: tuple[str, ...]) -> scope:
    """A scope whose first call has this name and receipt: a helper announces the call it makes later."""
    held = scope(tags=tags)
    held._announced.append((name, receipt))
    return held


def announced() -> tuple[str, Receipt] | None:
    """Name and receipt that an open scope holds ready for the call that begins now."""
    for one in _open.get():
        if one._announced:
            return one._announced.pop()
    return None


def none_holds() -> bool:
    """Whether there is no scope at all for a call that begins here, as in most programs."""
    return not (_open.get() or finders)


def asked() -> bool:
    """Whether an open scope asks for recording."""
    return any(one._asks for one in _holding())


def suppressed() -> bool:
    """Whether recording is switched off here."""
    return any(one._silent for one in _open.get())


def merged(
    tags: tuple[str, ...], metadata: Mapping[str, str], extra: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """The tags and metadata that hold here: the process's, then each open scope's, then `extra`."""
    scopes = _holding()
    if not scopes and not extra:
        return tags, metadata
    all_tags = dict.fromkeys(tags)
    all_metadata = dict(metadata)
    for one in scopes:
        all_tags.update(dict.fromkeys(one._tags))
        all_metadata.update(one._metadata)
    all_tags.update(dict.fromkeys(extra))
    return tuple(all_tags), all_metadata


def linked() -> tuple[int | None, PromptLink | None]:
    """The group and the prompt that hold here: those of the innermost scope that has one."""
    group, prompt = None, None
    for one in _open.get():
        group = group if one._group is None else one._group
        prompt = prompt if one._prompt is None else one._prompt
    return group, prompt


def hand_out(receipt: Receipt) -> None:
    """Give the receipt of a call that begins now to every open scope."""
    for one in dict.fromkeys(_holding()):  # a scope that was entered twice gets it once
        one.receipts.append(receipt)


def _holding() -> tuple[scope, ...]:
    """The scopes that hold for a call that begins here."""
    scopes = _open.get()
    for find in finders:
        scopes += find()
    return scopes


def _until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _decorated(function: Callable[..., Any], again: Callable[[], scope]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return _async_stepwise(function, again)
    if inspect.isgeneratorfunction(function):
        return _stepwise(function, again)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with again():
                return await function(*args, **kwargs)

        return coroutine

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with again():
            return function(*args, **kwargs)

    return plain


def _stepwise(function: Callable[..., Any], again: Callable[[], scope]) -> Callable[..., Any]:
    """A generator function that runs each step in a scope, and its consumer outside of it."""

    @functools.wraps(function)
    def stepwise(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        held, steps = again(), function(*args, **kwargs)
        resume: Callable[[], Any] = functools.partial(next, steps)
        while True:
            try:
                with held:
                    item = resume()
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield item
            except GeneratorExit:
                with held:
                    steps.close()
                raise
            except BaseException as error:
                resume = functools.partial(steps.throw, error)
            else:
                resume = functools.partial(steps.send, sent)

    return stepwise


def _async_stepwise(function: Callable[..., Any], again: Callable[[], scope]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def stepwise(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        held, steps = again(), function(*args, **kwargs)
        resume: Callable[[], Any] = functools.partial(steps.asend, None)
        while True:
            try:
                with held:
                    item = await resume()
            except StopAsyncIteration:
                return
            try:
                sent = yield item
            except GeneratorExit:
                with held:
                    await steps.aclose()
                raise
            except BaseException as error:
                resume = functools.partial(steps.athrow, error)
            else:
                resume = functools.partial(steps.asend, sent)

    return stepwise
