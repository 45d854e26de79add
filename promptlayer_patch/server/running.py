"""A server from its start to its end: the socket, the stores, the threads."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import threading
from collections.abc import Sequence
from types import TracebackType

import uvicorn

from promptlayer_patch.errors import PromptLayerError
from promptlayer_patch.server.app import Application
from promptlayer_patch.server.guarding import Gate
from promptlayer_patch.server.keyring import Keyring
from promptlayer_patch.server.protocol import PatientProtocol
from promptlayer_patch.server.sessions import Sessions
from promptlayer_patch.server.table import ENDPOINTS
from promptlayer_patch.server.workspaces import Workspaces
from promptlayer_patch.store.connection import located
from promptlayer_patch.store.keys import Keys, local_key

__all__ = ["Server", "ServerError"]

_BACKLOG = 512
_MOST_CONNECTIONS = 1_000
_GRACE_S = 5
_KEEP_ALIVE_S = 75
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_SCHEMES_OWN = ("80", "443")


class ServerError(PromptLayerError):
    """The server cannot start; the message says why."""

    def __init__(self, message: str, *, is_port_taken: bool = False) -> None:
        super().__init__(message)
        self.is_port_taken = is_port_taken


class Server:
    """PromptLayer's protocol over one store, on one port.

    `run` serves until it is told to stop, `start` does so on a thread of its own. A server is used once.
    """

    def __init__(
        self,
        db: str | os.PathLike[str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        names: Sequence[str] = (),
    ) -> None:
        self._socket = _listening(host, port)
        try:
            self._workspaces = Workspaces(located(db))
        except BaseException:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self.db = self._workspaces.path
        private = _is_loopback(host)
        try:
            self.api_key = self._key(private, names)
        except BaseException:
            self.close()
            raise
        self.url = f"http://{_in_url(host)}:{self.port}"
        keyring = Keyring(self._workspaces, self.api_key)
        gate = Gate(_hosts(host, self.port, names))
        sessions = Sessions(self.port)
        self.link = f"{self.url}/?token={sessions.token}"
        """Opens the dashboard; good for this start."""
        self._uvicorn = uvicorn.Server(_config(Application(ENDPOINTS, keyring, gate, sessions)))
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve on this thread until a signal or `stop`; then finish what is under way and let go of all."""
        try:
            self._uvicorn.run(sockets=[self._socket])
        finally:
            self.close()

    def start(self) -> Server:
        """Serve on a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="promptlayer_patch-server", daemon=True)
        # Nothing to wait for: the socket listens, so whoever connects now is answered when the thread runs.
        self._thread.start()
        return self

    @property
    def is_serving(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def count(self) -> int:
        """How many requests the home workspace has."""
        return self._workspaces.home.store.count()

    def stop(self) -> None:
        """Finish what is under way, then end. May be called again."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        self._socket.close()
        self._workspaces.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.url} of {self.db}>"

    def _key(self, private: bool, names: Sequence[str]) -> str | None:
        """This machine's own key; where others can reach the server, it takes only keys that were made."""
        if private:
            return local_key(self.db)
        if not Keys(self._workspaces.home.store).all():
            raise ServerError(
                "other machines could reach this server, and there is no key for them: make one with "
                "`promptlayer-patch keys create NAME`, or serve on 127.0.0.1"
            )
        if not names:
            raise ServerError("say by which names other machines reach this server: --name NAME[:PORT]")
        return None


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # The protocol is named, as asyncio else takes the socket for one that has no Nagle's algorithm to
        # switch off; every answer would then wait 40 ms for the client's acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name != "nt":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except (OSError, OverflowError) as error:
        raise ServerError(f"cannot serve on {host}:{port}: {error}") from error
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise ServerError(f"cannot serve on {host}:{port}: {error}", is_port_taken=taken) from error
    return listener


def _config(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=PatientProtocol,
        log_config=None,  # the program's logging is its own
        access_log=False,
        proxy_headers=False,  # who asks is who has connected, whatever else is said
        server_header=False,
        ws="none",
        lifespan="off",
        limit_concurrency=_MOST_CONNECTIONS,
        # A client that pauses between two requests must not meet the end of its connection.
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _hosts(host: str, port: int, names: Sequence[str]) -> list[str]:
    """What clients may call the server by; every name with its port, as nothing else is exact."""
    own = dict.fromkeys((*_LOOPBACK_NAMES, _in_url(host)))
    return [f"{name}:{port}" for name in own] + [given for name in names for given in _given(name, port)]


def _given(name: str, port: int) -> tuple[str, ...]:
    """The name with its port; and without it, where clients leave it out because it is their scheme's own."""
    if ":" not in name.rpartition("]")[2]:
        return (f"{name}:{port}",)
    alone, _, named = name.rpartition(":")
    return (name, alone) if named in _SCHEMES_OWN else (name,)
