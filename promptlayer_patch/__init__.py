"""Record every OpenAI request of a process and send it to PromptLayer, with one line at startup.

import promptlayer_patch

promptlayer_patch.install(tags=["checkout"])
"""

from typing import TYPE_CHECKING, Any

from promptlayer_patch import track
from promptlayer_patch._install import flush, install, stats, uninstall
from promptlayer_patch._parcels import Stats
from promptlayer_patch._receipts import receipt_of
from promptlayer_patch._scope import scope, suppress
from promptlayer_patch._version import __version__
from promptlayer_patch.records import Ending, Failure, Receipt, Record

if TYPE_CHECKING:
    from promptlayer_patch import group, templates, testing
    from promptlayer_patch.server.serving import serve

__all__ = [
    "Ending",
    "Failure",
    "Receipt",
    "Record",
    "Stats",
    "__version__",
    "flush",
    "group",
    "install",
    "receipt_of",
    "scope",
    "serve",
    "stats",
    "suppress",
    "templates",
    "testing",
    "track",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    # What most programs never use is no part of the time that this import takes.
    if name in ("group", "templates", "testing"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    if name == "serve":
        return _serve()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _serve() -> Any:
    try:
        from promptlayer_patch.server.serving import serve
    except ImportError as error:
        message = f"{error.name} is missing: serve() needs `pip install 'promptlayer-patch[server]'`"
        raise ImportError(message, name=error.name) from error
    return serve
