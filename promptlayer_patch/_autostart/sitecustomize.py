"""Run by Python itself as it starts, where `promptlayer-patch run` has put this directory on its path.

It leaves a finder behind, which starts recording when openai is imported, and steps aside: the directory
leaves the path, and the `sitecustomize` that would have been found without it runs in its place. Any Python
may come across this file, also one that promptlayer_patch is not made for or not installed in. So its syntax
is old, it needs nothing that is not loaded by then, and a program that does not use openai pays next to
nothing.
"""

import os
import sys

# As type checkers know it: typing itself takes longer to load than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class Start:
    """Starts recording just before openai is imported."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Part of the import system's protocol."""
        if name != "openai" or not _removed(self):
            return None
        _record()
        # What has been installed listens too, in a place that this search has passed: all are asked anew.
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(name, path, target)
            if spec is not None:
                return spec
        return None


def _removed(finder: Start) -> bool:
    try:
        sys.meta_path.remove(finder)
    except ValueError:
        return False  # another thread was faster
    return True


def _record() -> None:
    try:
        from promptlayer_patch._autostart import activate

        activate()
    except Exception as fault:
        _say(fault)


def _say(fault: Exception) -> None:
    try:
        import logging

        # Of an ImportError the text is known to be harmless.
        why = str(fault) if isinstance(fault, ImportError) else type(fault).__name__
        logger = logging.getLogger("promptlayer_patch")
        logger.warning("OpenAI requests are not recorded by %s: %s", sys.executable, why)
    except Exception:
        pass


def _step_aside() -> None:
    """Whatever this raises, `site` treats as it would have without us."""
    here = os.path.dirname(__file__)
    sys.path[:] = [entry for entry in sys.path if entry != here]
    sys.path_importer_cache.pop(here, None)
    sys.modules.pop(__name__, None)
    __import__(__name__)


if __name__ == "sitecustomize":
    if "openai" in sys.modules:
        _record()
    else:
        sys.meta_path.insert(0, Start())
    _step_aside()
