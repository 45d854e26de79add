"""`promptlayer-patch serve`: PromptLayer's protocol over the local store, until it is told to stop."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.showing import plural
from promptlayer_patch._settings import read_settings
from promptlayer_patch._version import __version__

if TYPE_CHECKING:
    from promptlayer_patch.server.running import Server

__all__ = ["add_arguments", "run"]

DEFAULT_PORT = 8765
_LOOK_S = 0.5
"""Some systems tell a thread that waits for an event of no signal: it has to look up at times."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--db", metavar="PATH", help="the store to serve, in place of your own local one")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="(%(default)s)")
    parser.add_argument(
        "--port", type=_port, metavar="N", help=f"({DEFAULT_PORT}, or a free one where that is in use)"
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        dest="names",
        metavar="NAME[:PORT]",
        help="another name that clients call this server by; may be given several times",
    )
    parser.add_argument(
        "--demo", action="store_true", help="serve a store of its own that is filled with invented requests"
    )


def run(chosen: argparse.Namespace) -> None:
    """Raises `CommandFailed` or the server's own errors."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    stopped = _stop_signal()
    with _started(chosen) as server:
        if chosen.demo:
            _fill(server, sys.stdout)
        _collect_less()
        _announce(server, sys.stdout)
        while server.is_serving and not stopped.wait(_LOOK_S):
            pass
        print("Stopping: what is under way is finished first.", flush=True)


def _collect_less() -> None:
    """Keep the garbage collector from going through all that was imported, and every few requests.

    The process is ours, and what a request leaves behind is nearly free of cycles; those that wait for the
    index are most of what would be gone through.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(30_000, 20, 20)


def _started(chosen: argparse.Namespace) -> Server:
    try:
        from promptlayer_patch.server.running import Server, ServerError
    except ImportError as error:
        raise CommandFailed(
            f"{error.name} is missing: the server needs `pip install 'promptlayer-patch[server]'`"
        ) from error
    db = chosen.db or read_settings().local_db
    if chosen.demo and not chosen.db:
        db = os.path.join(os.path.dirname(db), "demo.db")
    db = os.path.abspath(os.path.expanduser(db))
    if chosen.port is not None:
        return Server(db, host=chosen.host, port=chosen.port, names=chosen.names).start()
    try:
        return Server(db, host=chosen.host, port=DEFAULT_PORT, names=chosen.names).start()
    except ServerError as error:
        if not error.is_port_taken:
            raise
        return Server(db, host=chosen.host, names=chosen.names).start()


def _stop_signal() -> threading.Event:
    """Set by the first signal that asks for the end; a second one ends at once."""
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stopped.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    return stopped


def _announce(server: Server, out: TextIO) -> None:
    print(
        f"promptlayer_patch {__version__} serves {server.db} ({plural(server.count(), 'request')}).", file=out
    )
    print(f"\n  Look     {server.link}", file=out)
    print(f"  URL      {server.url}", file=out)
    if server.api_key is None:
        print("  API key  one of those that `promptlayer-patch keys` lists", file=out)
    else:
        print(f"  API key  {server.api_key}", file=out)
        print("\nAny client of PromptLayer's logs here with\n", file=out)
        print(f"  export PROMPTLAYER_BASE_URL={server.url} PROMPTLAYER_API_KEY={server.api_key}", file=out)
    print("\nCtrl-C ends it.", file=out, flush=True)


def _fill(server: Server, out: TextIO) -> None:
    from promptlayer_patch.demo.history import fill

    fill(server.db, out)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65536:
        raise ValueError
    return port


_port.__name__ = "port"
