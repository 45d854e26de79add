"""The prompt registry of a workspace, whose noes become refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.server.refusals import Conflict, NotFound
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store.registry.models import RegistryConflict, UnknownPrompt
from promptlayer_patch.store.registry.registry import Registry

__all__ = ["reading", "resolved", "writing"]


@contextmanager
def reading(workspace: Workspace) -> Iterator[Registry]:
    """The registry to look things up in."""
    with workspace.reading() as store, _refusing():
        yield Registry(store)


@contextmanager
def writing(workspace: Workspace) -> Iterator[Registry]:
    """The registry to change."""
    with _refusing():
        yield Registry(workspace.store)


def resolved(workspace: Workspace, link: PromptLink) -> PromptLink:
    """What a client says of a request's template, made exact; refused with 404 if there is none such."""
    with reading(workspace) as registry:
        return registry.resolve(link)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except UnknownPrompt as lack:
        raise NotFound(str(lack)) from None
    except RegistryConflict as conflict:
        raise Conflict(str(conflict)) from None
