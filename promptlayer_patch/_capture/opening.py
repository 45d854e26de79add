"""Beginning a call: its name, the scopes that hold for it, and what was passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from promptlayer_patch import _scope
from promptlayer_patch._capture.call import Call, current_call
from promptlayer_patch._capture.keeping import named_by_helper
from promptlayer_patch._sampling import Sampler, takes
from promptlayer_patch._settings import Settings
from promptlayer_patch.records import Receipt

Sink: TypeAlias = Callable[[Call], None]
Kind: TypeAlias = tuple[str, str]
"""Verb and route of a request."""


class Routes(Protocol):
    """Knows which requests are recorded."""

    def kind_of(self, method: str, url: str) -> Kind | None: ...

    def name_of(self, kind: Kind) -> str: ...


def to_nobody(_: Call) -> None: ...


class Opening:
    """Opens calls as what is installed wants them."""

    def __init__(self, routes: Routes) -> None:
        self.tapped = True
        self.only_asked = False
        self.urge: Callable[[], object] | None = None
        self._routes = routes
        self._sink: Sink = to_nobody
        self._begins: Callable[[Call], object] | None = None
        self._tags: tuple[str, ...] = ()
        self._metadata: Mapping[str, str] = {}
        self._sampler: Sampler = 1.0

    def prepare(
        self,
        settings: Settings,
        sink: Sink,
        urge: Callable[[], object],
        only_asked: bool,
        begins: Callable[[Call], object] | None,
    ) -> None:
        """Open calls for something else from now on."""
        self._tags, self._metadata = settings.tags, settings.metadata
        self._sampler = settings.sample_rate
        self._sink, self.urge = sink, urge
        self.only_asked = only_asked
        self._begins = begins

    def is_asked(self) -> bool:
        """Whether a call that begins here is recorded, unless it is suppressed."""
        return not self.only_asked or _scope.asked()

    def begin(
        self, name: str, kind: Kind, resource: Any, kwargs: dict[str, Any], extra: tuple[str, ...] = ()
    ) -> Call | None:
        """The call of a create method, if it is to be followed; `extra` are tags of its own."""
        plain = _scope.none_holds()
        if not plain and _scope.suppressed():
            return None
        helper = named_by_helper(kwargs["extra_headers"]) if "extra_headers" in kwargs else None
        current = current_call()
        if current is not None and not current.claimed:
            if current.name == helper:
                return None  # the helper itself is followed already: early `parse` calls `create`
            if current.name == name and _same(current.passed, kwargs):
                return None  # we are wrapped twice, around a plain function of another tool
        if plain and not extra and self._begins is None:
            call = Call(helper or name, kind, self._sink, Receipt(self.urge), self._tags, self._metadata)
        else:
            call = self._open(helper or name, kind, extra)
        call.passed = kwargs
        if self._sampler != 1.0:
            call.sampled = takes(self._sampler, call.name, kwargs)
        if "encoding_format" in kwargs:
            call.keeps_base64 = kwargs["encoding_format"] == "base64"
        if not self.tapped:
            call.untapped(getattr(resource, "_client", None), kwargs)
        return call

    def _open(self, name: str, kind: Kind, extra: tuple[str, ...] = ()) -> Call:
        """A call that begins now, in the scopes that hold for it."""
        tags, metadata = _scope.merged(self._tags, self._metadata, extra)
        name, receipt = _scope.announced() or (name, Receipt(self.urge))
        call = Call(name, kind, self._sink, receipt, tags, metadata)
        call.group_id, call.prompt = _scope.linked()
        _scope.hand_out(receipt)
        if self._begins is not None:
            self._begins(call)
        return call

    def open_for(self, client: Any, options: Any) -> Call | None:
        """A call for a request that no create method announced, if its kind is recorded."""
        kind = self._routes.kind_of(options.method, options.url)
        if kind is None or not self.is_asked() or _scope.suppressed():
            return None
        call = self._open(named_by_helper(options.headers) or self._routes.name_of(kind), kind)
        call.claim(client, options)
        call.sampled = takes(self._sampler, call.name, getattr(options, "json_data", None) or {})
        return call


def _same(passed: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> bool:
    """Whether these are the very objects that were passed to the open call."""
    return (
        passed is not None
        and passed.keys() == arguments.keys()
        and all(arguments[key] is passed[key] for key in arguments)
    )
