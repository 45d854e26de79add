"""What `promptlayer-patch run` leaves in a program: recording from `import openai` on.

This directory is what the command puts on the program's path; `sitecustomize` in it is what Python runs.
"""

from __future__ import annotations

import os

from promptlayer_patch._guard import log
from promptlayer_patch._install import install
from promptlayer_patch._process import is_undecided
from promptlayer_patch.errors import InvalidArgument

__all__ = ["DIRECTORY", "activate"]

DIRECTORY = os.path.dirname(os.path.abspath(__file__))


def activate() -> None:
    """`install()` with what the environment says, unless the program has decided about that itself.

    A wrong setting is logged and not raised: nobody in this program has asked for anything.
    """
    try:
        if is_undecided():
            install()
    except InvalidArgument as wrong:
        log.warning("OpenAI requests are not recorded: %s", wrong)
