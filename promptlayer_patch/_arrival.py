"""Being told when a module is first imported, without importing anything for it.

wrapt has post-import hooks, but importing wrapt costs as much as asyncio. So `install()` leaves only this
small finder behind, and wrapt is loaded when the module it is needed for is.
"""

from __future__ import annotations

import sys

from promptlayer_patch._guard import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any


class Arrival:
    """Calls `announce()` once, just before the module `name` is imported; at once if it already is."""

    def __init__(self, name: str, announce: Callable[[], None]) -> None:
        self._name = name
        self._announce = announce

    def wait(self) -> None:
        if self._name in sys.modules:
            self._announce()
        elif self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def forget(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> Any:
        """Part of the import system's protocol: we know of no module, we only listen."""
        if name == self._name:
            try:
                self.forget()
                self._announce()
            except Exception as fault:
                # Anything raised here would fail the user's own import.
                report(f"preparing to patch {name}", fault)
        return None


class Settling:
    """Calls `announce(module)` when the module `name`, which is being imported now, has been."""

    def __init__(self, name: str, announce: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._announce = announce

    def wait(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> Any:
        """Asked for every module that is imported from now on: an occasion to look."""
        try:
            module = sys.modules.get(self._name)
            if not is_unfinished(module) and self in sys.meta_path:
                sys.meta_path.remove(self)
                if module is not None:
                    self._announce(module)
        except Exception as fault:
            report(f"waiting for {self._name}", fault)
        return None


def is_unfinished(module: object) -> bool:
    """Whether a module that is in `sys.modules` is still being executed."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
