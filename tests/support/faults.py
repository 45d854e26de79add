"""Every function of ours by name, and a way to make one of them fail wherever it is called from."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, TypeVar

PACKAGE = "promptlayer_patch"
_OURS = os.sep + PACKAGE + os.sep


@dataclass(frozen=True)
class Place:
    """A function, or one that is defined inside it."""

    name: str
    function: FunctionType
    """The one that can be got hold of from outside."""
    inner: tuple[str, ...] = ()
    """Names of the functions on the way from there to the place."""

    def __str__(self) -> str:
        return self.name

    @property
    def module(self) -> str:
        """The one it is written down in, as `places` was given it."""
        return self.function.__module__.removeprefix(f"{PACKAGE}.")

    @property
    def code(self) -> CodeType:
        code = self.function.__code__
        for name in self.inner:
            code = _inner(code)[name]
        return code


def places(modules: Sequence[str]) -> dict[str, Place]:
    """Every function, method and inner function that is written down in these modules, by name."""
    found: dict[str, Place] = {}
    for name in modules:
        module = importlib.import_module(f"{PACKAGE}.{name}")
        for function in _functions(module):
            top = f"{name}.{function.__qualname__}"
            for inner in _paths(function.__code__):
                full = "".join([top, *(f".<locals>.{part}" for part in inner)])
                found[full] = Place(full, function, inner)
    return found


@contextmanager
def failing(place: Place, fail: Callable[[], None]) -> Iterator[None]:
    """Have `place` do nothing but call `fail` (when awaited or iterated, if that is how it runs).

    The code is exchanged inside the function, so it fails for everybody who holds it by whatever name.
    """
    function, original = place.function, place.function.__code__
    function.__code__ = _replaced(original, place.inner, fail)
    try:
        yield
    finally:
        function.__code__ = original


Way = tuple[tuple[str, int], ...]
"""How a function was come to: the functions of ours that were under way, with the line each had got to."""


@contextmanager
def reached(looked_for: Mapping[str, Place]) -> Iterator[dict[str, set[Way]]]:
    """Which of these are called in the block, on this thread and on those that start in it, and how."""
    by_code = {place.code: name for name, place in looked_for.items()}
    found: dict[str, set[Way]] = {}

    def notice(frame: FrameType, event: str, _: Any) -> None:
        name = by_code.get(frame.f_code) if event == "call" else None
        if name is not None:
            found.setdefault(name, set()).add(tuple(_way_to(frame)))

    before = sys.getprofile()
    threading.setprofile(notice)
    sys.setprofile(notice)
    try:
        yield found
    finally:
        sys.setprofile(before)
        threading.setprofile(before)


def _way_to(frame: FrameType) -> Iterator[tuple[str, int]]:
    at = frame.f_back
    while at is not None:
        if _OURS in at.f_code.co_filename:
            yield at.f_code.co_name, at.f_lineno
        at = at.f_back


T = TypeVar("T")


def fewest(ways: Mapping[T, set[Way]]) -> list[T]:
    """Enough of the keys that every way occurs with one of them."""
    missing = set().union(*ways.values())
    chosen = []
    while missing:
        best = max(ways, key=lambda key: len(ways[key] & missing))
        chosen.append(best)
        missing -= ways[best]
    return chosen


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for thing in vars(module).values():
        if isinstance(thing, FunctionType):
            yield from _own(thing, module)
        elif inspect.isclass(thing) and thing.__module__ == module.__name__ and not _is_protocol(thing):
            for member in vars(thing).values():
                for function in _parts(member):
                    yield from _own(function, module)


def _parts(member: Any) -> Iterator[FunctionType]:
    """The functions behind a member of a class."""
    if isinstance(member, property):
        yield from (part for part in (member.fget, member.fset) if isinstance(part, FunctionType))
    elif isinstance(member, (staticmethod, classmethod)):
        yield from _parts(member.__func__)
    elif isinstance(member, FunctionType):
        yield member


def _own(function: FunctionType, module: ModuleType) -> Iterator[FunctionType]:
    # What is generated, by `dataclass` say, has no file; what is imported has another.
    function = inspect.unwrap(function)
    if function.__code__.co_filename == module.__file__:
        yield function


def _is_protocol(thing: type) -> bool:
    return bool(getattr(thing, "_is_protocol", False))


def _inner(code: CodeType) -> dict[str, CodeType]:
    """The functions defined in `code`; not its comprehensions, which are no functions to the reader."""
    nested = [const for const in code.co_consts if isinstance(const, CodeType)]
    return {
        const.co_name: const for const in nested if const.co_name[0] != "<" or const.co_name == "<lambda>"
    }


def _paths(code: CodeType) -> Iterator[tuple[str, ...]]:
    yield ()
    for name, inner in _inner(code).items():
        yield from ((name, *path) for path in _paths(inner))


def _replaced(code: CodeType, inner: tuple[str, ...], fail: Callable[[], None]) -> CodeType:
    if not inner:
        return _failing_like(code, fail)
    nested = _inner(code)[inner[0]]
    failing = _replaced(nested, inner[1:], fail)
    return code.replace(co_consts=tuple(failing if const is nested else const for const in code.co_consts))


def _failing_like(code: CodeType, fail: Callable[[], None]) -> CodeType:
    """Code that calls `fail` at the moment at which `code` would begin to run."""
    if code.co_flags & inspect.CO_ASYNC_GENERATOR:
        model = _asynchronous_generator
    elif code.co_flags & inspect.CO_COROUTINE:
        model = _coroutine
    elif code.co_flags & inspect.CO_GENERATOR:
        model = _generator
    else:
        model = _plain
    consts = tuple(fail if const == _HERE else const for const in model.__code__.co_consts)
    named = {"co_name": code.co_name, "co_filename": code.co_filename, "co_firstlineno": code.co_firstlineno}
    return model.__code__.replace(co_consts=consts, co_freevars=code.co_freevars, **named)


_HERE = "the function that fails goes here"


def _plain(*args: Any, **kwargs: Any) -> Any:
    fail: Any = "the function that fails goes here"
    fail()


async def _coroutine(*args: Any, **kwargs: Any) -> Any:
    fail: Any = "the function that fails goes here"
    fail()


def _generator(*args: Any, **kwargs: Any) -> Any:
    fail: Any = "the function that fails goes here"
    fail()
    yield


async def _asynchronous_generator(*args: Any, **kwargs: Any) -> Any:
    fail: Any = "the function that fails goes here"
    fail()
    yield
