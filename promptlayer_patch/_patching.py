"""Putting wrappers around the methods of a library, and taking them away again. The only user of wrapt."""

from __future__ import annotations

import inspect
import operator
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import wrapt

from promptlayer_patch._arrival import Settling, is_unfinished
from promptlayer_patch._guard import log, report, warn_once

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class PatchPoint:
    """One create method, of a resource class and of its `Async` twin."""

    resource: str
    """Where it hangs on the client, for example `chat.completions`."""
    method: str
    """Class and method, for example `Completions.create`."""
    route: str
    """Path of its request; `{}` stands for one segment."""
    verb: str = "post"
    helper: bool = False
    """Makes no request itself but returns a manager that makes it later."""

    @property
    def kind(self) -> tuple[str, str]:
        """What its request is recognised by."""
        return self.verb, self.route

    @property
    def name(self) -> str:
        return f"{self.resource}.{self.method.rpartition('.')[2]}"


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """What is intercepted in one library."""

    library: str
    points: tuple[PatchPoint, ...]
    client_module: str
    clients: tuple[str, ...]
    """The client classes beneath which the tap goes."""

    def name(self, point: PatchPoint) -> str:
        return f"{self.library}.{point.name}"

    def modules(self, point: PatchPoint) -> tuple[str, str]:
        """Where the class may be defined: over the years some of these modules became packages."""
        module = f"{self.library}.resources.{point.resource}"
        return module, f"{module}.{point.resource.rpartition('.')[2]}"


class Routes:
    """Tells which create method a bare HTTP request belongs to."""

    def __init__(self, table: Instrumentation) -> None:
        self._names: dict[tuple[str, str], str] = {}
        for point in table.points:
            self._names.setdefault(point.kind, table.name(point))
        # The longest first: /chat/completions also ends with /completions. Only the end of a path counts,
        # because a base URL or an Azure deployment stands in front.
        self._routes = sorted({route for _, route in self._names}, key=len, reverse=True)
        self._pattern = re.compile(f"(?:{'|'.join(map(_as_regex, self._routes))})/?$")
        # A program asks for few addresses, and for the same ones again and again.
        self.kind_of = lru_cache(256)(self._kind_of)

    def _kind_of(self, method: str, url: str) -> tuple[str, str] | None:
        """Verb and route of a request whose kind is recorded, else `None`."""
        found = self._pattern.search(urlsplit(url).path)
        if found is None or found.lastindex is None:
            return None
        kind = method.lower(), self._routes[found.lastindex - 1]
        return kind if kind in self._names else None

    def name_of(self, kind: tuple[str, str]) -> str:
        """The function name to record a request of this kind under."""
        return self._names[kind]


def _as_regex(route: str) -> str:
    return "(" + re.escape(route).replace(r"\{\}", "[^/]+") + ")"


class Wrappers(Protocol):
    """Where the wrappers come from; `Capture` is one."""

    tapped: bool

    def around_call(self, name: str, kind: tuple[str, str]) -> Wrapper: ...

    def around_helper(self, name: str, kind: tuple[str, str]) -> Wrapper: ...

    def around_request(self, awaited: bool) -> Wrapper: ...

    def around_attempt(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any: ...

    def around_response(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any: ...


class Patcher:
    """Applies one `Instrumentation`, module by module as they are imported, and removes it again."""

    def __init__(self, table: Instrumentation, wrappers: Wrappers) -> None:
        self._table = table
        self._wrappers = wrappers
        self._points: dict[str, list[PatchPoint]] = {}
        for point in table.points:
            for module in table.modules(point):
                self._points.setdefault(module, []).append(point)
        self._places: dict[tuple[type, str], None] = {}
        self._active = False
        self._listening: set[str] = set()

    def apply(self) -> None:
        """Patch what is imported, and the rest when it is; never imports anything of the library."""
        self._active = True
        library = sys.modules.get(self._table.library)
        if is_unfinished(library):
            # Some of its modules are unfinished too, or being looked for; when it is there, so are they.
            Settling(self._table.library, lambda _: self.apply() if self._active else None).wait()
        for name in (self._table.client_module, *self._points):
            module = sys.modules.get(name)
            if module is None and name not in self._listening:
                # wrapt cannot forget a hook that has not fired; `_active` disarms it.
                wrapt.register_post_import_hook(self._imported, name)
                self._listening.add(name)
            elif is_unfinished(module):
                Settling(name, self._imported).wait()
            elif getattr(module, "__spec__", None) is not None:  # else it is a stub of somebody's tests
                self._imported(module)

    def remove(self) -> None:
        """Take our wrappers out, wherever they stand among the wrappers of others."""
        self._active = False
        for owner, name in self._places:
            try:
                _strip(owner, name)
            except Exception as fault:
                # Somebody's plain function stands on top and holds ours, so it must stay, switched off.
                log.debug("%s.%s stays wrapped, switched off: %s", owner.__name__, name, type(fault).__name__)

    def _imported(self, module: Any) -> None:
        if not self._active:
            return
        try:
            if module.__name__ == self._table.client_module:
                self._apply_tap(module)
            for point in self._points.get(module.__name__, ()):
                self._apply_point(module, point)
        except Exception as fault:
            # Anything raised here would fail the user's own import.
            report(f"patching {module.__name__}", fault)

    def _apply_point(self, module: ModuleType, point: PatchPoint) -> None:
        class_name, _, method = point.method.partition(".")
        name = self._table.name(point)
        for owner in _defined_in(module, class_name, f"Async{class_name}"):
            if method in vars(owner):
                if point.helper:
                    wrapper = self._wrappers.around_helper(name, point.kind)
                else:
                    wrapper = self._wrappers.around_call(name, point.kind)
                wrapper = _stepping_over(vars(owner)[method], wrapper) or wrapper
                self._wrap(owner, method, wrapper, _CreateWrapper)

    def _apply_tap(self, module: ModuleType) -> None:
        # At the class that owns the method, seen from the client: other tools put theirs on the subclass,
        # and one of ours beneath them would never be called.
        places = [
            (_owner(vars(module)[client], method), method, wrapper)
            for client in self._table.clients
            for method, wrapper in self._tap(awaited=client.startswith("Async")).items()
        ]
        self._wrappers.tapped = all(owner is not None for owner, _, _ in places)
        if not self._wrappers.tapped:  # all or nothing: half a tap would count calls twice
            warn_once(
                "no tap",
                "this %s is unknown to promptlayer_patch: calls are recorded by argument and result",
                self._table.library,
            )
            return
        for owner, method, wrapper in places:
            if owner is not None:
                self._wrap(owner, method, wrapper, _Wrapper)

    def _tap(self, awaited: bool) -> dict[str, Wrapper]:
        return {
            "request": self._wrappers.around_request(awaited),
            "_build_request": self._wrappers.around_attempt,
            "_process_response": self._wrappers.around_response,
        }

    def _wrap(self, owner: type, name: str, wrapper: Wrapper, kind: type[_Wrapper]) -> None:
        self._places[owner, name] = None
        if _ours_in(vars(owner)[name]) is None:
            wrapt.wrap_object(owner, name, kind, (wrapper, owner))


def _defined_in(module: ModuleType, *names: str) -> Iterator[type]:
    # Not `getattr`: on a package that loads its members lazily it would import them. And only where the
    # class is defined, so that one re-exported elsewhere is wrapped once.
    for name in names:
        found = vars(module).get(name)
        if isinstance(found, type) and found.__module__ == module.__name__:
            yield found


def _strip(owner: type, name: str) -> None:
    """Take every wrapper of ours out; raises if one stands beneath something that only holds it."""
    while (ours := _ours_in(vars(owner).get(name))) is not None:
        if getattr(vars(owner)[name], "_self_parent", None) is ours:
            setattr(
                owner, name, cast(Any, ours).__wrapped__
            )  # its bound form, which somebody put back as the original
        else:
            wrapt.unwrap_object(owner, name, ours)


def _ours_in(function: Any) -> _Wrapper | None:
    # Looked for by type, since others may hide one of ours for a while and bring it back.
    return next((step for step in _chain(function) if issubclass(type(step), _Wrapper)), None)


def _owner(client: type, method: str) -> type | None:
    return next((base for base in client.__mro__ if method in vars(base)), None)


def _chain(function: Any) -> Iterator[Any]:
    """`function` and what it says it wraps, outermost first."""
    for _ in range(64):
        if function is None:
            return
        yield function
        # Who takes `Class.method` for the original and puts it back leaves the bound form of our wrapper.
        yield getattr(function, "_self_parent", None)
        function = getattr(function, "__wrapped__", None)


def _stepping_over(function: Any, wrapper: Wrapper) -> Wrapper | None:
    """For a method marked as deprecated: `wrapper` around what stands beneath the mark.

    The mark warns about the line it is called from, which would be one of ours: so the warning is given
    here, about the line that calls us, and the mark is stepped over.
    """
    text, beneath = getattr(function, "__deprecated__", None), getattr(function, "__wrapped__", None)
    if not isinstance(text, str) or beneath is None or not isinstance(function, FunctionType):
        return None
    marked = inspect.getclosurevars(function).nonlocals
    if not {"category", "stacklevel"} <= set(marked):
        return None

    def stepping_over(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if getattr(wrapped, "__func__", None) is not function:
            return wrapper(wrapped, instance, args, kwargs)  # another tool's wrapper stands in between
        warnings.warn(text, marked["category"], marked["stacklevel"] + 1)
        return wrapper(beneath.__get__(instance, type(instance)), instance, args, kwargs)

    return stepping_over


class _Bound(wrapt.BoundFunctionWrapper[..., Any]):
    """A wrapped method as it is looked up; pickled and copied by name, like the function beneath."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        instance = self._self_instance
        return operator.attrgetter(self.__name__), (instance or self._self_parent._self_owner_class,)

    def __copy__(self) -> _Bound:
        return self

    def __deepcopy__(self, memo: Any) -> _Bound:
        return self


class _Wrapper(wrapt.FunctionWrapper[..., Any]):
    __bound_function_wrapper__: Any = _Bound

    def __init__(self, wrapped: Any, wrapper: Wrapper, owner: type) -> None:
        super().__init__(wrapped, wrapper)
        self._self_owner_class = owner


class _CreateType(type(wrapt.BoundFunctionWrapper)):  # type: ignore[misc]
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 2 and not kwargs:
            function, instance = args  # `weakref.WeakMethod` puts a method together again
            return getattr(instance, function.__name__)
        return super().__call__(*args, **kwargs)


class _BoundCreate(_Bound, metaclass=_CreateType):
    """Of a method that applications hold on to."""


class _CreateWrapper(_Wrapper):
    # wrapt makes one for each call, and needs no Python for it where the step above is left out.
    __bound_function_wrapper__ = staticmethod(type.__call__.__get__(_BoundCreate))
