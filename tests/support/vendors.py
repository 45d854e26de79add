"""Other tools that patch openai, each the way such tools do it, to see that we get along in any order.

Every vendor counts the calls that pass it. They do not always get along with each other: one may take the
wrapper of another along when it leaves. `in_place` tells what is really there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import wrapt


class Vendor:
    """A tool that wraps one method of a class."""

    def __init__(self) -> None:
        self.calls = 0
        self.mark: Any = None
        """What stands in the class, or in the chain beneath it, while this tool is in place."""

    def install(self, owner: type, name: str) -> None:
        raise NotImplementedError

    def remove(self, owner: type, name: str) -> None:
        raise NotImplementedError

    def _wrapper(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        self.calls += 1
        return wrapped(*args, **kwargs)


class Wrapt(Vendor):
    """Takes out exactly its own wrapper, with wrapt's help."""

    def install(self, owner: type, name: str) -> None:
        self.mark = wrapt.wrap_object(owner, name, wrapt.FunctionWrapper, (self._wrapper,))

    def remove(self, owner: type, name: str) -> None:
        try:
            wrapt.unwrap_object(owner, name, self.mark, missing_ok=True)
        except Exception:
            pass  # a plain function stands on top; the wrapper stays


class Closure(Vendor):
    """Puts a plain function into the class, and in the end back what it had found there."""

    def _find(self, owner: type, name: str) -> Any:
        return vars(owner)[name]

    def install(self, owner: type, name: str) -> None:
        self._found = self._find(owner, name)
        self.mark = self._around(self._found)
        setattr(owner, name, self.mark)

    def _around(self, found: Any) -> Any:
        @functools.wraps(found)
        def closure(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return found(*args, **kwargs)

        return closure

    def remove(self, owner: type, name: str) -> None:
        setattr(owner, name, self._found)


class Getattr(Closure):
    """The same, with what `Completions.create` gives: of a wrapper, the bound form."""

    def _find(self, owner: type, name: str) -> Any:
        return getattr(owner, name)


class Plain(Getattr):
    """The same, and the function does not say what it wraps."""

    def _around(self, found: Any) -> Any:
        def closure(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return found(*args, **kwargs)

        closure.beneath = found  # type: ignore[attr-defined]  # for `chain` below
        return closure


class OpenTelemetry(Vendor):
    """Wraps with wrapt, and pops the outermost wrapper, whoever it belongs to."""

    def install(self, owner: type, name: str) -> None:
        wrapt.wrap_function_wrapper(owner, name, self._wrapper)
        self.mark = vars(owner)[name]

    def remove(self, owner: type, name: str) -> None:
        function = getattr(owner, name)
        if isinstance(function, wrapt.ObjectProxy) and hasattr(function, "__wrapped__"):
            setattr(owner, name, function.__wrapped__)


VENDORS: dict[str, Callable[[], Vendor]] = {
    "wrapt": Wrapt,
    "closure": Closure,
    "getattr": Getattr,
    "plain": Plain,
    "opentelemetry": OpenTelemetry,
}


def chain(owner: type, name: str) -> Iterator[Any]:
    """What stands in the class under this name, and all that it wraps, outermost first."""
    function = vars(owner)[name]
    for _ in range(64):
        yield function
        # A wrapper that was looked up on its class is the bound form of another; that one counts as well.
        parent = getattr(function, "_self_parent", None)
        if parent is not None:
            yield parent
        beneath = getattr(function, "__wrapped__", None) or vars(function).get("beneath")
        if beneath is None:
            return
        function = beneath
    raise AssertionError("an endless chain of wrappers")


def in_place(vendor: Vendor, owner: type, name: str) -> bool:
    """Whether a call still passes this vendor's wrapper."""
    return any(step is vendor.mark for step in chain(owner, name))
