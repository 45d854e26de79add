"""`python -m promptlayer_patch` is the command `promptlayer-patch`."""

from __future__ import annotations

import sys

from promptlayer_patch.cli import main

if __name__ == "__main__":
    sys.exit(main())
