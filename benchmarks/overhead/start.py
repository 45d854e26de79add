"""A fresh process of a variant: it switches it on, makes one call, and says what that took.

What this module itself imports would be free for the variant, hence so little.
"""

from __future__ import annotations

import sys
import time


def main() -> None:
    """Print milliseconds of CPU until it is on, the modules imported by then, and until a call was made."""
    setup, url, folder = sys.argv[1:]
    module, _, function = setup.partition(".")
    switch_on = getattr(__import__(f"benchmarks.overhead.{module}", fromlist=[function]), function)
    modules, began = len(sys.modules), time.process_time()
    ready = switch_on(url, folder)
    installed, modules = time.process_time(), len(sys.modules) - modules

    from benchmarks.overhead.calls import Caller

    Caller(ready).block("chat-1k", 1, 1)
    called = time.process_time()
    print((installed - began) * 1e3, modules, (called - began) * 1e3)
