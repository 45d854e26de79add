"""The prompt registry of a store: templates, their versions, and the labels that stand at them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.store.registry import reading, writing
from promptlayer_patch.store.registry.listing import listed
from promptlayer_patch.store.registry.models import (
    Draft,
    ExternalId,
    Label,
    Listing,
    Published,
    SnippetUse,
    TemplatePage,
    UnknownPrompt,
    Version,
)
from promptlayer_patch.store.sqlite import Store
from promptlayer_patch.store.transaction import transaction

__all__ = ["Registry"]

_T = TypeVar("_T")


class Registry:
    """Prompt templates in a store's file, which any number of threads and processes may publish to.

    A template is named by its name, or by its id as a number or in digits; the name goes first. Raises
    `UnknownPrompt` for what is not there, `RegistryConflict` for what is taken, and what `Store` raises.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, identifier: str | int, *, number: int | None = None, label: str | None = None) -> Version:
        """The version at the label, else the one of this number, else the newest."""
        return self._read(
            lambda connection: reading.find_version(
                connection, reading.find_prompt(connection, identifier), number, label
            )
        )

    def versions(
        self, identifier: str | int, *, before: int | None = None, limit: int = 50
    ) -> tuple[Version, ...]:
        """Versions of a template, newest first; the next page is the one `before` this page's last number."""
        return self._read(
            lambda connection: tuple(
                reading.versions(connection, reading.find_prompt(connection, identifier), before, limit)
            )
        )

    def list(self, wanted: Listing) -> TemplatePage:
        """A page of templates."""
        return self._store.run(lambda connection: listed(connection, wanted))

    def publish(self, draft: Draft, *, prompt_id: int | None = None) -> Published:
        """A new version of the template of this name, which is made if there is none; or of `prompt_id`.

        All of the draft is kept, or nothing.
        """

        def work(connection: sqlite3.Connection) -> Published:
            if prompt_id is not None:
                return _published(connection, reading.find_prompt(connection, prompt_id), draft)
            return _published(connection, _named(connection, draft.name), draft)

        return self._write(work)

    def publish_as(self, known: ExternalId, draft: Draft) -> Published:
        """A new version of the template that another system knows so.

        It gets the draft's name. Where there is none, the template of the draft's name gets the external id.
        """

        def work(connection: sqlite3.Connection) -> Published:
            prompt_id = reading.prompt_with(connection, known.source, known.external_id)
            if prompt_id is None:
                prompt_id = _named(connection, draft.name)
            else:
                writing.rename(connection, prompt_id, draft.name)
            external_ids = (known, *draft.external_ids)
            return _published(connection, prompt_id, replace(draft, external_ids=external_ids))

        return self._write(work)

    def delete(self, identifier: str | int) -> None:
        """Take a template out of use. Its name may be given again; its id is not."""
        self._write(
            lambda connection: writing.delete(connection, reading.find_prompt(connection, identifier))
        )

    def labels(self, identifier: str | int) -> tuple[Label, ...]:
        """The release labels of a template, by name."""
        return self._read(
            lambda connection: tuple(reading.labels(connection, reading.find_prompt(connection, identifier)))
        )

    def add_label(
        self, prompt_id: int, name: str, *, number: int | None = None, version_id: int | None = None
    ) -> Label:
        """A new release label at a version, by its number or by its own id."""

        def work(connection: sqlite3.Connection) -> Label:
            known = reading.find_prompt(connection, prompt_id)
            at = _version_of(connection, known, number, version_id)
            return reading.label_by_id(connection, writing.add_label(connection, known, name, at))

        return self._write(work)

    def move_label(self, label_id: int, *, number: int | None = None, version_id: int | None = None) -> Label:
        """The release label stands at another version from now on."""

        def work(connection: sqlite3.Connection) -> Label:
            label = reading.label_by_id(connection, label_id)
            at = _version_of(connection, label.prompt_id, number, version_id)
            writing.move_label(connection, label_id, at)
            return reading.label_by_id(connection, label_id)

        return self._write(work)

    def delete_label(self, label_id: int) -> None:
        """Take a release label off its template."""

        def work(connection: sqlite3.Connection) -> None:
            label = reading.label_by_id(connection, label_id)
            connection.execute("DELETE FROM release_labels WHERE id = ?", (label.id,))

        self._write(work)

    def uses(self, identifier: str | int, *, number: int | None = None) -> tuple[SnippetUse, ...]:
        """Which versions have the template's text in theirs, of all its versions or of one."""
        return self._read(
            lambda connection: tuple(
                reading.uses(connection, reading.find_prompt(connection, identifier), number)
            )
        )

    def resolve(self, link: PromptLink) -> PromptLink:
        """The same link, with the id of the template, its name and the number of the version.

        By id where there is one, else by name; at the label, else the version, else the newest.
        """

        def work(connection: sqlite3.Connection) -> PromptLink:
            wanted = link.name if link.id is None else link.id
            prompt_id = reading.find_prompt(connection, wanted)
            version = reading.find_version(connection, prompt_id, link.version, link.label)
            return replace(link, name=version.prompt.name, version=version.number, id=prompt_id)

        return self._read(work)

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return self._store.run(lambda connection: _within(connection, "DEFERRED", work))

    def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        # IMMEDIATE: numbers and names are chosen by what is there, so nobody else may write in between.
        return self._store.run(lambda connection: _within(connection, "IMMEDIATE", work))


def _within(connection: sqlite3.Connection, kind: str, work: Callable[[sqlite3.Connection], _T]) -> _T:
    with transaction(connection, kind):
        return work(connection)


def _named(connection: sqlite3.Connection, name: str) -> int:
    known = reading.named(connection, name)
    return writing.create_prompt(connection, name) if known is None else known


def _published(connection: sqlite3.Connection, prompt_id: int, draft: Draft) -> Published:
    version = reading.version_by_id(connection, writing.publish(connection, prompt_id, draft))
    return Published(version, version.number == 1)


def _version_of(
    connection: sqlite3.Connection, prompt_id: int, number: int | None, version_id: int | None
) -> int:
    if version_id is None:
        return reading.version_id_of(connection, prompt_id, number, None)
    query = "SELECT id FROM prompt_versions WHERE prompt_id = ? AND id = ?"
    if version_id >= 2**63 or connection.execute(query, (prompt_id, version_id)).fetchone() is None:
        raise UnknownPrompt("the prompt template has no version of this id")
    return version_id
