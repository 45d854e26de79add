"""Which Chromium the tests drive: the one that `CHROMIUM` names, else the system's.

As a program it sees to it that there is one: with rights and apt at hand it installs Debian's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

__all__ = ["MISSING", "found"]

MISSING = "no Chromium: install Debian's `chromium`, or name a program with CHROMIUM=/path"
_PACKAGES = ("chromium", "fonts-wqy-microhei")
"""With a font that has Chinese, or the pictures have boxes in its place."""
_INSTALL_S = 180
"""Where the packages cannot be reached, the tests are skipped rather than waited for."""
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def found() -> str | None:
    """The path of the program."""
    named = os.environ.get("CHROMIUM")  # noqa: TID251  for whoever runs the tests
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, _NAMES)), None)


def _install() -> None:
    apt = shutil.which("apt-get")
    named = "CHROMIUM" in os.environ  # noqa: TID251  for whoever runs the tests
    if named or apt is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    print("Installing Chromium for the browser tests.", flush=True)
    for arguments in (("update",), ("install", "-y", "--no-install-recommends", *_PACKAGES)):
        try:
            subprocess.run(
                [apt, "-qq", *arguments], check=False, stdout=subprocess.DEVNULL, timeout=_INSTALL_S
            )
        except subprocess.TimeoutExpired:
            return


if __name__ == "__main__":
    if found() is None:
        _install()
    if found() is None:
        print(f"The browser tests will be SKIPPED: {MISSING}", file=sys.stderr)
