"""Which workspace a key opens, asked for every request and so remembered for a moment."""

from __future__ import annotations

import hmac
import time

from promptlayer_patch.server.workspaces import Workspace, Workspaces
from promptlayer_patch.store.keys import HOME_WORKSPACE, Keys

__all__ = ["Keyring"]

_REMEMBERED_S = 1.0
_MOST_REMEMBERED = 1_000


class Keyring:
    """The keys of one server. A key that is revoked elsewhere is refused within a second."""

    def __init__(self, workspaces: Workspaces, local_key: str | None) -> None:
        self._workspaces = workspaces
        self._local_key = local_key
        """Opens the home workspace without being kept in it; `None` where other machines reach the server."""
        self._keys = Keys(workspaces.home.store)
        self._known: dict[str, tuple[float, int | None]] = {}

    @property
    def home(self) -> Workspace:
        return self._workspaces.home

    def workspace(self, number: int) -> Workspace:
        return self._workspaces.get(number)

    def workspace_of(self, key: str) -> Workspace | None:
        number = self._number_of(key)
        return None if number is None else self._workspaces.get(number)

    def _number_of(self, key: str) -> int | None:
        now = time.monotonic()
        until, number = self._known.get(key, (0.0, None))
        if now >= until:
            number = HOME_WORKSPACE if self._is_local(key) else self._keys.workspace_of(key)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = (now + _REMEMBERED_S, number)
        return number

    def _is_local(self, key: str) -> bool:
        # Compared whole, whatever its beginning: the time it takes tells nothing.
        expected = self._local_key
        return expected is not None and hmac.compare_digest(key.encode(), expected.encode())
