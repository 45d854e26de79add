"""Nothing is looked for on other machines: a fixture for suites of programs that are not ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where a program looks for another machine: for prices, to report usage, or past the stand-in."""
    elsewhere: list[object] = []
    look_up = socket.getaddrinfo

    def on_this_machine(host: object, *args: Any, **options: Any) -> Any:
        if host in ("127.0.0.1", "localhost", "::1", None):
            return look_up(host, *args, **options)  # type: ignore[arg-type]
        elsewhere.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "tests contact this machine only")

    monkeypatch.setattr(socket, "getaddrinfo", on_this_machine)
    yield
    assert elsewhere == []
