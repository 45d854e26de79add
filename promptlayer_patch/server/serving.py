"""`promptlayer_patch.serve()`: a server in this process, for notebooks and tests."""

from __future__ import annotations

import os

from promptlayer_patch._settings import read_settings
from promptlayer_patch.server.running import Server

__all__ = ["serve"]


def serve(db: str | os.PathLike[str] | None = None, *, port: int = 0) -> Server:
    """Serve PromptLayer's protocol over the store `db` on this machine, in the background.

    `db` is a path; by default it is the local store that `install(to="local:")` writes. The server listens on
    127.0.0.1, on a free port unless `port` says which. It has `url` and `api_key`, and ends with `stop()` or
    with the `with` block around it; it also ends with the process.

    Raises `ServerError` where the port is taken and `StoreError` where the store cannot be used.
    """
    path = os.path.abspath(os.path.expanduser(os.fspath(db or read_settings().local_db)))
    return Server(path, port=port).start()
