"""Whether openai's methods can be patched: tried in this process, with records that go nowhere."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

import promptlayer_patch
from promptlayer_patch._commands.checking import Check, failed, ok, warning
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.exporters.memory import MemoryExporter

if TYPE_CHECKING:
    from promptlayer_patch._patching import PatchPoint

__all__ = ["checks"]

_TAP = ("request", "_build_request", "_process_response")
_LAYERS = 64


@dataclass(slots=True)
class _Found:
    """What became of the table's rows."""

    patched: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    """There, and not patched."""
    absent: list[str] = field(default_factory=list)
    """Not in this openai."""


def checks() -> list[Check]:
    try:
        promptlayer_patch.install(to=MemoryExporter())
    except InvalidArgument:
        return [warning("patched methods", "not looked at, since the settings are wrong")]
    try:
        importlib.import_module("openai")
        return [_methods(), _tap()]
    except ImportError as error:
        return [failed("patched methods", f"openai cannot be imported: {error}")]
    finally:
        promptlayer_patch.uninstall()


def _methods() -> Check:
    from promptlayer_patch.instrumentation.openai import OPENAI

    found = _Found()
    for point in OPENAI.points:
        functions = list(_functions(OPENAI.modules(point), point))
        there = found.patched if all(map(_is_ours, functions)) else found.bare
        (there if functions else found.absent).append(OPENAI.name(point))
    details = (*found.patched, *(f"{name} (not patched)" for name in found.bare))
    details += tuple(f"{name} (not in this openai)" for name in found.absent)
    text = f"{len(found.patched)} of {len(OPENAI.points)} are patched"
    if found.absent:
        text += f", {len(found.absent)} are not in this openai"
    if found.bare:
        return failed("patched methods", f"{text}, and these could not be: {', '.join(found.bare)}", details)
    if not found.patched:
        return failed("patched methods", f"{text}: this openai is unknown", details)
    return ok("patched methods", text, details)


def _tap() -> Check:
    from promptlayer_patch.instrumentation.openai import OPENAI

    module = sys.modules[OPENAI.client_module]
    places = [(vars(module)[client], method) for client in OPENAI.clients for method in _TAP]
    if all(_is_ours(getattr(client, method, None)) for client, method in places):
        return ok("tap", "is in place beneath all clients")
    return warning("tap", "is not in place in this openai: calls are recorded by argument and result")


def _functions(modules: tuple[str, str], point: PatchPoint) -> Iterator[Any]:
    class_name, _, method = point.method.partition(".")
    for module in filter(None, map(_imported, modules)):
        for name in (class_name, f"Async{class_name}"):
            owner = vars(module).get(name)
            if isinstance(owner, type) and owner.__module__ == module.__name__ and method in vars(owner):
                yield vars(owner)[method]


def _imported(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _is_ours(function: Any) -> bool:
    """Whether one of the wrappers around a function is ours: others may stand on top."""
    for _ in range(_LAYERS):
        if type(function).__module__ == "promptlayer_patch._patching":
            return True
        function = getattr(function, "__wrapped__", None)
    return False
