"""Paths without symbolic links, of which none may be another user's trap.

Whoever may write a directory can put a link, or a file of his own, where ours is expected: then requests are
written where he reads them. The kernel asks the same of whoever follows a link (`protected_symlinks`), but
not everywhere, and not where a path is resolved before it is opened.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

__all__ = ["resolved"]

_MOST_LINKS = 40


def resolved(path: str | os.PathLike[str]) -> str:
    """What `path` leads to, which need not be there.

    Raises `PermissionError` for a link in a directory that everybody may write, unless it is one like /tmp,
    where nobody replaces what is another's, and the link belongs to this user or the directory's owner. In
    such a directory the same holds of the file.
    """
    if sys.platform == "win32":
        return os.path.realpath(path)  # access is no matter of modes there
    here, links = "/", 0
    whole = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
    ahead = os.fspath(whole).split("/")[::-1]
    while ahead:
        name = ahead.pop()
        one = os.path.dirname(here) if name == ".." else os.path.join(here, name)
        target = _target(one) if name not in ("", ".", "..") else None
        if target is None:
            here = os.path.normpath(one)
            continue
        _refuse_planted("symbolic link", one, here, where_all_replace=True)
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), one)
        here = "/" if target.startswith("/") else here
        ahead += target.split("/")[::-1]
    if os.path.isfile(here):
        # Not where all may replace it, as in many a container's volume: whose it is says nothing there.
        _refuse_planted("file", here, os.path.dirname(here), where_all_replace=False)
    return here


def _target(path: str) -> str | None:
    """Where the link leads; `None` if it is no link, or not there."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def _refuse_planted(kind: str, path: str, directory: str, *, where_all_replace: bool) -> None:
    """Refuse what another user may have put there, and what all may replace if they are to be refused."""
    place = os.stat(directory)
    if sys.platform == "win32" or not place.st_mode & stat.S_IWOTH:
        return
    if place.st_mode & stat.S_ISVTX:
        refused = os.lstat(path).st_uid not in (os.geteuid(), place.st_uid)
    else:
        refused = where_all_replace
    if refused:
        raise PermissionError(
            errno.EACCES,
            f"another user may have put the {kind} {path} there, as everybody may write {directory}",
            path,
        )
