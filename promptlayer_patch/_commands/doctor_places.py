"""The destinations: those on this machine are tried here, the others are named for `doctor_network`."""

from __future__ import annotations

import os

from promptlayer_patch._commands.checking import Check, failed, ok
from promptlayer_patch._settings import Settings
from promptlayer_patch.exporters import Remote, remote, split

__all__ = ["checks", "remotes"]


def checks(settings: Settings) -> list[Check]:
    targets = [split(one) for one in settings.to if isinstance(one, str)]
    return [_store(target or settings.local_db) for scheme, target in targets if scheme == "local"]


def remotes(settings: Settings) -> list[Remote]:
    found = (remote(destination, settings) for destination in settings.to)
    return [one for one in found if one is not None]


def _store(target: str) -> Check:
    """Whether the file can be opened and written. A missing one is made, as the first record would."""
    from promptlayer_patch.store import StoreError
    from promptlayer_patch.store.connection import connect, located, plain_errors
    from promptlayer_patch.store.transaction import transaction

    try:
        path = located(os.path.expanduser(target))
        connection = connect(path, read_only=False)
        try:
            with plain_errors(path), transaction(connection, "IMMEDIATE"):
                connection.execute("PRAGMA user_version")
        finally:
            connection.close()
    except StoreError as error:
        return failed("local store", str(error))
    return ok("local store", f"{path} can be written")
