"""What is public is named, explained and typed; what is not begins with an underscore."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import promptlayer_patch
from promptlayer_patch import annotations, errors, exporters, group, records, store, templates, testing, track

ROOT = Path(promptlayer_patch.__file__).parent
LANGCHAIN = importlib.util.find_spec("langchain_openai") is not None
"""It is not there beside every openai."""
PUBLIC = [promptlayer_patch, annotations, errors, exporters, group, records, store, templates, testing, track]
MODULES = [
    "annotations",
    "cli",
    "demo",
    "errors",
    "exporters",
    "group",
    "instrumentation",
    "langchain",
    "records",
    "server",
    "store",
    "templates",
    "testing",
    "track",
]
if LANGCHAIN:
    PUBLIC.append(importlib.import_module("promptlayer_patch.langchain"))
any_module = pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)


def of_its_own(module: ModuleType) -> Iterator[str]:
    """The names that `module` defines; of a package also those it imports from beneath itself."""
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id="TYPE_CHECKING")]):
                pass  # a word to type checkers
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.ImportFrom(module=source, names=names) if _hands_on(module, source or ""):
                yield from (alias.asname or alias.name for alias in names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body) if _lazy(module):
                for part in body:  # loaded by `__getattr__` when asked for
                    if isinstance(part, ast.ImportFrom) and _hands_on(module, part.module or ""):
                        yield from (alias.name for alias in part.names)


def _lazy(module: ModuleType) -> bool:
    return hasattr(module, "__getattr__")


def _hands_on(module: ModuleType, source: str) -> bool:
    within = source == module.__name__ or source.startswith(f"{module.__name__}.")
    return within and Path(module.__file__ or "").name == "__init__.py"


@any_module
def test_all_is_sorted_and_complete(module: ModuleType) -> None:
    public = {name for name in of_its_own(module) if not name.startswith("_")}
    if module is exporters:
        public -= {"Delivery", "Record"}
    assert list(module.__all__) == sorted(module.__all__)
    assert set(module.__all__) - {"__version__"} == public


@any_module
def test_a_star_import_gives_what_all_names(module: ModuleType) -> None:
    space: dict[str, Any] = {}
    exec(f"from {module.__name__} import *", space)
    assert set(space) - {"__builtins__"} == set(module.__all__)


def explained(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Every public name and every public method and property of the classes among them."""
    for name in module.__all__:
        value = getattr(module, name)
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        yield name, value
        for attribute, member in vars(value).items() if inspect.isclass(value) else ():
            if attribute.startswith("_"):
                continue
            if isinstance(member, (property, staticmethod, classmethod)) or inspect.isfunction(member):
                yield f"{name}.{attribute}", member


@any_module
def test_every_public_name_is_explained(module: ModuleType) -> None:
    assert module.__doc__
    silent = [name for name, value in explained(module) if not inspect.getdoc(value)]
    assert silent == []


@any_module
def test_every_public_function_is_typed(module: ModuleType) -> None:
    for name, value in explained(module):
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not inspect.isfunction(function):
            continue
        signature = inspect.signature(function)
        untyped = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
        ]
        assert (name, untyped, signature.return_annotation is signature.empty) == (name, [], False)


def test_the_package_names_its_version() -> None:
    numbers = promptlayer_patch.__version__.split(".")
    assert len(numbers) >= 3
    assert numbers[0].isdigit()


def test_the_types_are_handed_out() -> None:
    """Without the marker file type checkers ignore the annotations of an installed package."""
    assert (ROOT / "py.typed").read_text() == ""
    assert "py.typed" in (ROOT.parent / "setup.cfg").read_text()


def test_every_module_is_private_or_meant_to_be_imported() -> None:
    found = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    public = {name for name in found if not name.startswith("_")}
    assert public == set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if LANGCHAIN or name != "langchain"])
def test_every_public_module_can_be_imported_first(name: str) -> None:
    """In a fresh interpreter: no module relies on another having been imported before it."""
    program = f"import promptlayer_patch.{name}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_error_is_of_one_family() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.PromptLayerError)
    assert issubclass(store.StoreError, errors.PromptLayerError)


def test_every_destination_is_listed() -> None:
    assert exporters.schemes() == ["console", "jsonl", "local", "memory", "promptlayer"]
    assert exporters.schemes() == sorted(module.name for module in pkgutil.iter_modules(exporters.__path__))
    for scheme in exporters.schemes():
        module = importlib.import_module(f"promptlayer_patch.exporters.{scheme}")
        assert module.__doc__
        assert callable(module.open_exporter)
        assert f"{scheme}:" in module.__doc__
