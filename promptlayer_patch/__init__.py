"""Record every OpenAI request of a process and send it to PromptLayer, with one line at startup.

import promptlayer_patch

promptlayer_patch.install(tags=["checkout"])
"""

from promptlayer_patch import group, templates, track
from promptlayer_patch._install import flush, install, stats, uninstall
from promptlayer_patch._parcels import Stats
from promptlayer_patch._receipts import receipt_of
from promptlayer_patch._scope import scope, suppress
from promptlayer_patch._version import __version__
from promptlayer_patch.records import Ending, Failure, Receipt, Record

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
    "stats",
    "suppress",
    "templates",
    "track",
    "uninstall",
]
