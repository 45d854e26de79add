"""The store's prompt registry keeps every version as it was published, and never gives a number twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.store import Store
from promptlayer_patch.store.registry.models import (
    Draft,
    ExternalId,
    Listing,
    RegistryConflict,
    SnippetReference,
    UnknownPrompt,
    Version,
)
from promptlayer_patch.store.registry.registry import Registry

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
CRM = ExternalId("crm", "42")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@pytest.fixture
def registry(path: Path) -> Iterator[Registry]:
    with closing(Store.open(path)) as store:
        yield Registry(store)


def publish(registry: Registry, name: str = "greeting", **fields: Any) -> Version:
    return registry.publish(Draft(**{"name": name, "template": TEMPLATE, **fields})).version


def names(registry: Registry, **wanted: Any) -> list[str]:
    return [version.prompt.name for version in registry.list(Listing(**wanted)).versions]


# Publishing


def test_versions_come_newest_first_in_pages(registry: Registry) -> None:
    made = [publish(registry) for _ in range(5)]
    publish(registry, "another")
    first = registry.versions("greeting", limit=3)
    rest = registry.versions(made[0].prompt.id, before=first[-1].number)
    assert [version.number for version in first] == [5, 4, 3]
    assert [version.id for version in rest] == [made[1].id, made[0].id]
    with pytest.raises(UnknownPrompt):
        registry.versions("nobody")


def test_a_version_comes_back_as_it_was_published(registry: Registry) -> None:
    published = publish(
        registry,
        tags=("a", "b"),
        folder_id=7,
        metadata={"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"top_p": 0.5}}},
        commit_message="first",
        provider_base_url_name="ours",
        provider_id=3,
        inference_client_name="client",
        external_ids=(CRM,),
    )
    assert registry.get("greeting") == published
    assert published.template == TEMPLATE
    assert published.number == 1
    assert published.prompt.tags == ("a", "b")
    assert published.prompt.external_ids == (CRM,)
    assert (published.prompt.folder_id, published.provider_id) == (7, 3)


@given(template=st.dictionaries(st.text(), json_values), metadata=st.dictionaries(st.text(), json_values))
def test_any_json_is_kept_to_the_letter(
    tmp_path_factory: pytest.TempPathFactory, template: dict[str, Any], metadata: dict[str, Any]
) -> None:
    with closing(Store.open(tmp_path_factory.getbasetemp() / "any.db")) as store:
        registry = Registry(store)
        registry.publish(Draft(name="any", template=template, metadata=metadata))
        kept = registry.get("any")
        assert json.dumps([kept.template, kept.metadata]) == json.dumps([template, metadata])


def test_the_same_content_again_is_a_new_version(registry: Registry) -> None:
    first, second = publish(registry), publish(registry)
    assert (first.number, second.number) == (1, 2)
    assert first.prompt.id == second.prompt.id
    assert first.id != second.id


def test_what_a_draft_does_not_say_of_its_template_stays(registry: Registry) -> None:
    publish(registry, tags=("a",), folder_id=7, is_snippet=True)
    prompt = publish(registry).prompt
    assert (prompt.tags, prompt.folder_id, prompt.is_snippet) == (("a",), 7, True)
    assert publish(registry, tags=()).prompt.tags == ()


def test_a_draft_that_fails_leaves_nothing_behind(registry: Registry) -> None:
    publish(registry, "owner", external_ids=(CRM,))
    with pytest.raises(RegistryConflict):
        publish(registry, "newcomer", labels=("prod",), external_ids=(CRM,))
    with pytest.raises(UnknownPrompt):
        registry.get("newcomer")
    assert names(registry) == ["owner"]


def test_half_a_character_in_a_name_is_no_obstacle(registry: Registry) -> None:
    assert publish(registry, "half \ud83d", tags=("\ud83d",), commit_message="\ud83d").number == 1
    assert registry.get("half \ud83d").prompt.tags == ("\\ud83d",)


_PUBLISHER = """
import sys
from promptlayer_patch.store import Store
from promptlayer_patch.store.registry.registry import Registry
from promptlayer_patch.store.registry.models import Draft
registry = Registry(Store.open(sys.argv[1]))
for _ in range(20):
    print(registry.publish(Draft(name="shared", template={})).version.number)
"""


def test_processes_that_publish_at_once_get_different_numbers(registry: Registry, path: Path) -> None:
    command = [sys.executable, "-c", _PUBLISHER, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)]
    told = [int(line) for process in running for line in process.communicate()[0].split()]
    assert sorted(told) == list(range(1, 61))
    assert registry.get("shared").number == 60


# Finding


def test_a_template_is_found_by_name_and_by_id(registry: Registry) -> None:
    published = publish(registry, "a/b: c")
    assert registry.get("a/b: c") == published
    assert registry.get(published.prompt.id) == published
    assert registry.get(str(published.prompt.id)) == published


def test_a_name_of_digits_goes_over_an_id(registry: Registry) -> None:
    first = publish(registry, "first")
    named = publish(registry, str(first.prompt.id))
    assert registry.get(str(first.prompt.id)) == named
    assert registry.get(first.prompt.id) == first


@pytest.mark.parametrize("identifier", ["nothing", "0", "999", "9" * 400, "²", 0, 10**30])
def test_what_is_not_there_is_said_to_be_unknown(registry: Registry, identifier: str | int) -> None:
    publish(registry)
    with pytest.raises(UnknownPrompt):
        registry.get(identifier)


@pytest.mark.parametrize("place", [{"number": 2}, {"number": 10**30}, {"label": "prod"}])
def test_an_unknown_version_or_label_is_said_to_be_unknown(registry: Registry, place: dict[str, Any]) -> None:
    publish(registry)
    with pytest.raises(UnknownPrompt, match="the prompt template has no"):
        registry.get("greeting", **place)


def test_a_label_goes_over_a_number(registry: Registry) -> None:
    publish(registry, labels=("prod",))
    publish(registry)
    assert registry.get("greeting", number=2, label="prod").number == 1


def test_a_name_is_free_when_its_template_is_deleted(registry: Registry) -> None:
    old = publish(registry, external_ids=(CRM,), labels=("prod",))
    registry.delete("greeting")
    new = publish(registry, external_ids=(CRM,))
    assert new.prompt.id != old.prompt.id
    assert new.number == 1
    with pytest.raises(UnknownPrompt):
        registry.get(old.prompt.id)
    assert names(registry, deleted=True) == ["greeting"]
    assert names(registry, deleted=None) == ["greeting", "greeting"]


# External ids


def test_another_systems_id_names_one_template(registry: Registry) -> None:
    first = registry.publish_as(CRM, Draft(name="greeting", template=TEMPLATE))
    second = registry.publish_as(CRM, Draft(name="renamed", template=TEMPLATE))
    assert (first.is_first, second.is_first) == (True, False)
    assert second.version.prompt.id == first.version.prompt.id
    assert second.version.prompt.name == "renamed"
    with pytest.raises(UnknownPrompt):
        registry.get("greeting")


def test_a_template_that_is_there_can_be_given_an_external_id(registry: Registry) -> None:
    known = publish(registry)
    again = registry.publish_as(CRM, Draft(name="greeting", template=TEMPLATE))
    assert not again.is_first
    assert again.version.prompt.id == known.prompt.id


def test_no_template_takes_the_name_of_another(registry: Registry) -> None:
    publish(registry, "taken")
    registry.publish_as(CRM, Draft(name="greeting", template=TEMPLATE))
    with pytest.raises(RegistryConflict):
        registry.publish_as(CRM, Draft(name="taken", template=TEMPLATE))
    assert registry.get("greeting").number == 1


# Labels


def test_a_label_moves_when_a_version_is_published_with_it(registry: Registry) -> None:
    publish(registry, labels=("prod", "prod"))
    (before,) = registry.labels("greeting")
    version = publish(registry, labels=("prod",))
    (after,) = registry.labels("greeting")
    assert (after.id, after.name) == (before.id, "prod")
    assert (before.version_number, after.version_number) == (1, 2)
    assert after.version_id == version.id


def test_a_label_is_put_moved_and_taken_off(registry: Registry) -> None:
    first, second = publish(registry), publish(registry)
    label = registry.add_label(first.prompt.id, "prod", number=1)
    assert registry.get("greeting", label="prod").number == 1
    assert registry.move_label(label.id, version_id=second.id).version_number == 2
    assert registry.move_label(label.id, number=1).version_id == first.id
    registry.delete_label(label.id)
    assert registry.labels("greeting") == ()
    with pytest.raises(UnknownPrompt):
        registry.delete_label(label.id)


def test_a_label_stands_once_on_a_template(registry: Registry) -> None:
    here, there = publish(registry), publish(registry, "other")
    registry.add_label(here.prompt.id, "prod", number=1)
    registry.add_label(there.prompt.id, "prod", number=1)
    with pytest.raises(RegistryConflict):
        registry.add_label(here.prompt.id, "prod", number=1)


def test_a_label_never_stands_at_another_templates_version(registry: Registry) -> None:
    here, there = publish(registry), publish(registry, "other")
    label = registry.add_label(here.prompt.id, "prod", number=1)
    for version_id in (there.id, 10**30):
        with pytest.raises(UnknownPrompt):
            registry.move_label(label.id, version_id=version_id)


def test_labels_of_deleted_templates_are_unknown(registry: Registry) -> None:
    publish(registry, labels=("prod",))
    (label,) = registry.labels("greeting")
    registry.delete("greeting")
    with pytest.raises(UnknownPrompt):
        registry.move_label(label.id, number=1)


# Lists


def test_pages_are_newest_first_and_tell_the_total(registry: Registry) -> None:
    for number in range(5):
        publish(registry, f"p{number}")
    page = registry.list(Listing(page=2, per_page=2))
    assert [version.prompt.name for version in page.versions] == ["p2", "p1"]
    assert page.total == 5
    assert registry.list(Listing(page=10**30, per_page=1000)).versions == ()


def test_each_filter_keeps_what_it_names(registry: Registry) -> None:
    publish(registry, "Straße", tags=("x", "y"), labels=("prod",))
    publish(registry, "Straße", template={"type": "completion"})
    publish(registry, "tone", is_snippet=True, external_ids=(CRM,), tags=("x",))
    publish(registry, "100% sure", snippets=(SnippetReference("used"),))
    publish(registry, "used")
    assert names(registry, name="STRASSE") == ["Straße"]
    assert names(registry, name="0% S") == ["100% sure"]
    assert names(registry, tags=("x",)) == ["tone", "Straße"]
    assert names(registry, tags=("x", "y")) == ["Straße"]
    assert names(registry, is_snippet=True) == ["used", "tone"]
    assert names(registry, is_snippet=False) == ["100% sure", "Straße"]
    assert names(registry, external_source="crm", external_id="42") == ["tone"]
    assert names(registry, external_source="crm", external_id="43") == []
    labelled = registry.list(Listing(label="prod"))
    assert [version.number for version in labelled.versions] == [1]
    assert labelled.total == 1


def test_lists_are_sorted_as_asked(registry: Registry) -> None:
    first = publish(registry, "b")
    publish(registry, "C")
    publish(registry, "a")
    publish(registry, "b")
    assert names(registry, sort_by="name", descending=False) == ["a", "b", "C"]
    assert names(registry, sort_by="id", descending=False) == ["b", "C", "a"]
    assert names(registry, sort_by="updated_at")[0] == "b"
    assert names(registry, created_before=first.created_at, sort_by="id") == ["b"]
    assert names(registry, created_after=first.created_at + 3600) == []
    assert names(registry, updated_before=first.created_at - 3600) == []
    assert len(names(registry, updated_after=first.created_at)) == 3


# Snippets


def test_uses_follow_labels_and_the_newest_version(registry: Registry) -> None:
    publish(registry, "tone", labels=("prod",))
    publish(registry, "newest", snippets=(SnippetReference("tone"),))
    publish(registry, "pinned", snippets=(SnippetReference("tone", 1), SnippetReference("tone", 1)))
    publish(registry, "released", snippets=(SnippetReference("tone", label="prod"),))
    assert using(registry) == ["newest", "pinned", "released"]
    assert using(registry, 1) == ["newest", "pinned", "released"]
    publish(registry, "tone")
    assert using(registry, 1) == ["pinned", "released"]
    assert using(registry, 2) == ["newest"]
    registry.delete("newest")
    assert using(registry, 2) == []
    with pytest.raises(UnknownPrompt):
        registry.uses("tone", number=3)


def using(registry: Registry, number: int | None = None) -> list[str]:
    return [use.prompt_name for use in registry.uses("tone", number=number)]


# Links of requests


def test_a_link_is_resolved_to_an_exact_version(registry: Registry) -> None:
    published = publish(registry, labels=("prod",))
    publish(registry)
    newest = registry.resolve(PromptLink("greeting", variables={"name": "Ada"}))
    assert newest == PromptLink("greeting", 2, None, {"name": "Ada"}, published.prompt.id)
    assert registry.resolve(PromptLink("greeting", label="prod")).version == 1
    assert registry.resolve(PromptLink("", 1, id=published.prompt.id)).name == "greeting"
    assert newest.is_exact


@pytest.mark.parametrize(
    "link", [PromptLink("nothing"), PromptLink("greeting", 9), PromptLink("greeting", id=99)]
)
def test_a_link_to_nothing_is_refused(registry: Registry, link: PromptLink) -> None:
    publish(registry)
    with pytest.raises(UnknownPrompt):
        registry.resolve(link)


def test_a_store_that_is_only_read_answers_too(registry: Registry, path: Path) -> None:
    published = publish(registry)
    with closing(Store.open(path, read_only=True)) as store:
        assert Registry(store).get("greeting") == published
