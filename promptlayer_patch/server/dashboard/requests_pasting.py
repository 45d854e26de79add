"""The line that a program is started with to log here, for a list that is empty."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from promptlayer_patch.server.endpoints import Call
from promptlayer_patch.store.keys import HOME_WORKSPACE

__all__ = ["Pasted", "pasted"]

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Pasted:
    url: str
    """Where this server is, as the browser sees it."""
    key_file: str | None
    """Where a shell of this machine's user finds the key, quoted: no page has the key itself."""


def pasted(call: Call[Any, Any]) -> Pasted:
    url = f"http://{call.headers.get('host', '')}"
    workspace = call.workspace
    path = workspace.path.with_name(f"{workspace.path.name}.key")
    is_here = urlsplit(url).hostname in _LOOPBACK_NAMES and workspace.id == HOME_WORKSPACE and path.exists()
    return Pasted(url, shlex.quote(str(path)) if is_here else None)
