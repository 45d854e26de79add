"""What the installed openai offers: the public methods of its resource classes.

A resource class is what hangs on a client: `client.chat.completions` is a `Completions`. The classes that
`connect()` hands out for an open websocket are none; the manifest lists the `connect()` that leads to them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import getattr_static
from types import ModuleType

import openai.resources
from openai._resource import AsyncAPIResource, SyncAPIResource

PACKAGE = openai.resources.__name__
VIEWS = ("WithRawResponse", "WithStreamingResponse")
WEBSOCKETS = ("Connection", "ConnectionManager", "ConnectionResource", "ConnectionBase")


@dataclass(frozen=True, order=True)
class Method:
    name: str
    """Where it is: module below `openai.resources`, class, method. `chat.completions.Completions.create`."""
    twins: str
    """`both`, `sync only` or `async only`."""


def modules() -> list[ModuleType]:
    """Every module of `openai.resources`, imported."""
    found = pkgutil.walk_packages(openai.resources.__path__, f"{PACKAGE}.")
    return [importlib.import_module(info.name) for info in found]


def methods(of: Iterable[ModuleType]) -> list[Method]:
    """The public methods of the resource classes in these modules, sorted; sync and async form are one."""
    forms: dict[str, set[str]] = {}
    for cls in resources(of):
        form = "async only" if issubclass(cls, AsyncAPIResource) else "sync only"
        for method in public_methods(cls):
            forms.setdefault(name_of(cls, method), set()).add(form)
    return sorted(Method(name, "both" if len(found) == 2 else found.pop()) for name, found in forms.items())


def resources(of: Iterable[ModuleType]) -> Iterator[type]:
    """The resource classes, sync and async, that these modules define."""
    for cls in _classes(of):
        if issubclass(cls, (SyncAPIResource, AsyncAPIResource)):
            yield cls


def strangers(of: Iterable[ModuleType]) -> list[str]:
    """Public classes that are neither a resource, nor a view of one, nor part of an open websocket."""
    return sorted(
        f"{cls.__module__}.{cls.__name__}"
        for cls in _classes(of)
        if not issubclass(cls, (SyncAPIResource, AsyncAPIResource))
        and "[" not in cls.__name__  # a type with parameters, which pydantic leaves where it was first made
        and not cls.__name__.endswith(VIEWS)
        and not any(base.__name__.endswith(WEBSOCKETS) for base in cls.__mro__)
    )


def public_methods(cls: type) -> Iterator[str]:
    """The public methods of a resource class, its own and inherited ones."""
    for name in dir(cls):
        value = getattr_static(cls, name)
        routine = callable(value) or isinstance(value, (staticmethod, classmethod))
        if routine and not name.startswith("_") and not isinstance(value, type):
            yield name


def name_of(cls: type, method: str) -> str:
    """`Method.name` of this method, the same for a class and its async twin.

    openai turns modules into packages now and then, which moves a class but not the path users write. So
    `openai.resources.chat.completions.completions` counts as `chat.completions`.
    """
    path = cls.__module__.removeprefix(f"{PACKAGE}.").split(".")
    if path[-2:-1] == path[-1:]:
        del path[-1]
    owner = cls.__name__.removeprefix("Async") if issubclass(cls, AsyncAPIResource) else cls.__name__
    return ".".join((*path, owner, method))


def _classes(of: Iterable[ModuleType]) -> Iterator[type]:
    for module in of:
        for name, value in vars(module).items():
            # Not isinstance(): it asks for `value.__class__`, which openai's stand-ins for optional packages
            # answer by importing those.
            is_class = issubclass(type(value), type)
            if is_class and not name.startswith("_") and value.__module__ == module.__name__:
                yield value
