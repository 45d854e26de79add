"""Promise 5: every method of openai's resources is captured, or ignored for a reason that somebody gave."""

from __future__ import annotations

from types import ModuleType

import openai
import pytest
from openai._resource import AsyncAPIResource, SyncAPIResource

import promptlayer_patch
from tests import matrix
from tests.manifest import decisions, listing, surface

STORED = {version: listing.read(path) for version, path in listing.stored().items()}
LISTED = {method.name for methods in STORED.values() for method in methods}

MAY_ASK_A_MODEL = [
    "analyze",
    "ask",
    "compact",
    "complete",
    "create",
    "create_and_run",
    "edit",
    "extend",
    "generate",
    "invoke",
    "parse",
    "query",
    "remix",
    "run",
    "speak",
    "stream",
    "submit_tool_outputs",
    "transcribe",
    "translate",
]


@pytest.fixture(scope="module")
def modules() -> list[ModuleType]:
    return surface.modules()


@pytest.fixture(scope="module")
def installed(modules: list[ModuleType]) -> list[surface.Method]:
    return surface.methods(modules)


def a_new_resource(method: str) -> ModuleType:
    """A module as a future openai may bring it: one resource and its twin, with this method."""
    module = ModuleType(f"{surface.PACKAGE}.novelties")
    for name, base in (("Novelties", SyncAPIResource), ("AsyncNovelties", AsyncAPIResource)):
        body = {"__module__": module.__name__, method: lambda self: None}
        setattr(module, name, type(name, (base,), body))
    return module


def test_every_method_of_the_installed_openai_is_listed(installed: list[surface.Method]) -> None:
    """A new openai brings new methods; this stays red until somebody has decided about each of them."""
    new = sorted({method.name for method in installed} - LISTED)
    undecided = [name for name in new if decisions.decide(name) is None]
    assert not new, (
        f"openai {openai.__version__} has methods that no listing in tests/manifest/ names: {new}. "
        f"Undecided among them: {undecided}. CONTRIBUTING.md says what to do."
    )


def test_the_listing_of_the_installed_openai_is_what_make_manifest_writes(
    installed: list[surface.Method],
) -> None:
    """Every lane of the matrix passes here; the oldest and the newest have a listing to be compared with."""
    if openai.__version__ in STORED:
        stored = listing.path_of(openai.__version__).read_text(encoding="utf-8")
        assert stored == listing.render(openai.__version__, installed)


@pytest.mark.parametrize("version", STORED)
def test_a_listing_says_what_was_decided(version: str) -> None:
    """Whoever changes the table of patch points or a reason sees it in the diff of the listings."""
    stored = listing.path_of(version).read_text(encoding="utf-8")
    assert stored == listing.render(version, STORED[version])


def test_the_oldest_listing_is_of_the_oldest_supported_openai() -> None:
    """With the newest beside it, the two name everything that any openai between them has."""
    oldest, newest = STORED
    assert oldest == matrix.floor() != newest


def test_no_row_and_no_reason_is_stale() -> None:
    """A name that no supported openai knows was mistyped, or forgotten when the floor was raised."""
    assert sorted(decisions.CAPTURED - LISTED) == []
    assert sorted(set(decisions.REASONS) - LISTED) == []
    assert {name.rpartition(".")[2] for name in LISTED} >= set(decisions.IGNORED_ANYWHERE)


def test_nothing_is_both_captured_and_ignored() -> None:
    assert sorted(decisions.CAPTURED & set(decisions.REASONS)) == []


def test_a_captured_method_has_an_async_twin() -> None:
    """A row stands for both, so a method with one form only would be half a row."""
    halves = [
        method
        for methods in STORED.values()
        for method in methods
        if method.name in decisions.CAPTURED and method.twins != "both"
    ]
    assert halves == []


def test_every_class_of_openai_resources_is_of_a_known_kind(modules: list[ModuleType]) -> None:
    """Methods are looked for on resources; a class of a new kind could hide some."""
    assert surface.strangers(modules) == []


def test_what_install_wraps_is_what_the_manifest_calls_captured(modules: list[ModuleType]) -> None:
    """The listing is true of the library as it runs, sync and async, not only of our table."""
    bare = _functions(modules)
    promptlayer_patch.install(to="memory:")
    try:
        wrapped = {owner for owner, function in _functions(modules).items() if function is not bare[owner]}
    finally:
        promptlayer_patch.uninstall()
    assert wrapped == {owner for owner in bare if surface.name_of(*owner) in decisions.CAPTURED}
    assert all(function is bare[owner] for owner, function in _functions(modules).items())


@pytest.mark.parametrize("method", MAY_ASK_A_MODEL)
def test_a_method_that_may_ask_a_model_is_not_ignored_by_its_name(method: str) -> None:
    """A rule as wide as `*.create` would swallow the next kind of model call without anybody noticing."""
    [found] = surface.methods([a_new_resource(method)])
    assert found == surface.Method(f"novelties.Novelties.{method}", "both")
    assert decisions.decide(found.name) is None
    with pytest.raises(LookupError, match=method):
        listing.render("9.9.9", [found])


def test_even_a_harmless_new_method_has_to_be_listed() -> None:
    """Its reason is known by its name, yet a person sees it pass by in the diff of the listing."""
    [found] = surface.methods([a_new_resource("list")])
    assert decisions.decide(found.name) == decisions.Decision(captured=False, reason="reads a list")
    assert found.name not in LISTED


def test_a_method_in_one_form_only_is_found_too() -> None:
    module = a_new_resource("create")
    del module.__dict__["Novelties"]
    assert surface.methods([module]) == [surface.Method("novelties.Novelties.create", "async only")]


def _functions(modules: list[ModuleType]) -> dict[tuple[type, str], object]:
    """What stands in each resource class under the name of each of its public methods."""
    return {
        (cls, method): vars(cls)[method]
        for cls in surface.resources(modules)
        for method in surface.public_methods(cls)
        if method in vars(cls)
    }
