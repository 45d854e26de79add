"""Record every OpenAI request of a process and send it to PromptLayer, with one line at startup.

import promptlayer_patch

promptlayer_patch.install(tags=["checkout"])
"""

from promptlayer_patch._install import flush, install, stats, uninstall
from promptlayer_patch._version import __version__

# As type checkers know it: typing itself takes longer to load than all that `install()` needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from promptlayer_patch import group, templates, testing, track
    from promptlayer_patch._capture.receipts import receipt_of
    from promptlayer_patch._delivery.parcels import Stats
    from promptlayer_patch._scope import scope, suppress
    from promptlayer_patch.records import Ending, Failure, Receipt, Record
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


_MODULES = frozenset({"group", "templates", "testing", "track"})
_DEFINED_IN = {
    "Ending": "records",
    "Failure": "records",
    "Receipt": "records",
    "Record": "records",
    "Stats": "_delivery.parcels",
    "receipt_of": "_capture.receipts",
    "scope": "_scope",
    "suppress": "_scope",
}
"""What a program loads that names it; the others do not pay for it."""


def __getattr__(name: str) -> "Any":
    if name == "serve":
        return _serve()
    if name not in _MODULES and name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(f"{__name__}.{_DEFINED_IN[name]}"), name)
    globals()[name] = value  # found without us from now on
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})


def _serve() -> "Any":
    try:
        from promptlayer_patch.server.serving import serve
    except ImportError as error:
        message = f"{error.name} is missing: serve() needs `pip install 'promptlayer-patch[server]'`"
        raise ImportError(message, name=error.name) from error
    return serve
