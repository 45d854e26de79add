"""Who has opened the dashboard: a link that is good for one start, and what a browser gets for it."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from promptlayer_patch.store.keys import HOME_WORKSPACE

__all__ = ["Sessions"]

_MOST = 1_000


class Sessions:
    """Browsers that were let in, for as long as the server runs.

    The cookie has the port in its name: cookies do not know ports, and two servers on one machine would put
    each other's browsers out.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(24)
        """In the link that is shown at the start; worth the home workspace."""
        self._name = f"promptlayer_patch_{port}"
        self._open: OrderedDict[str, int] = OrderedDict()

    def admits(self, token: str) -> bool:
        """Whether `token` is that of this start."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def cookie(self, workspace_id: int = HOME_WORKSPACE) -> str:
        """A `Set-Cookie` that lets a browser into the workspace."""
        secret = secrets.token_urlsafe(32)
        self._open[secret] = workspace_id
        while len(self._open) > _MOST:
            self._open.popitem(last=False)
        return f"{self._name}={secret}; Path=/; HttpOnly; SameSite=Strict"

    def workspace_in(self, headers: Mapping[str, str]) -> int | None:
        """The workspace that the browser behind these headers was let into."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._name)
        except CookieError:
            return None
        return None if found is None else self._open.get(found.value)

    def end(self, headers: Mapping[str, str]) -> str:
        """Put that browser out; the `Set-Cookie` that makes it forget."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._name)
        except CookieError:
            found = None
        if found is not None:
            self._open.pop(found.value, None)
        return f"{self._name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
