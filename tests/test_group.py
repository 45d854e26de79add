"""Groups where no PromptLayer is asked; the rest is in tests/test_registry_calls.py."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

import promptlayer_patch
from promptlayer_patch import group, track
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.store import Store
from tests.support.programs import printed
from tests.support.wire import MODEL, Wire

HELLO = [{"role": "user", "content": "Hello"}]


def test_the_local_store_makes_groups_of_its_own(tmp_path: Path) -> None:
    promptlayer_patch.install(to=f"local:{tmp_path / 'requests.db'}")
    first, second = group.create(), group.create()
    with promptlayer_patch.scope(group=first) as calls:
        answer = Wire().client().chat.completions.create(model=MODEL, messages=HELLO)
    track.group(answer, second)
    promptlayer_patch.flush()
    with closing(Store.open(tmp_path / "requests.db", read_only=True)) as store:
        found = store.get(calls.request_id())
    assert found is not None
    assert found.groups == (first, second) == (1, 2)


def test_memory_makes_groups_too(sink: MemoryExporter) -> None:
    assert [group.create(), group.create()] == [1, 2]


WITHOUT_AN_ACCOUNT = """
from promptlayer_patch import group
print(group.create())
print(group.create())
"""


def test_without_an_account_or_install_the_group_is_in_the_local_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert printed(WITHOUT_AN_ACCOUNT) == ["1", "2"]


def test_an_exporter_that_makes_no_groups_leaves_that_to_promptlayer() -> None:
    class Exporter:
        def export(self, batch: object) -> list[object]:
            return []

        def close(self) -> None: ...

    promptlayer_patch.install(to=Exporter())  # type: ignore[arg-type]
    with pytest.raises(promptlayer_patch.errors.InvalidArgument, match="api_key"):
        group.create()
