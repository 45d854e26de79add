"""A lock on a file that the kernel releases when its owner is gone, however it went."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        # flock and not lockf: it belongs to the descriptor, so that it tells two owners within one process
        # apart, and is not lost when the process closes another descriptor of the same file.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held from `taken` until `release`, or until this process ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def taken(cls, path: Path, *, new: bool) -> FileLock | None:
        """The lock on `path`, which is made if it is `new`; `None` if it is not there or somebody else's."""
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if new else 0)
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            if new:
                raise
            return None
        try:
            _try_lock(descriptor)
            # Its owner may have removed it between our two steps: then we have locked what nobody sees.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return cls(path, descriptor)
        except OSError:
            pass
        os.close(descriptor)
        return None

    def release(self, *, remove: bool) -> None:
        """Let others have it; `remove` the file first, if what it stood for is gone."""
        if remove:
            try:
                self._path.unlink()
            except OSError:
                pass  # Windows removes no open file; whoever finds it finds nothing beside it
        self.abandon()

    def abandon(self) -> None:
        """Close our descriptor. In a forked child, where it is a copy, the parent keeps the lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
